"""Use case: pretrain a backbone, track and register it; the work of a killed process continues."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
import torch

from scatd import artifact, registry, tracking
from scatd.artifact import Artifact
from scatd.data.features import Features
from scatd.keys import artifact_paths
from scatd.plots.style import save_figure
from scatd.plots.training import loss_curves
from scatd.registry import ModelRef
from scatd.report import Page, Section, ShownInNotebook
from scatd.settings import to_mapping
from scatd.training.backbone import splits
from scatd.training.settings import PretrainSettings
from scatd.workflows.pretrain import inputs
from scatd.workflows.pretrain.folds import REGISTERED_FOLD, TrainedFold, train_folds
from scatd.workflows.pretrain.output import delete_checkpoints, register_model
from scatd.workflows.pretrain.report import curves, describe, log_curves, log_folds
from scatd.workflows.pretrain.request import PretrainRequest
from scatd.workflows.pretrain.task import BackboneTask

logger = logging.getLogger(__name__)

LITTLE_LEARNED = 0.05
"""A held-out R2 below it is warned of."""


@dataclass(frozen=True, eq=False, repr=False)
class PretrainResult(ShownInNotebook):
    """The registered backbone, and how good it is.

    Parameters
    ----------
    ref
        The registered version.
    summary
        Quality of its weights: see `scatd.training.judge.judge`.
    run_id
        The run that made it.
    n_latent
        Width of its latent.
    folds
        One row a fold (`fold` and the summary), where there were several; else None.
    history
        Losses, one row for each fold and epoch: see `report.curves`.
    """

    ref: ModelRef
    summary: dict[str, float]
    run_id: str
    n_latent: int
    folds: pd.DataFrame | None = None
    history: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def headline(self) -> str:
        """The result in a sentence or two."""
        return f"{self.ref.name} version {self.ref.version}, held-out R2 {self.summary['r2']:.3f}"

    def page(self, folder: Path) -> Page:
        """Quality of the weights, folds and losses."""
        summary = pd.DataFrame(self.summary.items(), columns=["measure", "value"])
        tables = {"On held-out cells": summary}
        if self.folds is not None:
            tables["Folds"] = self.folds
        picture = save_figure(loss_curves(self.history, self.ref.name), folder, "loss")[0]
        sections = [Section("Numbers", tables=tables, figures={"Loss by epoch.": picture})]
        return Page(f"{self.ref.name}, version {self.ref.version}", sections)


def pretrain(request: PretrainRequest) -> PretrainResult:
    """Pretrain a backbone on unlabelled cells and register it at `staging`.

    Raises
    ------
    InputError
        When the features cannot be used.
    TrainingError
        When training diverges.
    """
    return make(inputs.read_task(request))


def backbone_for(
    features: Features,
    family: str,
    settings: PretrainSettings,
    device: torch.device,
    *,
    input_scale: str | None = None,
) -> ModelRef:
    """The backbone pretrained on `features` with these settings; made if there is none yet.

    Expression is log-normalised unless `input_scale` says that it is on its scale already.
    """
    task = inputs.task_on(features, family, settings, device, input_scale=input_scale)
    made = registry.find_made(task.name, task.resume_key)
    if made is not None:
        logger.info("Backbone: %s version %d", made.name, made.version)
        return made
    logger.info("Backbone: pretraining one on %s", features.path)
    return make(task).ref


def make(task: BackboneTask) -> PretrainResult:
    """Train a backbone and register it at `staging`; a killed process's work is continued.

    Raises
    ------
    InputError
        When the features cannot be used, or another process makes the same backbone.
    TrainingError
        When training diverges.
    """
    splits(task.features.n_obs, task.settings)  # refuse too few rows before a run begins
    with tracking.resume_lock(task.resume_key):
        dead = tracking.unfinished(task.resume_key)
        with tracking.parent_run(
            task.command,
            name=f"{task.command} {task.family}",
            tags=task.tags,
            settings=to_mapping(task.settings),
            resume_key=task.resume_key,
        ) as run:
            dead = _take_over(run, task, dead)
            run.log_cohort(task.features, task.features.sha256(), "reference")
            folds = train_folds(run, task, dead.folds if dead else {})
            table = log_folds(run, folds) if len(folds) > 1 else None
            log_curves(run, task, folds)
            version = registry.find_version(task.name, dead.run_ids) if dead else None
            fold = folds[REGISTERED_FOLD - 1]
            if version is None:
                model = fold.model if table is None else _with_folds(fold, table)
                version = register_model(run, task, model, describe(task, fold, table))
        delete_checkpoints(task)
    warn_of_little_learned(fold.summary["r2"])
    ref = registry.get(task.name, version)
    n_latent = fold.model.sizes.n_latent
    return PretrainResult(ref, fold.summary, run.run_id, n_latent, table, curves(folds))


def warn_of_little_learned(r2: float) -> None:
    """Warn where a backbone gives back hardly more of held-out rows than their mean.

    Parameters
    ----------
    r2
        Share of the variance of held-out rows that the reconstruction explains; 1 is perfect.
    """
    if r2 < LITTLE_LEARNED:
        logger.warning(
            "The backbone has learned little: the held-out R2 is %.3f, and 0 is no better than the "
            "mean of each feature. Models that use it may be no better than chance. Train for more "
            "--epochs, give more cells, or check the scale of the input with: scatd check",
            r2,
        )


def _take_over(
    run: tracking.Run, task: BackboneTask, dead: tracking.DeadRun | None
) -> tracking.DeadRun | None:
    """Move the finished folds of a dead run under `run`; damaged ones are trained anew."""
    if dead is None:
        delete_checkpoints(task)  # of a run that is not in the store
        return None

    def read_model(fold: tracking.Run) -> None:
        artifact.read(fold.fetch(artifact_paths.BEST_WEIGHTS))

    dead = tracking.leave_out_damaged(dead, read_model)
    tracking.adopt(dead, run)
    return dead


def _with_folds(fold: TrainedFold, table: pd.DataFrame) -> Artifact:
    """The registered model, with the table of all folds in its card."""
    folds = {
        "registered": fold.number,
        "why": "the first, as published; the best would be the luckiest",
        "table": table.to_dict("records"),
    }
    return replace(fold.model, about=replace(fold.model.about, folds=folds))
