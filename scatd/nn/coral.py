"""Correlation alignment: the source takes the covariance of the reference, not only its s.d.

Source: Sun, Feng and Saenko, "Return of frustratingly easy domain adaptation" (AAAI 2016). They
also add the identity to both covariances.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scatd.nn.alignment import FeatureStats, feature_stats, standardised

RIDGE = 1.0
"""Added to both covariances, in squared s.d. of a feature."""
MAX_ROWS = 1000
"""Largest number of reference rows from which its correlations are computed."""


@dataclass(frozen=True)
class _Spectrum:
    """Covariance of standardised features: axes (n_features, rank), variances (rank,)."""

    axes: Tensor
    variances: Tensor

    def power(self, x: Tensor, exponent: float) -> Tensor:
        """Multiply x by a power of (covariance + ridge); outside the axes only the ridge counts."""
        inside = x @ self.axes
        outer = RIDGE**exponent
        scale = (self.variances + RIDGE) ** exponent - outer
        return outer * x + (inside * scale) @ self.axes.T


def _spectrum(x: Tensor, stats: FeatureStats) -> _Spectrum:
    # On the processor: not every device has this decomposition.
    rows = standardised(x, stats).cpu() / len(x) ** 0.5
    _, values, axes = torch.linalg.svd(rows, full_matrices=False)
    return _Spectrum(axes.T.to(x.device), values.square().to(x.device))


class Recolouring:
    """Moves source rows so that they have the covariance of the reference.

    Parameters
    ----------
    source
        Training rows (n_obs, n_features).
    reference
        Rows (n_obs, n_features) of unlabelled single cells.
    style
        Mean and s.d. of the whole reference.
    """

    def __init__(self, source: Tensor, reference: Tensor, style: FeatureStats) -> None:
        self._content, self._style = feature_stats([source]), style
        rows = reference[:: max(len(reference) // MAX_ROWS, 1)][:MAX_ROWS]
        self._source = _spectrum(source, self._content)
        self._reference = _spectrum(rows, feature_stats([rows]))

    def __call__(self, x: Tensor) -> Tensor:
        """Move rows (n_obs, n_features)."""
        white = self._source.power(standardised(x, self._content), -0.5)
        coloured = self._reference.power(white, 0.5)
        return coloured * self._style.std + self._style.mean
