"""Balancing the classes of one training fold.

Source: scATD (bbaf268), `golden/scatd` sections 4.2 and 4.3. The published code decides the
multipliers on all rows before the folds are cut; scatd decides them on the training fold (defect
D6) and shares only the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.nn.products import fast_products
from scatd.nn.residual_vae import ResidualVAE, sample_latent
from scatd.training.draws import Draws
from scatd.training.settings import MultiplierMode

SMOTE_NEIGHBOURS = 5
NEIGHBOUR_BLOCK = 4096
NEIGHBOUR_DOUBT = 1e-5
"""Share of the squared lengths under which single precision cannot tell two distances apart."""
DOUBTFUL_BLOCK = 1024


@dataclass(frozen=True)
class Multipliers:
    """How many times its rows each class shall have, the majority and the minority."""

    majority: float
    minority: float


def multipliers(
    n_majority: int,
    n_minority: int,
    *,
    mode: MultiplierMode = "auto",
    preset: Multipliers = Multipliers(1.0, 1.5),
) -> Multipliers:
    """Published rule for how much to augment.

    A gap under 30 % of the majority is closed exactly, in both modes. Otherwise `preset` is taken,
    or (auto) 1.5 for the majority and the minority brought level, at most fourfold; if the minority
    then still has less than half of the majority, the majority is left as it is.
    """
    if n_majority - n_minority < 0.3 * n_majority:
        return Multipliers(1.0, n_majority / n_minority)
    if mode == "preset":
        return preset
    minority = float(np.clip(1.5 * n_majority / n_minority, 1.2, 4))
    if n_minority * minority < 0.5 * n_majority * 1.5:
        return Multipliers(1.0, float(np.clip(n_majority / n_minority, 1.2, 4)))
    return Multipliers(1.5, minority)


def n_generated(codes: NDArray[np.int_], wanted: Multipliers) -> tuple[int, int]:
    """Number of rows to generate for class 0 and class 1; the larger class is the majority."""
    counts = np.bincount(codes, minlength=2)
    majority = int(counts[1] > counts[0])
    return (
        int(((wanted.majority if majority == 0 else wanted.minority) - 1) * counts[0]),
        int(((wanted.majority if majority == 1 else wanted.minority) - 1) * counts[1]),
    )


def generate(
    vae: ResidualVAE,
    X: Tensor,
    codes: NDArray[np.int_],
    wanted: Multipliers,
    draws: Draws,
    posterior: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, NDArray[np.int_]]:
    """New rows decoded from posterior draws of real rows of the same class.

    Parameters
    ----------
    vae
        In eval mode.
    X
        Aligned training rows (n_obs, n_features).
    codes
        Their classes (n_obs,).
    posterior
        Mean and log-variance of the rows, where they are known already.

    Returns
    -------
    Generated rows, sensitive first, and their classes.
    """
    new_rows, new_codes = [X[:0]], [codes[:0]]
    with torch.no_grad(), fast_products():
        for code, n_new in enumerate(n_generated(codes, wanted)):
            if n_new == 0:
                continue
            of_class = torch.from_numpy(np.flatnonzero(codes == code)).to(X.device)
            if posterior is None:
                mu, logvar = vae.encode(X[of_class])
            else:
                mu, logvar = (part[of_class] for part in posterior)
            picks = draws.rows(len(of_class), n_new)
            z = sample_latent(mu[picks], logvar[picks], draws.normal(n_new, mu.shape[1]))
            new_rows.append(vae.decode(z))
            new_codes.append(np.full(n_new, code, dtype=codes.dtype))
    return torch.cat(new_rows), np.concatenate(new_codes)


def smote(
    X: NDArray[np.float32], codes: NDArray[np.int_], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int_]]:
    """Interpolate between minority neighbours until the classes are level (imbalanced-learn)."""
    from imblearn.over_sampling import SMOTE

    if len(set(np.bincount(codes))) == 1:
        return X, codes
    neighbours = min(SMOTE_NEIGHBOURS, int(np.bincount(codes).min()) - 1)
    if neighbours < 1:
        return X, codes
    return SMOTE(k_neighbors=neighbours, random_state=seed).fit_resample(X, codes)


def without_tomek_links(X: Tensor, codes: NDArray[np.int_]) -> NDArray[np.intp]:
    """Rows that stay when majority members of Tomek links are removed.

    Two rows of different classes are a Tomek link where each is the other's nearest row. Of classes
    of the same size the second counts as the majority, as in imbalanced-learn, which takes five
    times as long for the same answer.

    Source: Tomek, Two modifications of CNN, IEEE Trans. SMC 6, 769 (1976).
    """
    if len(X) < 2:
        return np.arange(len(X))
    nearest = nearest_rows(X)
    here = np.arange(len(X))
    counts = np.bincount(codes, minlength=2)
    majority = int(counts[1] >= counts[0])
    is_link = (nearest[nearest] == here) & (codes[nearest] != codes)
    return np.flatnonzero(~(is_link & (codes == majority)))


def nearest_rows(X: Tensor) -> NDArray[np.intp]:
    """For each row of X (n_obs, n_features), n_obs > 1, the nearest other (Euclidean).

    Distances come from products in single precision; where those cannot tell the nearest from
    others, these are measured again in double precision. Of copies the first is taken.
    """
    centred = X - X.mean(dim=0)
    found = []
    for rows in torch.arange(len(X), device=X.device).split(NEIGHBOUR_BLOCK):
        with fast_products():
            distances = _distances(centred, rows)
        nearest, best = distances.min(dim=1)
        lengths = centred[rows].square().sum(dim=1) + centred[best].square().sum(dim=1)
        is_candidate = distances <= (nearest + NEIGHBOUR_DOUBT * lengths)[:, None]
        doubtful = torch.nonzero(is_candidate.sum(dim=1) > 1).flatten()
        for some in doubtful.split(DOUBTFUL_BLOCK):
            best[some] = _measured(centred, rows[some], is_candidate[some])
        found.append(best)
    return torch.cat(found).cpu().numpy()


def _measured(X: Tensor, rows: Tensor, is_candidate: Tensor) -> Tensor:
    """Which candidate, of (n_rows, n_obs), is nearest to each row, in double precision."""
    row, other = torch.nonzero(is_candidate, as_tuple=True)
    distances = torch.full(is_candidate.shape, torch.inf, dtype=torch.float64, device=X.device)
    pairs = zip(row.split(DOUBTFUL_BLOCK), other.split(DOUBTFUL_BLOCK), strict=True)
    for here, there in pairs:
        apart = X[rows[here]].double() - X[there]
        distances[here, there] = apart.square().sum(dim=1)
    return distances.argmin(dim=1)


def _distances(X: Tensor, rows: Tensor) -> Tensor:
    """Squared distances of some rows to all, infinite to themselves."""
    squares = X.square().sum(dim=1)
    distances = squares - 2 * (X[rows] @ X.T) + squares[rows, None]
    distances[torch.arange(len(rows), device=X.device), rows] = torch.inf
    return distances


def class_weights(codes: NDArray[np.int_]) -> NDArray[np.float64]:
    """Balanced weights n / (2 n_c), as scikit-learn names them."""
    counts = np.bincount(codes, minlength=2)
    return len(codes) / (2 * counts)
