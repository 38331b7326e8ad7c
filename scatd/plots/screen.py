"""Figures of a cohort that was scored for many drugs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd.keys import ABSTAIN, RESISTANT, SENSITIVE
from scatd.plots.colours import CALL_COLOURS, SHARES
from scatd.plots.shades import colour_bar, mark_missing, write_in_cells
from scatd.plots.style import (
    TEXT_SIZE,
    axes_on,
    figure_of,
    label_axes,
    new_figure,
    shortened,
    width_of,
)
from scatd.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_DRUGS, MOST_BARS = 40, 6
_MOST_WORDS = 150
"""Most cells of a heat map that still has its numbers printed."""
_PARTS = {
    SENSITIVE: ("n_sensitive", CALL_COLOURS[SENSITIVE]),
    ABSTAIN: ("n_abstained", CALL_COLOURS[ABSTAIN]),
    RESISTANT: ("n_resistant", CALL_COLOURS[RESISTANT]),
}


def heat_map(matrix: pd.DataFrame, subject: str, *, on: Axes | Figure | None = None) -> Figure:
    """Resistant fractions, groups by drugs; hatched where no cell has a response.

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
    axes = axes_on(
        on,
        max(5.0, 2.4 + width_of(map(shortened, shown.index)) + 0.55 * n_drugs),
        2.2 + 0.32 * n_groups,
    )
    values = shown.to_numpy(dtype=float)
    drawn = axes.imshow(values, cmap=SHARES, vmin=0, vmax=1, aspect="auto")
    label_axes(axes, f"{subject}: resistant fraction", "", "")
    axes.grid(visible=False)
    axes.set_xticks(range(n_drugs), map(shortened, shown), rotation=45, ha="right")
    axes.set_yticks(range(n_groups), map(shortened, shown.index))
    if values.size <= _MOST_WORDS:
        write_in_cells(axes, drawn, values, ".0%")
    mark_missing(axes, values, "no cell has an answer")
    colour_bar(axes, drawn, "resistant cells of those answered\n(fraction, 0 to 1)")
    return figure_of(axes)


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
    height = 1.9 + 0.3 * len(groups)
    names = [shortened(group) for group in groups]
    width = 1.0 + width_of(names) + 1.9 * len(drugs)
    figure, many = new_figure(max(4.5, width), height, n_axes=len(drugs))
    for axes, drug in zip(many, drugs, strict=True):
        rows = fractions[fractions["drug"] == drug].set_index("group").loc[groups]
        n_scored = rows["n_scored"].to_numpy(dtype=float)
        left = np.zeros(len(groups))
        for word, (column, colour) in _PARTS.items():
            share = rows[column].to_numpy(dtype=float) / np.where(n_scored > 0, n_scored, np.nan)
            share = np.nan_to_num(share)
            axes.barh(range(len(groups)), share, left=left, color=colour, label=word, height=0.8)
            left += share
        label_axes(axes, shortened(drug, 22), "share of scored cells", "")
        for place in np.flatnonzero(n_scored == 0):
            axes.text(0.02, float(place), "no cell was scored", fontsize=TEXT_SIZE - 2, va="center")
        axes.set_xlim(0, 1)
        axes.set_ylim(len(groups) - 0.5, -0.5)
        axes.set_yticks(range(len(groups)), names if axes is many[0] else [""] * len(groups))
    handles, words = many[0].get_legend_handles_labels()
    figure.legend(
        handles, words, loc="outside lower center", ncols=3, fontsize=TEXT_SIZE - 1, frameon=False
    )
    figure.suptitle(subject, fontsize=TEXT_SIZE + 1, x=0.01, ha="left")
    return figure
