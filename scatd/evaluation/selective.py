"""Answering fewer cells with fewer errors: which cells a version should abstain on.

A cell is the less certain the nearer its log odds lie to those of the threshold (El-Yaniv & Wiener
2010 call the trade the risk-coverage curve; here error is the fraction of answers that are wrong).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scatd.decision import expit, logit
from scatd.errors import InputError
from scatd.evaluation.metrics import check_scores
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
    centre = logit(threshold)
    distance = np.abs(logit(scores) - centre)
    order = np.argsort(-distance, kind="stable")
    wrong = np.cumsum(((scores > threshold) != (truth == 1))[order])
    ranked = distance[order]
    last_of_tie = np.flatnonzero(np.append(np.diff(ranked) != 0, [True]))
    n_answered, n_wrong = last_of_tie + 1.0, wrong[last_of_tie].astype(np.float64)
    # Between the least certain cell that is answered and the next one.
    levels = np.append(ranked[last_of_tie], [0.0])
    half = np.append((levels[:-2] + levels[1:-1]) / 2, [0.0])
    table = pd.DataFrame(
        {
            "coverage": n_answered / len(truth),
            "n_answered": n_answered.astype(int),
            "error": n_wrong / n_answered,
            "error_high": 1 - lower_bound(n_answered - n_wrong, n_answered),
            "low": expit(centre - half),
            "high": expit(centre + half),
        }
    )
    return table[table["coverage"] >= _FEWEST].reset_index(drop=True)


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
