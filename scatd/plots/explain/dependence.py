"""Attribution of one feature against its value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from scatd.explanation.dependence import interactions, smoothed
from scatd.plots.colours import COLOURS, GUIDE, INK, VALUES
from scatd.plots.explain.look import MAX_POINTS, UNIT
from scatd.plots.shades import colour_bar
from scatd.plots.style import label_axes, new_figure, new_mosaic, thinned
from scatd.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS = 50  # as published
_Y = f"attribution ({UNIT})"


def dependence(
    values: pd.DataFrame, attributions: pd.DataFrame, feature: str, subject: str, unit: str
) -> Figure:
    """One point a cell, a LOWESS line, and both marginal histograms.

    Parameters
    ----------
    values, attributions
        (n_cells, n_features), same rows and columns.
    feature
        One of the columns.
    subject
        Drug and cohort, for the title.
    unit
        Unit of the values: log1p, counts, z-score.
    """
    figure, axes = new_mosaic(
        [["above", "."], ["joint", "beside"]],
        width=5.6,
        height=5.0,
        width_ratios=[5, 1],
        height_ratios=[1, 5],
    )
    joint = axes["joint"]
    pair = pd.DataFrame({"x": values[feature], "y": attributions[feature]}, dtype=float)
    drawn = thinned(pair, MAX_POINTS)
    joint.scatter(
        drawn["x"], drawn["y"], s=9, color=COLOURS["data"], alpha=0.5, linewidths=0, rasterized=True
    )
    label_axes(joint, "", f"{feature} ({unit}); line: LOWESS", _Y)
    _trend(joint, pair)
    axes["above"].hist(pair["x"], bins=_BINS, color=GUIDE)
    axes["above"].set_xlim(joint.get_xlim())
    axes["beside"].hist(pair["y"], bins=_BINS, color=GUIDE, orientation="horizontal")
    axes["beside"].set_ylim(joint.get_ylim())
    label_axes(axes["above"], f"{subject}: {feature}, {counted(len(pair), 'cell')}", "", "cells")
    label_axes(axes["beside"], "", "cells", "")
    axes["above"].tick_params(labelbottom=False)
    axes["beside"].tick_params(labelleft=False)
    return figure


def interaction(
    values: pd.DataFrame,
    attributions: pd.DataFrame,
    feature: str,
    subject: str,
    unit: str,
    partner: str | None = None,
) -> Figure:
    """`dependence`, coloured by the value of a second feature that interacts with it.

    The other parameters are those of `dependence`.

    Parameters
    ----------
    partner
        The second feature; None takes the strongest of `scatd.explanation.dependence.interactions`.
    """
    if partner is None:
        partner = str(interactions(values, attributions[feature]).index[0])
    figure, (axes,) = new_figure(width=6.0, height=4.4)
    columns = {"x": values[feature], "y": attributions[feature], "c": values[partner]}
    cells = pd.DataFrame(columns, dtype=float)
    drawn = thinned(cells, MAX_POINTS)
    points = axes.scatter(
        drawn["x"], drawn["y"], c=drawn["c"], cmap=VALUES, s=10, linewidths=0, rasterized=True
    )
    axes.axhline(0, color=GUIDE, linewidth=0.8)
    label_axes(axes, f"{subject}: {feature} with {partner}", f"{feature} ({unit})", _Y)
    colour_bar(axes, points, f"{partner} ({unit})")
    return figure


def _trend(axes: Axes, pair: pd.DataFrame) -> None:
    axes.axhline(0, color=GUIDE, linewidth=0.8)
    line = smoothed(pair["x"], pair["y"])
    axes.plot(line["value"], line["attribution"], color=INK, linewidth=1.6)
