"""The latent of a teacher: computed from the cohort's embedding, or read from a file."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scatd import console, keys, registry, tracking
from scatd.artifact import Artifact
from scatd.data import disk_faults
from scatd.data.features import Features, read_features
from scatd.data.files import make_folder, release, row_blocks, sha256_array, take_room
from scatd.data.io import is_cohort
from scatd.data.lazy import IN_MEMORY_BYTES
from scatd.data.simulated import refuse_mixing
from scatd.errors import InputError
from scatd.nn.products import fast_products
from scatd.registry import ModelRef
from scatd.registry.named import require_backbone
from scatd.training.settings import default_pretrain
from scatd.wording import counted
from scatd.workflows.pretrain.request import DistillRequest
from scatd.workflows.pretrain.run import backbone_for
from scatd.workflows.pretrain.task import Teacher

logger = logging.getLogger(__name__)

DEFAULT_TEACHER = "sf"
"""Family of the teacher, where none is named."""


def teacher_of(request: DistillRequest, expression: Features, device: torch.device) -> Teacher:
    """The teacher of a request, for the cells of `expression`.

    Raises
    ------
    InputError
        When the teacher or its latent does not fit the cells.
    """
    if request.teacher_z is not None:
        return _stored(request, request.teacher_z, expression)
    return _computed(request, expression, device)


def _computed(request: DistillRequest, expression: Features, device: torch.device) -> Teacher:
    """The posterior mean that the teacher gives for the cohort's own embedding."""
    path = expression.path
    if not is_cohort(path):
        what = "... holds expression only, and no embedding for a teacher to read"
        remedy = "Give a cohort with the embedding in obsm, or the teacher's latent: --teacher-z."
        raise InputError(what, where=str(path), remedy=remedy)
    ref = None if request.teacher is None else registry.resolve_backbone(request.teacher)
    family = DEFAULT_TEACHER if ref is None else ref.family
    if family not in keys.OBSM_FEATURES:
        what = f"... is of family {family}, which reads expression itself"
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
        what = f"... reads {counted(model.sizes.n_features, 'feature')}"
        raise InputError(what, where=name, expected=f"{features.n_features}, as in {path}")
    z = _encode(model, features.X, device)
    return Teacher(z, _about(ref), sha256_array(z))


def _default_teacher(features: Features, device: torch.device) -> ModelRef:
    ref = registry.find(keys.backbone_name(DEFAULT_TEACHER), keys.PRODUCTION)
    if ref is not None and ref.simulated == features.simulated:
        return ref
    return backbone_for(features, DEFAULT_TEACHER, default_pretrain(DEFAULT_TEACHER), device)


def _encode(model: Artifact, X: Any, device: torch.device) -> NDArray[np.float32]:
    vae = model.backbone().to(device)
    z = _room(len(X), model.sizes.n_latent)
    with (
        torch.inference_mode(),
        fast_products(),
        console.progress(len(X), "Teacher's latent", "cell") as bar,
    ):
        for rows in row_blocks(X):
            x = torch.tensor(np.asarray(X[rows]), device=device)
            z[rows] = vae.encode(x)[0].cpu().numpy()
            release(z)
            bar.update(len(x))
    return z


def _room(n_obs: int, n_latent: int) -> NDArray[np.float32]:
    """An array for a latent: in memory, or if it is large in a file beside the store.

    The file has no name, so that none is left behind when the process is killed.
    """
    if n_obs * n_latent * np.dtype(np.float32).itemsize <= IN_MEMORY_BYTES:
        return np.empty((n_obs, n_latent), np.float32)
    folder = tracking.work_folder()
    make_folder(folder, remedy="Run from a folder that you may write to.")
    with tempfile.TemporaryFile(dir=folder) as file:
        with disk_faults.told(folder):
            take_room(file, n_obs * n_latent * np.dtype(np.float32).itemsize)
        return np.memmap(file, np.float32, "r+", shape=(n_obs, n_latent))


def _stored(request: DistillRequest, path: Path, expression: Features) -> Teacher:
    """A teacher's latent from a file; the version that made it is recorded where it is named."""
    found = read_features(path, DEFAULT_TEACHER, mmap=True)
    if found.n_obs != expression.n_obs:
        what = f"... has {counted(found.n_obs, 'row')}"
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
