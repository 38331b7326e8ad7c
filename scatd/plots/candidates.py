"""Which candidates were tried for a drug, how inner folds scored them, and which were chosen."""

from __future__ import annotations

import typing
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scatd.keys import CandidateName
from scatd.plots.colours import CATEGORIES, GUIDE, INK, PAPER
from scatd.plots.style import TEXT_SIZE, label_axes, new_mosaic, say
from scatd.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = dict(zip(typing.get_args(CandidateName), CATEGORIES, strict=False))
_COUNTS = (
    ("strength_chosen", 1.09, "strength\nchosen"),
    ("candidate_chosen", 1.26, "model\nchosen"),
)
"""Columns of counts beside the rows: their place in widths of the axes, and their heads."""


def candidates(tried: pd.DataFrame, subject: str) -> Figure:
    """Inner AUROC of everything that was tried, and outer AUROC of each candidate.

    Parameters
    ----------
    tried
        All folds of `scatd.training.candidates.selection.Tried.row`, with `fold` and `outer_auroc`.
        At least one row.
    subject
        Drug, for the title.
    """
    rows = _settings(tried)
    height = 1.5 + 0.21 * max(len(rows), 6)
    figure, axes = new_mosaic([["inner", "outer"]], 10.4, height, width_ratios=[1.25, 1])
    n_folds = tried["fold"].nunique()
    _draw_inner(axes["inner"], rows)
    x = f"AUROC: mean of {counted(n_folds, 'fold')}, 95% interval of one"
    label_axes(axes["inner"], f"{subject}: inner folds choose", x, "")
    _draw_outer(axes["outer"], tried)
    label_axes(axes["outer"], "Validation folds judge", "AUROC (filled: chosen in that fold)", "")
    for one in axes.values():
        one.tick_params(axis="y", labelsize=TEXT_SIZE - 1)
    return figure


def _settings(tried: pd.DataFrame) -> pd.DataFrame:
    """One row a setting, in the order of the table: means over folds, and how often it was chosen.

    A candidate counts as chosen in the row of the strength that it had then.
    """
    chosen = tried["strength_chosen"].astype(bool)
    both = chosen & tried["candidate_chosen"].astype(bool)
    tried = tried.assign(strength_chosen=chosen.astype(int), candidate_chosen=both.astype(int))
    by_setting = tried.groupby(["candidate", "variant", "strength"], sort=False, dropna=False)
    means = ["inner_auroc", "inner_auroc_ci_low", "inner_auroc_ci_high"]
    counts = ["strength_chosen", "candidate_chosen"]
    how = {**dict.fromkeys(means, "mean"), **dict.fromkeys(counts, "sum")}
    return by_setting.agg(how).reset_index()


def _draw_inner(axes: Axes, rows: pd.DataFrame) -> None:
    heights = np.arange(len(rows))
    for height, row in zip(heights, rows.to_dict("records"), strict=True):
        colour, is_chosen = _COLOURS[row["candidate"]], row["strength_chosen"] > 0
        axes.hlines(
            height,
            row["inner_auroc_ci_low"],
            row["inner_auroc_ci_high"],
            color=colour,
            linewidth=1.4 if is_chosen else 0.8,
        )
        axes.plot(
            row["inner_auroc"],
            height,
            marker="o",
            markersize=5,
            color=colour,
            markerfacecolor=colour if is_chosen else PAPER,
        )
    labels = [_label(row) for row in rows.to_dict("records")]
    axes.set_yticks(heights, labels)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    for column, x, head in _COUNTS:
        look: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "ha": "center"}
        axes.text(x, -0.5, head, fontsize=TEXT_SIZE - 2, color=GUIDE, va="bottom", **look)
        for place, count in enumerate(rows[column]):
            if count:
                weight = "bold" if column == "candidate_chosen" else "normal"
                text = f"{count}x"
                axes.text(
                    x, place, text, fontsize=TEXT_SIZE - 1, weight=weight, va="center", **look
                )


def _label(row: dict[Hashable, Any]) -> str:
    if not row["variant"]:
        return row["candidate"]
    return f"{row['candidate']}: {row['variant']} {row['strength']:.2g}"


def _draw_outer(axes: Axes, tried: pd.DataFrame) -> None:
    """AUROC of each candidate in each fold; a filled dot is the one that was chosen there."""
    scored = tried.dropna(subset=["outer_auroc"]).drop_duplicates(["fold", "candidate"])
    if scored.empty:
        say(axes, "No validation fold has both classes.")
        return
    chosen = scored[scored["candidate_chosen"].astype(bool)]
    groups = {"what was chosen": chosen} if len(chosen) else {}
    groups |= {str(name): some for name, some in scored.groupby("candidate", sort=False)}
    for height, some in enumerate(groups.values()):
        spread = np.linspace(-0.2, 0.2, len(some)) if len(some) > 1 else np.zeros(1)
        for offset, row in zip(spread, some.to_dict("records"), strict=True):
            colour = INK if some is chosen else _COLOURS[row["candidate"]]
            face = colour if row["candidate_chosen"] else PAPER
            axes.plot(
                row["outer_auroc"],
                height + offset,
                marker="o",
                markersize=5,
                color=colour,
                markerfacecolor=face,
            )
        axes.plot(
            some["outer_auroc"].mean(),
            height,
            "|",
            color=INK,
            markersize=18,
            markeredgewidth=1.8,
        )
    labels = [
        f"{name}\n{some['outer_auroc'].mean():.3f} in {counted(len(some), 'fold')}"
        for name, some in groups.items()
    ]
    axes.set_yticks(np.arange(len(groups)), labels)
    axes.set_ylim(len(groups) - 0.5, -0.5)
