"""Intervals of numbers by CV+ (Barber et al. 2021), from what folds missed their own lines by.

For a new row, each line i of the training data proposes the prediction of the model that did not
see it, plus what that model missed line i by. Ends of the interval are quantiles of the proposals.
Lines are exchangeable with a new line of the same kind, which is why the interval holds for it. It
claims nothing of rows of another kind, such as single cells.

Residuals have signs, and each end is made by itself at half the error. So a censored number, which
is known from one side only, counts on that side, and proposes an infinite upper end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scatd.candidates.candidate import Values

LEVEL = 0.9
"""Coverage of an interval."""
NO_GROUP = -1
_AT_ONCE = 4_000_000
"""Most proposals that are held at once: 32 MB."""


@dataclass(frozen=True, eq=False)
class Residuals:
    """Lines, and what the model of their fold missed them by.

    Parameters
    ----------
    missed
        (n_lines,), number minus prediction; of a censored number, its bound minus prediction.
    is_least
        (n_lines,), whether a number is censored: the true one is higher.
    fold
        (n_lines,), place of the model that did not see the line.
    group
        (n_lines,), group of each line, such as its tissue, from 0; `NO_GROUP` is unknown.
    """

    missed: Values
    is_least: NDArray[np.bool_]
    fold: NDArray[np.int32]
    group: NDArray[np.int32]

    def of(self, lines: NDArray[np.bool_]) -> Residuals:
        """Those of some lines."""
        return Residuals(
            self.missed[lines], self.is_least[lines], self.fold[lines], self.group[lines]
        )


def fewest_lines(level: float = LEVEL) -> int:
    """Lines of a group that give it intervals of its own: fewer would give infinite ends."""
    return math.ceil(2 / (1 - level) - 1e-9) - 1


def cv_plus(
    predicted: Values,
    residuals: Residuals,
    groups: NDArray[np.int32] | None = None,
    level: float = LEVEL,
) -> tuple[Values, Values]:
    """Lower and upper ends (n_obs,) of the intervals of rows.

    Parameters
    ----------
    predicted
        (n_obs, n_folds), predictions of the model of each fold.
    residuals
        Of the training lines.
    groups
        (n_obs,), as those of the lines. A row of a group with enough lines gets the interval of
        these lines (Mondrian); another one that of all lines. None: all get that of all lines.
    level
        Coverage.
    """
    low, high = _bounds(predicted, residuals, level)
    if groups is None:
        return low, high
    for group in np.unique(groups[groups != NO_GROUP]):
        own = residuals.of(residuals.group == group)
        if len(own.missed) >= fewest_lines(level):
            rows = groups == group
            low[rows], high[rows] = _bounds(predicted[rows], own, level)
    return low, high


def _bounds(predicted: Values, residuals: Residuals, level: float) -> tuple[Values, Values]:
    n = len(residuals.missed)
    share = (1 - level) / 2 * (n + 1)
    lower, upper = math.floor(share + 1e-9), math.ceil(n + 1 - share - 1e-9)
    low, high = np.full(len(predicted), -np.inf), np.full(len(predicted), np.inf)
    step = max(_AT_ONCE // max(n, 1), 1)
    for start in range(0, len(predicted), step):
        rows = slice(start, start + step)
        proposed = predicted[rows][:, residuals.fold] + residuals.missed
        if lower >= 1:
            low[rows] = np.partition(proposed, lower - 1, axis=1)[:, lower - 1]
        if upper <= n:
            proposed[:, residuals.is_least] = np.inf
            high[rows] = np.partition(proposed, upper - 1, axis=1)[:, upper - 1]
    return low, high
