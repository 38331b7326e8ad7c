"""What a transfer needs before its first fold: everything read, checked and paired."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scatd import artifact, keys, registry
from scatd.artifact import Artifact
from scatd.data.drugs import drug_key
from scatd.data.features import Features, read_features
from scatd.data.labels import MISSING, Labels, read_labels, require_two_classes
from scatd.errors import InputError
from scatd.nn.alignment import FeatureStats
from scatd.registry import ModelRef
from scatd.settings import to_mapping
from scatd.training.settings import TransferSettings, default_pretrain
from scatd.workflows.inputs import demo_file, matrix_stats, pick_device, refuse_mixing
from scatd.workflows.pretrain import backbone_for

logger = logging.getLogger(__name__)

FEW_SAMPLES = 200


@dataclass(frozen=True)
class TransferRequest:
    """One drug to learn. A file that is not given is the demo cohort's.

    Parameters
    ----------
    drug
        Name, compared by drug key.
    family
        Which features and backbone.
    source, labels, label_map
        Labelled bulk cohort; `labels` follows the grammar of `scatd.data.labels`.
    reference
        Unlabelled single cells whose style the source takes.
    backbone
        Registered name (`NAME@ALIAS`, `NAME/VERSION`) or model folder.
    settings, device
        How to train.
    allow_simulated
        Let simulated and real things mix.
    promote
        Ask the gate, where the drug's configuration says so.
    """

    drug: str
    family: str = "sf"
    source: Path | None = None
    labels: str | None = None
    label_map: str | None = None
    reference: Path | None = None
    backbone: str | None = None
    settings: TransferSettings = field(default_factory=TransferSettings)
    device: str = "auto"
    allow_simulated: bool = False
    promote: bool = True


@dataclass(frozen=True, eq=False)
class Work:
    """Everything that is checked and loaded before the first fold."""

    request: TransferRequest
    key: str
    source: Features
    labels: Labels
    rows: NDArray[np.intp]  # labelled rows of the source
    reference_file: Path | None
    reference_stats: FeatureStats | None
    reference_sample: NDArray[np.float32] | None  # for pictures
    backbone: Artifact
    backbone_name: str
    device: torch.device

    @property
    def codes(self) -> NDArray[np.int_]:
        """Classes of the labelled rows."""
        return self.labels.codes[self.rows].astype(np.int64)

    @property
    def simulated(self) -> bool:
        """Whether anything that takes part is simulated."""
        return self.source.simulated or self.backbone.simulated

    @property
    def subject(self) -> str:
        """Drug and family, as titles and findings name them."""
        return f"{self.labels.column} ({self.request.family})"

    def tags(self, level: str) -> dict[str, str]:
        """Tags of its runs."""
        return {
            keys.TAG_DRUG: self.key,
            keys.TAG_FAMILY: self.request.family,
            keys.TAG_LEVEL: level,
            keys.TAG_SIMULATED: str(self.simulated).lower(),
        }


def prepare(request: TransferRequest) -> Work:
    """Read and check everything; nothing is computed, tracked or registered here but a backbone."""
    if request.family == "dist":
        # Its source would have to be on the backbone's genes and scale, and its MMD is not built.
        what = "family dist cannot be transferred yet: its domain loss (MMD) is not built"
        raise InputError(what, where="--family", expected="sf or gf")
    device = pick_device(request.device)
    settings = request.settings
    is_demo = request.source is None
    source = read_features(request.source or demo_file("source"), request.family)
    labels = read_labels(source, request.drug, request.labels, request.label_map)
    rows = np.flatnonzero(labels.codes != MISSING)
    require_two_classes(labels.codes[rows], settings.folds, f"{labels.origin}: {labels.column}")
    if len(rows) < FEW_SAMPLES:
        logger.warning(
            "%d labelled samples are few: intervals are wide, and a fold holds only %d.",
            len(rows),
            len(rows) // settings.folds,
        )
    path = request.reference or (demo_file("reference") if is_demo else None)
    reference = None
    if path is not None:
        reference = read_features(path, request.family, n_features=source.n_features, mmap=True)
    simulated = {str(source.path): source.simulated}
    if reference is not None:
        simulated[str(reference.path)] = reference.simulated
    refuse_mixing(simulated, allowed=request.allow_simulated)
    name, backbone = _choose_backbone(request, source, reference, device)
    if backbone.family != request.family or backbone.sizes.n_features != source.n_features:
        what = f"is of family {backbone.family} with {backbone.sizes.n_features} features"
        expected = f"family {request.family} with {source.n_features}, as in {source.path}"
        raise InputError(what, where=f"backbone {name}", expected=expected)
    simulated[f"backbone {name}"] = backbone.simulated
    refuse_mixing(simulated, allowed=request.allow_simulated)
    stats = None
    if settings.alignment != "none":
        if reference is not None:
            stats = matrix_stats(reference.X)
        elif backbone.alignment is not None:
            stats = backbone.alignment.reference
        if stats is None:
            what = f"alignment {settings.alignment} needs a style, and backbone {name} holds none"
            remedy = "Add --reference with unlabelled single cells, or --alignment none."
            raise InputError(what, remedy=remedy)
    return Work(
        request=request,
        key=drug_key(request.drug),
        source=source,
        labels=labels,
        rows=rows,
        reference_file=path,
        reference_stats=stats,
        reference_sample=None if reference is None else _sample(reference.X, settings.seed),
        backbone=backbone,
        backbone_name=name,
        device=device,
    )


def _choose_backbone(
    request: TransferRequest, source: Features, reference: Features | None, device: torch.device
) -> tuple[str, Artifact]:
    """`--backbone`, else a real production backbone of the same features, else the reference's."""
    if request.backbone is not None:
        folder = Path(request.backbone)
        if folder.is_dir():
            return str(folder), artifact.read(folder)
        return _fetched(registry.resolve_backbone(request.backbone))
    ref = registry.find(keys.backbone_name(request.family), keys.PRODUCTION)
    if ref is not None and not ref.simulated and not source.simulated:
        name, backbone = _fetched(ref)
        if backbone.sizes.n_features == source.n_features:
            return name, backbone
    if reference is None:
        what = f"no backbone of family {request.family} for {source.n_features} features"
        remedy = "Add --reference with unlabelled single cells to pretrain one, or --backbone."
        raise InputError(what, expected="a production backbone", remedy=remedy)
    settings = default_pretrain(request.family)
    return _fetched(backbone_for(reference, request.family, settings, device))


def _fetched(ref: ModelRef) -> tuple[str, Artifact]:
    return f"{ref.name}/{ref.version}", artifact.read(registry.fetch(ref))


def _sample(X: NDArray[np.float32], seed: int, n_rows: int = 5000) -> NDArray[np.float32]:
    if len(X) <= n_rows:
        return np.asarray(X)
    picks = np.random.default_rng(seed).choice(len(X), n_rows, replace=False)
    return np.asarray(X[np.sort(picks)])


def identity(work: Work) -> dict[str, Any]:
    """What makes two transfers the same work."""
    stats = work.reference_stats
    reference = "" if stats is None else digest_of([stats.mean, stats.std])
    return {
        "settings": to_mapping(work.request.settings),
        "family": work.request.family,
        "drug": work.key,
        "source": work.source.sha256(),
        "labels": digest_of([torch.from_numpy(work.labels.codes)]),
        "reference": reference,
        "backbone": digest_of(work.backbone.state.values()),
    }


def digest_of(tensors: Iterable[torch.Tensor]) -> str:
    """Hex SHA-256 of the values of some tensors, in order."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
