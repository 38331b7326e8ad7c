"""Attributions of cells, and how far they are from adding up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-3
"""Completeness: |sum of attributions - change of the logit| relative to the change, or to
`SMALL_CHANGE` when the change is smaller."""
EXACT_TOLERANCE = 1e-6
"""The same, for attributions that are computed without a path of integration."""
SMALL_CHANGE = 0.1


@dataclass(frozen=True, eq=False)
class Attributed:
    """Attributions of some cells to their features, for one class.

    Parameters
    ----------
    attributions
        (n_obs, n_features), in logits; positive pushes towards the class. float32 from a network,
        float64 from what has exact ones.
    change
        (n_obs,), class logit of the cell minus that of the baseline (mean over several baselines).
    delta
        (n_obs,), sum of the attributions minus `change`. An exact integral would give 0.
    n_steps
        (n_obs,), number of points on the path; 0 where there is no path.
    """

    attributions: NDArray[np.floating]
    change: NDArray[np.float64]
    delta: NDArray[np.float64]
    n_steps: NDArray[np.int64]

    @property
    def is_complete(self) -> NDArray[np.bool_]:
        """(n_obs,), True when `delta` is within `TOLERANCE`."""
        return self.is_within(TOLERANCE)

    def is_within(self, tolerance: float) -> NDArray[np.bool_]:
        """(n_obs,), True when `delta` is within a tolerance."""
        return np.abs(self.delta) <= tolerance * np.maximum(np.abs(self.change), SMALL_CHANGE)

    def times(self, factor: float) -> Attributed:
        """Attributions of a logit that is `factor` times as large."""
        return Attributed(
            factor * self.attributions, factor * self.change, factor * self.delta, self.n_steps
        )


def exactly(attributions: NDArray[np.float64], change: NDArray[np.float64]) -> Attributed:
    """Attributions that needed no path."""
    delta = attributions.sum(axis=1) - change
    return Attributed(attributions, change, delta, np.zeros(len(change), dtype=np.int64))
