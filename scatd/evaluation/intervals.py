"""Uncertainty of metrics: one interval for each kind of metric, and paired leads.

- AUROC: the score interval of `evaluation.delong`, and the lead of `evaluation.leads`.
- Fractions (`PROPORTIONS`): Wilson's interval.
- Other metrics, and all metrics over whole groups: percentile intervals of a bootstrap.

The bootstrap was not kept for AUROC: a perfect ranking is perfect in every resample, so its
interval was (1, 1) at any sample size. `python -m benchmarks.coverage` compares both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from scatd.errors import InputError
from scatd.evaluation import delong, leads
from scatd.evaluation.delong import Ranking
from scatd.evaluation.metrics import METRICS, Array, check_scores, response_metrics
from scatd.evaluation.resampling import DEFAULT, Bootstrap, Fold, fold_means, resampled, units
from scatd.wording import counted

__all__ = [
    "DEFAULT",
    "FEW_GROUPS",
    "PROPORTIONS",
    "Bootstrap",
    "Comparison",
    "Estimate",
    "Fold",
    "bootstrap_interval",
    "compare_models",
    "few_groups_in_words",
    "fold_mean_interval",
    "intervals_table",
    "mean_interval",
    "wilson_interval",
]

FEW_GROUPS = 10
"""With fewer groups, intervals over groups are too narrow."""

PROPORTIONS = ("prevalence", "recall", "specificity", "precision", "accuracy")
"""Metrics that are a fraction of samples, so that Wilson's interval holds for them."""


class Estimate(NamedTuple):
    """A mean over folds and the bounds of its interval."""

    mean: float
    ci_low: float
    ci_high: float


class Comparison(NamedTuple):
    """A model's own metric, and the lead of the chosen model over it."""

    own: Estimate
    lead: Estimate


def few_groups_in_words(n_groups: int) -> str | None:
    """Say that intervals over so few groups are too narrow; None for `FEW_GROUPS` and more."""
    if n_groups >= FEW_GROUPS:
        return None
    verb = "is" if n_groups == 1 else "are"
    return (
        f"There {verb} only {counted(n_groups, 'group')}: with under {FEW_GROUPS}, intervals over "
        "groups are too narrow."
    )


def bootstrap_interval(
    codes: npt.ArrayLike,
    prob: npt.ArrayLike,
    metric: str = "auroc",
    *,
    threshold: float = 0.5,
    groups: npt.ArrayLike | None = None,
    bootstrap: Bootstrap = DEFAULT,
) -> tuple[float, float]:
    """Interval of one metric, of the kind that the module names for it.

    Parameters
    ----------
    codes, prob, threshold
        As in `scatd.evaluation.metrics.response_metrics`.
    metric
        One of `scatd.evaluation.metrics.METRICS`.
    groups
        Patient or sample of each row, (n_obs,): whole groups are resampled, because cells of one
        patient are not independent. An AUROC of 1 or 0 then has the interval of as many samples as
        there are groups with each class.

    Returns
    -------
    Lower and upper bound; NaN where the metric, or every resample of it, is not defined.
    """
    return _bounds(codes, prob, [metric], threshold, groups, bootstrap)[metric]


def intervals_table(
    codes: npt.ArrayLike,
    prob: npt.ArrayLike,
    threshold: float | Array = 0.5,
    *,
    groups: npt.ArrayLike | None = None,
    bootstrap: Bootstrap = DEFAULT,
) -> pd.DataFrame:
    """Every metric with its interval; all bootstrap intervals are from the same resamples.

    Parameters are those of `bootstrap_interval`.

    Returns
    -------
    Columns `metric`, `value`, `ci_low`, `ci_high`; one row for each of `METRICS`.
    """
    values = response_metrics(codes, prob, threshold)
    bounds = _bounds(codes, prob, METRICS, threshold, groups, bootstrap)
    rows = [(name, values[name], *bounds[name]) for name in METRICS]
    return pd.DataFrame(rows, columns=["metric", "value", "ci_low", "ci_high"])


def fold_mean_interval(
    folds: Sequence[Fold],
    metric: str = "auroc",
    *,
    threshold: float = 0.5,
    bootstrap: Bootstrap = DEFAULT,
) -> tuple[float, float]:
    """Interval of the mean over folds of a metric.

    The interval shows how precisely these folds measure these models. Results from other source
    cohorts would vary more. For metrics other than AUROC, samples are drawn within each fold and
    class, so every resampled fold keeps its class counts.

    Parameters
    ----------
    folds
        Codes and P(resistant) of each fold's validation samples.

    Returns
    -------
    Lower and upper bound; NaN when a fold leaves the metric undefined.
    """
    if metric == "auroc":
        low, high = delong.interval_of_mean(_rankings(folds), level=bootstrap.level)
        return float(low), float(high)
    (draws,) = fold_means([folds], metric, threshold, bootstrap)
    return bootstrap.bounds(draws)


def compare_models(
    models: Mapping[str, Sequence[Fold]],
    ours: str,
    metric: str = "auroc",
    *,
    threshold: float = 0.5,
    bootstrap: Bootstrap = DEFAULT,
) -> dict[str, Comparison]:
    """Mean over folds of a metric for each model, and the lead of one model over each.

    If a fold is hard for two models, this cancels in the lead. Models with equal ranks have the
    lead 0 with the interval (0, 0). Each own interval is that of `fold_mean_interval`.

    Parameters
    ----------
    models
        Folds by model: the same folds, the same rows in the same order.
    ours
        The model whose leads are computed. A positive lead means better (for `brier`, `ece` and
        `loss`: worse).

    Raises
    ------
    InputError
        When the folds of two models do not hold the same labels.
    """
    for folds in models.values():
        _require_paired(models[ours], folds)
    points = {
        name: np.array([response_metrics(*fold, threshold)[metric] for fold in folds])
        for name, folds in models.items()
    }
    if metric == "auroc":
        own, lead = _auroc_bounds(models, ours, bootstrap.level)
    else:
        own, lead = _drawn_bounds(models, ours, metric, threshold, bootstrap)
    return {
        name: Comparison(
            own=Estimate(float(points[name].mean()), *own[name]),
            lead=Estimate(float((points[ours] - points[name]).mean()), *lead[name]),
        )
        for name in models
    }


def wilson_interval(
    successes: npt.ArrayLike, trials: npt.ArrayLike, *, level: float = 0.95
) -> tuple[Array, Array]:
    """Wilson score interval of a fraction (Wilson 1927), elementwise; NaN without trials.

    Parameters
    ----------
    successes, trials
        Counts, in arrays of one shape.

    Returns
    -------
    Lower and upper bounds, in the shape of the counts.
    """
    n = np.asarray(trials, dtype=np.float64)
    n = np.where(n > 0, n, np.nan)
    fraction = np.asarray(successes, dtype=np.float64) / n
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (fraction + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(fraction * (1 - fraction) / n + z**2 / (4 * n**2))
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def mean_interval(
    values: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    bootstrap: Bootstrap = DEFAULT,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of values (n_obs,).

    Parameters
    ----------
    groups
        As in `bootstrap_interval`: whole groups are resampled.
    """
    x = np.asarray(values, dtype=np.float64)
    drawn = bootstrap.weights(len(x), groups)
    means = [weights @ x / weights.sum(axis=1) for weights in drawn]
    return bootstrap.bounds(np.concatenate(means))


Bounds = dict[str, tuple[float, float]]


def _bounds(
    codes: npt.ArrayLike,
    prob: npt.ArrayLike,
    names: Collection[str],
    threshold: float | Array,
    groups: npt.ArrayLike | None,
    bootstrap: Bootstrap,
) -> Bounds:
    """Bounds of each metric: by formula where there is one, else from resamples."""
    truth, scores = check_scores(codes, prob)
    found: Bounds = {}
    if groups is None:
        found = _by_formula(truth, scores, threshold, bootstrap.level)
    drawn = [name for name in names if name not in found]
    if drawn:
        weights = bootstrap.weights(len(truth), groups)
        draws = resampled(truth, scores, drawn, threshold, weights)
        found |= {name: bootstrap.bounds(draws[name]) for name in drawn}
    if groups is not None and "auroc" in names:
        perfect = _perfect_by_groups(truth, scores, groups, bootstrap.level)
        found |= {"auroc": perfect} if perfect else {}
    return {name: found[name] for name in names}


def _by_formula(codes: Array, prob: Array, threshold: float | Array, level: float) -> Bounds:
    """Bounds of the AUROC and of `PROPORTIONS`; NaN where the metric is not defined."""
    low, high = delong.interval_of_mean([delong.ranking(codes, prob)], level=level)
    resistant, called = codes == 1, prob > threshold
    fractions = {
        "prevalence": (resistant, np.ones_like(resistant)),
        "recall": (called, resistant),
        "specificity": (~called, ~resistant),
        "precision": (resistant, called),
        "accuracy": (called == resistant, np.ones_like(resistant)),
    }
    lows, highs = wilson_interval(
        [int((hits & among).sum()) for hits, among in fractions.values()],
        [int(among.sum()) for _, among in fractions.values()],
        level=level,
    )
    wilson = zip(fractions, lows, highs, strict=True)
    return {"auroc": (float(low), float(high))} | {
        name: (float(lower), float(upper)) for name, lower, upper in wilson
    }


def _perfect_by_groups(
    codes: Array, prob: Array, groups: npt.ArrayLike, level: float
) -> tuple[float, float] | None:
    """Bounds of an AUROC of 1 or 0, as if each group were one sample of a class; else None."""
    auroc = float(delong.ranking(codes, prob).auroc)
    if auroc not in (0, 1):
        return None
    member, _ = units(len(codes), groups)
    n_resistant, n_sensitive = (len(np.unique(member[codes == code])) for code in (1, 0))
    low = delong.perfect_bound(n_resistant, n_sensitive, level=level)
    return (low, 1.0) if auroc == 1 else (0.0, 1 - low)


def _rankings(folds: Sequence[Fold]) -> list[Ranking]:
    return [delong.ranking(*check_scores(*fold)) for fold in folds]


def _auroc_bounds(
    models: Mapping[str, Sequence[Fold]], ours: str, level: float
) -> tuple[Bounds, Bounds]:
    """Bounds of each model's mean fold AUROC, and of the lead over it."""
    ranked = {name: _rankings(folds) for name, folds in models.items()}
    own = {name: delong.interval_of_mean(folds, level=level) for name, folds in ranked.items()}
    lead = {
        name: leads.lead_interval(ranked[ours], folds, level=level)
        for name, folds in ranked.items()
    }
    return _as_floats(own), _as_floats(lead)


def _as_floats(bounds: Mapping[str, tuple[Array, Array]]) -> Bounds:
    return {name: (float(low), float(high)) for name, (low, high) in bounds.items()}


def _drawn_bounds(
    models: Mapping[str, Sequence[Fold]],
    ours: str,
    metric: str,
    threshold: float,
    bootstrap: Bootstrap,
) -> tuple[Bounds, Bounds]:
    """The same by a bootstrap: all models are scored on the same resampled rows."""
    drawn = fold_means(list(models.values()), metric, threshold, bootstrap)
    draws = dict(zip(models, drawn, strict=True))
    own = {name: bootstrap.bounds(values) for name, values in draws.items()}
    lead = {name: bootstrap.bounds(draws[ours] - values) for name, values in draws.items()}
    return own, lead


def _require_paired(folds_a: Sequence[Fold], folds_b: Sequence[Fold]) -> None:
    if len(folds_a) != len(folds_b):
        raise InputError(f"{counted(len(folds_a), 'fold')} compared with {len(folds_b)}")
    for number, (fold_a, fold_b) in enumerate(zip(folds_a, folds_b, strict=True), start=1):
        if not np.array_equal(np.asarray(fold_a[0]), np.asarray(fold_b[0])):
            expected = "the same samples in the same order"
            raise InputError("labels differ", where=f"fold {number}", expected=expected)
