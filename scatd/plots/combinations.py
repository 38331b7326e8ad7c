"""Figure of sets of drugs: what each drug, and each chosen set, leaves of every group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from scatd.plots.colours import COLOURS, SHARES
from scatd.plots.shades import colour_bar, mark_missing, write_in_cells
from scatd.plots.style import label_axes, new_mosaic, shortened, width_of

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
    labels = [f"{shortened(group)} ({share:.0%})" for group, share in shares.items()]
    figure, axes = new_mosaic(
        [["alone", "sets"]],
        2.4 + width_of(labels) + 0.6 * (n_drugs + n_sets),
        2.6 + 0.34 * n_groups,
        on=on,
        width_ratios=(n_drugs, n_sets),
    )
    one = _map(axes["alone"], alone, f"{subject}: one drug")
    _map(axes["sets"], sets, "chosen sets")
    axes["alone"].set_yticks(range(n_groups), labels)
    axes["sets"].set_yticks(range(n_groups), [""] * n_groups)
    _mark(axes["alone"], [place for place, drug in enumerate(alone) if drug in members], n_groups)
    colour_bar(axes["sets"], one, "share of the group's cells\nthat is left (0 to 1)")
    return figure


def _map(axes: Axes, values: pd.DataFrame, title: str) -> AxesImage:
    drawn = axes.imshow(values.to_numpy(float), cmap=SHARES, vmin=0, vmax=1, aspect="auto")
    label_axes(axes, title, "", "")
    axes.grid(visible=False)
    names = [str(name).replace(" + ", " +\n") for name in values]
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    write_in_cells(axes, drawn, values.to_numpy(float), ".0%")
    mark_missing(axes, values.to_numpy(float), "no cell is scored")
    return drawn


def _mark(axes: Axes, places: Sequence[int], n_groups: int) -> None:
    """Frame the columns of the drugs that are in a chosen set."""
    from matplotlib.patches import Rectangle

    for place in places:
        frame = Rectangle((place - 0.5, -0.5), 1, n_groups, fill=False, edgecolor=COLOURS["model"])
        frame.set(linewidth=2.5, clip_on=False, zorder=3)
        axes.add_patch(frame)
        axes.get_xticklabels()[place].set_fontweight("bold")
