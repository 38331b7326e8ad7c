"""Figures of a bench: models beside each other, drug by drug, and their leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd.plots.colours import CATEGORIES, COLOURS, GUIDE, INK, SHARES
from scatd.plots.shades import colour_bar, mark_missing, write_in_cells
from scatd.plots.style import TEXT_SIZE, label_axes, legend_beside, new_figure, shortened
from scatd.wording import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = {
    "candidate": COLOURS["model"],
    "baseline": COLOURS["baseline"],
    "naive mean": CATEGORIES[3],
}
_MOST_WORDS = 400
"""Most cells of a heat map that still has its numbers printed."""
_MOST_DRUGS = 60


def dots(results: pd.DataFrame, subject: str) -> Figure:
    """AUROC of every model with its interval, one axes a split; the best model on top.

    Parameters
    ----------
    results
        `split`, `model`, `kind`, `auroc`, `ci_low`, `ci_high`: one task.
    subject
        The task, for the title.
    """
    splits = list(dict.fromkeys(results["split"]))
    mean = results.groupby("model")["auroc"].mean().sort_values(ascending=False)
    height = 1.5 + 0.24 * len(mean)
    figure, many = new_figure(2.2 + 2.9 * len(splits), height, n_axes=len(splits))
    span = _span(results, at=0.5)
    for axes, split in zip(many, splits, strict=True):
        axes.set_xlim(span)
        some = results[results["split"] == split]
        axes.axvline(0.5, color=GUIDE, linewidth=0.8, linestyle="--")
        for kind, colour in _COLOURS.items():
            own = some[some["kind"] == kind]
            heights = mean.index.get_indexer(own["model"])
            axes.hlines(heights, own["ci_low"], own["ci_high"], color=colour, linewidth=1.4)
            axes.plot(
                own["auroc"], heights, linestyle="none", marker="o", markersize=5, color=colour,
                label=kind,
            )  # fmt: skip
        names = [name.replace("_", " ") for name in mean.index]
        axes.set_yticks(np.arange(len(mean)), names if axes is many[0] else [""] * len(mean))
        axes.set_ylim(len(mean) - 0.5, -0.5)
        label_axes(axes, f"{subject}: {split}", "AUROC, 95% interval", "")
    legend_beside(many[-1])
    return figure


def heat_map(by_drug: pd.DataFrame, subject: str) -> Figure:
    """AUROC of each drug (rows) by each model (columns); hatched where no fold has both classes.

    Parameters
    ----------
    by_drug
        `drug`, `model`, `auroc`: one split of one task. Of more than 60 drugs, the first are shown.
    subject
        Task and split, for the title.
    """
    models = list(dict.fromkeys(by_drug["model"]))
    drugs = list(dict.fromkeys(by_drug["drug"]))
    shown = drugs[:_MOST_DRUGS]
    if len(shown) < len(drugs):
        subject += f" (the first {counted(len(shown), 'drug', of=len(drugs))})"
    matrix = by_drug.pivot_table("auroc", "drug", "model", dropna=False)
    matrix = matrix.reindex(index=shown, columns=models)
    figure, (axes,) = new_figure(2.4 + 0.5 * len(models), 2.1 + 0.26 * len(shown))
    values = matrix.to_numpy(dtype=float)
    drawn = axes.imshow(values, cmap=SHARES, vmin=0.4, vmax=1, aspect="auto")
    label_axes(axes, f"{subject}: AUROC", "", "")
    axes.grid(visible=False)
    names = [name.replace("_", " ") for name in models]
    axes.set_xticks(range(len(models)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(shown)), map(shortened, shown))
    if values.size <= _MOST_WORDS:
        write_in_cells(axes, drawn, values, ".2f")
    mark_missing(axes, values, "no fold has both classes")
    colour_bar(axes, drawn, "AUROC (0.5 is chance; 0.4 and less alike)")
    return figure


def leads(table: pd.DataFrame, subject: str) -> Figure:
    """Leads of the candidates over their rivals, with intervals that hold for all of them together.

    Parameters
    ----------
    table
        `split`, `candidate`, `rival`, `is_best`, `lead`, `ci_low`, `ci_high`: one task. The rival
        with the highest AUROC is drawn black.
    subject
        The task, for the title.
    """
    splits = list(dict.fromkeys(table["split"]))
    rows = list(dict.fromkeys(zip(table["candidate"], table["rival"], strict=True)))
    height = 1.4 + 0.17 * len(rows)
    figure, many = new_figure(3.2 + 2.7 * len(splits), height, n_axes=len(splits))
    span = _span(table, at=0.0)
    for axes, split in zip(many, splits, strict=True):
        axes.set_xlim(span)
        axes.axvline(0, color=GUIDE, linewidth=0.8, linestyle="--")
        for row in table[table["split"] == split].to_dict("records"):
            place = rows.index((row["candidate"], row["rival"]))
            colour = INK if row["is_best"] else GUIDE
            axes.hlines(place, row["ci_low"], row["ci_high"], color=colour, linewidth=1.2)
            axes.plot(row["lead"], place, marker="o", markersize=4, color=colour)
        names = [f"{ours} over {rival.replace('_', ' ')}" for ours, rival in rows]
        axes.set_yticks(np.arange(len(rows)), names if axes is many[0] else [""] * len(rows))
        axes.set_ylim(len(rows) - 0.5, -0.5)
        label_axes(axes, f"{subject}: {split}", "lead in AUROC (black: best rival)", "")
        axes.tick_params(axis="y", labelsize=TEXT_SIZE - 2)
    return figure


def _span(table: pd.DataFrame, at: float) -> tuple[float, float]:
    """Limits of the axis for all splits, which hold every bound and the line `at`."""
    bounds = table[["ci_low", "ci_high"]].to_numpy(dtype=float)
    low, high = np.nanmin([at, *bounds.ravel()]), np.nanmax([at, *bounds.ravel()])
    margin = 0.05 * (high - low) or 0.01
    return float(low - margin), float(high + margin)
