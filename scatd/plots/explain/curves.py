"""What becomes of the score as features are taken away or put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from scatd.plots.style import BLUE, GREY, label_axes, legend_beside, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LOOKS = {"attribution": (BLUE, "-"), "random": (GREY, "--")}
DELETION, INSERTION = "deletion", "insertion"


def deletion_insertion(table: pd.DataFrame, subject: str) -> Figure:
    """Mean P(resistant) as features go to the baseline, and as they come back from it.

    A list that matters falls faster than random features when it is deleted, and rises faster
    when it is inserted.

    Parameters
    ----------
    table
        Columns `curve` (deletion, insertion), `order` (attribution, random), `n_features`,
        `prob_resistant`, and for random orders `sd` over them.
    subject
        Drug and cohort, for the title.
    """
    figure, many = new_figure(width=9.4, height=3.7, n_axes=2)
    said = {DELETION: "set to the baseline", INSERTION: "taken from the cell"}
    for axes, (curve, what) in zip(many, said.items(), strict=True):
        for order, part in table[table["curve"] == curve].groupby("order", sort=True):
            colour, style = _LOOKS[str(order)]
            x, y = part["n_features"], part["prob_resistant"]
            axes.plot(x, y, color=colour, linestyle=style, linewidth=1.5, label=f"{order} order")
            if "sd" in part and part["sd"].notna().any():
                sd = part["sd"].fillna(0)
                axes.fill_between(x, y - sd, y + sd, color=colour, alpha=0.2, linewidth=0)
        axes.set_xscale("symlog", linthresh=10)
        axes.set_xlim(left=0)
        axes.set_ylim(-0.02, 1.02)
        label_axes(axes, f"{subject}: {curve}", f"features {what}", "mean P(resistant)")
    legend_beside(many[-1], "features by")
    return figure
