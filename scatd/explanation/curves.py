"""Deletion and insertion curves: change of a score as the features of a list are removed or added.

Source: Petsiuk et al. 2018 (RISE). A feature is "deleted" by setting it to the baseline's value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.explanation.explainers.explainer import RESISTANT, Explainer
from scatd.nn.products import fast_products

LIST, RANDOM = "list", "random"
N_RANDOM = 5
_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


def counts_up_to(n: int) -> list[int]:
    """Numbers of features at which the curves are computed."""
    return [count for count in _COUNTS if count < n] + [n]


def deletion_insertion(
    explainer: Explainer, x: Tensor, baseline: Tensor, order: NDArray[np.intp], seed: int
) -> pd.DataFrame:
    """Curves for the order of the list, and for random orders.

    Parameters
    ----------
    x, baseline
        Aligned cells (n_obs, n_features) and (1, n_features).
    order
        Features, most important first. Features that never differ from the baseline are left out
        of the random orders, because such orders would be too easy to beat.

    Returns
    -------
    Columns `order` (list, random 1, ...), `n_features`, `deleted` and `inserted`. `deleted`: share
    of the difference from the baseline's logit that is lost when so many features take the
    baseline's value. `inserted`: share that so many features alone give. Both run from 0 to 1; high
    early is better.
    """
    moving = torch.nonzero((x != baseline).any(dim=0)).squeeze(1).cpu().numpy()
    rng = np.random.default_rng(seed)
    orders = {LIST: order[np.isin(order, moving)]}
    orders |= {f"{RANDOM} {i + 1}": rng.permutation(moving) for i in range(N_RANDOM)}
    with fast_products(), torch.no_grad():
        parts = [
            _curve(explainer, x, baseline, picked).assign(order=name)
            for name, picked in orders.items()
        ]
    return pd.concat(parts, ignore_index=True)[["order", "n_features", "deleted", "inserted"]]


def _curve(
    explainer: Explainer, x: Tensor, baseline: Tensor, order: NDArray[np.intp]
) -> pd.DataFrame:
    u, u0 = explainer.project(x), explainer.project(baseline)
    whole, empty = (explainer.values(end)[:, RESISTANT] for end in (u, u0))
    distance = (whole - empty).abs().mean().clamp_min(1e-12)
    moved = torch.zeros_like(u)
    rows, done = [], 0
    for count in counts_up_to(len(order)):
        some = torch.from_numpy(order[done:count].copy()).to(x.device)
        moved += explainer.shift(some, x[:, some] - baseline[:, some])
        done = count
        left, alone = (explainer.values(at)[:, RESISTANT] for at in (u - moved, u0 + moved))
        lost = (left - whole).abs().mean() / distance
        brought = 1 - (alone - whole).abs().mean() / distance
        rows.append({"n_features": count, "deleted": float(lost), "inserted": float(brought)})
    return pd.DataFrame(rows)


def areas(curves: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Mean height of the deletion and insertion curve over their points, by order.

    The numbers of features grow geometrically, so the first few features weigh as much as the last
    thousands.
    """
    means = curves.groupby("order", sort=False)[["deleted", "inserted"]].mean()
    return {
        str(name): (float(row["deleted"]), float(row["inserted"])) for name, row in means.iterrows()
    }


def best_random(found: Mapping[str, Sequence[float]], curve: int) -> float:
    """Largest area among the random orders; `curve` is 0 for deletion, 1 for insertion."""
    return max(area[curve] for name, area in found.items() if name != LIST)
