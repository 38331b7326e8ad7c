"""Making a backbone: train it (once, or fold by fold), track it, register it, survive a kill."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from scatd import artifact, console, keys, registry, tracking
from scatd.artifact import Artifact
from scatd.cards.card import About, CohortUsed, DataUsed, FeaturesRead
from scatd.data.features import Features
from scatd.errors import TrainingError
from scatd.keys import artifact_paths, metric_names
from scatd.nn.alignment import Alignment, FeatureStats
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.plots.training import loss_curves
from scatd.registry import ModelRef
from scatd.settings import to_mapping
from scatd.tracking import Watched
from scatd.training.loop import n_epochs
from scatd.training.pretrain import Split, fit_backbone, splits
from scatd.training.settings import PretrainSettings
from scatd.training.statistics import matrix_stats

logger = logging.getLogger(__name__)

REGISTERED_FOLD = 1
"""Of several folds the first is registered (as published): the one with the lowest loss would be
the one whose held-out cells happened to be easy (defect D13)."""


@dataclass(frozen=True, eq=False)
class Teacher:
    """What a student's latent is pulled towards.

    Parameters
    ----------
    z
        (n_obs, n_latent), row by row the same cells as the student's.
    about
        Where it is from, for the card.
    digest
        Hash of `z`.
    """

    z: NDArray[np.float32]
    about: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, eq=False)
class Work:
    """A backbone to make.

    Parameters
    ----------
    command
        Which command the run is for.
    features
        Unlabelled cells, as the network shall read them.
    input_scale
        Scale that `features` are on, where they are expression.
    checkpoint_every
        Epochs between two saves; 0 saves every 10 seconds at most.
    teacher
        For distillation.
    """

    command: Literal["pretrain", "distill"]
    features: Features
    family: str
    settings: PretrainSettings
    device: torch.device
    input_scale: str | None = None
    checkpoint_every: int = 0
    teacher: Teacher | None = None

    @cached_property
    def key(self) -> str:
        """What makes two runs the same work."""
        names = [] if self.features.names is None else [list(self.features.names)]
        taught = [] if self.teacher is None else [self.teacher.digest]
        settings = to_mapping(self.settings)
        data = [self.features.sha256(), *names, *taught]
        return tracking.resume_key(self.command, self.family, settings, *data)

    @cached_property
    def stats(self) -> FeatureStats:
        """Of all rows: what `transfer` aligns with when it is given no reference."""
        return matrix_stats(self.features.X)

    @property
    def name(self) -> str:
        """Registered name."""
        return keys.backbone_name(self.family)

    @property
    def tags(self) -> dict[str, str]:
        """Of its runs."""
        return {
            keys.TAG_FAMILY: self.family,
            keys.TAG_LEVEL: keys.LEVEL_BACKBONE,
            keys.TAG_SIMULATED: str(self.features.simulated).lower(),
        }


@dataclass(frozen=True, eq=False)
class PretrainResult:
    """The registered backbone, and what is known about it.

    Parameters
    ----------
    ref
        The registered version.
    summary
        Of its weights: see `scatd.training.judge.judge`.
    run_id
        The run that made it.
    n_latent
        Width of its latent.
    folds
        One row a fold (`fold` and the summary), where there were several; else None.
    """

    ref: ModelRef
    summary: dict[str, float]
    run_id: str
    n_latent: int
    folds: pd.DataFrame | None = None


@dataclass(frozen=True, eq=False)
class _Fold:
    number: int
    model: Artifact
    history: pd.DataFrame

    @property
    def summary(self) -> dict[str, float]:
        return dict(self.model.about.metrics)

    def without_weights(self) -> _Fold:
        """The same, 100 MB lighter; only one of ten folds is registered."""
        return replace(self, model=replace(self.model, state={}))


def find(work: Work) -> ModelRef | None:
    """The newest version that the same work made before, if any."""
    return registry.find_made(work.name, work.key)


def make(work: Work) -> PretrainResult:
    """Train a backbone and register it at `staging`; a killed process's work is continued.

    Raises
    ------
    InputError
        When the features cannot be used, or another process does the same work.
    TrainingError
        When training diverges.
    """
    parts = splits(work.features.n_obs, work.settings)
    with tracking.resume_lock(work.key):
        dead = tracking.unfinished(work.key)
        with tracking.parent_run(
            work.command,
            name=f"{work.command} {work.family}",
            tags=work.tags,
            settings=to_mapping(work.settings),
            resume_key=work.key,
        ) as run:
            if dead is None:
                _forget(work)
            else:
                dead = tracking.leave_out_damaged(
                    dead, lambda fold: artifact.read(fold.fetch(artifact_paths.BEST_WEIGHTS))
                )
                tracking.adopt(dead, run)
            run.log_cohort(work.features, work.features.sha256(), "reference")
            with _bar(work, parts) as bar:
                if len(parts) == 1:
                    folds = [_train(run, run, work, parts[0], 1, bar)]
                else:
                    folds = _train_folds(run, work, parts, dict(dead.folds) if dead else {}, bar)
            table = _report(run, folds) if len(folds) > 1 else None
            _draw(run, work, folds)
            version = registry.find_version(work.name, dead.run_ids) if dead else None
            registered = folds[REGISTERED_FOLD - 1]
            if version is None:
                version = _register(run, work, registered, table)
        _forget(work)
    ref = registry.get(work.name, version)
    return PretrainResult(
        ref, registered.summary, run.run_id, registered.model.sizes.n_latent, table
    )


def _train_folds(
    run: tracking.Run, work: Work, parts: list[Split], done: Mapping[int, str], bar: tqdm
) -> list[_Fold]:
    if done:
        logger.info("Continuing: folds %s are done", sorted(done))
    folds = []
    for number, part in enumerate(parts, start=1):
        if number in done:
            fold = _adopted(tracking.Run(run.client, done[number]), number)
            bar.update(_n_epochs(work, part) * len(part[0]))
        else:
            tags = {**work.tags, keys.TAG_FOLD: str(number)}
            with run.child(f"{work.command} {work.family} fold {number}", tags) as fold_run:
                fold = _train(fold_run, run, work, part, number, bar)
                _log_model(fold_run, fold.model, artifact_paths.BEST_WEIGHTS)
        run.log_metrics({metric_names.FOLD_R2: fold.summary["r2"]}, step=number)
        folds.append(fold if number == REGISTERED_FOLD else fold.without_weights())
    return folds


def _train(
    run: tracking.Run, parent: tracking.Run, work: Work, part: Split, number: int, bar: tqdm
) -> _Fold:
    """Train on one split; curves, losses and the last weights go to `run`."""
    settings = work.settings

    def show(epoch: int) -> None:
        shown = {"epoch": epoch} if settings.folds == 1 else {"fold": number, "epoch": epoch}
        bar.set_postfix(shown)

    with tracking.Curves(run) as curves:
        fitted = fit_backbone(
            work.features.X,
            settings,
            lambda sizes: ResidualVAE(sizes, DESIGNS[work.family]),
            Watched(curves, show),
            device=work.device,
            split=part,
            teacher_z=None if work.teacher is None else work.teacher.z,
            checkpoint=_checkpoint(work, number),
            checkpoint_every=work.checkpoint_every,
            progress=bar.update,
        )
    run.log_metrics(fitted.summary)
    if not fitted.summary["active_units"]:
        what = f"none of the {fitted.vae.sizes.n_latent} latent units of the backbone is active"
        remedy = "Every cell would look alike. Train longer, or raise rec_beta (--rec-beta)."
        raise TrainingError(what, remedy=remedy)
    history = pd.DataFrame(fitted.history)
    run.log_table(history, artifact_paths.HISTORY)
    sizes = fitted.vae.sizes
    epochs = fitted.summary["epochs"]
    if fitted.last is not None:
        last = _artifact(work, sizes, fitted.last, {"epoch": epochs, "of": epochs}, {}, parent)
        _log_model(run, last, artifact_paths.LAST_WEIGHTS)
    held = {"epoch": fitted.summary["epoch"], "of": epochs, "chosen": "lowest validation loss"}
    model = _artifact(work, sizes, fitted.vae.state_dict(), held, fitted.summary, parent)
    return _Fold(number, model, history)


def _adopted(run: tracking.Run, number: int) -> _Fold:
    return _Fold(
        number,
        artifact.read(run.fetch(artifact_paths.BEST_WEIGHTS)),
        pd.read_csv(run.fetch(artifact_paths.HISTORY)),
    )


def _artifact(
    work: Work,
    sizes: Sizes,
    state: Mapping[str, Tensor],
    weights: Mapping[str, Any],
    summary: Mapping[str, float],
    run: tracking.Run,
) -> Artifact:
    features = work.features
    cells = CohortUsed(features.path.name, features.sha256(), features.n_obs)
    about = About(
        features=FeaturesRead(features.n_features, features.key, features.names),
        input_scale=work.input_scale,
        data=DataUsed(reference=cells),
        weights=dict(weights),
        metrics=dict(summary),
        settings=to_mapping(work.settings),
        run_id=run.run_id,
        versions=artifact.versions(),
        teacher=None if work.teacher is None else dict(work.teacher.about),
    )
    return Artifact(
        kind="backbone",
        family=work.family,
        design=work.family,
        sizes=sizes,
        state=state,
        alignment=Alignment("none", reference=work.stats),
        simulated=features.simulated,
        about=about,
    )


def _log_model(run: tracking.Run, model: Artifact, place: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        artifact.write(Path(scratch) / "model", model)
        run.log_files(Path(scratch) / "model", place)


def _register(run: tracking.Run, work: Work, fold: _Fold, table: pd.DataFrame | None) -> int:
    summary = fold.summary
    about = fold.model.about
    said = ""
    if table is not None:
        made = {
            "registered": fold.number,
            "why": "the first, as published; the best would be the luckiest",
            "table": table.to_dict("records"),
        }
        about = replace(about, folds=made)
        said = (
            f" Fold {fold.number} of {len(table)}: R2 over folds {table['r2'].mean():.3f}"
            f" ± {table['r2'].std():.3f}."
        )
    if work.teacher is not None:
        said += (
            f" Distilled: cosine similarity to its teacher {summary['cosine']:.3f},"
            f" {summary['cosine_shuffled']:.3f} for shuffled cells."
        )
    description = (
        f"Residual VAE of family {work.family}, pretrained on {work.features.n_obs} cells of "
        f"{work.features.path.name}. Held-out R2 {summary['r2']:.3f}, "
        f"{summary['active_units']:.0f} of {fold.model.sizes.n_latent} latent units active. "
        f"Weights of epoch {summary['epoch']:.0f} of {summary['epochs']:.0f}.{said}"
    )
    return registry.register_artifact(
        replace(fold.model, about=about),
        work.name,
        run.run_id,
        metrics=summary,
        description=description,
        tags={keys.TAG_RESUME_KEY: work.key},
    )


def _report(run: tracking.Run, folds: list[_Fold]) -> pd.DataFrame:
    """Table of the folds; means and s.d. go to the parent run."""
    table = pd.DataFrame([{"fold": fold.number, **fold.summary} for fold in folds])
    values = table.drop(columns="fold")
    for name, over_folds in ((metric_names.MEAN, values.mean()), (metric_names.SD, values.std())):
        run.log_metrics({name.format(metric=metric): v for metric, v in over_folds.items()})
    run.log_table(table, artifact_paths.FOLDS)
    return table


def _draw(run: tracking.Run, work: Work, folds: list[_Fold]) -> None:
    names = {"train_total": "train_loss", "val_total": "val_loss"}
    curves = pd.concat(
        fold.history.rename(columns=names).assign(fold=fold.number) for fold in folds
    )
    run.log_figures({"loss": loss_curves(curves, f"{work.command} {work.family}")})


def _n_epochs(work: Work, part: Split) -> int:
    settings = work.settings
    return n_epochs(settings.epochs, settings.min_steps, settings.batch_size, len(part[0]))


def _bar(work: Work, parts: list[Split]) -> tqdm:
    total = sum(_n_epochs(work, part) * len(part[0]) for part in parts)
    return console.progress(total, f"{work.command.capitalize()} {work.family}", "cell")


def _checkpoint(work: Work, number: int) -> Path:
    return tracking.work_folder() / f"{work.command}-{work.key}-{number}.pt"


def _forget(work: Work) -> None:
    """Delete this backbone's training checkpoints."""
    for path in tracking.work_folder().glob(f"{work.command}-{work.key}-*"):
        path.unlink(missing_ok=True)
