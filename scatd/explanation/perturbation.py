"""Test attributions: change one feature, score the cells again, and compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.evaluation.intervals import Bootstrap, mean_interval
from scatd.explanation.explainers.explainer import RESISTANT, Explainer
from scatd.nn.moving import doubles
from scatd.nn.products import fast_products

COLUMNS = ["feature", "to", "n_obs", "effect", "ci_low", "ci_high", "prob_change", "expected",
           "as_expected"]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Change:
    """A change that is made to one feature at a time.

    Parameters
    ----------
    to
        Name of the new level, in words.
    cells
        (n_obs,), True for the cells that are changed.
    level
        (1, n_features), aligned: the value that the feature takes.
    """

    to: str
    cells: NDArray[np.bool_]
    level: Tensor


def perturb(
    explainer: Explainer,
    x: Tensor,
    changes: Sequence[Change],
    slopes: Mapping[int, float],
    *,
    groups: NDArray | None = None,
    seed: int,
) -> pd.DataFrame:
    """Set one feature at a time to another level in every cell, and score the cells again.

    Parameters
    ----------
    x
        Aligned cells (n_obs, n_features).
    changes
        The new levels, and the cells that take them.
    slopes
        Attribution a unit of each feature to change, by the position of the feature: see
        `Tally.slope`.
    groups
        Patient of each cell: intervals resample whole patients.
    seed
        Of the bootstrap.

    Returns
    -------
    One row a change and feature: `feature` (position), `to`, `n_obs` (cells), `effect` (mean change
    of the resistant logit over cells; positive means more resistant), `ci_low`, `ci_high` (95 %
    bootstrap), `prob_change` (mean change of P(resistant)), `expected` (slope times change) and
    `as_expected` (whether the signs agree).
    """
    rows = []
    with fast_products(), torch.no_grad():
        u = explainer.project(x)
        before = explainer.values(u)
        for change in changes:
            cells = torch.from_numpy(change.cells)
            own, read = cells.to(x.device), cells.to(u.device)
            of = None if groups is None else groups[change.cells]
            for feature, slope in slopes.items():
                moved = (change.level[:, feature] - x[own, feature])[:, None]
                shift = explainer.shift(torch.tensor([feature], device=x.device), moved)
                after = explainer.values(u[read] + shift)
                effect = (after - before[read])[:, RESISTANT]
                prob = explainer.probability(after) - explainer.probability(before[read])
                expected = slope * float(doubles(moved).mean())
                row = _row(doubles(effect).numpy(), expected, seed, of)
                prob_change = float(doubles(prob).mean())
                rows.append({"feature": feature, "to": change.to, "prob_change": prob_change} | row)
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(
    effect: NDArray[np.float64], expected: float, seed: int, groups: NDArray | None
) -> dict[str, object]:
    low, high = mean_interval(effect, groups=groups, bootstrap=Bootstrap(seed=seed))
    return {
        "n_obs": len(effect),
        "effect": effect.mean(),
        "ci_low": low,
        "ci_high": high,
        "expected": expected,
        "as_expected": bool(np.sign(expected) == np.sign(effect.mean())),
    }


def changes_of(x: Tensor, zero: Tensor, is_resistant: NDArray[np.bool_]) -> list[Change]:
    """Make the changes: to zero in all cells, and to the mean of the other class in each class.

    Parameters
    ----------
    x, zero
        Aligned cells (n_obs, n_features), and a row of zeros, aligned.
    is_resistant
        (n_obs,), the model's response. If all cells have the same response, the only change is
        zero.
    """
    found = [Change("zero", np.ones(len(x), bool), zero)]
    if is_resistant.all() or not is_resistant.any():
        return found
    for name, cells in (("sensitive", is_resistant), ("resistant", ~is_resistant)):
        others = x[torch.from_numpy(~cells).to(x.device)]
        found.append(Change(f"level of {name} cells", cells, others.mean(dim=0, keepdim=True)))
    return found
