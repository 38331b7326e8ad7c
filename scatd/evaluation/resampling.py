"""Resampling for bootstrap intervals: of samples, of whole groups, and within classes.

A resample is a row of counts, so all resamples are scored at once. A resample without one of the
classes leaves ranking metrics undefined; it is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scatd.errors import InputError
from scatd.evaluation.metrics import Array, weighted_metrics
from scatd.wording import counted

Fold = tuple[npt.ArrayLike, npt.ArrayLike]
"""Codes and P(resistant) of one fold's validation samples, each (n_obs,)."""

_BLOCK = 2_000_000
"""Largest number of weights (resamples x samples) held at once: 16 MB."""


@dataclass(frozen=True)
class Bootstrap:
    """How an interval is computed; AUROC and fractions use only the level.

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
        member, n_units = units(n_obs, groups)
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


def resampled(
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


def fold_means(
    models: Sequence[Sequence[Fold]], metric: str, threshold: float, bootstrap: Bootstrap
) -> list[Array]:
    """Mean over folds of each model's metric, in the same resamples, (n_boot,) each."""
    rng = np.random.default_rng(bootstrap.seed)
    draws = [
        _stratified(of_models, metric, threshold, bootstrap.n_boot, rng)
        for of_models in zip(*models, strict=True)
    ]
    return [np.mean(of_model, axis=0) for of_model in zip(*draws, strict=True)]


def units(n_obs: int, groups: npt.ArrayLike | None) -> tuple[npt.NDArray[np.intp], int]:
    """Return the unit of resampling of each row, (n_obs,), and the number of units."""
    if groups is None:
        return np.arange(n_obs), n_obs
    member = np.unique(np.asarray(groups), return_inverse=True)[1]
    if len(member) != n_obs:
        raise InputError(
            f"{counted(len(member), 'group')} for {counted(n_obs, 'label')}", expected="one each"
        )
    return member, int(member.max(initial=-1)) + 1


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
