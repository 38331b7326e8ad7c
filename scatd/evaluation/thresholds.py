"""Choose a threshold, by a rule or so that it keeps a promise on new cells.

A promise is a bound on the false discovery rate, the precision or the recall. The one-sided 95%
Clopper-Pearson bound must keep it, not only the observed fraction: a threshold that just reaches 5%
false calls on the labelled cells breaks the promise on more than half of all other cells. The bound
holds for each threshold alone. Taking the best of many thresholds weakens it a little (a test
measures how much).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from scatd.errors import InputError
from scatd.evaluation.curves import threshold_table
from scatd.evaluation.metrics import Array, check_scores
from scatd.wording import counted

CONFIDENCE = 0.95
PROMISES = ("fdr", "precision", "recall")
RULES = ("youden", "max-f1")
FIXED = "fixed"
GRAMMAR = "fixed, fixed=T, youden, max-f1, fdr=X, precision=X or recall=X"

_SHOWN_RECALLS = (0.99, 0.95, 0.9, 0.8, 0.7, 0.5, 0.3)


@dataclass(frozen=True)
class Goal:
    """A goal of a threshold: the name of a rule, or a promise with its value."""

    name: str
    value: float | None = None

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}={self.value:g}"


@dataclass(frozen=True)
class Cut:
    """A threshold, and its origin in words."""

    threshold: float
    origin: str


def read_goals(words: Sequence[str]) -> tuple[Goal, ...]:
    """Read goals; one word may hold several: `precision=0.9,recall=0.8`.

    Raises
    ------
    InputError
        When a word is not a goal, a value is outside 0 to 1, or a rule leaves no choice to other
        goals.
    """
    goals = tuple(_read_goal(part.strip()) for word in words for part in word.split(","))
    rules = [goal for goal in goals if goal.name not in PROMISES]
    if rules and len(goals) > 1:
        what = f"{rules[0]} settles the threshold, and {len(goals) - 1} more is asked of it"
        expected = "one rule, or any of " + ", ".join(PROMISES)
        raise InputError(what, where="--calibrate", expected=expected)
    return goals


def _read_goal(text: str) -> Goal:
    name, equals, number = text.partition("=")
    if not equals and name in (FIXED, *RULES):
        return Goal(name)
    if not equals or name not in (FIXED, *PROMISES):
        raise InputError(f"'{text}' is no goal", where="--calibrate", expected=GRAMMAR)
    try:
        value = float(number)
    except ValueError:
        value = np.nan
    if not 0 < value < 1:
        what = f"'{number}' is no value for {name}"
        raise InputError(what, where="--calibrate", expected="a number between 0 and 1")
    return Goal(name, value)


def choose_cut(codes: npt.ArrayLike, prob: npt.ArrayLike, goals: Sequence[Goal]) -> Cut:
    """Choose the threshold that reaches the goals on labelled cells.

    Of the thresholds that keep every promise, the one with the highest F1 is taken. For `fdr` and
    `precision` alone it finds most resistant cells; for `recall` alone it makes fewest false calls.

    Parameters
    ----------
    codes
        (n_obs,) 0 sensitive, 1 resistant; both must occur.
    prob
        (n_obs,) P(resistant) as the version reports it.
    goals
        From `read_goals`. Not empty; `fixed` must have a value.

    Raises
    ------
    InputError
        When no threshold keeps all promises; the message lists what each threshold can keep.
    """
    truth, scores = check_scores(codes, prob)
    goal = goals[0]
    cells = counted(len(truth), "labelled cell")
    if goal.name == FIXED:
        assert goal.value is not None
        return Cut(goal.value, "set by hand")
    if goal.name == "youden":
        return Cut(youden(truth, scores), f"Youden's index on {cells}")
    cuts = cuts_between(scores)
    table = promises_table(truth, scores, cuts)
    if goal.name == "max-f1":
        return Cut(_best(cuts, table["f1"].to_numpy()), f"highest F1 on {cells}")
    kept = _kept(table, goals)
    if not kept.any():
        raise InputError(_trade_off(table, goals, truth), where="--calibrate",
                         remedy="Ask for less, or label more cells.")  # fmt: skip
    merit = np.where(kept, table["f1"].to_numpy(), -np.inf)
    asked = " and ".join(map(str, goals))
    return Cut(_best(cuts, merit), f"{asked} with {CONFIDENCE:.0%} confidence on {cells}")


def youden(codes: npt.ArrayLike, prob: npt.ArrayLike) -> float:
    """Threshold with the highest sensitivity + specificity - 1 (Youden 1950).

    The threshold lies midway between two neighbouring scores, inside (0, 1). Of equally good
    thresholds, the one nearest to 0.5 is taken.

    Parameters
    ----------
    codes
        (n_obs,) 0 sensitive, 1 resistant; both must occur.
    prob
        (n_obs,) P(resistant).
    """
    truth, scores = check_scores(codes, prob)
    cuts = cuts_between(scores)
    return _best(cuts, threshold_table(truth, scores, cuts)["balanced_accuracy"].to_numpy())


def cuts_between(scores: Array) -> Array:
    """Every threshold that separates scores (n_obs,) differently: midway, inside (0, 1), rising."""
    levels = np.unique(scores)
    inner = (levels[:-1] + levels[1:]) / 2
    ends = [levels[0] / 2], [(levels[-1] + 1) / 2]
    cuts = np.concatenate([ends[0], inner, ends[1]])
    return cuts[(cuts > 0) & (cuts < 1)]


def promises_table(codes: npt.ArrayLike, prob: npt.ArrayLike, cuts: npt.ArrayLike) -> pd.DataFrame:
    """Lower bounds of precision and recall at each threshold.

    Returns
    -------
    Columns of `threshold_table`, and `precision_low` and `recall_low`, the lower one-sided 95%
    bounds (Clopper & Pearson 1934); 0 when no cell is called. FDR is 1 - precision.
    """
    truth, scores = check_scores(codes, prob)
    table = threshold_table(truth, scores, cuts)
    called = np.rint(table["called_resistant"].to_numpy() * len(truth))
    tp = np.rint(table["recall"].to_numpy() * truth.sum())
    return table.assign(
        precision_low=lower_bound(tp, called), recall_low=lower_bound(tp, truth.sum())
    )


def lower_bound(successes: npt.ArrayLike, trials: npt.ArrayLike) -> Array:
    """Lower end of the one-sided 95% Clopper-Pearson interval of a fraction, elementwise.

    It is 0 without successes. The upper bound of a fraction is 1 minus the lower bound of its
    complement.
    """
    from scipy.stats import beta

    some, of = np.broadcast_arrays(
        np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    )
    bound = beta.ppf(1 - CONFIDENCE, np.maximum(some, 1), of - some + 1)
    return np.where(some > 0, bound, 0.0)


def _kept(table: pd.DataFrame, goals: Sequence[Goal]) -> npt.NDArray[np.bool_]:
    kept = np.ones(len(table), dtype=bool)
    for goal in goals:
        assert goal.value is not None
        column = "recall_low" if goal.name == "recall" else "precision_low"
        least = 1 - goal.value if goal.name == "fdr" else goal.value
        kept &= table[column].to_numpy() >= least
    return kept


def _best(cuts: Array, merit: Array) -> float:
    """The threshold of highest merit, nearest to 0.5 among equals; NaN counts as lowest."""
    worth = np.where(np.isnan(merit), -np.inf, merit)
    best = np.flatnonzero(np.isclose(worth, worth.max()))
    return float(cuts[best[np.argmin(np.abs(cuts[best] - 0.5))]])


def _trade_off(table: pd.DataFrame, goals: Sequence[Goal], truth: Array) -> str:
    """Explain why the goals cannot be kept, and list what can be kept."""
    n_resistant = int(truth.sum())
    asked = " and ".join(map(str, goals))
    lines = [
        f"{asked} cannot be promised with {CONFIDENCE:.0%} confidence from "
        f"{counted(len(truth), 'labelled cell')} ({len(truth) - n_resistant} sensitive, "
        f"{n_resistant} resistant)"
    ]
    for goal in goals:
        alone = table[_kept(table, [goal])]
        other = "precision" if goal.name == "recall" else "recall"
        if alone.empty:
            column = "recall_low" if goal.name == "recall" else "precision_low"
            most = table.iloc[int(table[column].argmax())]
            kind = "recall" if goal.name == "recall" else "precision"
            lines.append(
                f"  {goal} alone: out of reach; the highest {kind} that can be promised is "
                f"{most[column]:.3f}, at threshold {most['threshold']:.3g}"
            )
        else:
            best = alone.iloc[int(alone[f"{other}_low"].argmax())]
            lines.append(
                f"  {goal} alone: threshold {best['threshold']:.3g} keeps it, with {other} "
                f"{best[other]:.3f} (at least {best[f'{other}_low']:.3f})"
            )
    lines.append("  threshold  precision (at least)  recall (at least)")
    for recall in _SHOWN_RECALLS:
        enough = table[table["recall"] >= recall]
        if len(enough):
            row = enough.iloc[-1]
            lines.append(
                f"  {row['threshold']:9.3g}  {row['precision']:.3f} ({row['precision_low']:.3f})"
                f"         {row['recall']:.3f} ({row['recall_low']:.3f})"
            )
    return "\n".join(lines)
