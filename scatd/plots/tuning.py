"""Figures of a search for hyper-parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd.plots.colours import COLOURS, GUIDE, INK
from scatd.plots.style import TEXT_SIZE, label_axes, legend_inside, new_figure, write_beside

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def history(trials: pd.DataFrame, subject: str) -> Figure:
    """Objective of each trial, and the best so far.

    Parameters
    ----------
    trials
        Columns `trial`, `state` and `objective`. The objective of a pruned trial is its last value;
        that of other unfinished trials is NaN. At least one trial is complete.
    subject
        Subject of the search, for the title.
    """
    from matplotlib.ticker import MaxNLocator

    figure, (axes,) = new_figure()
    for state, colour, marker in (
        ("complete", COLOURS["data"], "o"),
        ("pruned", GUIDE, "x"),
    ):
        some = trials[trials["state"] == state]
        if len(some):
            axes.scatter(some["trial"], some["objective"], s=18, color=colour, marker=marker,
                         label=f"{state} ({len(some)})")  # fmt: skip
    complete = trials[trials["state"] == "complete"].sort_values("trial")
    axes.step(
        complete["trial"],
        complete["objective"].cummin(),
        where="post",
        color=INK,
        linewidth=1.4,
        label="best so far",
    )
    shown = trials["objective"].dropna()
    if shown.min() > 0 and shown.max() > 10 * shown.min():  # one bad trial would hide the rest
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    label_axes(axes, f"{subject}: trials", "trial", "objective (low is good)")
    legend_inside(axes)
    return figure


def importance(table: pd.DataFrame, subject: str) -> Figure:
    """Importance of each parameter for the objective.

    Parameters
    ----------
    table
        Columns `parameter` and `importance`, largest first, as shares of 1.
    subject
        Subject of the search, for the title.
    """
    rows = np.arange(len(table))
    figure, (axes,) = new_figure(height=1.2 + 0.28 * len(table))
    axes.barh(rows, table["importance"], color=COLOURS["data"], height=0.7)
    axes.set_yticks(rows, labels=table["parameter"])
    axes.invert_yaxis()
    for row, share in zip(rows, table["importance"], strict=True):
        write_beside(axes, f"{share:.2f}", (share, row), (3, 0), fontsize=TEXT_SIZE - 1)
    axes.margins(x=0.12)
    label_axes(axes, f"{subject}: importance", "share", "")
    return figure
