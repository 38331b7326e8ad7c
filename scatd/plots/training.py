"""Figures of a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd.plots.colours import COLOURS, GUIDE
from scatd.plots.style import label_axes, legend_inside, new_figure
from scatd.wording import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def loss_curves(history: pd.DataFrame, subject: str) -> Figure:
    """Training and validation loss by epoch, mean over folds with a band of one s.d.

    Parameters
    ----------
    history
        Columns `fold`, `epoch`, `train_loss`, `val_loss`; one row for each epoch and fold. A loss
        that is NaN in all rows (no validation rows) is left out.
    subject
        Drug or backbone, for the title.
    """
    figure, (axes,) = new_figure()
    n_folds = history["fold"].nunique()
    losses = (
        ("train_loss", "training", GUIDE, "--"),
        ("val_loss", "validation", COLOURS["model"], "-"),
    )
    for column, label, colour, style in losses:
        by_epoch = history.dropna(subset=[column]).groupby("epoch")[column].agg(["mean", "std"])
        if by_epoch.empty:
            continue
        epochs = by_epoch.index.to_numpy()
        mean = by_epoch["mean"].to_numpy()
        axes.plot(epochs, mean, color=colour, linestyle=style, linewidth=1.6, label=label)
        if n_folds > 1:
            spread = np.nan_to_num(by_epoch["std"].to_numpy())
            axes.fill_between(
                epochs, mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0
            )
    folds = f"mean ± s.d. of {counted(n_folds, 'fold')}" if n_folds > 1 else "one split"
    label_axes(axes, f"{subject}: loss, {folds}", "epoch", "loss")
    legend_inside(axes)
    return figure
