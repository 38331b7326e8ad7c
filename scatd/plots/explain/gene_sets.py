"""Enriched gene sets: dots for the list, bars for the whole ranking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd.keys import RESISTANT, RESPONSES, SENSITIVE
from scatd.plots.colours import GUIDE, RESPONSE_COLOURS, VALUES
from scatd.plots.shades import colour_bar
from scatd.plots.style import label_axes, legend_beside, new_figure, say, shortened, write_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIGNIFICANT = 0.05
_LONGEST = 42
_SMALLEST, _LARGEST = 20.0, 160.0


def gene_sets(listed: pd.DataFrame, ranked: pd.DataFrame, subject: str, n_sets: int = 15) -> Figure:
    """The leading gene sets of both analyses.

    Left: enrichment over chance in the list. The size of a dot shows the overlap, its colour the
    FDR. Right: normalised enrichment score; bars with an FDR of 0.05 or more are pale.

    Parameters
    ----------
    listed, ranked
        `scatd.explanation.enrichment.over_representation` and `preranked`.
    subject
        The importance table, for the title.
    n_sets
        Number of sets of each analysis, the first on top.
    """
    listed, ranked = listed.head(n_sets), ranked.head(n_sets)
    n_rows = max(len(listed), len(ranked))
    figure, (left, right) = new_figure(width=14.0, height=1.9 + 0.27 * n_rows, n_axes=2)
    _draw_listed(left, listed, subject)
    _draw_ranked(right, ranked)
    return figure


def _draw_listed(left: Axes, listed: pd.DataFrame, subject: str) -> None:
    title = f"{subject}: in the list (overlap beside each dot)"
    label_axes(left, title, "times chance (dashed: 1)", "")
    if listed.empty:
        say(left, "No gene set was tested against the list.")
        return
    overlap = listed["overlap"].to_numpy(dtype=float)
    area = _SMALLEST + (_LARGEST - _SMALLEST) * overlap / max(1.0, overlap.max())
    rows = np.arange(len(listed))
    strength = -np.log10(listed["fdr"].to_numpy(dtype=float).clip(1e-300))
    left.axvline(1, color=GUIDE, linewidth=0.9, linestyle="--")
    dots = left.scatter(
        listed["fold"], rows, s=area, c=strength, cmap=VALUES, vmin=0, linewidths=0, zorder=3
    )
    for row, (fold, n) in enumerate(zip(listed["fold"], listed["overlap"], strict=True)):
        write_beside(left, str(n), (fold, row), (9, 0))
    left.margins(x=0.15)
    _names(left, listed)
    colour_bar(left, dots, "-log10 of the FDR (0: not enriched)")


def _draw_ranked(right: Axes, ranked: pd.DataFrame) -> None:
    x = "normalised enrichment score (pale: FDR 0.05 and more)"
    label_axes(right, "over the whole ranking", x, "")
    if ranked.empty:
        say(right, "No gene set was tested over the ranking.")
        return
    for row, (nes, fdr) in enumerate(zip(ranked["nes"], ranked["fdr"], strict=True)):
        colour = RESPONSE_COLOURS[RESISTANT if nes > 0 else SENSITIVE]
        right.barh(row, nes, 0.7, color=colour, alpha=1.0 if fdr < SIGNIFICANT else 0.3)
    right.axvline(0, color=GUIDE, linewidth=0.8)
    _names(right, ranked)
    for word in RESPONSES:
        right.scatter([], [], marker="s", color=RESPONSE_COLOURS[word], label=f"towards {word}")
    legend_beside(right)


def _names(axes: Axes, table: pd.DataFrame) -> None:
    names = [shortened(name, _LONGEST) for name in table["gene_set"]]
    axes.set_yticks(np.arange(len(table)), names)
    axes.set_ylim(len(table) - 0.5, -0.5)
