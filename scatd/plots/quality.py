"""Figures of the quality of cells, before any analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd.data.cells import N_GENES, PCT_MITO, TOTAL
from scatd.plots.style import (
    BLUE,
    GREY,
    TEXT_SIZE,
    VERMILION,
    label_axes,
    new_figure,
    thinned,
    violin,
)
from scatd.wording import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 20_000
"""Most cells drawn as points; more points would hide each other."""


def quality_violins(cells: pd.DataFrame, min_genes: int, subject: str) -> Figure:
    """Distribution over cells of expressed genes, total counts and mitochondrial share.

    Parameters
    ----------
    cells
        Columns `n_genes_by_counts`, `total_counts`, `pct_counts_mt`; one row a cell.
    min_genes
        The limit of expressed genes, drawn as a line.
    subject
        The cohort, for the title.
    """
    figure, axes = new_figure(9.0, 3.6, 3)
    for one, (column, label) in zip(
        axes,
        ((N_GENES, "expressed genes"), (TOTAL, "total"), (PCT_MITO, "mitochondrial, %")),
        strict=True,
    ):
        violin(one, thinned(cells, _SHOWN)[column].to_numpy(float))
        label_axes(one, subject if column == N_GENES else "", counted(len(cells), "cell"), label)
        one.set_xticks([])
        one.set_ylim(bottom=0)
    axes[0].axhline(min_genes, color=VERMILION, linewidth=1.2)
    axes[0].set_xlabel(
        f"{counted(len(cells), 'cell')}; line: limit of {min_genes}", fontsize=TEXT_SIZE
    )
    return figure


def quality_scatter(cells: pd.DataFrame, min_genes: int, subject: str) -> Figure:
    """Total counts of each cell against its expressed genes and its mitochondrial share.

    Parameters are those of `quality_violins`.
    """
    figure, (left, right) = new_figure(8.0, 3.6, 2)
    drawn = thinned(cells, _SHOWN)
    colours = np.where(drawn[N_GENES] < min_genes, VERMILION, BLUE)
    for axes, y in ((left, drawn[N_GENES]), (right, drawn[PCT_MITO])):
        axes.scatter(drawn[TOTAL], y, c=colours, s=4, linewidths=0, alpha=0.6, rasterized=True)
    left.axhline(min_genes, color=GREY, linewidth=0.8)
    label_axes(left, subject, "total", "expressed genes")
    label_axes(right, "", "total", "mitochondrial, %")
    return figure
