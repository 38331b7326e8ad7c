"""Figures of controls: permuted labels, and the learning curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy.typing as npt
import pandas as pd

from scatd.evaluation.evidence import in_legend
from scatd.plots.colours import COLOURS, GUIDE, INK, look_of
from scatd.plots.style import label_axes, legend_beside, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_N_BINS = 20


def null_distribution(null: npt.ArrayLike, real: float, subject: str) -> Figure:
    """AUROC under permuted labels, and the AUROC of the real labels.

    Parameters
    ----------
    null
        (n_permutations,), AUROC under permuted labels.
    real
        AUROC of the response model.
    subject
        Drug, for the title.
    """
    figure, (axes,) = new_figure(width=6.4, height=3.6)
    axes.hist(null, bins=_N_BINS, range=(0, 1), color=GUIDE, label="permuted labels")
    axes.axvline(0.5, color=INK, linewidth=0.8, linestyle="--", label="chance (0.50)")
    axes.axvline(real, color=COLOURS["model"], linewidth=1.8, label=f"real labels ({real:.2f})")
    axes.set_xlim(0, 1.02)
    label_axes(axes, f"{subject}: permuted labels", "AUROC", "permutations")
    legend_beside(axes)
    return figure


def learning_curve(table: pd.DataFrame, subject: str) -> Figure:
    """AUROC on the validation folds against the number of training samples.

    Parameters
    ----------
    table
        `scatd.evaluation.controls.learning_curve_table`.
    subject
        Drug, for the title.
    """
    figure, (axes,) = new_figure(width=6.4, height=3.8)
    for index, (model, group) in enumerate(table.groupby("model", sort=False)):
        name = in_legend(str(model))
        axes.errorbar(
            group["n_train"],
            group["auroc_mean"],
            yerr=group["auroc_sd"].fillna(0),
            **look_of(name, index),
            marker="o",
            markersize=4,
            capsize=2,
            label=name,
        )
    axes.set_xlim(left=0)
    label_axes(axes, f"{subject}: learning curve", "training samples", "AUROC (mean and s.d.)")
    legend_beside(axes, "model")
    return figure
