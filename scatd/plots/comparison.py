"""Compare drugs and families in one figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd.keys import FAMILIES
from scatd.plots.colours import COLOURS, FAMILY_COLOURS, GUIDE
from scatd.plots.style import TEXT_SIZE, label_axes, legend_beside, new_figure, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SPREAD = 0.22
"""Distance of two families of a drug; drugs lie 1 apart."""


def drugs_and_families(table: pd.DataFrame, metric: str, subject: str) -> Figure:
    """One row a drug, best on top: each family with its interval, best baseline and target.

    Parameters
    ----------
    table
        Columns `drug`, `family`, `mean`, `ci_low`, `ci_high`, `baseline_mean` and `target`; all
        except the first three may be missing. At least one row.
    metric
        Name of the metric, for the axis. For AUROC, a line shows chance.
    subject
        The title.
    """
    order = table.groupby("drug")["mean"].max().sort_values(ascending=False).index
    families = [name for name in FAMILIES if name in set(table["family"])]
    offsets = _SPREAD * (np.arange(len(families)) - (len(families) - 1) / 2)
    row_height = 0.12 + 0.07 * len(families)
    figure, (axes,) = new_figure(width=7.2, height=1.4 + row_height * len(order))
    if metric.lower() == "auroc":
        axes.axvline(0.5, color=GUIDE, linewidth=0.8, linestyle="--", label="chance")
    drawn: list[str] = []
    for name, offset in zip(families, offsets, strict=True):
        some = table[table["family"] == name].set_index("drug").astype({"mean": float})
        heights = order.get_indexer(some.index) + offset
        values = {
            column: pd.to_numeric(some[column]).to_numpy(dtype=float)
            for column in ("mean", "ci_low", "ci_high", "baseline_mean", "target")
        }
        axes.hlines(
            heights, values["ci_low"], values["ci_high"], color=FAMILY_COLOURS[name], linewidth=1
        )
        edges = {"baseline_mean": COLOURS["baseline"], "target": COLOURS["target"]}
        looks = (
            ("mean", "o", 4, FAMILY_COLOURS[name], name),
            ("baseline_mean", "|", 7, COLOURS["baseline"], "best baseline"),
            ("target", "D", 4, "none", "target cells"),
        )
        for column, marker, size, face, label in looks:
            if np.isnan(values[column]).all():
                continue
            axes.plot(
                values[column],
                heights,
                linestyle="none",
                marker=marker,
                markersize=size,
                markerfacecolor=face,
                markeredgecolor=edges.get(column, FAMILY_COLOURS[name]),
                label=f"_{label}" if label in drawn else label,
            )
            drawn.append(label)
    axes.set_yticks(np.arange(len(order)), [shortened(one, 48) for one in order])
    axes.set_ylim(len(order) - 0.5, -0.5)
    label_axes(axes, subject, f"{metric}: mean over folds, 95% interval", "")
    axes.tick_params(axis="y", labelsize=TEXT_SIZE - 2)
    axes.grid(visible=False, axis="y")
    axes.hlines(np.arange(1, len(order)) - 0.5, 0, 1, transform=axes.get_yaxis_transform(),
                color=COLOURS["grid"], linewidth=0.6, zorder=0.5)  # fmt: skip
    legend_beside(axes, first=families)
    return figure
