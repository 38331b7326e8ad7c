"""Files of backbones: model folders in runs and registry, and checkpoints of their training."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from scatd import artifact, keys, registry, tracking
from scatd.artifact import Artifact
from scatd.cards.card import About, CohortUsed, DataUsed, FeaturesRead
from scatd.nn.alignment import Alignment
from scatd.nn.residual_vae import Sizes
from scatd.settings import to_mapping
from scatd.tracking import DataName
from scatd.workflows.pretrain.task import BackboneTask


def model_of(
    task: BackboneTask,
    sizes: Sizes,
    state: Mapping[str, Tensor],
    weights: Mapping[str, Any],
    summary: Mapping[str, float],
    made_by: str,
) -> Artifact:
    """The model folder of a backbone, in memory.

    Parameters
    ----------
    weights
        Which epoch they are of.
    summary
        How good they are: see `scatd.training.judge.judge`.
    made_by
        The parent run.
    """
    features = task.features
    cells = CohortUsed(features.path.name, features.sha256(), features.n_obs)
    about = About(
        features=FeaturesRead(features.n_features, features.key, features.names),
        input_scale=task.input_scale,
        data=DataUsed(reference=cells),
        weights=dict(weights),
        metrics=dict(summary),
        settings=to_mapping(task.settings),
        run_id=made_by,
        versions=artifact.versions(),
        teacher=None if task.teacher is None else dict(task.teacher.about),
    )
    return Artifact(
        kind="backbone",
        family=task.family,
        design=task.family,
        sizes=sizes,
        state=state,
        alignment=Alignment("none", reference=task.stats),
        simulated=features.simulated,
        about=about,
    )


def log_model(run: tracking.Run, model: Artifact, place: str) -> None:
    """Keep a model folder in a run."""
    with tempfile.TemporaryDirectory() as scratch:
        artifact.write(Path(scratch) / "model", model)
        run.log_files(Path(scratch) / "model", place)


def register_model(run: tracking.Run, task: BackboneTask, model: Artifact, description: str) -> int:
    """Register a backbone at `staging`; returns its version."""
    return registry.register_artifact(
        model,
        task.name,
        run.run_id,
        metrics=(metrics := dict(model.about.metrics)),
        data=dict.fromkeys(metrics, DataName.of(task.features, task.features.sha256())),
        description=description,
        tags={keys.TAG_RESUME_KEY: task.resume_key},
    )


def checkpoint_of(task: BackboneTask, number: int) -> Path:
    """File that holds the unfinished training of a fold."""
    return tracking.work_folder() / f"{task.command}-{task.resume_key}-{number}.pt"


def delete_checkpoints(task: BackboneTask) -> None:
    """Delete the training checkpoints of a backbone."""
    for path in tracking.work_folder().glob(f"{task.command}-{task.resume_key}-*"):
        path.unlink(missing_ok=True)
