"""AUROC without resampling: its variance (DeLong et al. 1988) and its interval.

The interval holds every value that the samples do not contradict (a score interval, as Wilson's for
a fraction): all t with |AUROC - t| <= z * s.d.(t). The variance at t is that of two normal
distributions of equal width, times a ratio: the variance of DeLong over that of the normals, both
at the AUROC of the samples. DeLong's variance is poor where few samples tell something, and 0 for a
perfect ranking. So the ratio is pulled to 1 as by a few more samples. An AUROC of 1 or 0 has the
ratio 1: its interval is never a point. `python -m benchmarks.coverage` measures how often the
intervals hold the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_WIDER, _NARROWER = 3, 10
"""Samples that say "like normals": against a wider variance of DeLong, and a narrower one."""
_HALVINGS = 50
_TINY = 1e-15


@dataclass(frozen=True, eq=False)
class Ranking:
    """How scores rank the samples of two classes. Leading axes of the scores are kept.

    Parameters
    ----------
    above
        (..., n_resistant), share of sensitive samples that each resistant sample is ranked above.
    under
        (..., n_sensitive), share of resistant samples that each sensitive sample is ranked under.
    among_resistant, among_sensitive
        Ranks of the samples in their own class, in the shapes of `above` and `under`.
    """

    above: Array
    under: Array
    among_resistant: Array
    among_sensitive: Array

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers of resistant and of sensitive samples."""
        return self.above.shape[-1], self.under.shape[-1]

    @cached_property
    def auroc(self) -> Array:
        """(...), NaN without one sample of each class."""
        if not min(self.sizes):
            return np.full(self.above.shape[:-1], np.nan)
        return self.above.mean(axis=-1)

    @cached_property
    def variance(self) -> Array:
        """(...), DeLong's; NaN without two samples of each class."""
        return spread(self.above, self.under)

    @cached_property
    def informative(self) -> Array:
        """(...), samples in the smaller class that are neither above nor under all others."""
        inner = [((part > 0) & (part < 1)).sum(axis=-1) for part in (self.above, self.under)]
        return np.minimum(*inner).astype(np.float64)

    @cached_property
    def is_constant(self) -> npt.NDArray[np.bool_]:
        """(...), whether all samples have the same score. Its AUROC is 0.5, whatever is drawn."""
        return np.logical_and(*((part == 0.5).all(axis=-1) for part in (self.above, self.under)))


def spread(above: Array, under: Array) -> Array:
    """Variance of the mean of `above` (or `under`), from the spread of both over their samples."""
    n_resistant, n_sensitive = above.shape[-1], under.shape[-1]
    if min(n_resistant, n_sensitive) < 2:
        return np.full(above.shape[:-1], np.nan)
    return above.var(axis=-1, ddof=1) / n_resistant + under.var(axis=-1, ddof=1) / n_sensitive


def ranking(codes: npt.ArrayLike, scores: npt.ArrayLike) -> Ranking:
    """Rank scores of any range; ties count half.

    Parameters
    ----------
    codes
        (n_obs,) 0 sensitive, 1 resistant.
    scores
        (..., n_obs), higher for "resistant".
    """
    from scipy.stats import rankdata

    truth, values = np.asarray(codes), np.asarray(scores, dtype=np.float64)
    resistant, sensitive = values[..., truth == 1], values[..., truth == 0]
    n_resistant, n_sensitive = resistant.shape[-1], sensitive.shape[-1]
    ranks = rankdata(np.concatenate([resistant, sensitive], axis=-1), axis=-1)
    among_resistant, among_sensitive = rankdata(resistant, axis=-1), rankdata(sensitive, axis=-1)
    return Ranking(
        above=(ranks[..., :n_resistant] - among_resistant) / max(n_sensitive, 1),
        under=1 - (ranks[..., n_resistant:] - among_sensitive) / max(n_resistant, 1),
        among_resistant=among_resistant,
        among_sensitive=among_sensitive,
    )


def auroc_variance(codes: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[float, float]:
    """AUROC of scores of any range, and its variance; ties count half.

    Parameters
    ----------
    codes
        (n_obs,) 0 sensitive, 1 resistant; two of each are needed for a variance.
    scores
        (n_obs,), higher for "resistant".

    Returns
    -------
    AUROC and variance. The AUROC is NaN without one sample of each class; the variance is that of
    chance, 1/4, without two.
    """
    found = ranking(codes, scores)
    variance = float(found.variance)
    return float(found.auroc), 0.25 if np.isnan(variance) else variance


def auroc_interval(
    codes: npt.ArrayLike, scores: npt.ArrayLike, *, level: float = 0.95
) -> tuple[float, float]:
    """Interval of an AUROC, inside 0 and 1.

    Parameters
    ----------
    codes, scores
        See `auroc_variance`.

    Returns
    -------
    Lower and upper end; 0 and 1 where the AUROC is not defined. An AUROC of 1 (or 0) ends at 1 (or
    0), and its other end depends on the numbers of samples.
    """
    low, high = interval_of_mean([ranking(codes, scores)], level=level)
    return (0.0, 1.0) if np.isnan(low) else (float(low), float(high))


def interval_of_mean(folds: Sequence[Ranking], *, level: float = 0.95) -> tuple[Array, Array]:
    """Interval of the mean AUROC of folds with different samples.

    Returns
    -------
    Lower and upper ends, (...); NaN where the AUROC of a fold is not defined. The ends are equal
    only where all scores of each fold are equal.
    """
    mean = np.mean([fold.auroc for fold in folds], axis=0)
    ratio = _ratio_to_normal(folds, mean)
    z = NormalDist().inv_cdf((1 + level) / 2)

    def contradicts(value: Array) -> npt.NDArray[np.bool_]:
        return (mean - value) ** 2 > z**2 * ratio * sum(_of_fold(fold, value) for fold in folds) / (
            len(folds) ** 2
        )

    known = ~np.isnan(mean)
    low = _last_to_hold(contradicts, mean, np.zeros_like(mean))
    high = _last_to_hold(contradicts, mean, np.ones_like(mean))
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


def perfect_bound(n_resistant: int, n_sensitive: int, *, level: float = 0.95) -> float:
    """Lower end of the interval of an AUROC of 1, from the numbers of samples alone."""
    codes = np.repeat([1, 0], [n_resistant, n_sensitive])
    return auroc_interval(codes, codes, level=level)[0]


def normal_variance(auroc: Array, n_resistant: int, n_sensitive: int) -> Array:
    """Exact variance of the AUROC of two normal distributions of equal width.

    Two differences that share one sample are correlated by 1/2. The probability that both are
    positive has a closed form with Owen's T (Owen 1956).
    """
    from scipy.special import ndtri, owens_t

    inside = np.clip(auroc, _TINY, 1 - _TINY)
    shared = inside - 2 * owens_t(ndtri(inside), 1 / np.sqrt(3)) - inside**2
    pairs = max(n_resistant * n_sensitive, 1)
    variance = (inside * (1 - inside) + (n_resistant + n_sensitive - 2) * shared) / pairs
    return np.asarray(variance, dtype=np.float64)


def _of_fold(fold: Ranking, auroc: Array) -> Array:
    """Variance of a fold at a given AUROC by the normals; 0 where the scores rank nothing."""
    return np.where(fold.is_constant, 0.0, normal_variance(auroc, *fold.sizes))


def _ratio_to_normal(folds: Sequence[Ranking], mean: Array) -> Array:
    """DeLong's variance over that of normals, (...), pulled to 1 where few samples tell it."""
    normal = [_of_fold(fold, mean) for fold in folds]
    measured = [
        own if np.isnan(fold.variance).all() else np.where(fold.is_constant, 0.0, fold.variance)
        for fold, own in zip(folds, normal, strict=True)
    ]
    weight = np.sum([np.where(fold.is_constant, 0.0, fold.informative) for fold in folds], axis=0)
    total = np.sum(normal, axis=0)
    is_between = (mean > 0) & (mean < 1) & (total > 0)
    ratio = np.divide(np.sum(measured, axis=0), total, out=np.ones_like(total), where=is_between)
    is_wider = ratio > 1
    # One sample has no spread. It may show a long tail, but never that a variance is narrower.
    weight = np.where(is_wider, weight, np.maximum(weight - 1, 0))
    pull = np.where(is_wider, _WIDER, _NARROWER)
    return (ratio * weight + pull) / (weight + pull)


def _last_to_hold(
    contradicts: Callable[[Array], npt.NDArray[np.bool_]], inside: Array, outside: Array
) -> Array:
    """Halve the way from a value that holds to the end of the scale, until the bound is found."""
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        is_out = contradicts(middle)
        inside, outside = np.where(is_out, inside, middle), np.where(is_out, middle, outside)
    return np.where(contradicts(outside), inside, outside)
