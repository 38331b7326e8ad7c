"""Beeswarm summary of attributions: one swarm of cells for each leading feature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd.plots.colours import GUIDE, VALUES
from scatd.plots.explain.look import (
    ATTRIBUTION,
    MAX_POINTS,
    leading,
    value_colours,
)
from scatd.plots.shades import colour_bar
from scatd.plots.style import label_axes, new_figure, say, shortened, thinned
from scatd.wording import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BINS, _HEIGHT = 100, 0.4


def beeswarm(
    values: pd.DataFrame, attributions: pd.DataFrame, subject: str, n_features: int = 20
) -> Figure:
    """Attribution of each cell for the leading features, coloured by the value of the feature.

    Parameters
    ----------
    values, attributions
        (n_cells, n_features), same rows and columns; a positive attribution pushes towards
        resistant.
    subject
        Drug and cohort, for the title.
    n_features
        Number of features, by mean absolute attribution, the largest on top.
    """
    names = leading(attributions, n_features)
    values, attributions = thinned(values, MAX_POINTS), thinned(attributions, MAX_POINTS)
    figure, (axes,) = new_figure(width=7.2, height=1.4 + 0.28 * len(names))
    axes.axvline(0, color=GUIDE, linewidth=0.8)
    if attributions.empty:
        label_axes(axes, f"{subject}: leading features", ATTRIBUTION, "")
        say(axes, "No cell was attributed.")
        return figure
    for row, name in enumerate(names):
        x = attributions[name].to_numpy(dtype=float)
        points = axes.scatter(
            x,
            row + swarm(x),
            c=value_colours(values[name]),
            cmap=VALUES,
            vmin=0,
            vmax=1,
            s=6,
            linewidths=0,
            rasterized=True,
        )
    axes.set_yticks(np.arange(len(names)), map(shortened, names))
    axes.set_ylim(len(names) - 0.5, -0.5)
    label_axes(axes, f"{subject}: leading features, {counted(len(x), 'cell')}", ATTRIBUTION, "")
    bar = colour_bar(axes, points, "value of the feature\n(5th to 95th percentile of its cells)")
    bar.set_yticks([0, 1], ["low", "high"])
    return figure


def swarm(x: np.ndarray) -> np.ndarray:
    """Heights (n_cells,) within 0.4 of the row, so that cells with similar values do not overlap.

    The range is cut into 100 bins. Cells of one bin alternate above and below the row; the fullest
    bin takes the whole height.
    """
    span = np.ptp(x)
    bins = np.round((x - x.min()) / span * _BINS).astype(int) if span > 0 else np.zeros(len(x), int)
    order = np.argsort(bins, kind="stable")
    starts = np.searchsorted(bins[order], np.arange(_BINS + 1))
    place = np.empty(len(x), int)
    place[order] = np.arange(len(x)) - starts[bins[order]]
    step = np.ceil(place / 2) * np.where(place % 2, 1, -1)
    return step * (_HEIGHT / max(1.0, float(np.abs(step).max())))
