"""Importance against rank, with some features marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd.keys import RESPONSES
from scatd.plots.colours import COLOURS, GUIDE, INK
from scatd.plots.explain.look import UNIT
from scatd.plots.style import TEXT_SIZE, label_axes, new_figure
from scatd.wording import counted, plural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BINS = 50  # as published


def importance_ranks(
    table: pd.DataFrame, subject: str, what: str = "gene", marked: Sequence[str] = ()
) -> Figure:
    """Histogram of the importance, and the logarithm of the importance against its rank.

    Features of importance 0 have no logarithm. The title of the right plot counts them.

    Parameters
    ----------
    table
        Columns `feature` and `mean_abs_resistant`, with `mean_abs_sensitive` where both classes
        were attributed: the importance is their sum.
    subject
        Drug and cohort, for the title.
    what
        Kind of the features, in the singular: gene, feature.
    marked
        Features to name in the right plot; features that are not in the table are skipped.
    """
    columns = [f"mean_abs_{name}" for name in RESPONSES if f"mean_abs_{name}" in table]
    summed = table[columns].sum(axis=1).set_axis(table["feature"], axis=0)
    importance = summed.sort_values(ascending=False, kind="stable")
    label = f"importance ({UNIT})" if len(columns) == 1 else "importance (logits of both classes)"
    figure, (left, right) = new_figure(width=9.0, height=3.8, n_axes=2)
    left.hist(importance, bins=_BINS, color=COLOURS["data"])
    left.set_yscale("log")
    title = f"{subject}: {counted(len(importance), what)}"
    label_axes(left, title, f"mean absolute {label}", plural(what))

    positive = importance[importance > 0]
    rank = np.arange(1, len(positive) + 1)
    height = np.log10(positive.to_numpy(dtype=float))
    right.scatter(rank, height, s=6, color=GUIDE, linewidths=0, rasterized=True)
    named = [name for name in marked if name in positive.index]
    at = positive.index.get_indexer(pd.Index(named))
    right.scatter(rank[at], height[at], s=18, color=INK, linewidths=0)
    # The curve falls, so its right half has space for names without crossing lines.
    for number, place in enumerate(np.sort(at)):
        right.annotate(
            str(positive.index[place]),
            (rank[place], height[place]),
            xytext=(0.5, 0.95 - 0.07 * number),
            textcoords="axes fraction",
            va="center",
            fontsize=TEXT_SIZE - 2,
            arrowprops={"arrowstyle": "-", "color": GUIDE, "linewidth": 0.6},
        )
    right.set_xlim(-0.03 * len(positive), 1.15 * max(1, len(positive)))
    n_zero = len(importance) - len(positive)
    title = f"by rank ({counted(n_zero, what, 'has')} none)" if n_zero else "by rank"
    label_axes(right, title, f"rank among {plural(what)}", f"log10 {label}")
    return figure
