"""Interval of the lead of one model over another on the same samples, in AUROC.

The sides of both own intervals are squared and added (Newcombe 1998; Zou and Donner 2008), and the
sum is multiplied by the share of variance that does not cancel: DeLong's variance of the difference
over the sum of both variances. With few samples that tell something, this share is pulled to the
one that the correlation of the scores within the classes gives (Hanley and McNeil 1983).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from scatd.evaluation.delong import Array, Ranking, interval_of_mean, spread

_PULL = 3
"""Samples that say "as the correlation of the scores"."""


def lead_interval(
    ours: Sequence[Ranking], other: Sequence[Ranking], *, level: float = 0.95
) -> tuple[Array, Array]:
    """Interval of the mean fold AUROC of one model minus that of another.

    Parameters
    ----------
    ours, other
        Fold by fold, on the same samples in the same order.

    Returns
    -------
    Lower and upper ends, (...), inside -1 and 1. NaN where the AUROC of a fold is not defined. Both
    are 0 where both models rank all samples equally. Two perfect rankings that differ within the
    classes have an interval around 0.
    """
    a, b = (np.mean([fold.auroc for fold in folds], axis=0) for folds in (ours, other))
    (a_low, a_high), (b_low, b_high) = (interval_of_mean(f, level=level) for f in (ours, other))
    left = np.sqrt(_share_left(ours, other, a_high - a_low, b_high - b_low))
    low = a - b - left * np.hypot(a - a_low, b_high - b)
    high = a - b + left * np.hypot(a_high - a, b - b_low)
    return np.clip(low, -1, 1), np.clip(high, -1, 1)


def _share_left(
    ours: Sequence[Ranking], other: Sequence[Ranking], width_a: Array, width_b: Array
) -> Array:
    """Share of the summed variances that pairing does not cancel, (...); 0 for equal ranks."""
    squares = width_a**2 + width_b**2
    correlation = np.clip(np.mean([_correlation(*p) for p in _pairs(ours, other)], axis=0), 0, 1)
    cancelled = _ratio(2 * correlation * width_a * width_b, squares, 0.0)
    by_scores = 1 - cancelled
    difference = np.nansum(
        [spread(a.above - b.above, a.under - b.under) for a, b in _pairs(ours, other)], axis=0
    )
    apart = np.nansum([a.variance + b.variance for a, b in _pairs(ours, other)], axis=0)
    measured = _ratio(difference, apart, by_scores)
    weight = np.sum([_informative(*pair) for pair in _pairs(ours, other)], axis=0)
    share = (measured * weight + _PULL * by_scores) / (weight + _PULL)
    is_same = np.all([_is_same(*pair) for pair in _pairs(ours, other)], axis=0)
    return np.where(is_same, 0.0, np.maximum(share, 0.0))


def _pairs(ours: Sequence[Ranking], other: Sequence[Ranking]) -> list[tuple[Ranking, Ranking]]:
    return list(zip(ours, other, strict=True))


def _informative(a: Ranking, b: Ranking) -> Array:
    """Samples in the smaller class that at least one of two models does not rank at an end."""
    inner = [
        (((x > 0) & (x < 1)) | ((y > 0) & (y < 1))).sum(axis=-1)
        for x, y in ((a.above, b.above), (a.under, b.under))
    ]
    return np.minimum(*inner).astype(np.float64)


def _correlation(a: Ranking, b: Ranking) -> Array:
    """Spearman correlation of two models within the classes, (...), mean of both classes."""
    found = []
    for x, y in ((a.among_resistant, b.among_resistant), (a.among_sensitive, b.among_sensitive)):
        middle = (x.shape[-1] + 1) / 2
        x, y = x - middle, y - middle
        length = np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
        found.append(_ratio((x * y).sum(axis=-1), length, 0.0))
    return (found[0] + found[1]) / 2


def _is_same(a: Ranking, b: Ranking) -> npt.NDArray[np.bool_]:
    parts = ("above", "under", "among_resistant", "among_sensitive")
    equal = [(getattr(a, part) == getattr(b, part)).all(axis=-1) for part in parts]
    return np.logical_and.reduce(equal)


def _ratio(part: Array, whole: Array, otherwise: Array | float) -> Array:
    """`part / whole`; `otherwise` where the whole is 0 or not known."""
    known = whole > 0
    return np.where(known, part / np.where(known, whole, 1.0), otherwise)
