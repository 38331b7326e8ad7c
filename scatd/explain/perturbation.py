"""One feature is changed and the cells are scored again, to test what attribution says."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.evaluation.intervals import mean_interval
from scatd.explain.linear_path import LinearPath
from scatd.explain.signature import RESISTANT
from scatd.nn.products import fast_products

ZERO, OTHER = "zero", "other class"


def perturb(
    path: LinearPath,
    x: Tensor,
    levels: Mapping[str, Tensor],
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
    levels
        By name, the level that each cell's features would take, aligned: (1, n_features), or a row
        a cell.
    features
        Positions to change.
    slope
        Attribution a unit of each feature, (n_features,): see `Tally.slope`.
    groups
        Patient of each cell: intervals resample whole patients.

    Returns
    -------
    One row a feature and level: `feature` (position), `to`, `effect` (mean change of the resistant
    logit over cells; positive means more resistant), `ci_low`, `ci_high` (95 % bootstrap),
    `prob_change` (mean change of P(resistant)), `expected` (what slope times change predicts) and
    `as_expected` (whether the signs agree).
    """
    rows = []
    with fast_products(), torch.no_grad():
        u = path.project(x)
        before = path(u)
        for name, level in levels.items():
            for feature in features.tolist():
                moved = (level[:, feature] - x[:, feature])[:, None]
                after = path(u + moved * path.columns(torch.tensor([feature], device=x.device)))
                effect = (after - before)[:, RESISTANT].double().cpu().numpy()
                low, high = mean_interval(effect, seed=seed, groups=groups)
                prob = after.softmax(dim=1) - before.softmax(dim=1)
                expected = float(slope[feature] * moved.double().mean())
                rows.append(
                    {
                        "feature": feature,
                        "to": name,
                        "effect": effect.mean(),
                        "ci_low": low,
                        "ci_high": high,
                        "prob_change": float(prob[:, RESISTANT].double().mean()),
                        "expected": expected,
                        "as_expected": bool(np.sign(expected) == np.sign(effect.mean())),
                    }
                )
    return pd.DataFrame(rows)


def other_class_levels(x: Tensor, is_resistant: NDArray[np.bool_]) -> Tensor | None:
    """For each cell the mean of the cells of the other class, (n_obs, n_features).

    None where the model calls all cells the same.
    """
    resistant = torch.from_numpy(is_resistant).to(x.device)
    if resistant.all() or not resistant.any():
        return None
    return torch.where(resistant[:, None], x[~resistant].mean(dim=0), x[resistant].mean(dim=0))
