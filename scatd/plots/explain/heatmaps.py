"""Heat maps of features by groups of cells, and by single cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd.plots.colours import CATEGORIES, VALUES, diverging
from scatd.plots.explain.look import UNIT
from scatd.plots.shades import colour_bar, mark_missing
from scatd.plots.style import TEXT_SIZE, label_axes, new_figure, new_mosaic, shortened, width_of
from scatd.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

_EXTREME = 99
"""Percentile at which the colour scale ends, so that a few outliers do not pale the rest."""


def by_group(table: pd.DataFrame, subject: str, group: str) -> Figure:
    """Mean attribution of features in groups of cells.

    Parameters
    ----------
    table
        (n_features, n_groups): mean attribution, features in the index, groups in the columns.
    subject
        Drug and cohort, for the title.
    group
        Kind of the groups: patient, cluster.
    """
    names = [shortened(name) for name in table.columns]
    longest = width_of(names)
    width = 3.4 + max(0.34 * len(names), 1.4)
    figure, (axes,) = new_figure(width, 1.9 + longest + 0.22 * len(table))
    image = _image(axes, table, is_attribution=True)
    axes.set_yticks(np.arange(len(table)), map(shortened, table.index))
    axes.set_xticks(np.arange(len(names)), names, rotation=90)
    label_axes(axes, subject, group, "")
    axes.grid(visible=False)
    mark_missing(axes, table.to_numpy(dtype=float), "no cell of the group was attributed")
    colour_bar(axes, image, f"mean attribution\n({UNIT}; ends at the {_EXTREME}th percentile)")
    return figure


def by_cell(
    table: pd.DataFrame, groups: pd.Series, subject: str, label: str, *, is_attribution: bool
) -> Figure:
    """Features of single cells or patients, sorted by group.

    Parameters
    ----------
    table
        (n_cells, n_features) attributions or values of the features to show.
    groups
        (n_cells,) group of each cell; cells without a group are left out.
    subject
        Drug and cohort, for the title.
    label
        Meaning of the colours, with unit.
    is_attribution
        True: colours diverge from 0. False: they rise from the lowest value.
    """
    known = groups.dropna()
    order = known.sort_values(kind="stable").index
    names = list(dict.fromkeys(known[order]))
    words, counts = [shortened(name) for name in names], known.value_counts()
    # The smallest group has this much space, of about six inches.
    turned = width_of(words) > 6.0 * counts.min() / counts.sum() if names else False
    figure, axes = new_mosaic(
        [["band"], ["cells"]],
        width=8.0,
        height=1.7 + 0.2 * table.shape[1] + (width_of(words) if turned else 0),
        height_ratios=[1, max(4.0, table.shape[1])],
    )
    image = _image(axes["cells"], table.loc[order].T, is_attribution=is_attribution)
    axes["cells"].set_yticks(np.arange(table.shape[1]), map(shortened, table.columns))
    axes["cells"].set_xticks([])
    label_axes(axes["cells"], "", f"{counted(len(order), 'column')}, by {known.name}", "")
    axes["cells"].grid(visible=False)
    label_axes(axes["band"], subject, "", "")
    _band(axes["band"], [names.index(name) for name in known[order]], words, 90 if turned else 0)
    mark_missing(axes["cells"], table.loc[order].T.to_numpy(dtype=float), "no value")
    colour_bar(list(axes.values()), image, label)
    return figure


def _image(axes: Axes, table: pd.DataFrame, *, is_attribution: bool) -> AxesImage:
    X = table.to_numpy(dtype=float)
    known = X[np.isfinite(X)]
    low, high = 0.0, 1.0
    if is_attribution:
        size = np.abs(known) if len(known) else np.ones(1)
        high = float(np.percentile(size, _EXTREME)) or float(size.max()) or 1.0
        low = -high
    elif len(known):
        low, high = np.percentile(known, [0, _EXTREME])
    colours = diverging() if is_attribution else VALUES
    return axes.imshow(X, aspect="auto", cmap=colours, vmin=low, vmax=high, interpolation="nearest")


def _band(axes: Axes, codes: list[int], names: list[str], turn: float) -> None:
    """A coloured strip above the cells, and above it the name of each group, turned by degrees."""
    from matplotlib.colors import ListedColormap

    colours = ListedColormap([CATEGORIES[index % len(CATEGORIES)] for index in range(len(names))])
    axes.imshow([codes], aspect="auto", cmap=colours, vmin=-0.5, vmax=len(names) - 0.5)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_yticks([])
    axes.xaxis.tick_top()
    places = [float(np.mean(np.flatnonzero(np.array(codes) == code))) for code in range(len(names))]
    axes.set_xticks(places, names, rotation=turn)
    axes.tick_params(length=0, labelsize=TEXT_SIZE - (2 if turn else 1))
