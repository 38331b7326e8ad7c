"""Tomek links: pairs of rows of different classes, each the nearest of all rows to the other.

Source: Tomek, Two modifications of CNN, IEEE Trans. SMC 6, 769 (1976).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.nn.moving import doubles
from scatd.nn.products import fast_products

BLOCK = 4096
DOUBT = 1e-5
"""Share of the squared lengths under which single precision cannot tell two distances apart."""
DOUBT_OF_DOUBLES = 1e-11
"""The same for products in double precision."""
DOUBTFUL_BLOCK = 256
PAIRS = 128
"""Pairs of rows that are measured at once: their doubles stay in a processor's cache."""


def without_tomek_links(X: Tensor, codes: NDArray[np.int_]) -> NDArray[np.intp]:
    """Rows that stay when majority members of Tomek links are removed, ascending.

    Of classes of the same size the second counts as the majority, as in imbalanced-learn, which
    takes many times as long for the same answer: it looks for the nearest row of every row, but
    only rows that are nearest to each other across the classes can be linked.

    Parameters
    ----------
    X
        Features (n_obs, n_features).
    codes
        Classes 0 and 1, (n_obs,).
    """
    n_of_class = np.bincount(codes, minlength=2)
    majority = int(n_of_class[1] >= n_of_class[0])
    if not n_of_class.all():
        return np.arange(len(codes))
    is_majority = torch.from_numpy(codes == majority).to(X.device)
    # Rows of a class lie in one piece, so that products need no copies of them.
    order = torch.argsort(is_majority, stable=True)
    ordered = X[order].sub_(X.mean(dim=0))
    n_minority = len(X) - int(n_of_class[majority])
    squares = torch.linalg.vector_norm(ordered, dim=1).square()
    rows = _nearest_across(ordered, squares, n_minority)
    nearest = torch.full((len(X),), -1, device=X.device)
    nearest[rows] = _nearest(ordered, squares, rows, n_minority, order)
    others = nearest[rows]
    linked = (nearest[others] == rows) & (others < n_minority)
    stays = torch.ones(len(X), dtype=torch.bool, device=X.device)
    stays[order[rows[linked & (rows >= n_minority)]]] = False
    return torch.nonzero(stays).flatten().cpu().numpy()


def _nearest_across(X: Tensor, squares: Tensor, n_first: int) -> Tensor:
    """Rows that may be nearest to a row of the other class which may be nearest to them.

    The first `n_first` rows are of one class, the others of the other.
    """
    theirs = slice(0, n_first)
    best = torch.full((n_first,), torch.inf, device=X.device)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for first in range(n_first, len(X), BLOCK):
        ours = slice(first, first + BLOCK)
        distances = _distances(X[ours], squares[ours], X[theirs], squares[theirs])
        best = torch.minimum(best, distances.amin(dim=0))
        is_candidate = _candidates(distances, squares[ours], squares[theirs])
        row, other = torch.nonzero(is_candidate, as_tuple=True)
        found.append((first + row, other, distances[row, other]))
    row, other, distance = (torch.cat(parts) for parts in zip(*found, strict=True))
    mutual = distance <= best[other] + DOUBT * (squares[row] + squares[other])
    return torch.cat([row[mutual], other[mutual]]).unique()


def _nearest(X: Tensor, squares: Tensor, rows: Tensor, n_first: int, order: Tensor) -> Tensor:
    """The nearest row to each of `rows`, of copies the first in `order`.

    Distances come from products in single precision. Where those cannot tell rows of both classes
    apart, products in double precision do, and where these cannot, differences. Which of its own
    class is nearest to a row does not matter.
    """
    found = []
    of_first = torch.arange(len(X), device=X.device) < n_first
    for some in rows.split(BLOCK):
        distances = _distances(X[some], squares[some], X, squares)
        distances[torch.arange(len(some), device=X.device), some] = torch.inf
        best = distances.argmin(dim=1)
        is_candidate = _candidates(distances, squares[some], squares)
        is_other = is_candidate & (of_first != of_first[some, None])
        is_doubtful = (is_candidate.sum(dim=1) > 1) & is_other.any(dim=1)
        doubtful = torch.nonzero(is_doubtful).flatten()
        for few in doubtful.split(DOUBTFUL_BLOCK) if len(doubtful) else ():
            left = _left_by_doubles(X, some[few], is_candidate[few])
            best[few] = _measured(X, some[few], left, order)
        found.append(best)
    return torch.cat(found)


def _distances(X: Tensor, squares: Tensor, others: Tensor, squares_others: Tensor) -> Tensor:
    """Squared Euclidean distances (n_rows, n_others) in single precision."""
    with fast_products():
        products = X @ others.T
    return products.mul_(-2).add_(squares_others).add_(squares[:, None])


def _candidates(distances: Tensor, squares: Tensor, squares_others: Tensor) -> Tensor:
    """Whether each of the others may be the nearest to each row, (n_rows, n_others).

    `squares` and `squares_others` are the squared lengths of the rows and of the others.
    """
    doubt = DOUBT if distances.dtype == torch.float32 else DOUBT_OF_DOUBLES
    best, at = distances.min(dim=1)
    return distances <= (best + doubt * (squares + squares_others[at]))[:, None]


def _left_by_doubles(X: Tensor, rows: Tensor, is_candidate: Tensor) -> Tensor:
    """Candidates of (n_rows, n_obs) that may be nearest by products in double precision.

    A product takes a hundredth of the time of a difference.
    """
    others = torch.nonzero(is_candidate.any(dim=0)).flatten()
    ours, theirs = doubles(X[rows]), doubles(X[others])
    squares, squares_others = ours.square().sum(dim=1), theirs.square().sum(dim=1)
    distances = (ours @ theirs.T).mul_(-2).add_(squares_others).add_(squares[:, None])
    distances[~is_candidate[:, others].cpu()] = torch.inf
    left = torch.zeros_like(is_candidate)
    left[:, others] = _candidates(distances, squares, squares_others).to(left.device)
    return left


def _measured(X: Tensor, rows: Tensor, is_candidate: Tensor, order: Tensor) -> Tensor:
    """Which candidate, of (n_rows, n_obs), is nearest to each row, in double precision.

    `order` says where rows stood before they were put in order by class; of equal candidates the
    one that stood first is taken.
    """
    row, other = torch.nonzero(is_candidate, as_tuple=True)
    distances = torch.full(is_candidate.shape, torch.inf, dtype=torch.float64)
    pairs = zip(row.split(PAIRS), other.split(PAIRS), strict=True)
    for here, there in pairs:
        apart = doubles(X[rows[here]]) - doubles(X[there])
        distances[here.cpu(), order[there].cpu()] = apart.square().sum(dim=1)
    return torch.argsort(order)[distances.argmin(dim=1).to(X.device)]
