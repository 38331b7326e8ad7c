"""What a transfer needs before its first fold: everything read, checked and paired."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scatd import artifact, keys, registry
from scatd.artifact import Artifact
from scatd.cards.card import About
from scatd.data.demo_files import demo_file, given_or_demo
from scatd.data.drugs import drug_key
from scatd.data.expression import LOG1P
from scatd.data.features import Features
from scatd.data.groups import read_groups
from scatd.data.label_words import MISSING
from scatd.data.labels import Labels, open_labels, read_labels, require_two_classes
from scatd.data.simulated import refuse_mixing
from scatd.data.splits import stratified_folds
from scatd.errors import InputError
from scatd.nn.alignment import FeatureStats
from scatd.nn.devices import pick_device
from scatd.registry import ModelRef
from scatd.settings import to_mapping
from scatd.training.settings import default_pretrain
from scatd.training.statistics import matrix_stats
from scatd.training.trainer import Trainer
from scatd.workflows.cohorts.training import Cohorts, pooled, read_embeddings, read_expression
from scatd.workflows.models.find import require_backbone
from scatd.workflows.pretrain.run import backbone_for
from scatd.workflows.transfer.request import TransferRequest, require_sense

logger = logging.getLogger(__name__)

FEW_SAMPLES = 200


@dataclass(frozen=True, eq=False)
class Work:
    """Everything that is checked and loaded before the first fold."""

    request: TransferRequest
    key: str
    cohorts: Cohorts
    labels: Labels
    rows: NDArray[np.intp]  # labelled rows of the source
    groups: NDArray[np.str_] | None  # of the labelled rows: never split between folds
    target_codes: NDArray[np.int_] | None  # of every target cell, -1 unknown or not to be scored
    few_rows: NDArray[np.intp]  # target cells that training may know, and their classes
    few_codes: NDArray[np.int_]
    reference_stats: FeatureStats | None
    reference_sample: NDArray[np.float32] | None  # for coral, mmd and pictures
    backbone: Artifact
    backbone_name: str
    device: torch.device

    @property
    def source(self) -> Features:
        """The labelled cohort."""
        return self.cohorts.source

    @property
    def codes(self) -> NDArray[np.int_]:
        """Classes of the labelled rows."""
        return self.labels.codes[self.rows].astype(np.int64)

    def splits(
        self, seed: int, within: NDArray[np.intp] | None = None
    ) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Training and validation positions among the labelled rows, or among some of them."""
        rows = np.arange(len(self.rows)) if within is None else within
        groups = None if self.groups is None else self.groups[rows]
        folds = stratified_folds(self.codes[rows], self.request.settings.folds, seed, groups)
        return [(rows[train], rows[val]) for train, val in folds]

    @cached_property
    def trainer(self) -> Trainer:
        """Trains on the backbone, with the settings of the request."""
        return Trainer(self.backbone.backbone().to(self.device), self.request.settings)

    @property
    def simulated(self) -> bool:
        """Whether anything that takes part is simulated."""
        cohorts = any(cohort.simulated for cohort in self.cohorts.all)
        return cohorts or self.backbone.simulated

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


def prepare(request: TransferRequest, like: Work | None = None) -> Work:
    """Read and check everything; nothing is computed, tracked or registered here but a backbone.

    Parameters
    ----------
    like
        Of another drug of a panel: its cohorts, their style and its backbone are taken over.
    """
    require_sense(request)
    device = pick_device(request.device)
    settings = request.settings
    if like is None:
        chosen = _given_backbone(request)
        cohorts = _read(request, None if chosen is None else chosen[1])
    else:
        chosen, cohorts = (like.backbone_name, like.backbone), like.cohorts
    source = cohorts.source
    labels = read_labels(source, request.drug, request.labels, request.label_map)
    rows = np.flatnonzero(labels.codes != MISSING)
    require_two_classes(labels.codes[rows], settings.folds, f"{labels.origin}: {labels.column}")
    if len(rows) < FEW_SAMPLES:
        logger.warning(
            "%d labelled samples are few: intervals are wide, and a fold holds only %d.",
            len(rows),
            len(rows) // settings.folds,
        )
    groups = None
    if request.groups is not None:
        labelled = open_labels(source, request.labels, request.label_map)
        groups = read_groups(source, rows, request.groups, labelled)
    target_codes = None
    few_rows = few_codes = np.empty(0, dtype=np.intp)
    if cohorts.target is not None and request.target_labels is not None:
        truth = read_labels(cohorts.target, request.drug, request.target_labels, request.label_map)
        where = f"{truth.origin}: {truth.column}"
        require_two_classes(truth.codes[truth.codes != MISSING], 2, where)
        target_codes = truth.codes.copy()
        if request.few_shot:
            few_rows = _few_cells(truth.codes, request, where)
            few_codes = truth.codes[few_rows].astype(np.int64)
            target_codes[few_rows] = MISSING
    simulated = {str(cohort.path): cohort.simulated for cohort in cohorts.all}
    refuse_mixing(simulated, allowed=request.allow_simulated)
    name, backbone = chosen or _default_backbone(request, cohorts, device)
    if backbone.family != request.family or backbone.sizes.n_features != source.n_features:
        what = f"is of family {backbone.family} with {backbone.sizes.n_features} features"
        expected = f"family {request.family} with {source.n_features}, as in {source.path}"
        raise InputError(what, where=f"backbone {name}", expected=expected)
    simulated[f"backbone {name}"] = backbone.simulated
    refuse_mixing(simulated, allowed=request.allow_simulated)
    reference = cohorts.reference
    if like is None:
        style = _style(request, cohorts, name, backbone)
        sample = None if reference is None else _sample(reference.X, settings.seed)
    else:
        style, sample = like.reference_stats, like.reference_sample
    return Work(
        request=request,
        key=drug_key(request.drug),
        cohorts=cohorts,
        labels=labels,
        rows=rows,
        groups=groups,
        target_codes=target_codes,
        few_rows=few_rows,
        few_codes=few_codes,
        reference_stats=style,
        reference_sample=sample,
        backbone=backbone,
        backbone_name=name,
        device=device,
    )


def _few_cells(codes: NDArray[np.int_], request: TransferRequest, where: str) -> NDArray[np.intp]:
    """Target cells of each class that training may know, drawn by the seed."""
    rng = np.random.default_rng(request.settings.seed)
    picked = []
    for code, word in enumerate(keys.RESPONSES):
        cells = np.flatnonzero(codes == code)
        if len(cells) < request.few_shot + 2:
            what = f"{len(cells)} {word} cells, of which {request.few_shot} are to be set aside"
            expected = f"at least {request.few_shot + 2}, so that two are left to score"
            raise InputError(what, where=where, expected=expected)
        picked.append(rng.choice(cells, request.few_shot, replace=False))
    return np.sort(np.concatenate(picked))


def _read(request: TransferRequest, backbone: Artifact | None) -> Cohorts:
    is_demo = request.source is None
    source = given_or_demo(request.source, "source")
    reference = request.reference or (demo_file("reference") if is_demo else None)
    if request.family != "dist":
        return read_embeddings(source, reference, request.target, request.family)
    about = About() if backbone is None else backbone.about
    return read_expression(
        source,
        reference,
        request.target,
        panel=request.panel,
        backbone_genes=about.genes,
        scale=request.scale,
        reads="counts" if about.input_scale == "counts" else LOG1P,
    )


def _style(
    request: TransferRequest, cohorts: Cohorts, name: str, backbone: Artifact
) -> FeatureStats | None:
    """Statistics that the source is aligned to."""
    method = request.settings.alignment
    if method == "none":
        return None
    if cohorts.reference is not None:
        return matrix_stats(cohorts.reference.X)
    needs_rows = method in ("coral", "mmd")
    if not needs_rows and backbone.alignment is not None and backbone.alignment.reference:
        return backbone.alignment.reference
    lacks = "single cells" if needs_rows else f"a style, and backbone {name} holds none"
    remedy = "Add --reference with unlabelled single cells, --target, or --alignment none."
    raise InputError(f"alignment {method} needs {lacks}", remedy=remedy)


def _given_backbone(request: TransferRequest) -> tuple[str, Artifact] | None:
    """`--backbone`, by folder or registered name."""
    if request.backbone is None:
        return None
    folder = Path(request.backbone)
    if folder.is_dir():
        name, found = str(folder), artifact.read(folder)
    else:
        name, found = _fetched(registry.resolve_backbone(request.backbone))
    require_backbone(f"backbone {name}", found)
    return name, found


def _default_backbone(
    request: TransferRequest, cohorts: Cohorts, device: torch.device
) -> tuple[str, Artifact]:
    """A real production backbone of the same features, else one pretrained on the reference.

    Where there is no reference, the cohorts at hand are pretrained on, without their labels.
    """
    source = cohorts.source
    ref = registry.find(keys.backbone_name(request.family), keys.PRODUCTION)
    if ref is not None and not ref.simulated and not source.simulated:
        name, backbone = _fetched(ref)
        genes = backbone.about.genes
        same_genes = source.names is None or genes is None or genes == source.names
        if backbone.sizes.n_features == source.n_features and same_genes:
            return name, backbone
    if cohorts.reference is None:
        what = f"no backbone of family {request.family} for {source.n_features} features"
        remedy = "Add --reference with unlabelled single cells to pretrain one, or --backbone."
        raise InputError(what, expected="a production backbone", remedy=remedy)
    cells = pooled(cohorts.all) if cohorts.is_transductive else cohorts.reference
    settings = default_pretrain(request.family)
    scale = cohorts.input_scale
    return _fetched(backbone_for(cells, request.family, settings, device, input_scale=scale))


def _fetched(ref: ModelRef) -> tuple[str, Artifact]:
    return f"{ref.name}/{ref.version}", artifact.read(registry.fetch(ref))


def _sample(X: NDArray[np.float32], seed: int, n_rows: int = 5000) -> NDArray[np.float32]:
    if len(X) <= n_rows:
        return np.array(X, dtype=np.float32)
    picks = np.random.default_rng(seed).choice(len(X), n_rows, replace=False)
    return np.array(X[np.sort(picks)], dtype=np.float32)


def identity(work: Work) -> dict[str, Any]:
    """What makes two transfers the same work."""
    stats = work.reference_stats
    reference = "" if stats is None else digest_of([stats.mean, stats.std])
    target = work.cohorts.target
    return {
        "target": [] if target is None else [target.sha256(), work.request.target_labels],
        "few_shot": [work.request.few_shot, work.request.few_shot_use],
        "select": work.request.select,
        "groups": work.request.groups,
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
