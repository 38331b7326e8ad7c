"""Figure of drugs never seen: within-drug correlation of each drug that was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from scatd.plots.colours import COLOURS, GUIDE, INK
from scatd.plots.style import label_axes, legend_beside, new_mosaic
from scatd.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def drugs_left_out(drugs: pd.DataFrame, subject: str, *, on: Figure | None = None) -> Figure:
    """Correlation within each left-out drug, and its lead, by the nearest known drug.

    Parameters
    ----------
    drugs
        One row a drug: nearest (similarity to the nearest drug of the training), within_drug and
        lead (Spearman, -1 to 1), refused.
    subject
        The data, for the title.
    on
        An empty figure to use instead of a new one.
    """
    figure, axes = new_mosaic([["score", "lead"]], 9.6, 3.8, on=on)
    x = "similarity to the nearest known drug\n(Tanimoto, 0 to 1)"
    _draw(axes["score"], drugs, "within_drug")
    title = f"{subject}: {counted(len(drugs), 'drug')} left out"
    label_axes(axes["score"], title, x, "correlation within the drug\n(Spearman, high is good)")
    _draw(axes["lead"], drugs, "lead")
    label_axes(axes["lead"], "Lead over the line mean", x, "difference of correlations")
    axes["lead"].plot([], [], color=INK, linewidth=1.6, label="mean")
    legend_beside(axes["lead"])
    return figure


def _draw(axes: Axes, drugs: pd.DataFrame, column: str) -> None:
    refused = drugs["refused"].to_numpy(bool)
    axes.axhline(0, color=GUIDE, linewidth=1, linestyle=":")
    for rows, label, colour, marker in (
        (~refused, "not refused", COLOURS["model"], "o"),
        (refused, "refused", COLOURS["outside"], "x"),
    ):
        own = drugs[rows]
        axes.scatter(own["nearest"], own[column], s=22, color=colour, marker=marker,
                     label=f"{label} ({len(own)})", linewidth=1.2, alpha=0.85)  # fmt: skip
        if len(own):
            mean = own[column].mean()
            axes.hlines(
                mean, own["nearest"].min(), own["nearest"].max(), color=colour, linewidth=1.6
            )
