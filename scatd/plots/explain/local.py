"""Attributions of one cell or patient: from the score of the baseline to its own score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd.keys import RESISTANT, SENSITIVE
from scatd.plots.colours import GUIDE, INK, PAPER, RESPONSE_COLOURS
from scatd.plots.explain.look import ATTRIBUTION, UNIT
from scatd.plots.style import (
    TEXT_SIZE,
    axes_on,
    figure_of,
    label_axes,
    legend_beside,
    new_figure,
    shortened,
    write_beside,
)
from scatd.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MIN_LABEL = 0.08
"""Smallest width of a box of `force` that shows its name, as a share of its side."""


def waterfall(
    attributions: pd.Series,
    values: pd.Series,
    baseline: float,
    subject: str,
    n_features: int = 12,
    *,
    on: Axes | Figure | None = None,
) -> Figure:
    """Attributions of the leading features, added from the baseline's logit to the cell's logit.

    Parameters
    ----------
    attributions, values
        (n_features,) of one cell, by feature.
    baseline
        Logit of resistant at the baseline. Baseline plus all attributions is the cell's logit.
    subject
        Drug and cell, for the title.
    n_features
        Number of features, the largest on top; all others are one bar.
    on
        Where to draw, as in `scatd.plots.style.axes_on`.
    """
    order = attributions.abs().sort_values(ascending=False, kind="stable").index
    shown, n_rest = list(order[:n_features]), max(0, len(order) - n_features)
    labels = [f"{shortened(name)} = {values[name]:.3g}" for name in shown]
    pushes = attributions[shown].to_numpy(dtype=float)
    if n_rest:
        labels.append(counted(n_rest, "other"))
        pushes = np.append(pushes, float(attributions.drop(shown).sum()))
    # The last bar starts at the baseline, so the top bar ends at the score of the cell.
    ends = baseline + np.cumsum(pushes[::-1])[::-1]
    starts = ends - pushes
    axes = axes_on(on, width=7.2, height=1.6 + 0.28 * len(pushes))
    rows = np.arange(len(pushes))
    for name, here in ((RESISTANT, pushes > 0), (SENSITIVE, pushes <= 0)):
        axes.barh(
            rows[here],
            pushes[here],
            0.7,
            left=starts[here],
            color=RESPONSE_COLOURS[name],
            label=f"towards {name}",
        )
    for row, push, start, end in zip(rows, pushes, starts, ends, strict=True):
        write_beside(axes, f"{push:+.2f}", (max(start, end), row), (3, 0))
    axes.vlines(baseline, -0.6, len(rows) - 0.4, color=GUIDE, linewidth=0.9, linestyle="--")
    axes.set_yticks(rows, labels)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.use_sticky_edges = False  # bars may start at the edge otherwise
    axes.margins(x=0.1)
    title = f"{subject}: from {baseline:.2f} at the baseline (dashed) to {ends[0]:.2f}"
    label_axes(axes, title, UNIT, "")
    legend_beside(axes)
    return figure_of(axes)


def force(attributions: pd.Series, baseline: float, subject: str, n_features: int = 20) -> Figure:
    """The same attributions on one line, to resistant from the left, to sensitive from the right.

    They meet at the logit of the cell. Wide parts show the name of their feature. All features
    that are not leading form one grey part on each side.

    Parameters are those of `waterfall`.
    """
    order = attributions.abs().sort_values(ascending=False, kind="stable").index
    leading, rest = attributions[order[:n_features]], attributions[order[n_features:]]
    total = baseline + float(attributions.sum())
    figure, (axes,) = new_figure(width=9.0, height=1.9)
    for name, sign in ((RESISTANT, 1), (SENSITIVE, -1)):
        pushes = leading[np.sign(leading) == sign].abs()
        others = float(rest[np.sign(rest) == sign].abs().sum())
        boxes = [*zip(map(str, pushes.index), pushes, strict=True), ("", others)]
        labels = (f"towards {name}", counted(len(rest), "other") if sign > 0 and others else "")
        _boxes(axes, total, -sign, boxes, labels, RESPONSE_COLOURS[name])
    axes.axvline(total, color=INK, linewidth=1.4)
    axes.axvline(baseline, color=GUIDE, linewidth=0.9, linestyle="--")
    axes.set_ylim(-0.6, 0.6)
    axes.set_yticks([])
    axes.margins(x=0.03)
    title = f"{subject}: {total:.2f} (line); baseline {baseline:.2f} (dashed)"
    label_axes(axes, title, UNIT, "")
    legend_beside(axes)
    return figure


def _boxes(
    axes: Axes,
    start: float,
    direction: int,
    boxes: Sequence[tuple[str, float]],
    labels: tuple[str, str],
    colour: str,
) -> None:
    """Draw boxes side by side from `start`, in `direction`; the last one is grey, without a name.

    `labels` are for the legend: of the first box, and of the grey box.
    """
    at, reach = start, sum(width for _, width in boxes)
    for name, width in boxes:
        axes.barh(
            0,
            direction * width,
            0.6,
            left=at,
            color=colour if name else GUIDE,
            edgecolor=PAPER,
            linewidth=0.8,
            label=(labels[0] if at == start else "") if name else labels[1],
        )
        if name and width > _MIN_LABEL * reach:
            axes.text(
                at + direction * width / 2,
                0,
                name,
                ha="center",
                va="center",
                rotation=90,
                fontsize=TEXT_SIZE - 3,
                color=PAPER,
            )
        at += direction * width


def local_bars(rows: pd.DataFrame, subject: str, n_features: int = 10) -> Figure:
    """The largest attributions of a few cells or patients, side by side.

    Parameters
    ----------
    rows
        (n_rows, n_features) attributions; the name of a row is its title.
    subject
        Drug and cohort, for the title.
    n_features
        Number of features for each row, the largest on top.
    """
    figure, many = new_figure(2.9 * len(rows) + 0.6, 1.5 + 0.24 * n_features, len(rows))
    # One scale for all, so that bars of equal length are equal.
    largest = 1.05 * float(np.nanmax(np.abs(rows.to_numpy(dtype=float)))) or 1.0
    for axes, (name, row) in zip(many, rows.iterrows(), strict=True):
        axes.set_xlim(-largest, largest)
        top = row[row.abs().sort_values(ascending=False, kind="stable").index[:n_features]]
        colours = [RESPONSE_COLOURS[RESISTANT if push > 0 else SENSITIVE] for push in top]
        axes.barh(np.arange(len(top)), top, 0.7, color=colours)
        axes.axvline(0, color=GUIDE, linewidth=0.8)
        axes.set_yticks(np.arange(len(top)), [shortened(one, 18) for one in top.index])
        axes.set_ylim(len(top) - 0.5, -0.5)
        label_axes(axes, str(name), "", "")
    figure.suptitle(subject, fontsize=TEXT_SIZE + 1, x=0.01, ha="left")
    figure.supxlabel(ATTRIBUTION, fontsize=TEXT_SIZE)
    return figure
