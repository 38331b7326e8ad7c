"""Agreement of cohorts in the ranks of features: heat maps of correlations and of ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scatd.plots.colours import CORRELATIONS, VALUES
from scatd.plots.shades import colour_bar, mark_missing, write_in_cells
from scatd.plots.style import TEXT_SIZE, label_axes, new_figure, shortened

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 0.28
"""Height of a row, inches."""


def rank_agreement(correlations: pd.DataFrame, ranks: pd.DataFrame) -> Figure:
    """Spearman's correlation of each two cohorts, and the ranks of some features in each cohort.

    Parameters
    ----------
    correlations
        Square, cohorts as index and columns, from -1 to 1.
    ranks
        Features x cohorts, 1 for the most important; missing where a cohort lacks the feature.
    """
    from matplotlib.colors import LogNorm

    n_cohorts = len(correlations)
    height = max(3.0, 1.8 + _ROW * max(n_cohorts, len(ranks)))
    figure, (left, right) = new_figure(6.0 + 1.5 * n_cohorts, height, n_axes=2)
    look: dict[str, Any] = {"cmap": CORRELATIONS, "vmin": -1, "vmax": 1}
    title = "Correlation of importance"
    _cells(left, correlations, title, ".2f", "Spearman's correlation (-1 to 1)", look)
    highest = float(np.nanmax(ranks.to_numpy(dtype=float), initial=10.0))
    look = {"cmap": f"{VALUES}_r", "norm": LogNorm(1, highest)}
    _cells(right, ranks, "Rank of features", ".0f", "rank, log scale (1: most important)", look)
    return figure


def _cells(
    axes: Axes, table: pd.DataFrame, title: str, form: str, label: str, look: dict[str, Any]
) -> None:
    values = table.to_numpy(dtype=float)
    image = axes.imshow(values, aspect="auto", **look)
    label_axes(axes, title, "", "")
    axes.grid(visible=False)
    axes.set_xticks(range(table.shape[1]), map(shortened, table.columns), rotation=45, ha="right")
    axes.set_yticks(range(table.shape[0]), map(shortened, table.index))
    axes.tick_params(length=0)
    write_in_cells(axes, image, values, form, TEXT_SIZE - 2)
    mark_missing(axes, values, "not in this cohort")
    bar = colour_bar(axes, image, label)
    if "norm" in look:
        bar.yaxis.set_major_formatter("{x:g}")
