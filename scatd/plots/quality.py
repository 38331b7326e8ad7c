"""Figures of the quality of cells, before any analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd.data.cells import N_GENES, PCT_MITO, TOTAL
from scatd.plots.colours import COLOURS, INK
from scatd.plots.style import TEXT_SIZE, label_axes, new_figure, say, thinned, violin
from scatd.wording import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 20_000
"""Most cells drawn as points; more points would hide each other."""
_NAMES = {
    N_GENES: "expressed genes (number)",
    TOTAL: "total of the cell (counts)",
    PCT_MITO: "mitochondrial share (%)",
}
"""Label of each measure, in the order of the panels."""
_SHORT = {N_GENES: "number of expressed genes", TOTAL: "total", PCT_MITO: "mitochondrial share"}


def quality_violins(cells: pd.DataFrame, min_genes: int, subject: str) -> Figure:
    """Distribution over cells of expressed genes, total counts and mitochondrial share.

    A measure that is the same in every cell has no panel; words below the figure say its value.

    Parameters
    ----------
    cells
        Columns `n_genes_by_counts`, `total_counts`, `pct_counts_mt`; one row a cell.
    min_genes
        The limit of expressed genes, drawn as a line.
    subject
        The cohort, for the title.
    """
    drawn, words = _telling(cells)
    figure, axes = new_figure(max(5.0, 3.0 * len(drawn)), 3.8, max(1, len(drawn)))
    title = f"{subject}: {counted(len(cells), 'cell')}"
    if not drawn:
        label_axes(axes[0], title, "", "")
        say(axes[0], words or "There are no cells.")
        return figure
    for one, column in zip(axes, drawn, strict=True):
        violin(one, thinned(cells, _SHOWN)[column].dropna().to_numpy(float))
        label_axes(one, title if one is axes[0] else "", "", _NAMES[column])
        one.set_xticks([])
        one.set_ylim(bottom=0)
        if column == N_GENES:
            one.axhline(min_genes, color=INK, linewidth=1.2, linestyle="--")
            one.set_xlabel(f"dashed: limit of {min_genes}", fontsize=TEXT_SIZE)
    if words:
        figure.supxlabel(words, fontsize=TEXT_SIZE - 1, x=0.01, ha="left")
    return figure


def quality_scatter(cells: pd.DataFrame, min_genes: int, subject: str) -> Figure:
    """Total counts of each cell against its expressed genes and its mitochondrial share.

    A measure that is the same in every cell has no panel; words below the figure say its value.

    Parameters are those of `quality_violins`.
    """
    telling, words = _telling(cells)
    panels = [column for column in (N_GENES, PCT_MITO) if column in telling] or [N_GENES]
    figure, many = new_figure(max(5.0, 4.0 * len(panels)), 3.8, len(panels))
    shown = thinned(cells, _SHOWN)
    is_low = shown[N_GENES] < min_genes
    groups = (
        (~is_low, COLOURS["data"], "o", f"{counted(min_genes, 'gene')} or more"),
        (is_low, COLOURS["outside"], "x", f"under {counted(min_genes, 'gene')}"),
    )
    for axes, column in zip(many, panels, strict=True):
        for here, colour, marker, label in groups:
            if here.any():
                some = shown[here]
                axes.scatter(some[TOTAL], some[column], c=colour, marker=marker, s=6,
                             linewidths=0 if marker == "o" else 0.7, alpha=0.6, rasterized=True,
                             label=f"{label} ({int(here.sum()):,})")  # fmt: skip
        title = f"{subject}: {counted(len(cells), 'cell')}" if axes is many[0] else ""
        label_axes(axes, title, _NAMES[TOTAL], _NAMES[column])
        axes.set_ylim(bottom=0)
        if column == N_GENES:
            axes.axhline(min_genes, color=INK, linewidth=0.8, linestyle="--")
    handles, labels = many[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower right", ncols=2, fontsize=TEXT_SIZE - 1,
                  frameon=False)  # fmt: skip
    if words:
        figure.supxlabel(words, fontsize=TEXT_SIZE - 1, x=0.01, ha="left")
    return figure


def _telling(cells: pd.DataFrame) -> tuple[list[str], str]:
    """Measures that differ between cells; and why the others have no panel, in sentences."""
    found, words = [], []
    for column in _NAMES:
        values = cells[column].to_numpy(dtype=float)
        known = values[np.isfinite(values)]
        if not len(known):
            words.append(f"The {_SHORT[column]} is not known.")
        elif np.ptp(known) == 0 and (len(known) > 1 or known[0] == 0):
            words.append(f"The {_SHORT[column]} is {known[0]:,.6g} in every cell.")
        else:
            found.append(column)
    return found, " ".join(words)
