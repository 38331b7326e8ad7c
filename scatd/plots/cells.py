"""Figures of one scored cohort: the distribution of its scores, and a map of its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scatd.keys import RESISTANT, SENSITIVE
from scatd.plots.style import BLACK, GREY, RESPONSE_COLOURS, TEXT_SIZE, label_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BINS = np.arange(41) / 40


def score_histogram(prob: npt.ArrayLike, threshold: float, subject: str) -> Figure:
    """Number of cells by P(resistant); bars above the threshold have the colour of resistant.

    Parameters
    ----------
    prob
        P(resistant), (n_obs,); NaN where a cell has no score.
    threshold
        Drawn as a vertical line.
    subject
        Drug, for the title.
    """
    figure, (axes,) = new_figure(width=6.0, height=3.4)
    scores = np.asarray(prob, dtype=float)
    scores = scores[np.isfinite(scores)]
    for name, part in {
        SENSITIVE: scores[scores <= threshold],
        RESISTANT: scores[scores > threshold],
    }.items():
        counts, _ = np.histogram(part, bins=_BINS)
        colour, label = RESPONSE_COLOURS[name], f"{name} ({len(part)} cells)"
        axes.stairs(counts, _BINS, fill=True, alpha=0.75, color=colour, label=label)
    label = f"threshold {threshold:.3g}"
    axes.axvline(threshold, color=BLACK, linewidth=1, linestyle="--", label=label)
    axes.set_xlim(0, 1)
    axes.margins(y=0.25)  # the legend stands above the bars
    label_axes(axes, f"{subject}: scores of {len(scores)} cells", "P(resistant)", "cells")
    axes.legend(fontsize=TEXT_SIZE - 1, frameon=False)
    return figure


def cell_map(xy: npt.ArrayLike, prob: npt.ArrayLike, subject: str) -> Figure:
    """Cells on a map, coloured by P(resistant); cells without a score are grey.

    Parameters
    ----------
    xy
        Coordinates (n_obs, 2), such as a UMAP. Distances on it have little meaning.
    prob
        P(resistant), (n_obs,).
    subject
        Drug, for the title.
    """
    figure, (axes,) = new_figure(width=6.0, height=4.8)
    places, scores = np.asarray(xy, dtype=float), np.asarray(prob, dtype=float)
    is_scored = np.isfinite(scores)
    size = float(np.clip(8000 / max(1, len(scores)), 2, 30))
    axes.scatter(places[~is_scored, 0], places[~is_scored, 1], s=size, color=GREY, linewidths=0)
    drawn = axes.scatter(
        places[is_scored, 0],
        places[is_scored, 1],
        c=scores[is_scored],
        s=size,
        cmap="cividis",  # readable with any type of colour vision
        vmin=0,
        vmax=1,
        linewidths=0,
    )
    label_axes(axes, f"{subject}: P(resistant) on the map of cells", "UMAP 1", "UMAP 2")
    axes.set_xticks([])
    axes.set_yticks([])
    bar = figure.colorbar(drawn, ax=axes, shrink=0.8)
    bar.set_label("P(resistant)", fontsize=TEXT_SIZE)
    bar.ax.tick_params(labelsize=TEXT_SIZE - 1)
    return figure
