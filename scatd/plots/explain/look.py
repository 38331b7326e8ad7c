"""Words, orders and colours that all figures of attributions share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd.plots.style import TEXT_SIZE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

UNIT = "logit of resistant"
ATTRIBUTION = f"attribution ({UNIT}; positive: towards resistant)"
VALUES = "viridis"
"""Colour map for values of a feature. Blue and vermilion are reserved for responses."""
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


def value_bar(
    figure: Figure, axes: Axes | Sequence[Axes], artist: ScalarMappable, label: str
) -> None:
    """Draw a narrow colour bar with a label right of the axes."""
    bar = figure.colorbar(artist, ax=axes, fraction=0.05, pad=0.02, aspect=30)
    bar.set_label(label, fontsize=TEXT_SIZE)
    bar.ax.tick_params(labelsize=TEXT_SIZE - 1)
    bar.outline.set_visible(False)
