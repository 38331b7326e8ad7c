"""Agreement of cohorts in the ranks of features: heat maps of correlations and of ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scatd.plots.style import TEXT_SIZE, TITLE_SIZE, new_figure

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
    n_cohorts = len(correlations)
    height = max(2.2, 1.2 + _ROW * max(n_cohorts, len(ranks)))
    figure, (left, right) = new_figure(4.5 + 1.4 * n_cohorts, height, n_axes=2)
    _cells(left, correlations, "Spearman of importance", "RdBu_r", (-1, 1), "{:.2f}")
    highest = float(np.nanmax(np.log10(ranks.to_numpy(dtype=float)), initial=1.0))
    _cells(right, ranks, "Rank (1 is the most important)", "viridis_r", (0, highest), "{:.0f}")
    return figure


def _cells(
    axes: Axes,
    table: pd.DataFrame,
    title: str,
    colours: str,
    limits: tuple[float, float],
    form: str,
) -> None:
    values = table.to_numpy(dtype=float)
    drawn = values if form == "{:.2f}" else np.log10(values)
    image = axes.imshow(drawn, cmap=colours, vmin=limits[0], vmax=limits[1], aspect="auto")
    axes.set_title(title, fontsize=TITLE_SIZE, loc="left")
    axes.set_xticks(range(table.shape[1]), table.columns, rotation=45, ha="right")
    axes.set_yticks(range(table.shape[0]), table.index)
    axes.tick_params(labelsize=TEXT_SIZE - 1, length=0)
    for row, column in np.argwhere(np.isfinite(values)):
        red, green, blue, _ = image.cmap(image.norm(drawn[row, column]))
        is_dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        axes.text(
            column,
            row,
            form.format(values[row, column]),
            ha="center",
            va="center",
            fontsize=TEXT_SIZE - 2,
            color="white" if is_dark else "black",
        )
