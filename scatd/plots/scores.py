"""Figures of the scores of a cohort: how they are spread, in all cells and in groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from scatd.keys import ABSTAIN, CALLS, RESISTANT
from scatd.plots.colours import CALL_COLOURS, INK
from scatd.plots.explain.beeswarm import swarm
from scatd.plots.style import (
    axes_on,
    figure_of,
    label_axes,
    legend_beside,
    legend_inside,
    say,
    shortened,
    thinned,
    width_of,
)
from scatd.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS = np.arange(41) / 40
_FEW = 12
"""Groups that have tall rows."""
_MOST_POINTS = 2_000
"""Of a group; more points hide each other."""


def score_histogram(
    prob: npt.ArrayLike,
    calls: npt.ArrayLike,
    threshold: float,
    subject: str,
    *,
    on: Axes | Figure | None = None,
) -> Figure:
    """Number of cells by P(resistant), coloured by the call.

    Parameters
    ----------
    prob
        P(resistant), (n_obs,); NaN where a cell has no score.
    calls
        (n_obs,) sensitive, resistant or abstain; anything where a cell has no score.
    threshold
        Drawn as a vertical line.
    subject
        Drug, for the title.
    on
        Where to draw, as in `scatd.plots.style.axes_on`.
    """
    axes = axes_on(on, width=6.0, height=3.4)
    cells = _scored(prob, calls)
    if cells.empty:
        label_axes(axes, f"{subject}: scores", "P(resistant)", "cells")
        say(axes, "No cell has a score.")
        return figure_of(axes)
    for name, scores in _by_call(cells).items():
        counts, _ = np.histogram(scores, bins=_BINS)
        colour, label = CALL_COLOURS[name], f"{name} ({counted(len(scores), 'cell')})"
        axes.stairs(counts, _BINS, fill=True, alpha=0.75, color=colour, label=label)
    label = f"threshold {threshold:.3g}"
    axes.axvline(threshold, color=INK, linewidth=1, linestyle="--", label=label)
    axes.set_xlim(0, 1)
    axes.margins(y=0.25)  # the legend stands above the bars
    label_axes(axes, f"{subject}: scores of {counted(len(cells), 'cell')}", "P(resistant)", "cells")
    legend_inside(axes)
    return figure_of(axes)


def scores_by_group(
    prob: npt.ArrayLike,
    calls: npt.ArrayLike,
    groups: pd.Series,
    threshold: float,
    subject: str,
    *,
    on: Axes | Figure | None = None,
) -> Figure:
    """P(resistant) of each cell, coloured by the call: one row a group, with its median.

    Parameters
    ----------
    prob, calls, threshold, subject, on
        As in `score_histogram`.
    groups
        (n_obs,) categories in their order, without gaps; the name is the kind of the groups.
    """
    names = list(groups.cat.categories)
    cells = _scored(prob, calls, groups)
    of_group = {name: cells[cells["group"] == name] for name in names}
    labels = [f"{shortened(name)} ({_in_words(own)})" for name, own in of_group.items()]
    row_height = 0.5 if len(names) <= _FEW else 0.34
    axes = axes_on(on, width=5.4 + width_of(labels), height=1.5 + row_height * len(names))
    for row, own in enumerate(of_group.values()):
        _row(axes, own, row)
    for name in _by_call(cells):
        axes.scatter([], [], s=14, color=CALL_COLOURS[name], label=name)
    axes.plot([], [], "|", color=INK, markersize=10, label="median")
    label = f"threshold {threshold:.3g}"
    axes.axvline(threshold, color=INK, linewidth=1, linestyle="--", label=label)
    axes.set_xlim(-0.02, 1.02)
    axes.set_yticks(range(len(names)), labels)
    axes.set_ylim(len(names) - 0.5, -0.5)
    title = f"{subject}: scores of {counted(len(cells), 'cell')} by {groups.name}"
    label_axes(axes, title, "P(resistant)", "")
    legend_beside(axes)
    return figure_of(axes)


def _scored(
    prob: npt.ArrayLike, calls: npt.ArrayLike, groups: pd.Series | None = None
) -> pd.DataFrame:
    """The cells that have a score: `prob`, `call` and, where groups are given, `group`."""
    cells = pd.DataFrame({"prob": np.asarray(prob, dtype=float), "call": np.asarray(calls)})
    if groups is not None:
        cells["group"] = groups.array
    return cells[np.isfinite(cells["prob"])]


def _by_call(cells: pd.DataFrame) -> dict[str, npt.NDArray[np.float64]]:
    """Scores of each call; of `abstain` only where a cell has it."""
    found = {name: cells.loc[cells["call"] == name, "prob"].to_numpy() for name in CALLS}
    return {name: some for name, some in found.items() if len(some) or name != ABSTAIN}


def _in_words(cells: pd.DataFrame) -> str:
    if cells.empty:
        return "n = 0"
    return f"n = {len(cells)}, {(cells['call'] == RESISTANT).mean():.0%} resistant"


def _row(axes: Axes, cells: pd.DataFrame, row: int) -> None:
    """Draw the cells of a group and their median."""
    scores = cells["prob"].to_numpy()
    if not len(scores):
        return
    shown = thinned(cells, _MOST_POINTS)
    heights = row + swarm(shown["prob"].to_numpy())
    colours = shown["call"].map(CALL_COLOURS).to_numpy()
    axes.scatter(shown["prob"], heights, s=5, c=colours, linewidths=0, rasterized=True)
    axes.plot(np.median(scores), row, "|", color=INK, markersize=20, markeredgewidth=1.8)
