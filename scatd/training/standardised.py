"""Standardised training rows, and what linear models of them share: products and components."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from scatd.nn.alignment import CONSTANT

_RANK = 1e-10
"""Share of the largest variance under which a principal component is rounding."""
_JITTER = 1e-12

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FeatureScale:
    """Mean and s.d. of the features of training rows.

    Parameters
    ----------
    varies
        (n_features,), whether a feature varies by more than rounding.
    mean, std
        Of the features that vary.
    """

    varies: NDArray[np.bool_]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    @classmethod
    def of(cls, X: NDArray[np.float32]) -> FeatureScale:
        """That of some rows (n_obs, n_features)."""
        mean, std = X.mean(axis=0), X.std(axis=0)
        # A feature that is constant but for rounding would put other rows a million s.d. away.
        varies = std > CONSTANT * (1 + np.abs(mean))
        return cls(varies, mean[varies], std[varies])

    def standardise(self, X: NDArray[np.float32]) -> Values:
        """The features that vary, in s.d. from their mean, (n_obs, n_varying)."""
        return ((X[:, self.varies] - self.mean) / self.std).astype(np.float64)


class Standardised:
    """Training rows whose features have mean 0 and s.d. 1, and the products of each two rows.

    With fewer rows than features, a linear model with an L2 penalty is found from the products
    alone, which is exact: it has no weights outside the span of its rows, where they would only be
    penalised.

    Parameters
    ----------
    X
        Aligned features (n_obs, n_features).

    Attributes
    ----------
    scale
        Mean and s.d. of the features.
    rows
        (n_obs, n_varying), the features that vary, standardised.
    """

    def __init__(self, X: NDArray[np.float32]) -> None:
        self.scale = FeatureScale.of(X)
        self.rows = self.scale.standardise(X)
        self._products: Values = self.rows @ self.rows.T
        self._components: tuple[Values, Values] | None = None
        self._asked = 0

    @cached_property
    def root(self) -> Values:
        """A square root (n_obs, n_obs) of the products: rows with the same lengths and angles.

        It takes a tenth of the time of principal axes. What is added makes it a root at all.
        """
        products = self._products.copy()
        products[np.diag_indices_from(products)] += _JITTER * products.trace()
        return np.asarray(np.linalg.cholesky(products), dtype=np.float64)

    def components(self, n: int) -> Values:
        """The first principal components of the rows, (n_obs, at most n), largest first."""
        left, lengths = self._axes(n)
        return left[:, :n] * lengths[:n]

    @property
    def span(self) -> Values:
        """The rows, turned into as few columns as keep lengths and angles, (n_obs, n_columns)."""
        return self.rows if self._is_tall else self.root

    @property
    def _is_tall(self) -> bool:
        return self.rows.shape[1] <= len(self.rows)

    def of_span(self, coef: Values) -> tuple[Values, float]:
        """Weights of all features (n_features,) and offset, from weights of the span's columns."""
        if self._is_tall:
            weights = self._of_all_features(coef)
            return weights, float(-(weights[self.scale.varies] @ self.scale.mean))
        from scipy.linalg import solve_triangular

        return self._of_rows(solve_triangular(self.root, coef, lower=True, trans="T"))

    def of_components(self, coef: Values) -> tuple[Values, float]:
        """Weights of all features (n_features,) and offset, from weights of the components."""
        left, lengths = self._axes(len(coef))
        return self._of_rows(left[:, : len(coef)] @ (coef / lengths[: len(coef)]))

    def _axes(self, n: int) -> tuple[Values, Values]:
        """Left singular vectors and singular values, the largest first; at least n, if there."""
        size = len(self.rows)
        if self._components is None or self._asked < min(n, size):
            # Threads find their axes side by side: scipy's search lets no other thread work.
            found = torch.linalg.eigh(torch.from_numpy(self._products))
            squares, left = (part.numpy()[..., ::-1][..., :n] for part in found)
            keep = squares > max(squares[0], 0) * _RANK
            # There are fewer than were asked for where rows or features depend on each other.
            self._components, self._asked = (left[:, keep], np.sqrt(squares[keep])), n
        return self._components

    def _of_rows(self, per_row: Values) -> tuple[Values, float]:
        weights = self._of_all_features(self.rows.T @ per_row)
        return weights, float(-(weights[self.scale.varies] @ self.scale.mean))

    def _of_all_features(self, per_sd: Values) -> Values:
        """Weights per s.d. of features that vary, as weights of all features as they are."""
        weights = np.zeros((len(self.scale.varies), *per_sd.shape[1:]))
        weights[self.scale.varies] = (per_sd.T / self.scale.std).T
        return weights
