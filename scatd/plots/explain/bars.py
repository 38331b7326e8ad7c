"""Importance as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd.keys import RESISTANT, RESPONSES, SENSITIVE
from scatd.plots.colours import RESPONSE_COLOURS
from scatd.plots.explain.look import UNIT
from scatd.plots.style import axes_on, figure_of, label_axes, legend_beside, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def importance_bars(
    table: pd.DataFrame,
    subject: str,
    n_features: int = 20,
    *,
    on: Axes | Figure | None = None,
) -> Figure:
    """Mean absolute attribution of the leading features.

    With one class, the colour shows the sign of the mean attribution. With both, each has a bar.

    Parameters
    ----------
    table
        Columns `feature`, `mean_abs_resistant`, `mean_resistant` and, where both classes were
        attributed, `mean_abs_sensitive`.
    subject
        Drug and cohort, for the title.
    n_features
        Number of features, the most important on top.
    on
        Where to draw, as in `scatd.plots.style.axes_on`.
    """
    measured = [name for name in RESPONSES if f"mean_abs_{name}" in table]
    order = table[[f"mean_abs_{name}" for name in measured]].sum(axis=1)
    shown = table.loc[order.sort_values(ascending=False, kind="stable").index[:n_features]]
    axes = axes_on(on, width=7.2, height=1.4 + 0.24 * len(shown))
    rows = np.arange(len(shown))
    if len(measured) > 1:
        height = 0.4
        for offset, name in zip((-0.2, 0.2), reversed(measured), strict=True):
            widths = shown[f"mean_abs_{name}"]
            axes.barh(
                rows + offset, widths, height, color=RESPONSE_COLOURS[name], label=f"to {name}"
            )
        title, unit = "class attributed", "logit of the class"
    else:
        mean = shown["mean_resistant"].to_numpy(dtype=float)
        for name, here in ((RESISTANT, mean > 0), (SENSITIVE, mean <= 0)):
            widths = shown[f"mean_abs_{RESISTANT}"].where(here, 0)
            axes.barh(rows, widths, 0.75, color=RESPONSE_COLOURS[name], label=f"towards {name}")
        title, unit = "mean attribution", UNIT
    axes.set_yticks(rows, map(shortened, shown["feature"]))
    axes.set_ylim(len(shown) - 0.5, -0.5)
    label_axes(axes, f"{subject}: leading features", f"mean absolute attribution ({unit})", "")
    legend_beside(axes, title)
    return figure_of(axes)
