"""Figures of a cohort that was scored for many drugs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd.keys import RESISTANT, SENSITIVE
from scatd.plots.style import (
    GREY,
    RESPONSE_COLOURS,
    TEXT_SIZE,
    axes_on,
    figure_of,
    label_axes,
    new_figure,
    write_in_cells,
)
from scatd.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_DRUGS, MOST_BARS = 40, 6
_MOST_WORDS = 150
"""Most cells of a heat map that still has its numbers printed."""
_PARTS = {
    SENSITIVE: ("n_sensitive", RESPONSE_COLOURS[SENSITIVE]),
    "no answer": ("n_abstained", "#BFBFBF"),
    RESISTANT: ("n_resistant", RESPONSE_COLOURS[RESISTANT]),
}


def heat_map(matrix: pd.DataFrame, subject: str, *, on: Axes | Figure | None = None) -> Figure:
    """Resistant fractions, groups by drugs; grey where no cell has a response.

    Parameters
    ----------
    matrix
        (n_groups, n_drugs); of more than `MOST_DRUGS` drugs, those that differ most between groups
        are shown.
    subject
        The cohort, for the title.
    on
        Where to draw, as in `scatd.plots.style.axes_on`.
    """
    shown = matrix
    if matrix.shape[1] > MOST_DRUGS:
        spread = (matrix.max() - matrix.min()).sort_values(ascending=False)
        shown = matrix[[drug for drug in matrix if drug in spread.index[:MOST_DRUGS]]]
        subject += f" ({counted(MOST_DRUGS, 'drug', of=matrix.shape[1])}: those that differ most)"
    n_groups, n_drugs = shown.shape
    axes = axes_on(on, 2.6 + 0.55 * n_drugs, 1.9 + 0.32 * n_groups)
    figure = figure_of(axes)
    values = shown.to_numpy(dtype=float)
    axes.set_facecolor(GREY)
    drawn = axes.imshow(values, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    label_axes(axes, f"{subject}: resistant fraction", "", "")
    axes.grid(visible=False)
    axes.set_xticks(range(n_drugs), [str(drug) for drug in shown], rotation=45, ha="right")
    axes.set_yticks(range(n_groups), [str(group) for group in shown.index])
    if values.size <= _MOST_WORDS:
        write_in_cells(axes, values, ".0%", 0.5)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.8)
    bar.ax.tick_params(labelsize=TEXT_SIZE - 1)
    return figure


def stacked_bars(fractions: pd.DataFrame, subject: str) -> Figure:
    """Shares of sensitive, resistant and abstaining cells: one axes a drug, one bar a group.

    Parameters
    ----------
    fractions
        `scatd.evaluation.fractions.COLUMNS`, of at most `MOST_BARS` drugs.
    subject
        The cohort, for the title.
    """
    drugs = list(dict.fromkeys(fractions["drug"]))
    groups = list(dict.fromkeys(fractions["group"]))
    height = 1.7 + 0.3 * len(groups)
    figure, many = new_figure(1.6 + 1.9 * len(drugs), height, n_axes=len(drugs))
    for axes, drug in zip(many, drugs, strict=True):
        rows = fractions[fractions["drug"] == drug].set_index("group").loc[groups]
        n_scored = rows["n_scored"].to_numpy(dtype=float)
        left = np.zeros(len(groups))
        for word, (column, colour) in _PARTS.items():
            share = rows[column].to_numpy(dtype=float) / np.where(n_scored > 0, n_scored, np.nan)
            share = np.nan_to_num(share)
            axes.barh(range(len(groups)), share, left=left, color=colour, label=word, height=0.8)
            left += share
        label_axes(axes, str(drug), "share of cells", "")
        axes.set_xlim(0, 1)
        axes.set_ylim(len(groups) - 0.5, -0.5)
        axes.set_yticks(range(len(groups)), groups if axes is many[0] else [""] * len(groups))
    handles, words = many[0].get_legend_handles_labels()
    figure.legend(
        handles, words, loc="outside lower center", ncols=3, fontsize=TEXT_SIZE - 1, frameon=False
    )
    figure.suptitle(subject, fontsize=TEXT_SIZE + 1, x=0.01, ha="left")
    return figure
