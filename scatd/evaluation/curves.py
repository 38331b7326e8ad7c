"""Curves as tables: ROC, precision-recall, reliability, and metrics against the threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from scatd.evaluation.intervals import wilson_interval
from scatd.evaluation.metrics import (
    CALIBRATION_BINS,
    Array,
    calibration_bin,
    check_scores,
    confusion_metrics,
    counts_by_rank,
)


def roc_table(codes: npt.ArrayLike, prob: npt.ArrayLike) -> pd.DataFrame:
    """ROC curve with resistant as the positive class.

    Parameters
    ----------
    codes
        True response, (n_obs,): 0 sensitive, 1 resistant.
    prob
        P(resistant), (n_obs,).

    Returns
    -------
    Columns `threshold`, `fpr`, `tpr`. Thresholds fall; samples with at least this score are called
    resistant. The first row, at infinity, calls none. A rate is NaN if its class has no samples.
    """
    threshold, resistant, sensitive = _counts_at_scores(codes, prob)
    return pd.DataFrame(
        {
            "threshold": np.concatenate([[np.inf], threshold]),
            "fpr": _fraction(np.concatenate([[0.0], sensitive])),
            "tpr": _fraction(np.concatenate([[0.0], resistant])),
        }
    )


def mean_roc_table(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Mean of ROC curves, such as those of folds: at each `fpr`, the mean of their `tpr`.

    The area under it is the mean of their areas.

    Parameters
    ----------
    tables
        Of `roc_table`, without NaN.

    Returns
    -------
    Columns `fpr`, `tpr`. Each `fpr` has two rows, the ends of a vertical part.
    """
    fpr = np.unique(np.concatenate([table["fpr"] for table in tables]))
    ends = np.mean([_ends(table, fpr) for table in tables], axis=0)
    return pd.DataFrame({"fpr": np.repeat(fpr, 2), "tpr": ends.ravel()})


def _ends(table: pd.DataFrame, fpr: Array) -> Array:
    """Lowest and highest `tpr` of a curve at each of some `fpr`, (n, 2)."""
    x, y = table["fpr"].to_numpy(), table["tpr"].to_numpy()
    first = np.searchsorted(x, fpr, side="left")
    last = np.searchsorted(x, fpr, side="right") - 1
    between = np.interp(fpr, x, y)
    is_point = x[first] == fpr
    low, high = (np.where(is_point, y[place], between) for place in (first, last))
    return np.column_stack([low, high])


def pr_table(codes: npt.ArrayLike, prob: npt.ArrayLike) -> pd.DataFrame:
    """Precision-recall curve with resistant as the positive class.

    Parameters are those of `roc_table`.

    Returns
    -------
    Columns `threshold`, `recall`, `precision`; thresholds fall. The curve is a step function: the
    sum over rows of `precision` times the gain in `recall` is the AUPRC. Recall is NaN when no
    sample is resistant.
    """
    threshold, resistant, sensitive = _counts_at_scores(codes, prob)
    return pd.DataFrame(
        {
            "threshold": threshold,
            "recall": _fraction(resistant),
            "precision": resistant / (resistant + sensitive),
        }
    )


def reliability_table(
    codes: npt.ArrayLike, prob: npt.ArrayLike, n_bins: int = CALIBRATION_BINS
) -> pd.DataFrame:
    """Predicted probability and observed resistant fraction, in bins of equal width.

    Parameters are those of `roc_table`.

    Returns
    -------
    Columns `bin_low`, `bin_high`, `n`, `mean_predicted`, `observed`, and `ci_low`, `ci_high`,
    the 95% Wilson interval of `observed`. Empty bins have `n` 0 and NaN.
    """
    checked_codes, checked_prob = check_scores(codes, prob)
    which = calibration_bin(checked_prob, n_bins)
    n = np.bincount(which, minlength=n_bins)
    resistant = np.bincount(which, weights=checked_codes, minlength=n_bins)
    filled = np.where(n > 0, n, np.nan)
    low, high = wilson_interval(resistant, n)
    return pd.DataFrame(
        {
            "bin_low": np.arange(n_bins) / n_bins,
            "bin_high": np.arange(1, n_bins + 1) / n_bins,
            "n": n,
            "mean_predicted": np.bincount(which, checked_prob, minlength=n_bins) / filled,
            "observed": resistant / filled,
            "ci_low": low,
            "ci_high": high,
        }
    )


def threshold_table(
    codes: npt.ArrayLike, prob: npt.ArrayLike, thresholds: npt.ArrayLike | None = None
) -> pd.DataFrame:
    """Share called resistant and metrics at each threshold.

    Parameters
    ----------
    codes, prob
        As in `roc_table`.
    thresholds
        Thresholds to evaluate, (n_thresholds,); by default 0 to 1 in steps of 0.01.

    Returns
    -------
    Columns `threshold`, `called_resistant` (fraction of samples whose probability is strictly
    greater), and every metric of `scatd.evaluation.metrics.CONFUSION_METRICS`.
    """
    checked_codes, checked_prob = check_scores(codes, prob)
    tried = np.arange(101) / 100 if thresholds is None else np.asarray(thresholds, np.float64)
    resistant = np.sort(checked_prob[checked_codes == 1])
    sensitive = np.sort(checked_prob[checked_codes == 0])
    fn, tn = (
        np.searchsorted(scores, tried, side="right").astype(np.float64)
        for scores in (resistant, sensitive)
    )
    tp, fp = len(resistant) - fn, len(sensitive) - tn
    called = (tp + fp) / len(checked_prob)
    metrics = confusion_metrics(tp, fp, fn, tn)
    return pd.DataFrame({"threshold": tried, "called_resistant": called} | metrics)


def _counts_at_scores(codes: npt.ArrayLike, prob: npt.ArrayLike) -> tuple[Array, Array, Array]:
    checked_codes, checked_prob = check_scores(codes, prob)
    ones = np.ones((1, len(checked_codes)))
    threshold, resistant, sensitive = counts_by_rank(checked_codes, checked_prob, ones)
    return threshold, resistant[0], sensitive[0]


def _fraction(cumulated: Array) -> Array:
    total = cumulated[-1]
    return cumulated / total if total else np.full(len(cumulated), np.nan)
