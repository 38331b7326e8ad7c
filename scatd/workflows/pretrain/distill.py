"""Use case: distil a student that reads expression from a teacher that reads an embedding."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scatd import console, keys, registry
from scatd.artifact import Artifact
from scatd.data.demo_files import given_or_demo
from scatd.data.expression import log_normalised
from scatd.data.features import Features, read_features
from scatd.data.files import row_blocks, sha256_array
from scatd.data.io import is_cohort
from scatd.data.simulated import refuse_mixing
from scatd.errors import InputError
from scatd.nn.devices import pick_device
from scatd.nn.products import fast_products
from scatd.ranges import CountOrNone, check_fields
from scatd.registry import ModelRef
from scatd.registry.named import require_backbone
from scatd.training.settings import PretrainSettings, default_pretrain
from scatd.workflows.pretrain.backbones import PretrainResult, Teacher, Work
from scatd.workflows.pretrain.run import backbone_for, backbones

logger = logging.getLogger(__name__)

STUDENT = "dist"
DEFAULT_TEACHER = "sf"


@dataclass(frozen=True)
class DistillRequest:
    """Whom to learn from, on which cells.

    Parameters
    ----------
    input
        Cohort with expression in `X` and the teacher's embedding in `obsm`; None is the demo
        reference.
    settings
        How to train; the student's latent has the teacher's size whatever they say.
    teacher
        Registered backbone (`NAME@ALIAS`, `NAME/VERSION`). None is the sf backbone in production,
        else the one pretrained on the input's own embedding.
    teacher_z
        The teacher's latent of the same cells, (n_obs, n_latent), in place of computing it.
    checkpoint_every
        In epochs; 0 saves every 10 seconds at most.
    allow_simulated
        Let a simulated teacher teach real cells, or the other way round.
    """

    input: Path | None
    settings: PretrainSettings
    teacher: str | None = None
    teacher_z: Path | None = None
    device: str = "auto"
    checkpoint_every: CountOrNone = 0
    allow_simulated: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)


def distill(request: DistillRequest) -> PretrainResult:
    """Train a student on expression and register it at `staging`.

    Raises
    ------
    InputError
        When cohort or teacher cannot be used.
    TrainingError
        When training diverges.
    """
    device = pick_device(request.device)
    path = given_or_demo(request.input, "reference")
    expression, scale = log_normalised(read_features(path, STUDENT, mmap=True))
    backbones.splits(expression.n_obs, request.settings)  # before a teacher is trained for it
    if request.teacher_z is not None:
        teacher = _stored(request, request.teacher_z, expression)
    else:
        teacher = _computed(request, expression, device)
    work = Work(
        "distill",
        expression,
        STUDENT,
        replace(request.settings, n_latent=teacher.z.shape[1]),
        device,
        input_scale=scale,
        checkpoint_every=request.checkpoint_every,
        teacher=teacher,
    )
    return backbones.make(work)


def _computed(request: DistillRequest, expression: Features, device: torch.device) -> Teacher:
    """The posterior mean that the teacher gives for the cohort's own embedding."""
    path = expression.path
    if not is_cohort(path):
        what = "holds expression only, and no embedding for a teacher to read"
        remedy = "Give a cohort with the embedding in obsm, or the teacher's latent: --teacher-z."
        raise InputError(what, where=str(path), remedy=remedy)
    ref = None if request.teacher is None else registry.resolve_backbone(request.teacher)
    family = DEFAULT_TEACHER if ref is None else ref.family
    if family not in keys.OBSM_FEATURES:
        what = f"is of family {family}, which reads expression itself"
        expected = f"family {' or '.join(keys.OBSM_FEATURES)}"
        raise InputError(what, where=f"teacher {request.teacher}", expected=expected)
    features = read_features(path, family, mmap=True)
    if ref is None:
        ref = _default_teacher(features, device)
    name = f"teacher {ref.name}/{ref.version}"
    _refuse_mixing(request, name, ref, expression)
    logger.info("Teacher: %s version %d", ref.name, ref.version)
    model = registry.read(ref)
    require_backbone(name, model)
    if model.sizes.n_features != features.n_features:
        what = f"reads {model.sizes.n_features} features"
        raise InputError(what, where=name, expected=f"{features.n_features}, as in {path}")
    z = _encode(model, features.X, device)
    return Teacher(z, _about(ref), sha256_array(z))


def _default_teacher(features: Features, device: torch.device) -> ModelRef:
    ref = registry.find(keys.backbone_name(DEFAULT_TEACHER), keys.PRODUCTION)
    if ref is not None and ref.simulated == features.simulated:
        return ref
    return backbone_for(features, DEFAULT_TEACHER, default_pretrain(DEFAULT_TEACHER), device)


def _encode(model: Artifact, X: Any, device: torch.device) -> np.ndarray:
    vae = model.backbone().to(device)
    z = np.empty((len(X), model.sizes.n_latent), np.float32)
    with (
        torch.inference_mode(),
        fast_products(),
        console.progress(len(X), "Teacher's latent", "cell") as bar,
    ):
        for rows in row_blocks(X):
            x = torch.tensor(np.asarray(X[rows]), device=device)
            z[rows] = vae.encode(x)[0].cpu().numpy()
            bar.update(len(x))
    return z


def _stored(request: DistillRequest, path: Path, expression: Features) -> Teacher:
    """A teacher's latent from a file; the version that made it is recorded where it is named."""
    found = read_features(path, DEFAULT_TEACHER, mmap=True)
    if found.n_obs != expression.n_obs:
        what = f"has {found.n_obs} rows"
        expected = f"{expression.n_obs}, the cells of {expression.path}"
        raise InputError(what, where=str(path), expected=expected)
    if found.has_ids and expression.has_ids and not np.array_equal(found.ids, expression.ids):
        first = int(np.flatnonzero(found.ids != expression.ids)[0])
        what = f"row {first} is '{found.ids[first]}'"
        expected = f"'{expression.ids[first]}', as in {expression.path}: the same cells in order"
        raise InputError(what, where=str(path), expected=expected)
    about: dict[str, Any] = {
        "file": path.name,
        "sha256": found.sha256(),
        "n_latent": found.n_features,
    }
    if request.teacher is not None:
        ref = registry.resolve_backbone(request.teacher)
        _refuse_mixing(request, f"teacher {ref.name}/{ref.version}", ref, expression)
        about |= _about(ref)
    return Teacher(found.X, about, found.sha256())


def _refuse_mixing(request: DistillRequest, name: str, ref: ModelRef, expression: Features) -> None:
    simulated = {name: ref.simulated, str(expression.path): expression.simulated}
    refuse_mixing(simulated, allowed=request.allow_simulated)


def _about(ref: ModelRef) -> dict[str, Any]:
    return {
        "name": ref.name,
        "version": ref.version,
        "family": ref.family,
        "run_id": ref.run_id,
        "simulated": ref.simulated,
    }
