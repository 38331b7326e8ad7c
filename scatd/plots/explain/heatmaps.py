"""Heat maps of features by groups of cells, and by single cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd.plots.explain.look import UNIT, VALUES, value_bar
from scatd.plots.style import (
    BLACK,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    TEXT_SIZE,
    diverging,
    label_axes,
    new_figure,
    new_mosaic,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

_BAND = (PURPLE, ORANGE, GREEN, SKY, BLACK)
"""Colours of groups. Blue and vermilion are reserved for responses."""
_EXTREME = 99
"""Percentile at which the colour scale ends, so that a few outliers do not pale the rest."""
_CHARACTER = 0.075
"""Width of one letter of a tick label, inches."""


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
    names = [str(name) for name in table.columns]
    longest = max(map(len, names)) * _CHARACTER
    width = 3.4 + max(0.34 * len(names), 1.4)
    figure, (axes,) = new_figure(width, 1.5 + longest + 0.22 * len(table))
    image = _image(axes, table, is_attribution=True)
    axes.set_yticks(np.arange(len(table)), list(table.index))
    axes.set_xticks(np.arange(len(names)), names, rotation=90)
    label_axes(axes, subject, group, "")
    axes.grid(visible=False)
    value_bar(figure, axes, image, f"mean attribution\n({UNIT})")
    return figure


def by_cell(
    table: pd.DataFrame, groups: pd.Series, subject: str, label: str, *, is_attribution: bool
) -> Figure:
    """Features of single cells or patients, sorted by group.

    Parameters
    ----------
    table
        (n_cells, n_features) attributions or values of the features to show.
    (n_cells,) group of each cell; cells without a group are left out.
        (n_cells,) group of each cell; cells without one are left out.
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
    figure, axes = new_mosaic(
        [["band"], ["cells"]],
        width=8.0,
        height=1.5 + 0.2 * table.shape[1],
        height_ratios=[1, max(4.0, table.shape[1])],
    )
    image = _image(axes["cells"], table.loc[order].T, is_attribution=is_attribution)
    axes["cells"].set_yticks(np.arange(table.shape[1]), list(table.columns))
    axes["cells"].set_xticks([])
    label_axes(axes["cells"], "", f"{len(order):,}, by {known.name}", "")
    axes["cells"].grid(visible=False)
    _band(axes["band"], [names.index(name) for name in known[order]], names)
    label_axes(axes["band"], subject, "", "")
    axes["band"].set_axis_off()
    value_bar(figure, list(axes.values()), image, label)
    return figure


def _image(axes: Axes, table: pd.DataFrame, *, is_attribution: bool) -> AxesImage:
    X = table.to_numpy(dtype=float)
    if is_attribution:
        high = float(np.nanpercentile(np.abs(X), _EXTREME)) or float(np.nanmax(np.abs(X))) or 1.0
        low = -high
    else:
        low, high = np.nanpercentile(X, [0, _EXTREME])
    colours = diverging() if is_attribution else VALUES
    return axes.imshow(X, aspect="auto", cmap=colours, vmin=low, vmax=high, interpolation="nearest")


def _band(axes: Axes, codes: list[int], names: list[object]) -> None:
    """A coloured strip with the names of the groups above their cells."""
    from matplotlib.colors import ListedColormap

    colours = ListedColormap([_BAND[index % len(_BAND)] for index in range(len(names))])
    axes.imshow([codes], aspect="auto", cmap=colours, vmin=-0.5, vmax=len(names) - 0.5)
    for code, name in enumerate(names):
        middle = float(np.mean(np.flatnonzero(np.array(codes) == code)))
        axes.text(
            middle,
            0,
            str(name),
            ha="center",
            va="center",
            color="white",
            fontsize=TEXT_SIZE - 1,
            clip_on=True,
        )
