"""One feature is changed and the cells are scored again, to test what attribution says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.evaluation.intervals import mean_interval
from scatd.explain.linear_path import LinearPath
from scatd.explain.signature import RESISTANT
from scatd.nn.products import fast_products


@dataclass(frozen=True, eq=False)
class Change:
    """What is done to one feature at a time.

    Parameters
    ----------
    to
        In words.
    cells
        (n_obs,), the cells it is done to.
    level
        (1, n_features), aligned: the value that the feature takes.
    """

    to: str
    cells: NDArray[np.bool_]
    level: Tensor


def perturb(
    path: LinearPath,
    x: Tensor,
    changes: Sequence[Change],
    features: NDArray[np.intp],
    slope: NDArray[np.float64],
    seed: int,
    groups: NDArray | None = None,
) -> pd.DataFrame:
    """Set one feature at a time to another level in every cell, and score again.

    Parameters
    ----------
    x
        Aligned cells (n_obs, n_features).
    changes
        Which level, in which cells.
    features
        Positions to change.
    slope
        Attribution a unit of each feature, (n_features,): see `Tally.slope`.
    groups
        Patient of each cell: intervals resample whole patients.

    Returns
    -------
    One row a change and feature: `feature` (position), `to`, `n_obs` (cells), `effect` (mean change
    of the resistant logit over cells; positive means more resistant), `ci_low`, `ci_high` (95 %
    bootstrap), `prob_change` (mean change of P(resistant)), `expected` (what slope times change
    predicts) and `as_expected` (whether the signs agree).
    """
    rows = []
    with fast_products(), torch.no_grad():
        u = path.project(x)
        before = path(u)
        for change in changes:
            own = torch.from_numpy(change.cells).to(x.device)
            of = None if groups is None else groups[change.cells]
            for feature in features.tolist():
                moved = (change.level[:, feature] - x[own, feature])[:, None]
                column = path.columns(torch.tensor([feature], device=x.device))
                after = path(u[own] + moved * column)
                effect = (after - before[own])[:, RESISTANT].double().cpu().numpy()
                low, high = mean_interval(effect, seed=seed, groups=of)
                prob = after.softmax(dim=1) - before[own].softmax(dim=1)
                expected = float(slope[feature] * moved.double().mean())
                rows.append(
                    {
                        "feature": feature,
                        "to": change.to,
                        "n_obs": len(effect),
                        "effect": effect.mean(),
                        "ci_low": low,
                        "ci_high": high,
                        "prob_change": float(prob[:, RESISTANT].double().mean()),
                        "expected": expected,
                        "as_expected": bool(np.sign(expected) == np.sign(effect.mean())),
                    }
                )
    return pd.DataFrame(rows)


def changes_of(x: Tensor, zero: Tensor, is_resistant: NDArray[np.bool_]) -> list[Change]:
    """To zero in all cells, and to the mean of the other class in the cells of each class.

    Parameters
    ----------
    x, zero
        Aligned cells (n_obs, n_features), and a row of zeros, aligned.
    is_resistant
        (n_obs,), what the model calls them; where it calls all the same, zero is all there is.
    """
    found = [Change("zero", np.ones(len(x), bool), zero)]
    if is_resistant.all() or not is_resistant.any():
        return found
    for name, cells in (("sensitive", is_resistant), ("resistant", ~is_resistant)):
        others = x[torch.from_numpy(~cells).to(x.device)]
        found.append(Change(f"level of {name} cells", cells, others.mean(dim=0, keepdim=True)))
    return found
