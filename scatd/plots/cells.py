"""Figures of cells on a map, coloured by a number or by a word of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scatd.plots.style import GREY, TEXT_SIZE, axes_on, figure_of, label_axes, legend_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PROBABILITY = "P(resistant)"


def cell_map(
    xy: npt.ArrayLike,
    values: npt.ArrayLike,
    subject: str,
    *,
    what: str = PROBABILITY,
    limits: tuple[float, float] | None = (0, 1),
    on: Axes | Figure | None = None,
) -> Figure:
    """Cells on a map, coloured by a number; cells without one are grey.

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
    axes.scatter(places[~is_scored, 0], places[~is_scored, 1], s=size, color=GREY, linewidths=0)
    low, high = limits or (None, None)
    drawn = axes.scatter(
        places[is_scored, 0],
        places[is_scored, 1],
        c=scores[is_scored],
        s=size,
        cmap="cividis",  # readable with any type of colour vision
        vmin=low,
        vmax=high,
        linewidths=0,
    )
    _label(axes, subject, what)
    bar = figure_of(axes).colorbar(drawn, ax=axes, shrink=0.8)
    bar.set_label(what, fontsize=TEXT_SIZE)
    bar.ax.tick_params(labelsize=TEXT_SIZE - 1)
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
    """Cells on a map, coloured by a word; cells without one are grey.

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
    axes = axes_on(on, width=6.8, height=4.8)
    places, size = np.asarray(xy, dtype=float), _size(len(words))
    rest = ~np.isin(words, list(colours))
    if rest.any():
        label = f"none ({rest.sum():,})"
        x, y = places[rest].T
        axes.scatter(x, y, s=size, color=GREY, linewidths=0, label=label)
    named = np.flatnonzero(~rest)
    # In mixed order, so that no word lies on top of all others.
    mixed = np.random.default_rng(0).permutation(named)
    shades = [colours[word] for word in words[mixed]]
    axes.scatter(places[mixed, 0], places[mixed, 1], s=size, c=shades, linewidths=0)
    for word, colour in colours.items():
        label = f"{word} ({(words == word).sum():,})"
        axes.scatter([], [], s=18, color=colour, linewidths=0, label=label)
    _label(axes, subject, what)
    legend_beside(axes, what)
    return figure_of(axes)


def _size(n_cells: int) -> float:
    """Area of a point, smaller where there are many."""
    return float(np.clip(8000 / max(1, n_cells), 2, 30))


def _label(axes: Axes, subject: str, what: str) -> None:
    label_axes(axes, f"{subject}: {what} on the map of cells", "UMAP 1", "UMAP 2")
    axes.set_xticks([])
    axes.set_yticks([])
