"""Inputs of a transfer, read and checked: cohorts and labels, then backbone and style."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from scatd import keys, registry
from scatd.cards.card import About
from scatd.data.baseline_groups import BaselineGroups, baseline_groups, require_no_gaps
from scatd.data.demo_files import demo_file, given_or_demo
from scatd.data.drugs import drug_key, near_drugs, refuse_reserved, substance_key
from scatd.data.groups import read_groups
from scatd.data.label_words import MISSING
from scatd.data.labels import LabelSource, open_labels, require_two_classes
from scatd.data.response_numbers import ResponseNumbers, read_response_numbers
from scatd.data.simulated import refuse_mixing
from scatd.errors import InputError
from scatd.nn.alignment import FeatureStats
from scatd.nn.devices import pick_device
from scatd.registry import ModelRef
from scatd.registry.named import open_model, read_named, require_backbone
from scatd.training.candidates.recipe import Rows
from scatd.training.jobs import LabelledCells
from scatd.training.numbers.filling import Numbers
from scatd.training.settings import default_pretrain
from scatd.training.statistics import matrix_stats
from scatd.wording import LISTED, counted, some_of
from scatd.workflows.cohorts.training import (
    Cohorts,
    ExpressionRead,
    pooled,
    read_embeddings,
    read_expression,
)
from scatd.workflows.pretrain.run import backbone_for
from scatd.workflows.transfer.request import TransferRequest, require_sense
from scatd.workflows.transfer.swapped import require_roles
from scatd.workflows.transfer.task import (
    FEW_SAMPLES,
    FEWEST_NUMBERS,
    Backbone,
    Basis,
    DrugLabels,
    LabelledSource,
    NumberedSource,
    TargetTask,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Opened:
    """Cohorts and labels of a request, before any drug is looked at and any backbone is made.

    Parameters
    ----------
    request
        Its drug is not read.
    cohorts
        On the genes and the scale that training reads.
    labels
        Of the source, for all drugs.
    target_labels
        Of the target, for all drugs; None without `--target-labels`.
    numbers
        Of the source, for many drugs; None without `--ic50`.
    groups
        Groups whose share of resistant samples is a baseline; None where there are none.
    backbone
        The one that was named; None without `--backbone`.
    device
        Where to compute.
    """

    request: TransferRequest
    cohorts: Cohorts
    labels: LabelSource
    target_labels: LabelSource | None
    numbers: ResponseNumbers | None
    groups: BaselineGroups | None
    backbone: Backbone | None
    device: torch.device


def open_inputs(request: TransferRequest) -> Opened:
    """Read cohorts, labels and the backbone that was named.

    Raises
    ------
    InputError
        For options that contradict each other, and for files that cannot be used.
    """
    require_sense(request)
    device = pick_device(request.device)
    backbone = _given_backbone(request)
    cohorts = _read(request, backbone)
    labels = open_labels(cohorts.source, request.labelled.labels, request.labelled.label_map)
    require_roles(cohorts.source, cohorts.reference, labels, request.drug)
    target_labels = None
    if cohorts.target is not None and request.labelled.target_labels is not None:
        target_labels = open_labels(
            cohorts.target, request.labelled.target_labels, request.labelled.label_map
        )
    numbers = None
    if request.labelled.ic50 is not None:
        numbers = read_response_numbers(
            request.labelled.ic50, cohorts.source, request.labelled.censored
        )
    groups = baseline_groups(request.labelled.group_baseline, labels, cohorts.target, target_labels)
    if groups is not None:
        logger.info("%s", groups.in_words)
    return Opened(request, cohorts, labels, target_labels, numbers, groups, backbone, device)


def drug_labels(opened: Opened, drug: str) -> DrugLabels:
    """Find and check the labels of a drug.

    Raises
    ------
    InputError
        When there are none, or too few of a class.
    """
    request, cohort = opened.request, opened.cohorts.source
    labels = opened.labels.of(drug)
    rows = np.flatnonzero(labels.codes != MISSING)
    n_folds = request.settings.folds
    require_two_classes(labels.codes[rows], n_folds, f"{labels.origin}: {labels.column}")
    if len(rows) < FEW_SAMPLES:
        logger.warning(
            "%s few: intervals are wide, and a fold holds only %d.",
            counted(len(rows), "labelled sample", "is"),
            len(rows) // n_folds,
        )
    if opened.numbers is not None:
        opened.numbers.warn_where_low_is_resistant(drug, labels.codes)
    if opened.groups is not None:
        require_no_gaps(opened.groups, rows, cohort.ids)
    groups = None
    if request.labelled.group_by is not None:
        groups = read_groups(cohort, rows, request.labelled.group_by, opened.labels)
    target = None
    if opened.target_labels is not None:
        target = _target_task(opened.target_labels, drug, request)
    numbered = None
    if request.labelled.response == "ic50":
        numbered = _numbered(opened, drug)
    refuse_reserved(drug, labels.origin)
    return DrugLabels(drug_key(drug), LabelledSource(cohort, labels, groups), target, numbered)


def _numbered(opened: Opened, drug: str) -> NumberedSource:
    """Lines with a number for a drug, and what is known of them for all drugs.

    Raises
    ------
    InputError
        When there is no such drug among the numbers, or there are too few lines.
    """
    numbers, cohort = opened.numbers, opened.cohorts.source
    assert numbers is not None
    names = [substance_key(name) for name in numbers.drugs]
    own = [place for place, name in enumerate(names) if name == substance_key(drug)]
    if not own:
        listed = some_of(near_drugs(drug, numbers.drugs) or numbers.drugs, LISTED)
        what, expected = f"... has no numbers of '{drug}'", f"a column of it, among {listed}"
        raise InputError(what, where=str(numbers.file), expected=expected)
    column = numbers.values[:, own[0]].astype(np.float64)
    is_least = numbers.is_least
    if is_least is None:
        is_least = np.zeros(numbers.values.shape, dtype=bool)
    rows = np.flatnonzero(np.isfinite(column))
    n_exact = int((~is_least[rows, own[0]]).sum())
    if n_exact < FEWEST_NUMBERS:
        what = (
            f"... has {counted(n_exact, 'number')} of {numbers.drugs[own[0]]} that are not censored"
        )
        expected = f"at least {FEWEST_NUMBERS}"
        raise InputError(what, where=str(numbers.file), expected=expected)
    groups = None
    if opened.request.labelled.group_by is not None:
        groups = read_groups(cohort, rows, opened.request.labelled.group_by, opened.labels)
    # The drug itself is the first one; other columns of it would give it away.
    others = [place for place, name in enumerate(names) if name != substance_key(drug)]
    columns = np.array([own[0], *others], dtype=np.intp)
    return NumberedSource(
        rows=rows,
        numbers=Numbers(
            numbers.values[np.ix_(rows, columns)].astype(np.float64),
            is_least[np.ix_(rows, columns)],
        ),
        substances=tuple(names[place] for place in columns.tolist()),
        groups=groups,
    )


def _target_task(labels: LabelSource, drug: str, request: TransferRequest) -> TargetTask:
    cohort, truth = labels.features, labels.of(drug)
    where = f"{truth.origin}: {truth.column}"
    known = np.flatnonzero(truth.codes != MISSING)
    require_two_classes(truth.codes[known], 2, where)
    few = np.empty(0, dtype=np.intp)
    if request.few.few_shot:
        few = _few_cells(truth.codes, request, where)

    def cells(rows: Rows) -> LabelledCells:
        return LabelledCells(rows, np.array(cohort.X[rows]), truth.codes[rows].astype(np.int64))

    scored = cells(np.setdiff1d(known, few))
    return TargetTask(cohort, scored, cells(few) if len(few) else None, truth)


def _few_cells(codes: NDArray[np.int_], request: TransferRequest, where: str) -> Rows:
    """Target cells of each class that training may know, drawn by the seed."""
    rng = np.random.default_rng(request.settings.seed)
    picked = []
    for code, word in enumerate(keys.RESPONSES):
        cells = np.flatnonzero(codes == code)
        if len(cells) < request.few.few_shot + 2:
            what = (
                f"{counted(len(cells), f'{word} cell')} and {request.few.few_shot} to be set aside"
            )
            expected = f"at least {request.few.few_shot + 2}, so that two are left to score"
            raise InputError(what, where=where, expected=expected)
        picked.append(rng.choice(cells, request.few.few_shot, replace=False))
    return np.sort(np.concatenate(picked))


def basis_of(opened: Opened) -> Basis:
    """The inputs that all drugs share. A backbone is pretrained where there is none.

    Raises
    ------
    InputError
        When simulated and real things are mixed, and for a backbone that does not fit the cohorts.
    """
    request, cohorts, device = opened.request, opened.cohorts, opened.device
    simulated = {str(cohort.path): cohort.simulated for cohort in cohorts.all}
    refuse_mixing(simulated, allowed=request.allow_simulated)
    backbone = opened.backbone or _default_backbone(request, cohorts, device)
    found, source = backbone.artifact, cohorts.source
    if found.family != request.family or found.sizes.n_features != source.n_features:
        what = f"... is of family {found.family} with {counted(found.sizes.n_features, 'feature')}"
        expected = f"family {request.family} with {source.n_features}, as in {source.path}"
        raise InputError(what, where=f"backbone {backbone.name}", expected=expected)
    simulated[f"backbone {backbone.name}"] = found.simulated
    refuse_mixing(simulated, allowed=request.allow_simulated)
    stats = _style(request, cohorts, backbone)
    sample = None
    if cohorts.reference is not None:
        sample = _sample(cohorts.reference.X, request.settings.seed)
    return Basis(
        request=request,
        cohorts=cohorts,
        labels=opened.labels,
        backbone=backbone,
        reference_stats=stats,
        reference_sample=sample,
        device=device,
        numbers=opened.numbers,
        groups=opened.groups,
    )


def _read(request: TransferRequest, backbone: Backbone | None) -> Cohorts:
    is_demo = request.cohorts.source is None
    source = given_or_demo(request.cohorts.source, "source")
    reference = request.cohorts.reference or (demo_file("reference") if is_demo else None)
    if request.family != "dist":
        return read_embeddings(source, reference, request.cohorts.target, request.family)
    about = About() if backbone is None else backbone.artifact.about
    return read_expression(
        source,
        reference,
        request.cohorts.target,
        panel=request.cohorts.panel,
        scale=request.cohorts.scale,
        reads=ExpressionRead.of(about),
    )


def _style(request: TransferRequest, cohorts: Cohorts, backbone: Backbone) -> FeatureStats | None:
    """Statistics that the source is aligned to."""
    method = request.settings.alignment
    if method == "none":
        return None
    if cohorts.reference is not None:
        return matrix_stats(cohorts.reference.X)
    needs_cells = method in keys.ALIGNED_BY_CELLS
    alignment = backbone.artifact.alignment
    if not needs_cells and alignment is not None and alignment.reference:
        return alignment.reference
    lacks = "single cells" if needs_cells else f"a style, and backbone {backbone.name} holds none"
    remedy = "Add --reference with unlabelled single cells, --target, or --alignment none."
    raise InputError(f"alignment {method} needs {lacks}", remedy=remedy)


def _given_backbone(request: TransferRequest) -> Backbone | None:
    """`--backbone`, by folder or registered name."""
    if request.backbone is None:
        return None
    found = Backbone(*open_model(request.backbone))
    require_backbone(f"backbone {found.name}", found.artifact)
    return found


def _default_backbone(request: TransferRequest, cohorts: Cohorts, device: torch.device) -> Backbone:
    """A real production backbone of the same features, else one pretrained on the reference.

    Where there is no reference, the cohorts at hand are pretrained on, without their labels.
    """
    source = cohorts.source
    ref = registry.find(keys.backbone_name(request.family), keys.PRODUCTION)
    if ref is not None and not ref.simulated and not source.simulated:
        backbone = _fetched(ref)
        genes = backbone.artifact.about.genes
        same_genes = source.names is None or genes is None or genes == source.names
        if backbone.artifact.sizes.n_features == source.n_features and same_genes:
            return backbone
    if cohorts.reference is None:
        what = f"no backbone of family {request.family} for {counted(source.n_features, 'feature')}"
        remedy = "Add --reference with unlabelled single cells to pretrain one, or --backbone."
        raise InputError(what, expected="a production backbone", remedy=remedy)
    cells = pooled(cohorts.all) if cohorts.is_transductive else cohorts.reference
    settings = default_pretrain(request.family)
    scale = cohorts.input_scale
    return _fetched(backbone_for(cells, request.family, settings, device, input_scale=scale))


def _fetched(ref: ModelRef) -> Backbone:
    return Backbone(*read_named(ref))


def _sample(X: NDArray[np.float32], seed: int, n_rows: int = 5000) -> NDArray[np.float32]:
    if len(X) <= n_rows:
        return np.array(X, dtype=np.float32)
    picks = np.random.default_rng(seed).choice(len(X), n_rows, replace=False)
    return np.array(X[np.sort(picks)], dtype=np.float32)
