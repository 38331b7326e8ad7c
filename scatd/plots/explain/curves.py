"""Deletion and insertion curves: change of the score as features are removed or added."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from scatd.plots.colours import COLOURS
from scatd.plots.style import label_axes, legend_beside, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LIST = "list"
"""`order` of the list itself; all other orders are random."""
_CURVES = {"deleted": "set to the baseline", "inserted": "taken from the cell"}


def deletion_insertion(table: pd.DataFrame, subject: str) -> Figure:
    """Shares of the score's difference from the baseline that are lost and gained.

    The curves of a good list lie above those of random orders, in both plots.

    Parameters
    ----------
    table
        Columns `order` ("list", and any number of random ones), `n_features`, `deleted` and
        `inserted`: shares of the difference from the logit of the baseline.
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
                color=COLOURS["model" if is_list else "guide"],
                linewidth=1.8 if is_list else 0.8,
                linestyle="-" if is_list else "--",
                label="importance" if is_list else "chance" if name == first_random else None,
            )
        axes.set_xscale("log")
        label_axes(axes, f"{subject}: {column}", f"features {what}", f"share of the logit {column}")
    legend_beside(many[-1], "features by")
    return figure
