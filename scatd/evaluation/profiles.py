"""Profiles of samples that can be compared: without what all share, and without an own scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.intp]
Profile = npt.NDArray[np.float32]

BLOCK_VALUES = 4_000_000
"""Numbers that are in memory at a time."""
_AXES = 256
"""Random axes: on them, lengths and angles are about those of all features."""
_GAPS = 0.05
"""Genes that hold 0 in one of two profiles only are left out of the comparison, if they are at most
this share of the genes of the two. So a copy is found that lacks some genes."""
_HIGHEST = 10.0
"""Limit in root mean squares of a profile: no gene may decide by itself."""
_CONSTANT = 1e-6
_FLAT = 0.05
"""A feature whose s.d. is below this share of the median s.d. counts less: rounding may be all
that it holds."""


@dataclass(frozen=True, eq=False)
class Standard:
    """What makes profiles of samples comparable.

    Parameters
    ----------
    kept
        Positions of the features that vary.
    mean, std
        Of these features over the samples; the s.d. of flat features is made larger (`_FLAT`).
    own
        (n_kept, at most 3), orthonormal: what a scale, an offset and a mean of its own change in a
        profile of features with mean 0 and s.d. 1.
    """

    kept: Rows
    mean: npt.NDArray[np.float64]
    std: npt.NDArray[np.float64]
    own: npt.NDArray[np.float64]

    @classmethod
    def of(cls, X: npt.NDArray, rows: Rows) -> Standard:
        """Measure the features of some rows of X (n_samples, n_features), block by block."""
        n_seen, mean, squares = 0, np.zeros(X.shape[1]), np.zeros(X.shape[1])
        for block in blocks(rows, X.shape[1]):
            values = np.asarray(X[block], dtype=np.float64)
            n_seen += len(values)
            shift = values.mean(axis=0) - mean
            mean += shift * (len(values) / n_seen)
            squares += np.square(values - values.mean(axis=0)).sum(axis=0)
            squares += np.square(shift) * ((n_seen - len(values)) * len(values) / n_seen)
        std = np.sqrt(squares / max(n_seen, 1))
        kept = np.flatnonzero(std > _CONSTANT * (1 + np.abs(mean)))
        mean, std = mean[kept], std[kept]
        if len(kept):
            std = np.hypot(std, _FLAT * np.median(std))
        # a x + b has (a x + b - mean) / std, which differs from a (x - mean) / std by multiples of
        # mean / std and of 1 / std.
        return cls(kept, mean, std, _orthonormal(np.ones_like(std), 1 / std, mean / std))

    def profiles(self, X: npt.NDArray, rows: Rows) -> Profile:
        """Profiles of rows, of length 1; 0 for a row without any variation."""
        return self._profiles(self._standardised(X, rows)).astype(np.float32)

    def on_axes(self, X: npt.NDArray, rows: Rows) -> Profile:
        """All profiles on random axes (n_rows, n_axes), of length 1."""
        n_kept = len(self.kept)
        if n_kept <= 2 * _AXES:
            return np.concatenate([self.profiles(X, some) for some in blocks(rows, X.shape[1])])
        axes = np.random.default_rng(0).standard_normal((n_kept, _AXES), dtype=np.float32)
        parts = [self.profiles(X, some) @ axes for some in blocks(rows, X.shape[1])]
        return _unit(np.concatenate(parts))

    def correlations(self, X: npt.NDArray, pairs: Rows) -> npt.NDArray[np.float64]:
        """Correlation of each pair of rows (n_pairs, 2), without genes that one of them lacks."""
        parts = [np.empty(0)]
        for some in blocks(np.arange(len(pairs)), 4 * X.shape[1]):
            first, second = pairs[some].T
            has_first, has_second = ((X[rows] != 0)[:, self.kept] for rows in (first, second))
            lone = has_first != has_second
            few = lone.sum(axis=1) <= _GAPS * (has_first | has_second).sum(axis=1)
            used = ~lone | ~few[:, None]
            one, other = (
                self._profiles(self._standardised(X, rows), used) for rows in (first, second)
            )
            parts.append((one * other).sum(axis=1))
        return np.concatenate(parts)

    def _standardised(self, X: npt.NDArray, rows: Rows) -> npt.NDArray[np.float64]:
        return (np.asarray(X[rows], dtype=np.float64)[:, self.kept] - self.mean) / self.std

    def _profiles(
        self, values: npt.NDArray[np.float64], used: npt.NDArray[np.bool_] | None = None
    ) -> npt.NDArray[np.float64]:
        """What is left of each row without its own scale, offset and mean; length 1."""
        if used is None or used.all():
            left, n_used = values - (values @ self.own) @ self.own.T, values.shape[1]
        else:
            values = np.where(used, values, 0)
            n_used = used.sum(axis=1, keepdims=True)
            products = np.einsum("pf,fi,fj->pij", used, self.own, self.own, optimize=True)
            parts = np.linalg.pinv(products, hermitian=True) @ (values @ self.own)[..., None]
            left = np.where(used, values - parts[..., 0] @ self.own.T, 0)
        size = np.linalg.norm(left, axis=1, keepdims=True)
        left[(size <= _CONSTANT * np.linalg.norm(values, axis=1, keepdims=True))[:, 0]] = 0
        most = _HIGHEST * size / np.sqrt(np.maximum(n_used, 1))
        return _unit(np.clip(left, -most, most))


def _orthonormal(*directions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Basis of some directions (n,), as columns; one that is 0 adds none."""
    columns = _unit(np.stack(directions)).T
    basis, size, _ = np.linalg.svd(columns, full_matrices=False)
    return basis[:, size > _CONSTANT]


def _unit(rows: npt.NDArray) -> npt.NDArray:
    """Rows of length 1; a row of zeros stays."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1)


def blocks(rows: Rows, n_features: int) -> Iterator[Rows]:
    """Rows, as many at a time as `BLOCK_VALUES` allows."""
    step = max(BLOCK_VALUES // max(n_features, 1), 1)
    for start in range(0, len(rows), step):
        yield rows[start : start + step]
