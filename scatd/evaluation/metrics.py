"""Metrics of predicted response, computed with row weights.

If all weights are one, the result is the plain metric. If the weights are the counts of a bootstrap
resample, it is the metric of that resample. So each metric has one formula, and a thousand
resamples are one matrix.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
import numpy.typing as npt

from scatd.errors import InputError
from scatd.wording import counted

Array = npt.NDArray[np.float64]

RANKING_METRICS = ("auroc", "auprc", "auprc_sensitive")
"""They need no threshold. Resistant is the positive class, or the class in the name."""

CONFUSION_METRICS = (
    "prevalence",
    "mcc",
    "f1",
    "recall",
    "precision",
    "specificity",
    "accuracy",
    "balanced_accuracy",
)
"""They compare the response at a threshold with the truth. Resistant is the positive class."""

CALIBRATION_METRICS = ("brier", "ece", "loss")
"""They compare the probability itself with the truth; lower is better."""

METRICS = RANKING_METRICS + CONFUSION_METRICS + CALIBRATION_METRICS

CALIBRATION_BINS = 10
"""Bins of equal width in the expected calibration error and in the reliability table."""


def response_metrics(
    codes: npt.ArrayLike, prob: npt.ArrayLike, threshold: float | Array = 0.5
) -> dict[str, float]:
    """Every metric of `METRICS` for one set of samples.

    The published metrics table (AUC, MCC, F1 Score, Recall, Accuracy, Precision) is `auroc`,
    `mcc`, `f1`, `recall`, `accuracy` and `precision`.

    Parameters
    ----------
    codes
        True response, (n_obs,): 0 sensitive, 1 resistant.
    prob
        P(resistant), (n_obs,), between 0 and 1.
    threshold
        A sample is called resistant when its probability is strictly greater.

    Returns
    -------
    Value by name. A value that the samples do not define is NaN: ranking metrics, `mcc` and
    `f1` of a single class, `recall` without resistant samples, `precision` without resistant
    calls. `mcc` is 0 when samples of both classes all get the same call (as in scikit-learn).

    Raises
    ------
    InputError
        When there are no samples, lengths differ, or a value is not a code or not a probability.
    """
    ones = np.ones((1, np.size(codes)))
    drawn = weighted_metrics(codes, prob, ones, METRICS, threshold=threshold)
    return {name: float(drawn[name][0]) for name in METRICS}


def weighted_metrics(
    codes: npt.ArrayLike,
    prob: npt.ArrayLike,
    weights: Array,
    names: Collection[str],
    *,
    threshold: float | Array = 0.5,
) -> dict[str, Array]:
    """Metrics of the same samples under many sets of weights.

    Parameters
    ----------
    codes, prob, threshold
        As in `response_metrics`.
    weights
        Weight of each sample, (n_draws, n_obs), not negative.
    names
        The metrics to compute, from `METRICS`.

    Returns
    -------
    Values, (n_draws,), by name, in the order of `names`. NaN where a draw leaves a metric
    undefined.

    Raises
    ------
    InputError
        As `response_metrics`, and for an unknown metric name.
    """
    checked_codes, checked_prob = check_scores(codes, prob)
    wanted = set(names)
    if unknown := wanted.difference(METRICS):
        what = f"unknown metric '{sorted(unknown)[0]}'"
        raise InputError(what, expected="one of " + ", ".join(METRICS))
    values: dict[str, Array] = {}
    if ranking := wanted.intersection(RANKING_METRICS):
        values |= _ranking(checked_codes, checked_prob, weights, ranking)
    if wanted.intersection(CONFUSION_METRICS):
        values |= _confusion(checked_codes, checked_prob > threshold, weights)
    if wanted.intersection(CALIBRATION_METRICS):
        values |= _calibration(checked_codes, checked_prob, weights)
    return {name: values[name] for name in names}


def check_scores(codes: npt.ArrayLike, prob: npt.ArrayLike) -> tuple[Array, Array]:
    """Codes and probabilities as float arrays, (n_obs,); refused when they cannot be scored.

    Raises
    ------
    InputError
        As `response_metrics`.
    """
    code_array = np.asarray(codes, dtype=np.float64)
    prob_array = np.asarray(prob, dtype=np.float64)
    if code_array.ndim != 1 or code_array.shape != prob_array.shape:
        what = f"labels of shape {code_array.shape} for probabilities of shape {prob_array.shape}"
        raise InputError(what, expected="one probability for each label")
    if not len(code_array):
        raise InputError("there are no samples to score", expected="at least one labelled sample")
    if odd := int(np.sum((code_array != 0) & (code_array != 1))):
        raise InputError(
            f"{counted(odd, 'label', 'is')} no response code", expected="0 sensitive, 1 resistant"
        )
    if odd := int(np.sum(~((prob_array >= 0) & (prob_array <= 1)))):
        remedy = "Leave out samples that have no score."
        what = f"{counted(odd, 'probability', 'is', of=len(prob_array))} NaN or outside 0 to 1"
        raise InputError(what, expected="P(resistant) between 0 and 1", remedy=remedy)
    return code_array, prob_array


def confusion_metrics(tp: Array, fp: Array, fn: Array, tn: Array) -> dict[str, Array]:
    """`CONFUSION_METRICS` from the four counts, arrays of equal shape.

    `tp` counts resistant samples called resistant, `fp` sensitive samples called resistant.
    """
    resistant, sensitive = tp + fn, fp + tn
    called, not_called = tp + fp, fn + tn
    both = (resistant > 0) & (sensitive > 0)
    recall, specificity = _ratio(tp, resistant), _ratio(tn, sensitive)
    spread = np.sqrt(resistant) * np.sqrt(sensitive) * np.sqrt(called) * np.sqrt(not_called)
    mcc = np.where(spread > 0, _ratio(tp * tn - fp * fn, spread), 0.0)
    return {
        "prevalence": _ratio(resistant, resistant + sensitive),
        "mcc": np.where(both, mcc, np.nan),
        "f1": np.where(both, _ratio(2 * tp, 2 * tp + fp + fn), np.nan),
        "recall": recall,
        "precision": _ratio(tp, called),
        "specificity": specificity,
        "accuracy": _ratio(tp + tn, resistant + sensitive),
        "balanced_accuracy": (recall + specificity) / 2,
    }


def counts_by_rank(codes: Array, prob: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Cumulated class weights from the highest probability down; ties are added together.

    Returns
    -------
    The distinct probabilities in falling order, (n_distinct,). For each, the weight of resistant
    and of sensitive samples with at least this probability, (n_draws, n_distinct).
    """
    order = np.argsort(-prob, kind="stable")
    ranked = prob[order]
    last_of_tie = np.flatnonzero(np.append(np.diff(ranked) != 0, [True]))
    ranked_weights = weights[:, order]
    resistant = np.cumsum(ranked_weights * codes[order], axis=1)[:, last_of_tie]
    everyone = np.cumsum(ranked_weights, axis=1)[:, last_of_tie]
    return ranked[last_of_tie], resistant, everyone - resistant


def calibration_bin(prob: Array, n_bins: int = CALIBRATION_BINS) -> npt.NDArray[np.intp]:
    """Index of the bin of each probability; bins have equal width and include their lower edge."""
    inner_edges = np.arange(1, n_bins) / n_bins
    return np.searchsorted(inner_edges, prob, side="right")


def _ranking(
    codes: Array, prob: Array, weights: Array, wanted: Collection[str]
) -> dict[str, Array]:
    """Areas under the ROC curve (ties count half) and under both stepwise PR curves."""
    _, resistant, sensitive = counts_by_rank(codes, prob, weights)
    n_resistant, n_sensitive = resistant[:, -1:], sensitive[:, -1:]
    in_tie_r = np.diff(resistant, axis=1, prepend=0)
    in_tie_s = np.diff(sensitive, axis=1, prepend=0)
    pairs = (n_resistant * n_sensitive)[:, 0]
    both = pairs > 0
    values: dict[str, Array] = {}
    if "auroc" in wanted:
        wins = np.sum(in_tie_s * (resistant - in_tie_r / 2), axis=1)
        values["auroc"] = _ratio(wins, pairs)
    if "auprc" in wanted:
        precision = _average_precision(in_tie_r, resistant, sensitive)
        values["auprc"] = np.where(both, precision, np.nan)
    if "auprc_sensitive" in wanted:
        # With sensitive as the positive class, the ranking starts at the lowest probability.
        sensitive_up = n_sensitive - sensitive + in_tie_s
        resistant_up = n_resistant - resistant + in_tie_r
        precision = _average_precision(in_tie_s, sensitive_up, resistant_up)
        values["auprc_sensitive"] = np.where(both, precision, np.nan)
    return values


def _average_precision(gained: Array, positive: Array, negative: Array) -> Array:
    """Precision averaged over the recall steps `gained`, (n_draws, n_distinct) to (n_draws,)."""
    precision = _ratio(positive, positive + negative)
    # Where no draw has this tied score, nothing is gained, and the precision may be undefined.
    steps = np.where(gained > 0, gained * precision, 0.0)
    return _ratio(steps.sum(axis=1), gained.sum(axis=1))


def _confusion(codes: Array, called: npt.NDArray[np.bool_], weights: Array) -> dict[str, Array]:
    resistant = codes == 1
    cells: Iterable[npt.NDArray[np.bool_]] = (
        resistant & called,
        ~resistant & called,
        resistant & ~called,
        ~resistant & ~called,
    )
    tp, fp, fn, tn = (weights @ np.stack(list(cells), axis=1).astype(np.float64)).T
    return confusion_metrics(tp, fp, fn, tn)


def _calibration(codes: Array, prob: Array, weights: Array) -> dict[str, Array]:
    total = weights.sum(axis=1)
    tiny = np.finfo(np.float64).eps
    clipped = np.clip(prob, tiny, 1 - tiny)
    entropy = -np.where(codes == 1, np.log(clipped), np.log1p(-clipped))
    # Expected calibration error: sum over bins of |sum of (prob - code)| / n.
    in_bin = calibration_bin(prob)[:, None] == np.arange(CALIBRATION_BINS)
    gaps = np.abs(weights @ (in_bin * (prob - codes)[:, None]))
    return {
        "brier": _ratio(weights @ (prob - codes) ** 2, total),
        "ece": _ratio(gaps.sum(axis=1), total),
        "loss": _ratio(weights @ entropy, total),
    }


def _ratio(part: Array, whole: Array) -> Array:
    """`part / whole`, NaN where the whole is 0."""
    empty = np.full(np.broadcast(part, whole).shape, np.nan)
    return np.divide(part, whole, out=empty, where=whole > 0)
