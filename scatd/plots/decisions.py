"""Figures of decisions: confusion, thresholds, abstention, and metrics by group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd.keys import RESISTANT, SENSITIVE
from scatd.plots.colours import CATEGORIES, COLOURS, COUNTS, GUIDE, INK, RESPONSE_COLOURS
from scatd.plots.style import (
    TEXT_SIZE,
    label_axes,
    legend_beside,
    legend_inside,
    new_figure,
    say,
    shortened,
    width_of,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CURVES = {
    "recall": (RESPONSE_COLOURS[RESISTANT], "recall (resistant found)"),
    "specificity": (RESPONSE_COLOURS[SENSITIVE], "specificity (sensitive found)"),
    "precision": (CATEGORIES[0], "precision (resistant calls right)"),
    "f1": (CATEGORIES[4], "F1"),
    "called_resistant": (GUIDE, "called resistant"),
}


def confusion(table: pd.DataFrame, subject: str) -> Figure:
    """Counts of each true response and call, shaded by the share of the true response.

    Parameters
    ----------
    table
        One row a true response (index), one column a call, counts.
    subject
        Drug, for the title.
    """
    figure, (axes,) = new_figure(width=2.4 + 1.1 * table.shape[1], height=3.2)
    counts = table.to_numpy(dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap=COUNTS, vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(*counts.shape):
        axes.text(
            column,
            row,
            f"{counts[row, column]:.0f}\n{shares[row, column]:.0%}",
            ha="center",
            va="center",
            fontsize=TEXT_SIZE,
            color=COLOURS["paper" if shares[row, column] > 0.6 else "ink"],
        )
    label_axes(axes, f"{subject}: truth and calls", "called", "truth")
    axes.grid(visible=False)
    axes.set_xticks(range(table.shape[1]), list(table.columns))
    axes.set_yticks(range(len(table)), list(table.index))
    return figure


def threshold_curves(table: pd.DataFrame, threshold: float, subject: str) -> Figure:
    """Metrics at every threshold.

    Parameters
    ----------
    table
        `scatd.evaluation.curves.threshold_table`. Values that are undefined at a threshold are NaN
        and are not drawn.
    threshold
        The threshold in use, drawn as a vertical line.
    subject
        Drug, for the title.
    """
    figure, (axes,) = new_figure(width=6.6, height=3.8)
    for column, (colour, label) in _CURVES.items():
        style = "--" if column == "called_resistant" else "-"
        axes.plot(
            table["threshold"],
            table[column],
            color=colour,
            linestyle=style,
            linewidth=1.5,
            label=label,
        )
    axes.axvline(
        threshold,
        color=INK,
        linewidth=1,
        linestyle=":",
        label=f"threshold {threshold:.3g}",
    )
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    label_axes(axes, f"{subject}: thresholds", "threshold on P(resistant)", "fraction")
    legend_beside(axes)
    return figure


def risk_coverage(table: pd.DataFrame, coverage: float, subject: str) -> Figure:
    """Error of the responses against the share of cells that get a response.

    Parameters
    ----------
    table
        `scatd.evaluation.selective.risk_coverage_table`.
    coverage
        Of the current version; 1 when it never abstains. Drawn as a vertical line.
    subject
        Drug, for the title.
    """
    figure, (axes,) = new_figure()
    axes.fill_between(
        table["coverage"],
        table["error"],
        table["error_high"],
        color=COLOURS["model"],
        alpha=0.18,
        linewidth=0,
        label="up to its 95% bound",
    )
    axes.plot(
        table["coverage"], table["error"], color=COLOURS["model"], linewidth=1.5, label="error"
    )
    axes.axvline(
        coverage,
        color=INK,
        linewidth=1,
        linestyle=":",
        label=f"answered now ({coverage:.0%})",
    )
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(bottom=0)
    label_axes(
        axes,
        f"{subject}: abstaining",
        "coverage (fraction of cells answered, most certain first)",
        "error (fraction of answers wrong)",
    )
    legend_inside(axes)
    return figure


def groups(table: pd.DataFrame, subject: str, metric: str = "auroc") -> Figure:
    """A metric with its interval, one row a group.

    Parameters
    ----------
    table
        Columns `group`, `n`, the metric, and its `_ci_low` and `_ci_high`. If the metric is
        undefined for a group, its values are NaN and its row is empty.
    subject
        Drug, for the title.
    """
    width = max(6.0, 5.0 + width_of(map(shortened, table["group"])))
    figure, (axes,) = new_figure(width, height=1.3 + 0.3 * len(table))
    heights = np.arange(len(table))
    label_axes(axes, f"{subject}: by group", f"{metric.upper()}, 95% interval", "")
    if table[metric].isna().all():
        say(axes, f"No group has both classes, so none has {metric.upper()}.")
        return figure
    values = {
        name: table[name].to_numpy(dtype=float)
        for name in (metric, f"{metric}_ci_low", f"{metric}_ci_high")
    }
    if metric == "auroc":
        axes.axvline(0.5, color=GUIDE, linewidth=0.8, linestyle="--", label="chance")
    axes.hlines(
        heights, values[f"{metric}_ci_low"], values[f"{metric}_ci_high"], color=COLOURS["model"]
    )
    axes.plot(
        values[metric],
        heights,
        "o",
        color=COLOURS["model"],
        markersize=5,
        label=f"{metric.upper()} of the group",
    )
    counted = zip(table["group"], table["n"], values[metric], strict=True)
    labels = [
        f"{shortened(name)} (n = {n}{', one class' if np.isnan(value) else ''})"
        for name, n, value in counted
    ]
    axes.set_yticks(heights, labels)
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.set_xlim(-0.02, 1.02)
    legend_beside(axes)
    return figure
