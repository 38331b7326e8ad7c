"""Answering fewer cells with fewer errors: which cells a version should abstain on.

An answer is the less certain the more likely it is wrong: by Platt's curve through the labelled
cells, so that it makes no difference what the probabilities mean, or where the threshold lies. The
trade is the risk-coverage curve of El-Yaniv & Wiener (2010), with the fraction of wrong answers as
its risk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scatd.decision import Platt, expit, logit
from scatd.errors import InputError
from scatd.evaluation.calibration import fit_platt
from scatd.evaluation.metrics import Array, check_scores
from scatd.evaluation.thresholds import CONFIDENCE, lower_bound

_FEWEST = 0.05
"""Coverage at which the table begins: of fewer cells, chance says more than certainty."""


@dataclass(frozen=True)
class BandGoal:
    """`error=X`: answers are wrong for at most X; `coverage=X`: at least X are answered."""

    name: str
    value: float

    def __str__(self) -> str:
        return f"{self.name}={self.value:g}"


def read_band_goal(text: str) -> BandGoal:
    """A goal as it is written.

    Raises
    ------
    InputError
        For what is no goal, or a value outside 0 to 1.
    """
    name, _, number = text.partition("=")
    expected = "error=X or coverage=X, with X between 0 and 1"
    try:
        value = float(number)
    except ValueError:
        value = np.nan
    if name not in ("error", "coverage") or not 0 < value < 1:
        raise InputError(f"'{text}' is no goal", where="--abstain", expected=expected)
    return BandGoal(name, value)


def risk_coverage_table(
    codes: npt.ArrayLike, prob: npt.ArrayLike, threshold: float
) -> pd.DataFrame:
    """What answering only the most certain cells would give.

    Parameters
    ----------
    codes, prob, threshold
        As in `scatd.evaluation.metrics.response_metrics`.

    Returns
    -------
    One row a band, the narrowest (none) last: `coverage` (fraction of cells answered),
    `n_answered`, `error` (fraction of the answers that are wrong), `error_high` (upper one-sided
    95% bound), and the band `low`, `high` of probabilities that get no answer.
    """
    truth, scores = check_scores(codes, prob)
    curve = fit_platt(truth, scores)
    if curve.slope <= 0:  # upside down: the nearer to the threshold, the less certain
        curve = Platt(1.0, -float(logit(threshold)))
    called, resistant = scores > threshold, curve(scores)
    certainty = np.where(called, resistant, 1 - resistant)
    order = np.argsort(-certainty, kind="stable")
    wrong = np.cumsum((called != (truth == 1))[order])
    ranked = certainty[order]
    last_of_tie = np.flatnonzero(np.append(np.diff(ranked) != 0, [True]))
    n_answered, n_wrong = last_of_tie + 1.0, wrong[last_of_tie].astype(np.float64)
    # Between the least certain cell that is answered and the next one; none is left at the end.
    levels = ranked[last_of_tie]
    least = np.append((levels[:-1] + levels[1:]) / 2, [0.0])
    table = pd.DataFrame(
        {
            "coverage": n_answered / len(truth),
            "n_answered": n_answered.astype(int),
            "error": n_wrong / n_answered,
            "error_high": 1 - lower_bound(n_answered - n_wrong, n_answered),
            "low": np.minimum(threshold, _scores_at(curve, 1 - least)),
            "high": np.maximum(threshold, _scores_at(curve, least)),
        }
    )
    return table[table["coverage"] >= _FEWEST].reset_index(drop=True)


def _scores_at(curve: Platt, prob: Array) -> Array:
    """The scores that a curve maps to some probabilities."""
    return expit((logit(prob) - curve.intercept) / curve.slope)


def choose_band(
    codes: npt.ArrayLike, prob: npt.ArrayLike, threshold: float, goal: BandGoal
) -> dict[str, Any]:
    """The band that reaches the goal, as the card stores it.

    `error=X` takes the narrowest band at which the upper 95% bound of the error is at most X;
    `coverage=X` the widest that leaves at least X of the cells an answer.

    Returns
    -------
    `low`, `high`, `goal`, and `coverage` and `error` on these cells.

    Raises
    ------
    InputError
        When no band reaches the goal; the message says what the best one does.
    """
    table = risk_coverage_table(codes, prob, threshold)
    if goal.name == "error":
        fitting = table[table["error_high"] <= goal.value]
        chosen = fitting.tail(1)
    else:
        chosen = table[table["coverage"] >= goal.value].head(1)
    if chosen.empty:
        best = table.iloc[int(table["error_high"].argmin())]
        raise InputError(
            f"{goal} cannot be promised with {CONFIDENCE:.0%} confidence from {np.size(codes)} "
            f"labelled cells: the lowest error that can is {best['error_high']:.3f}, answering "
            f"{best['coverage']:.0%} of the cells; all cells answered, it is "
            f"{table['error'].iloc[-1]:.3f} (at most {table['error_high'].iloc[-1]:.3f})",
            where="--abstain",
            remedy="Ask for less, or label more cells.",
        )
    row = chosen.iloc[0]
    about = {name: float(row[name]) for name in ("low", "high", "coverage", "error")}
    return {**about, "goal": str(goal)}
