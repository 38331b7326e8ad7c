"""What becomes of the score as features are taken away or put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from scatd.plots.style import BLUE, GREY, label_axes, legend_beside, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LIST = "list"
"""`order` of the list itself; all others are random."""
_CURVES = {"deleted": "set to the baseline", "inserted": "taken from the cell"}


def deletion_insertion(table: pd.DataFrame, subject: str) -> Figure:
    """How much of the scores' distance from the baseline goes, and comes, with so many features.

    A list that matters rises above features in random order, in both.

    Parameters
    ----------
    table
        Columns `order` ("list", and any number of random ones), `n_features`, `deleted` and
        `inserted`: shares of the distance from the baseline's logit.
    subject
        Drug and cohort, for the title.
    """
    figure, many = new_figure(width=9.4, height=3.7, n_axes=2)
    orders = sorted(table["order"].unique(), key=lambda name: name == _LIST)
    first_random = next((name for name in orders if name != _LIST), None)
    for axes, (column, what) in zip(many, _CURVES.items(), strict=True):
        for name in orders:
            part = table[table["order"] == name]
            is_list = name == _LIST
            axes.plot(
                part["n_features"],
                part[column],
                color=BLUE if is_list else GREY,
                linewidth=1.8 if is_list else 0.8,
                linestyle="-" if is_list else "--",
                label="importance" if is_list else "chance" if name == first_random else None,
            )
        axes.set_xscale("log")
        label_axes(axes, f"{subject}: {column}", f"features {what}", f"share of the logit {column}")
    legend_beside(many[-1], "features by")
    return figure
