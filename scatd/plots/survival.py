"""Figures of survival: Kaplan-Meier curves with their numbers at risk, and hazard ratios."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scatd.keys import RESISTANT, SENSITIVE
from scatd.plots.colours import CALL_COLOURS, CATEGORIES, GUIDE, INK
from scatd.plots.style import (
    TEXT_SIZE,
    figure_of,
    label_axes,
    legend_beside,
    new_figure,
    new_mosaic,
    shortened,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOW, HIGH = "low score", "high score"
"""Groups of patients by their score alone."""
_COLOURS = {
    **CALL_COLOURS,
    LOW: CALL_COLOURS[SENSITIVE],
    HIGH: CALL_COLOURS[RESISTANT],
}


def kaplan_meier_curves(
    curves: pd.DataFrame,
    at_risk: pd.DataFrame,
    p: float,
    subject: str,
    unit: str = "days",
    *,
    legend: str = "called, 95% interval",
    on: Axes | Figure | None = None,
) -> Figure:
    """Survival of each group with 95% intervals, censored patients as ticks, and numbers at risk.

    Parameters
    ----------
    curves, at_risk
        `scatd.evaluation.survival.kaplan_meier` and `at_risk`.
    p
        Of the log-rank test; missing with a single group.
    subject
        Drug and cohort, for the title.
    unit
        Of the times.
    legend
        Title of the legend: what the groups are.
    on
        Where to draw, as in `scatd.plots.style.axes_on`. The numbers stand below given axes.
    """
    above, below = _two_axes(on, len(at_risk))
    for index, name in enumerate(at_risk.index):
        _curve(above, curves[curves["group"] == name], str(name), _colour(name, index))
    said = "log-rank: one group" if np.isnan(p) else f"log-rank p = {p:.2g}"
    label_axes(above, f"{subject}: {said}", "", "alive (fraction)")
    above.set_ylim(-0.02, 1.02)
    # Space left of 0 for the numbers at risk.
    longest = float(curves["time"].max())
    above.set_xlim(-0.05 * longest, 1.05 * longest)
    above.set_xticks(at_risk.columns.to_numpy(dtype=float))
    above.tick_params(labelbottom=False)
    legend_beside(above, legend)
    _numbers(below, at_risk, unit)
    below.set_xlim(above.get_xlim())
    return figure_of(above)


def _two_axes(on: Axes | Figure | None, n_groups: int) -> tuple[Axes, Axes]:
    """Axes for the curves, and for the numbers of patients below them."""
    from matplotlib.axes import Axes

    share = (0.35 + 0.25 * n_groups) / 4
    if isinstance(on, Axes):
        return on, on.inset_axes((0, -share - 0.04, 1, share))
    _, axes = new_mosaic(
        [["curves"], ["numbers"]],
        width=6.8,
        height=4.2 + 0.22 * n_groups,
        on=on,
        height_ratios=[1, share],
    )
    return axes["curves"], axes["numbers"]


def _colour(name: object, index: int) -> str:
    return _COLOURS.get(str(name), CATEGORIES[index % len(CATEGORIES)])


def _curve(axes: Axes, table: pd.DataFrame, name: str, colour: str) -> None:
    n = int(table["n_at_risk"].iloc[0])
    label = f"{shortened(name, 24)} (n = {n}, {int(table['n_events'].sum())} died)"
    time, survival = table["time"], table["survival"]
    axes.step(time, survival, where="post", color=colour, linewidth=1.5, label=label)
    low, high = table["ci_low"], table["ci_high"]
    axes.fill_between(time, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
    last_seen = table[table["n_censored"] > 0]
    axes.plot(
        last_seen["time"],
        last_seen["survival"],
        linestyle="none",
        marker="|",
        markersize=5,
        color=colour,
    )


def _numbers(axes: Axes, at_risk: pd.DataFrame, unit: str) -> None:
    times = at_risk.columns.to_numpy(dtype=float)
    for row, name in enumerate(at_risk.index):
        for time, number in zip(times, at_risk.to_numpy()[row], strict=True):
            axes.text(
                time,
                row,
                str(number),
                ha="center",
                va="center",
                fontsize=TEXT_SIZE - 1,
                color=_colour(name, row),
            )
    axes.set_yticks(np.arange(len(at_risk)), [shortened(one, 24) for one in at_risk.index])
    axes.set_ylim(len(at_risk) - 0.4, -0.6)
    axes.set_xticks(times)
    label_axes(axes, "", f"time ({unit})", "at risk")
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def hazard_ratios(table: pd.DataFrame, subject: str) -> Figure:
    """Hazard ratios with 95% intervals on a logarithmic axis; right of 1 dies sooner.

    Parameters
    ----------
    table
        `scatd.evaluation.survival.cox`; covariates without a ratio show their note.
    subject
        Drug and cohort, for the title.
    """
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator

    figure, (axes,) = new_figure(width=7.4, height=1.5 + 0.42 * len(table))
    rows = np.arange(len(table))
    ratio = table["hazard_ratio"].to_numpy(dtype=float)
    reach = np.abs([ratio - table["ci_low"], table["ci_high"] - ratio])
    axes.axvline(1, color=GUIDE, linewidth=0.9, linestyle="--")
    axes.errorbar(
        ratio,
        rows,
        xerr=reach,
        linestyle="none",
        marker="s",
        markersize=5,
        color=INK,
        capsize=3,
    )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.xaxis.set_minor_locator(NullLocator())
    labels = [
        f"{row['covariate']}\n{row['note'] or _in_words(row)}" for row in table.to_dict("records")
    ]
    axes.set_yticks(rows, labels)
    axes.set_ylim(len(table) - 0.5, -0.5)
    x = "hazard ratio and 95% interval (above 1: dies sooner)"
    label_axes(axes, f"{subject}: Cox models", x, "")
    return figure


def _in_words(row: Mapping[Hashable, Any]) -> str:
    interval = f"{row['ci_low']:.2f} to {row['ci_high']:.2f}"
    return f"{row['hazard_ratio']:.2f} ({interval}), p = {row['p']:.2g}"
