"""Uncertainty of metrics: bootstrap intervals, paired differences, Wilson intervals.

Bootstrap intervals are percentile intervals. A resample is a row of counts, so all resamples are
scored at once. A resample without one of the classes leaves ranking metrics undefined; it is
left out.

A perfect ranking is perfect in every resample: its interval is (1, 1) at any sample size. Read it
together with the number of samples.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from scatd.errors import InputError
from scatd.evaluation.metrics import METRICS, Array, response_metrics, weighted_metrics

Fold = tuple[npt.ArrayLike, npt.ArrayLike]
"""Codes and P(resistant) of one fold's validation samples, each (n_obs,)."""

_BLOCK = 2_000_000
"""Largest number of weights (resamples x samples) held at once: 16 MB."""


class Estimate(NamedTuple):
    """A mean over folds and the bounds of its interval."""

    mean: float
    ci_low: float
    ci_high: float


class Comparison(NamedTuple):
    """A model's own metric, and the lead of the chosen model over it."""

    own: Estimate
    lead: Estimate


@dataclass(frozen=True)
class Bootstrap:
    """How a bootstrap interval is computed.

    Parameters
    ----------
    n_boot
        Number of resamples.
    seed
        Equal seeds draw equal resamples.
    level
        Coverage of the interval.
    """

    n_boot: int = 1000
    seed: int = 0
    level: float = 0.95

    def weights(self, n_obs: int, groups: npt.ArrayLike | None) -> Iterator[Array]:
        """Draw resamples of rows, or of whole groups of rows.

        Yields
        ------
        How often each row is drawn, (n_draws, n_obs), in blocks of a bounded size.
        """
        rng = np.random.default_rng(self.seed)
        member, n_units = _units(n_obs, groups)
        for size in _blocks(self.n_boot, n_obs):
            yield _counts(rng, n_units, size)[:, member]

    def bounds(self, draws: Array) -> tuple[float, float]:
        """Return the percentile interval of resampled values; NaN where none is defined."""
        defined = draws[~np.isnan(draws)]
        if not len(defined):
            return float("nan"), float("nan")
        low, high = np.quantile(defined, [(1 - self.level) / 2, (1 + self.level) / 2])
        return float(low), float(high)


DEFAULT = Bootstrap()


def bootstrap_interval(
    codes: npt.ArrayLike,
    prob: npt.ArrayLike,
    metric: str = "auroc",
    *,
    threshold: float = 0.5,
    groups: npt.ArrayLike | None = None,
    bootstrap: Bootstrap = DEFAULT,
) -> tuple[float, float]:
    """Percentile bootstrap interval of one metric.

    Parameters
    ----------
    codes, prob, threshold
        As in `scatd.evaluation.metrics.response_metrics`.
    metric
        One of `scatd.evaluation.metrics.METRICS`.
    groups
        Patient or sample of each row, (n_obs,): whole groups are resampled, because cells of one
        patient are not independent.

    Returns
    -------
    Lower and upper bound; NaN where no resample defines the metric.
    """
    weights = bootstrap.weights(np.size(codes), groups)
    draws = _resampled(codes, prob, [metric], threshold, weights)
    return bootstrap.bounds(draws[metric])


def intervals_table(
    codes: npt.ArrayLike,
    prob: npt.ArrayLike,
    threshold: float | Array = 0.5,
    *,
    groups: npt.ArrayLike | None = None,
    bootstrap: Bootstrap = DEFAULT,
) -> pd.DataFrame:
    """Every metric with its bootstrap interval, all from the same resamples.

    Parameters are those of `bootstrap_interval`.

    Returns
    -------
    Columns `metric`, `value`, `ci_low`, `ci_high`; one row for each of `METRICS`.
    """
    values = response_metrics(codes, prob, threshold)
    weights = bootstrap.weights(np.size(codes), groups)
    draws = _resampled(codes, prob, METRICS, threshold, weights)
    rows = [(name, values[name], *bootstrap.bounds(draws[name])) for name in METRICS]
    return pd.DataFrame(rows, columns=["metric", "value", "ci_low", "ci_high"])


def fold_mean_interval(
    folds: Sequence[Fold],
    metric: str = "auroc",
    *,
    threshold: float = 0.5,
    bootstrap: Bootstrap = DEFAULT,
) -> tuple[float, float]:
    """Interval of the mean over folds of a metric.

    Samples are drawn within each fold and class, so every resampled fold keeps its class counts.
    The interval shows how precisely these folds measure these models. Results from other source
    cohorts would vary more.

    Parameters
    ----------
    folds
        Codes and P(resistant) of each fold's validation samples.

    Returns
    -------
    Lower and upper bound; NaN when a fold leaves the metric undefined.
    """
    (draws,) = _fold_means([folds], metric, threshold, bootstrap)
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

    All models are scored on the same resampled rows. If a fold is hard for two models, this
    cancels in the lead. Each interval is that of `fold_mean_interval`.

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
    drawn = _fold_means(list(models.values()), metric, threshold, bootstrap)
    draws = dict(zip(models, drawn, strict=True))

    def estimate(values: Array, resampled: Array) -> Estimate:
        return Estimate(float(values.mean()), *bootstrap.bounds(resampled))

    return {
        name: Comparison(
            own=estimate(points[name], draws[name]),
            lead=estimate(points[ours] - points[name], draws[ours] - draws[name]),
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


def _resampled(
    codes: npt.ArrayLike,
    prob: npt.ArrayLike,
    names: Collection[str],
    threshold: float | Array,
    drawn: Iterator[Array],
) -> dict[str, Array]:
    """Compute metrics of resamples, (n_boot,) each, from the weights of their rows."""
    parts = [
        weighted_metrics(codes, prob, weights, names, threshold=threshold) for weights in drawn
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def _units(n_obs: int, groups: npt.ArrayLike | None) -> tuple[npt.NDArray[np.intp], int]:
    """Return the unit of resampling of each row, (n_obs,), and the number of units."""
    if groups is None:
        return np.arange(n_obs), n_obs
    member = np.unique(np.asarray(groups), return_inverse=True)[1]
    if len(member) != n_obs:
        raise InputError(f"{len(member)} groups for {n_obs} labels", expected="one each")
    return member, int(member.max(initial=-1)) + 1


def _require_paired(folds_a: Sequence[Fold], folds_b: Sequence[Fold]) -> None:
    if len(folds_a) != len(folds_b):
        raise InputError(f"{len(folds_a)} folds compared with {len(folds_b)}")
    for number, (fold_a, fold_b) in enumerate(zip(folds_a, folds_b, strict=True), start=1):
        if not np.array_equal(np.asarray(fold_a[0]), np.asarray(fold_b[0])):
            expected = "the same samples in the same order"
            raise InputError("labels differ", where=f"fold {number}", expected=expected)


def _fold_means(
    models: Sequence[Sequence[Fold]], metric: str, threshold: float, bootstrap: Bootstrap
) -> list[Array]:
    """Mean over folds of each model's metric, in the same resamples, (n_boot,) each."""
    rng = np.random.default_rng(bootstrap.seed)
    draws = [
        _stratified(of_models, metric, threshold, bootstrap.n_boot, rng)
        for of_models in zip(*models, strict=True)
    ]
    return [np.mean(of_model, axis=0) for of_model in zip(*draws, strict=True)]


def _stratified(
    scored: Sequence[Fold],
    metric: str,
    threshold: float,
    n_boot: int,
    rng: np.random.Generator,
) -> list[Array]:
    """A metric of every model in `scored`, on the same resamples within classes, (n_boot,) each."""
    codes = np.asarray(scored[0][0])
    draws: list[list[Array]] = [[] for _ in scored]
    for size in _blocks(n_boot, len(codes)):
        weights = np.empty((size, len(codes)))
        for code in np.unique(codes):
            rows = np.flatnonzero(codes == code)
            weights[:, rows] = _counts(rng, len(rows), size)
        for values, (_, prob) in zip(draws, scored, strict=True):
            drawn = weighted_metrics(codes, prob, weights, [metric], threshold=threshold)
            values.append(drawn[metric])
    return [np.concatenate(values) for values in draws]


def _blocks(n_boot: int, n_obs: int) -> Iterator[int]:
    """Split `n_boot` resamples into blocks, so memory does not grow with the number of samples."""
    largest = max(1, _BLOCK // max(1, n_obs))
    for start in range(0, n_boot, largest):
        yield min(largest, n_boot - start)


def _counts(rng: np.random.Generator, n_units: int, n_draws: int) -> Array:
    """Count how often each unit occurs in `n_units` draws with replacement, (n_draws, n_units)."""
    drawn = rng.integers(0, n_units, size=(n_draws, n_units))
    drawn += np.arange(n_draws)[:, None] * n_units
    counts = np.bincount(drawn.ravel(), minlength=n_draws * n_units)
    return counts.reshape(n_draws, n_units).astype(np.float64)
