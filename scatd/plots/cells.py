"""Figures of cells on a map, coloured by a number or by a word of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scatd.plots.colours import COLOURS, SHARES, VALUES
from scatd.plots.shades import colour_bar
from scatd.plots.style import (
    TEXT_SIZE,
    axes_on,
    figure_of,
    label_axes,
    legend_beside,
    say,
    shortened,
    width_of,
)
from scatd.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PROBABILITY = "P(resistant)"
_BESIDE = 20
"""Most entries of a column of a legend."""


def cell_map(
    xy: npt.ArrayLike,
    values: npt.ArrayLike,
    subject: str,
    *,
    what: str = PROBABILITY,
    limits: tuple[float, float] | None = (0, 1),
    on: Axes | Figure | None = None,
) -> Figure:
    """Cells on a map, coloured by a number; cells without one are crosses.

    Parameters
    ----------
    xy
        Coordinates (n_obs, 2), such as a UMAP. Distances on it have little meaning.
    values
        (n_obs,), such as P(resistant).
    subject
        Drug, for the title.
    what
        Name of the values.
    limits
        Ends of the colour scale; None takes those of the values.
    on
        Where to draw, as in `scatd.plots.style.axes_on`.
    """
    axes = axes_on(on, width=6.0, height=4.8)
    places, scores = np.asarray(xy, dtype=float), np.asarray(values, dtype=float)
    is_scored = np.isfinite(scores)
    size = _size(len(scores))
    n_missing = int((~is_scored).sum())
    _crosses(axes, places[~is_scored], size, f"no value ({counted(n_missing, 'cell')})")
    if n_missing == len(scores):
        _label(axes, subject, what)
        say(axes, f"No cell has a value of {what}.")
        return figure_of(axes)
    low, high = limits or (None, None)
    drawn = axes.scatter(
        places[is_scored, 0],
        places[is_scored, 1],
        c=scores[is_scored],
        s=size,
        cmap=VALUES if limits is None else SHARES,  # both readable with any colour vision
        vmin=low,
        vmax=high,
        linewidths=0,
    )
    _label(axes, subject, what)
    if n_missing:
        axes.legend(fontsize=TEXT_SIZE - 1, frameon=False, loc="upper left",
                    bbox_to_anchor=(0, 0), borderpad=0.1)  # fmt: skip
    ends = "" if limits is None else f", {limits[0]:g} to {limits[1]:g}"
    colour_bar(axes, drawn, what + ends)
    return figure_of(axes)


def class_map(
    xy: npt.ArrayLike,
    words: npt.NDArray[np.str_],
    subject: str,
    *,
    what: str,
    colours: Mapping[str, str],
    on: Axes | Figure | None = None,
) -> Figure:
    """Cells on a map, coloured by a word; cells without one are crosses.

    Parameters
    ----------
    xy, subject, on
        As in `cell_map`.
    words
        (n_obs,), empty for a cell without one.
    what
        Name of the words, such as patient.
    colours
        Colour of each word, in the order of the legend. The legend counts the cells of each.
    """
    n_missing = int((~np.isin(words, list(colours))).sum())
    names = {word: shortened(word, 28) for word in colours}
    columns = -(-(len(colours) + bool(n_missing)) // _BESIDE)
    legend = columns * (0.9 + width_of([what, *names.values()]))
    axes = axes_on(on, width=max(6.8, 5.0 + legend), height=4.8)
    places, size = np.asarray(xy, dtype=float), _size(len(words))
    rest = ~np.isin(words, list(colours))
    if rest.any():
        _crosses(axes, places[rest], size, f"none ({n_missing:,})")
    named = np.flatnonzero(~rest)
    # In mixed order, so that no word lies on top of all others.
    mixed = np.random.default_rng(0).permutation(named)
    shades = [colours[word] for word in words[mixed]]
    axes.scatter(places[mixed, 0], places[mixed, 1], s=size, c=shades, linewidths=0)
    for word, colour in colours.items():
        label = f"{names[word]} ({(words == word).sum():,})"
        axes.scatter([], [], s=18, color=colour, linewidths=0, label=label)
    _label(axes, subject, what)
    legend_beside(axes, what, columns=columns)
    return figure_of(axes)


def _crosses(axes: Axes, places: npt.NDArray[np.float64], size: float, label: str) -> None:
    """Cells without a value: crosses differ from all colours of a scale, in print too."""
    if len(places):
        axes.scatter(
            places[:, 0],
            places[:, 1],
            s=size + 4,
            marker="x",
            linewidths=0.6,
            color=COLOURS["missing"],
            label=label,
            zorder=0.9,
        )


def _size(n_cells: int) -> float:
    """Area of a point, smaller where there are many."""
    return float(np.clip(8000 / max(1, n_cells), 2, 30))


def _label(axes: Axes, subject: str, what: str) -> None:
    label_axes(axes, f"{subject}: {what} on the map of cells", "UMAP 1", "UMAP 2")
    axes.set_xticks([])
    axes.set_yticks([])
