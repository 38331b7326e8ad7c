"""Figures of discrimination and calibration of scores."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scatd.keys import RESPONSES
from scatd.plots.colours import COLOURS, GUIDE, INK, RESPONSE_COLOURS, look_of
from scatd.plots.style import (
    TEXT_SIZE,
    axes_on,
    figure_of,
    label_axes,
    legend_beside,
    legend_inside,
    new_figure,
    unit_square,
)
from scatd.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SCORE_BINS = np.arange(26) / 25
_FAINT = 0.45
"""Opacity of what stands in the background."""


def roc(
    tables: Mapping[str, pd.DataFrame],
    subject: str,
    *,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    faint: Collection[str] = (),
    on: Axes | Figure | None = None,
) -> Figure:
    """ROC curves, with the area under each in the legend.

    Parameters
    ----------
    tables
        Tables of `scatd.evaluation.curves.roc_table`, by name (a fold, a model).
    subject
        Drug, for the title.
    bounds
        Of the 95% interval of each area, by name, for the legend.
    faint
        Names of curves that stand in the background.
    on
        Where to draw, as in `scatd.plots.style.axes_on`.
    """
    axes = axes_on(on, width=6.4 if bounds is None else 9.0 if faint else 7.4, height=4.2)
    axes.plot([0, 1], [0, 1], color=GUIDE, linewidth=0.8, linestyle="--", label="chance (0.50)")
    for index, (name, table) in enumerate(tables.items()):
        area = float(np.trapezoid(table["tpr"], table["fpr"]))
        look = _curve_look(index, name, area)
        if bounds is not None and np.isfinite(bounds[name]).all():
            look["label"] = f"{name}: {area:.2f} ({bounds[name][0]:.2f} to {bounds[name][1]:.2f})"
        if name in faint:
            look |= {"alpha": _FAINT, "linewidth": 1.0, "zorder": 1.9}  # below the others
        axes.plot(table["fpr"], table["tpr"], **look)
    label_axes(
        axes,
        f"{subject}: ROC",
        "sensitive called resistant (fraction)",
        "resistant called resistant (fraction)",
    )
    unit_square(axes)
    legend_beside(axes, "AUROC" if bounds is None else "AUROC, 95% interval")
    return figure_of(axes)


def precision_recall(tables: Mapping[str, pd.DataFrame], subject: str, prevalence: float) -> Figure:
    """Precision-recall curves as steps, with the area under each in the legend.

    Parameters
    ----------
    tables, subject
        As in `roc`; the tables are from `scatd.evaluation.curves.pr_table`.
    prevalence
        Fraction of resistant samples: the precision of random calls.
    """
    figure, (axes,) = new_figure(width=6.4, height=4.2)
    axes.axhline(
        prevalence,
        color=GUIDE,
        linewidth=0.8,
        linestyle="--",
        label=f"chance ({prevalence:.2f})",
    )
    for index, (name, table) in enumerate(tables.items()):
        gained = np.diff(table["recall"], prepend=0.0)
        # Between two resistant samples, precision falls at equal recall: this part is not drawn.
        steps = table[gained > 0]
        area = float(np.sum(gained * table["precision"]))
        axes.step(
            np.concatenate([[0.0], steps["recall"]]),
            np.concatenate([steps["precision"][:1], steps["precision"]]),
            where="pre",
            **_curve_look(index, name, area),
        )
    label_axes(
        axes,
        f"{subject}: precision and recall",
        "recall (fraction of resistant found)",
        "precision (fraction of calls right)",
    )
    unit_square(axes)
    legend_beside(axes, "AUPRC")
    return figure


def _curve_look(index: int, name: str, area: float) -> dict[str, Any]:
    return {**look_of(name, index), "linewidth": 1.4, "label": f"{name} ({area:.2f})"}


def reliability(
    table: pd.DataFrame,
    subject: str,
    *,
    label: str = "observed, 95% interval",
    others: Mapping[str, pd.DataFrame] | None = None,
    on: Axes | Figure | None = None,
) -> Figure:
    """Predicted probability against the observed fraction, with 95% intervals and bin sizes.

    Parameters
    ----------
    table
        `scatd.evaluation.curves.reliability_table`; empty bins are left out.
    subject
        Drug, for the title.
    label
        What the legend says of the table.
    others
        Tables of other models, by name: lines in the background, without intervals.
    on
        Where to draw, as in `scatd.plots.style.axes_on`.
    """
    axes = axes_on(on, width=9.2 if others else 4.8, height=4.6)
    filled = table[table["n"] > 0]
    observed = filled["observed"].to_numpy()
    errors = [observed - filled["ci_low"], filled["ci_high"] - observed]
    axes.plot([0, 1], [0, 1], color=GUIDE, linewidth=0.8, linestyle="--", label="calibrated")
    axes.errorbar(
        filled["mean_predicted"],
        observed,
        # Rounding can move a bound of 0 or 1 slightly outside.
        yerr=np.clip(errors, 0, None),
        color=COLOURS["model"],
        marker="o",
        markersize=4,
        linewidth=1.4,
        elinewidth=0.9,
        capsize=2,
        label=label,
    )
    for index, (name, other) in enumerate((others or {}).items(), start=1):
        some = other[other["n"] > 0]
        # Not `plot`: a legend lists all lines before all lines with intervals.
        axes.errorbar(
            some["mean_predicted"],
            some["observed"],
            **look_of(name, index),
            linewidth=1.0,
            alpha=_FAINT,
            label=name,
            zorder=1.9,
        )
    for x, y, n in zip(filled["mean_predicted"], filled["ci_high"], filled["n"], strict=True):
        axes.annotate(
            f"{n}",
            (x, min(y, 1.0)),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=TEXT_SIZE - 3,
            color=GUIDE,
            annotation_clip=False,
        )
    label_axes(
        axes,
        f"{subject}: reliability (n in each bin)",
        "mean P(resistant) in bin",
        "resistant in bin (fraction)",
    )
    unit_square(axes)
    axes.set_ylim(-0.02, 1.08)
    if others:
        legend_beside(axes)
    else:
        legend_inside(axes)
    return figure_of(axes)


def score_distribution(
    codes: npt.ArrayLike, prob: npt.ArrayLike, threshold: float, subject: str
) -> Figure:
    """Histogram of P(resistant) for each true response, each summing to 1.

    `codes` and `prob` are those of `scatd.evaluation.curves.roc_table`.

    Parameters
    ----------
    threshold
        Drawn as a vertical line.
    subject
        Drug, for the title.
    """
    figure, (axes,) = new_figure()
    truth, score = np.asarray(codes), np.asarray(prob)
    for code, name in enumerate(RESPONSES):
        of_class = score[truth == code]
        counts, _ = np.histogram(of_class, bins=_SCORE_BINS)
        axes.stairs(
            counts / max(1, len(of_class)),
            _SCORE_BINS,
            fill=True,
            alpha=0.45,
            color=RESPONSE_COLOURS[name],
            label=f"{name} (n = {len(of_class)})",
        )
    axes.axvline(
        threshold,
        color=INK,
        linewidth=1,
        linestyle="--",
        label=f"threshold {threshold:.3g}",
    )
    axes.set_xlim(-0.02, 1.02)
    axes.margins(y=0.3)  # the legend stands above the bars
    label_axes(axes, f"{subject}: scores by true response", "P(resistant)", "fraction of response")
    legend_inside(axes)
    return figure


def fold_comparison(table: pd.DataFrame, subject: str, metric: str = "AUROC") -> Figure:
    """The metric of each fold as a dot and the mean as a bar, for a model and its baselines.

    Parameters
    ----------
    table
        One row a model (index: its name, first row on top), one column a fold.
    subject
        Drug, for the title.
    metric
        Axis label. For AUROC, a line shows chance.
    """
    figure, (axes,) = new_figure(width=6.0, height=1.3 + 0.42 * len(table))
    values = table.to_numpy(dtype=float)
    heights = np.arange(len(table))
    offsets = np.linspace(-0.16, 0.16, table.shape[1]) if table.shape[1] > 1 else np.zeros(1)
    if metric == "AUROC":
        axes.axvline(0.5, color=GUIDE, linewidth=0.8, linestyle="--", label="chance")
    for height, name in enumerate(table.index):
        axes.plot(
            values[height],
            height + offsets,
            linestyle="none",
            marker="o",
            markersize=4,
            alpha=0.7,
            color=look_of(str(name), height)["color"],
            label="fold" if height == 0 else f"_{name}",
        )
    means = values.mean(axis=1)
    axes.plot(means, heights, "|", color=INK, markersize=16, markeredgewidth=1.8)
    axes.plot([], [], "|", color=INK, markersize=9, markeredgewidth=1.8, label="mean")
    labels = [f"{name} ({mean:.3f})" for name, mean in zip(table.index, means, strict=True)]
    axes.set_yticks(heights, labels)
    axes.set_ylim(len(table) - 0.5, -0.5)
    label_axes(axes, f"{subject}: {counted(table.shape[1], 'fold')}, mean in brackets", metric, "")
    legend_beside(axes)
    return figure
