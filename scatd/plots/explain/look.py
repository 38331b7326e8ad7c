"""Words and orders that all figures of attributions share."""

from __future__ import annotations

import numpy as np
import pandas as pd

UNIT = "logit of resistant"
ATTRIBUTION = f"attribution ({UNIT}; positive: towards resistant)"
MAX_POINTS = 5_000
"""Most cells drawn as points."""


def leading(attributions: pd.DataFrame, n: int) -> list[str]:
    """The `n` features with the largest mean absolute attribution, largest first."""
    mean = attributions.abs().mean().sort_values(ascending=False, kind="stable")
    return list(mean.index[:n])


def value_colours(values: pd.Series) -> np.ndarray:
    """Scale a feature's values (n_cells,) to 0 to 1, from their 5th to their 95th percentile.

    If these percentiles are equal, all results are 0.5.
    """
    low, high = np.nanpercentile(values, [5, 95])
    if not high > low:
        low, high = np.nanmin(values), np.nanmax(values)
    if not high > low:
        return np.full(len(values), 0.5)
    return np.clip((values.to_numpy(dtype=float) - low) / (high - low), 0, 1)
