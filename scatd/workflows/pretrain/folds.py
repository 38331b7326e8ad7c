"""Training the folds of a backbone: each is tracked in a run, and a fold that is done is read."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from tqdm import tqdm

from scatd import artifact, console, keys, tracking
from scatd.artifact import Artifact
from scatd.data.text.spreadsheets import read_csv
from scatd.errors import TrainingError
from scatd.keys import artifact_paths, metric_names
from scatd.nn.residual_vae import DESIGNS, ResidualVAE
from scatd.tracking import Watched
from scatd.training.backbone import FittedBackbone, Split, UnlabelledCells, fit_backbone, splits
from scatd.training.checkpoint import SaveTo
from scatd.training.loop import n_epochs
from scatd.wording import counted
from scatd.workflows.pretrain.output import checkpoint_of, log_model, model_of
from scatd.workflows.pretrain.task import BackboneTask

logger = logging.getLogger(__name__)

REGISTERED_FOLD = 1
"""Of several folds the first is registered (as published). The fold with the lowest loss would be
the fold whose held-out cells happened to be easy (defect D13)."""


@dataclass(frozen=True, eq=False)
class TrainedFold:
    """A trained fold: its model, and one row of losses an epoch."""

    number: int
    model: Artifact
    history: pd.DataFrame

    @property
    def summary(self) -> dict[str, float]:
        """How good its weights are: see `scatd.training.judge.judge`."""
        return dict(self.model.about.metrics)

    def without_weights(self) -> TrainedFold:
        """The same, 100 MB lighter; only one of ten folds is registered."""
        return replace(self, model=replace(self.model, state={}))


def train_folds(
    run: tracking.Run, task: BackboneTask, done: Mapping[int, str]
) -> list[TrainedFold]:
    """Train all folds of a task, or the one split of a task without folds.

    Parameters
    ----------
    run
        Parent run. Without folds, curves and last weights go to it.
    done
        Runs of the folds that a killed process finished, by number.
    """
    with _trainer(run, task) as trainer:
        if len(trainer.parts) == 1:
            return [trainer.train(run, 1)]
        if done:
            logger.info("Continuing: folds %s are done", sorted(done))
        folds = []
        for number in range(1, len(trainer.parts) + 1):
            fold = trainer.adopt(done[number], number) if number in done else trainer.child(number)
            run.log_metrics({metric_names.FOLD_R2: fold.summary["r2"]}, step=number)
            folds.append(fold if number == REGISTERED_FOLD else fold.without_weights())
        return folds


@contextmanager
def _trainer(run: tracking.Run, task: BackboneTask) -> Iterator[_Trainer]:
    parts = splits(task.features.n_obs, task.settings)
    total = sum(_n_rows(task, part) for part in parts)
    title = f"{task.command.capitalize()} {task.family}"
    with console.progress(total, title, "cell") as bar:
        yield _Trainer(run, task, parts, bar)


@dataclass(frozen=True, eq=False)
class _Trainer:
    parent: tracking.Run
    task: BackboneTask
    parts: list[Split]
    bar: tqdm

    def child(self, number: int) -> TrainedFold:
        """Train a fold in a run of its own."""
        task = self.task
        tags = {**task.tags, keys.TAG_FOLD: str(number)}
        with self.parent.child(f"{task.command} {task.family} fold {number}", tags) as run:
            fold = self.train(run, number)
            log_model(run, fold.model, artifact_paths.BEST_WEIGHTS)
        return fold

    def adopt(self, run_id: str, number: int) -> TrainedFold:
        """Read a fold that is done."""
        run = tracking.Run(self.parent.client, run_id)
        model = artifact.read(run.fetch(artifact_paths.BEST_WEIGHTS))
        history = read_csv(run.fetch(artifact_paths.HISTORY))
        self.bar.update(_n_rows(self.task, self.parts[number - 1]))
        return TrainedFold(number, model, history)

    def train(self, run: tracking.Run, number: int) -> TrainedFold:
        """Train on one split; curves, losses and the last weights go to `run`."""
        fitted = self._fit(run, number)
        summary, sizes = fitted.summary, fitted.vae.sizes
        run.log_metrics(summary)
        if not summary["active_units"]:
            what = f"none of the {counted(sizes.n_latent, 'latent unit')} of the backbone is active"
            remedy = "Every cell would look alike. Train longer, or raise rec_beta (--rec-beta)."
            raise TrainingError(what, remedy=remedy)
        history = pd.DataFrame(fitted.history)
        run.log_table(history, artifact_paths.HISTORY)
        epochs = summary["epochs"]
        made_by = self.parent.run_id
        if fitted.last is not None:
            weights: dict[str, Any] = {"epoch": epochs, "of": epochs}
            last = model_of(self.task, sizes, fitted.last, weights, {}, made_by)
            log_model(run, last, artifact_paths.LAST_WEIGHTS)
        weights = {"epoch": summary["epoch"], "of": epochs, "chosen": "lowest validation loss"}
        state = fitted.vae.state_dict()
        model = model_of(self.task, sizes, state, weights, summary, made_by)
        return TrainedFold(number, model, history)

    def _fit(self, run: tracking.Run, number: int) -> FittedBackbone:
        task, settings = self.task, self.task.settings

        def show(epoch: int) -> None:
            shown = {"epoch": epoch} if settings.folds == 1 else {"fold": number, "epoch": epoch}
            self.bar.set_postfix(shown)

        teacher_z = None if task.teacher is None else task.teacher.z
        with tracking.Curves(run) as curves:
            return fit_backbone(
                UnlabelledCells(task.features.X, teacher_z, self.parts[number - 1], task.device),
                settings,
                lambda sizes: ResidualVAE(sizes, DESIGNS[task.family]),
                Watched(curves, show),
                SaveTo(checkpoint_of(task, number), task.checkpoint_every),
                self.bar.update,
            )


def _n_rows(task: BackboneTask, part: Split) -> int:
    """Training rows of a split, counted once an epoch."""
    settings, n_train = task.settings, len(part[0])
    return n_train * n_epochs(settings.epochs, settings.min_steps, settings.batch_size, n_train)
