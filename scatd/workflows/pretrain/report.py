"""Tables, figures and sentences about a backbone."""

from __future__ import annotations

import pandas as pd

from scatd import tracking
from scatd.keys import artifact_paths, metric_names
from scatd.plots.training import loss_curves
from scatd.wording import counted
from scatd.workflows.pretrain.folds import TrainedFold
from scatd.workflows.pretrain.task import BackboneTask


def log_folds(run: tracking.Run, folds: list[TrainedFold]) -> pd.DataFrame:
    """Table of the folds; means and s.d. go to the parent run."""
    table = pd.DataFrame([{"fold": fold.number, **fold.summary} for fold in folds])
    values = table.drop(columns="fold")
    for name, over_folds in ((metric_names.MEAN, values.mean()), (metric_names.SD, values.std())):
        run.log_metrics({name.format(metric=metric): v for metric, v in over_folds.items()})
    run.log_table(table, artifact_paths.FOLDS)
    return table


def log_curves(run: tracking.Run, task: BackboneTask, folds: list[TrainedFold]) -> None:
    """Draw training and validation loss of all folds."""
    run.log_figures({"loss": loss_curves(curves(folds), f"{task.command} {task.family}")})


def curves(folds: list[TrainedFold]) -> pd.DataFrame:
    """One row for each fold and epoch: fold, epoch, train_loss, val_loss and the parts of both."""
    names = {"train_total": "train_loss", "val_total": "val_loss"}
    return pd.concat(fold.history.rename(columns=names).assign(fold=fold.number) for fold in folds)


def describe(task: BackboneTask, fold: TrainedFold, table: pd.DataFrame | None) -> str:
    """Sentences for the registry: data, quality of the weights, folds and teacher."""
    summary = fold.summary
    text = (
        f"Residual VAE of family {task.family}, pretrained on "
        f"{counted(task.features.n_obs, 'cell')} of {task.features.path.name}. Held-out R2 "
        f"{summary['r2']:.3f}, "
        f"{counted(summary['active_units'], 'latent unit', of=fold.model.sizes.n_latent)} active. "
        f"Weights of epoch {summary['epoch']:.0f} of {summary['epochs']:.0f}."
    )
    if table is not None:
        text += (
            f" Fold {fold.number} of {len(table)}: R2 over folds {table['r2'].mean():.3f}"
            f" ± {table['r2'].std():.3f}."
        )
    if task.teacher is not None:
        text += (
            f" Distilled: cosine similarity to its teacher {summary['cosine']:.3f},"
            f" {summary['cosine_shuffled']:.3f} for shuffled cells."
        )
    return text
