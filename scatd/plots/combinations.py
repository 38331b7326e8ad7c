"""Figure of sets of drugs: what each drug, and each chosen set, leaves of every group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from scatd.plots.style import (
    GREY,
    ORANGE,
    TEXT_SIZE,
    label_axes,
    new_mosaic,
    write_in_cells,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

MOST_DRUGS, MOST_GROUPS = 20, 40


def left_by_sets(
    alone: pd.DataFrame,
    sets: pd.DataFrame,
    shares: pd.Series,
    subject: str,
    *,
    on: Figure | None = None,
) -> Figure:
    """What drugs and sets of drugs leave of each group of a tumour.

    Parameters
    ----------
    alone
        (n_groups, n_drugs) share of a group's cells that a drug leaves when it is given alone, 0 to
        1. Of more than `MOST_DRUGS` drugs, the first are shown, and those of the sets.
    sets
        (n_groups, n_sets) the same for the chosen sets; a column is named `a + b`.
    shares
        (n_groups,) share of each group in the tumour. The first `MOST_GROUPS` groups are shown.
    subject
        The cohort, for the title.
    on
        An empty figure to use instead of a new one.
    """
    members = {drug for name in sets for drug in str(name).split(" + ")}
    first = set(alone.columns[:MOST_DRUGS]) | members
    alone = alone[[drug for drug in alone if drug in first]].iloc[:MOST_GROUPS]
    sets, shares = sets.loc[alone.index], shares.loc[alone.index]
    n_groups, n_drugs, n_sets = len(alone), alone.shape[1], sets.shape[1]
    figure, axes = new_mosaic(
        [["alone", "sets"]],
        3.2 + 0.6 * (n_drugs + n_sets),
        2.4 + 0.34 * n_groups,
        on=on,
        width_ratios=(n_drugs, n_sets),
    )
    one = _map(axes["alone"], alone, f"{subject}: one drug")
    _map(axes["sets"], sets, "chosen sets")
    labels = [f"{group} ({share:.0%})" for group, share in shares.items()]
    axes["alone"].set_yticks(range(n_groups), labels)
    axes["sets"].set_yticks(range(n_groups), [""] * n_groups)
    _mark(axes["alone"], [place for place, drug in enumerate(alone) if drug in members], n_groups)
    bar = figure.colorbar(one, ax=list(axes.values()), shrink=0.8)
    bar.set_label("share of the group's cells that is left", fontsize=TEXT_SIZE - 1)
    bar.ax.tick_params(labelsize=TEXT_SIZE - 1)
    return figure


def _map(axes: Axes, values: pd.DataFrame, title: str) -> AxesImage:
    axes.set_facecolor(GREY)
    drawn = axes.imshow(values.to_numpy(float), cmap="cividis", vmin=0, vmax=1, aspect="auto")
    label_axes(axes, title, "", "")
    axes.grid(visible=False)
    names = [str(name).replace(" + ", " +\n") for name in values]
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    write_in_cells(axes, values.to_numpy(float), ".0%", 0.5)
    return drawn


def _mark(axes: Axes, places: Sequence[int], n_groups: int) -> None:
    """Frame the columns of the drugs that are in a chosen set."""
    from matplotlib.patches import Rectangle

    for place in places:
        frame = Rectangle((place - 0.5, -0.5), 1, n_groups, fill=False, edgecolor=ORANGE)
        frame.set(linewidth=2.5, clip_on=False, zorder=3)
        axes.add_patch(frame)
        axes.get_xticklabels()[place].set_fontweight("bold")
