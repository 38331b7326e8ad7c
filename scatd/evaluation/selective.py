"""Selective prediction: abstain on uncertain cells to make fewer errors.

Platt's curve through the labelled cells gives the probability that a response is wrong. So the
certainty does not depend on the scale of the probabilities or on the threshold. The trade-off is
the risk-coverage curve of El-Yaniv & Wiener (2010); the risk is the fraction of wrong responses.
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
from scatd.wording import counted

_FEWEST = 0.05
"""Smallest coverage in the table: for fewer cells, chance dominates."""


@dataclass(frozen=True)
class BandGoal:
    """`error=X`: at most a share X of responses is wrong; `coverage=X`: at least X get one."""

    name: str
    value: float

    def __str__(self) -> str:
        return f"{self.name}={self.value:g}"


def read_band_goal(text: str) -> BandGoal:
    """Read a goal.

    Raises
    ------
    InputError
        When the text is not a goal, or a value is outside 0 to 1.
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
    """Error and coverage when only the most certain cells get a response.

    Parameters
    ----------
    codes, prob, threshold
        As in `scatd.evaluation.metrics.response_metrics`.

    Returns
    -------
    One row for each interval of abstention, the narrowest (none) last: `coverage` (fraction of
    cells with a response), `n_answered`, `error` (fraction of wrong responses), `error_high` (upper
    one-sided 95% bound), and the ends `low`, `high` of the interval of probabilities.
    """
    truth, scores = check_scores(codes, prob)
    curve = fit_platt(truth, scores)
    if curve.slope <= 0:  # reversed scores: certainty is highest at the threshold
        curve = Platt(1.0, -float(logit(threshold)))
    called, resistant = scores > threshold, curve(scores)
    certainty = np.where(called, resistant, 1 - resistant)
    order = np.argsort(-certainty, kind="stable")
    wrong = np.cumsum((called != (truth == 1))[order])
    ranked = certainty[order]
    last_of_tie = np.flatnonzero(np.append(np.diff(ranked) != 0, [True]))
    n_answered, n_wrong = last_of_tie + 1.0, wrong[last_of_tie].astype(np.float64)
    # The ends lie between the least certain cell with a response and the next cell; the last row
    # has no interval.
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
    """The scores that a curve maps to these probabilities."""
    return expit((logit(prob) - curve.intercept) / curve.slope)


def choose_band(
    codes: npt.ArrayLike, prob: npt.ArrayLike, threshold: float, goal: BandGoal
) -> dict[str, Any]:
    """Choose the interval of abstention that reaches the goal, as the card stores it.

    `error=X` takes the narrowest interval at which the upper 95% bound of the error is at most X.
    `coverage=X` takes the widest interval that leaves a response to at least a share X of cells.

    Returns
    -------
    `low`, `high`, `goal`, and `coverage` and `error` on these cells.

    Raises
    ------
    InputError
        When no interval reaches the goal; the message gives the best possible value.
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
            f"{goal} cannot be promised with {CONFIDENCE:.0%} confidence from "
            f"{counted(np.size(codes), 'labelled cell')}: the lowest error that can is "
            f"{best['error_high']:.3f}, answering {best['coverage']:.0%} of the cells; all cells "
            f"answered, it is {table['error'].iloc[-1]:.3f} (at most "
            f"{table['error_high'].iloc[-1]:.3f})",
            where="--abstain",
            remedy="Ask for less, or label more cells.",
        )
    row = chosen.iloc[0]
    about = {name: float(row[name]) for name in ("low", "high", "coverage", "error")}
    return {**about, "goal": str(goal)}
