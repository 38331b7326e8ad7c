"""The tasks of a bench, opened and checked: every file, label, drug and column, before any fit."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from scatd.data.baseline_groups import OFF
from scatd.data.drugs import find_drug, substance_key
from scatd.data.groups import read_groups
from scatd.errors import Faults, InputError
from scatd.keys import ModelChoice
from scatd.wording import counted
from scatd.workflows.bench.paths import found_task
from scatd.workflows.bench.request import ALL, BenchRequest, BenchSpec, TaskSpec
from scatd.workflows.bench.splits import Pairs, split
from scatd.workflows.bench.targets import OpenTarget, open_target
from scatd.workflows.sweep.inputs import chosen_drugs
from scatd.workflows.transfer.inputs import Opened, drug_labels, open_inputs
from scatd.workflows.transfer.request import CohortFiles, LabelFiles, TransferRequest
from scatd.workflows.transfer.task import DrugLabels

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class OpenTask:
    """A task whose files are read.

    Parameters
    ----------
    spec
        What was asked for.
    opened
        The source and its labels.
    drugs
        Labels by column of the label table.
    pairs
        The same labels, line by line and drug by drug in this order.
    targets
        Labelled cells.
    left_out
        Why a drug or a target has no part in it.
    """

    spec: TaskSpec
    opened: Opened
    drugs: dict[str, DrugLabels]
    pairs: Pairs
    targets: list[OpenTarget] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class OpenBench:
    """All tasks that are done, and why others are not."""

    tasks: list[OpenTask]
    not_run: dict[str, str]


def open_bench(request: BenchRequest, spec: BenchSpec) -> OpenBench:
    """Read and check all tasks.

    Raises
    ------
    InputError
        Names every task that cannot be done, unless it is optional and a file of it is not there.
    """
    faults, found, not_run = Faults(str(request.tasks)), [], {}
    ready: list[TaskSpec] = []
    for task in spec.tasks:
        try:
            ready.append(found_task(task, request.tasks.parent))
        except InputError as fault:
            if task.optional:
                not_run[task.name] = f"not run: {fault}"
            else:
                faults.take(fault)
    faults.raise_if_any()
    asked = _asked(request, ready)
    for task in ready:
        with _collected(faults, task.name):
            opened = _open(task, spec, request, asked)
            if opened is None:
                not_run[task.name] = "not run: it has none of the drugs that were asked for"
            else:
                found.append(opened)
    faults.raise_if_any()
    for name, reason in not_run.items():
        logger.warning("%s is %s", name, reason)
    if not found:
        what = "no task can be run"
        raise InputError(what, where=str(request.tasks), remedy="; ".join(not_run.values()))
    _require_found(asked or (), found)
    return OpenBench(found, not_run)


@contextmanager
def _collected(faults: Faults, where: str) -> Iterator[None]:
    try:
        yield
    except InputError as fault:
        faults.take(fault.within(where))


def _asked(request: BenchRequest, tasks: Sequence[TaskSpec]) -> tuple[str, ...] | None:
    """The drugs of `--drugs`; each has to be named in a task, or a task takes all drugs."""
    if request.drugs is None:
        return None
    named = [drug for task in tasks for drug in task.drugs]
    if ALL not in named:
        for drug in request.drugs:
            if not find_drug(drug, named):
                expected = f"some of {', '.join(dict.fromkeys(named))}"
                raise InputError(f"'{drug}' is in no task", where="--drugs", expected=expected)
    return request.drugs


def _require_found(asked: Sequence[str], tasks: Sequence[OpenTask]) -> None:
    """Refuse a drug of `--drugs` that no task has, where tasks take all drugs of their tables."""
    known = [column for task in tasks for column in (*task.drugs, *task.left_out)]
    lost = [drug for drug in asked if not find_drug(drug, known)]
    if lost:
        remedy = "See its spelling in the labels, and min_sensitive."
        raise InputError(f"'{lost[0]}' is in no task", where="--drugs", remedy=remedy)


def model_setting(candidates: Sequence[ModelChoice]) -> ModelChoice:
    """The model that the settings name, so that jobs hold all that the candidates need."""
    for name in ("auto", "mean", *candidates):
        if name in candidates and name != "network":
            return name
    return "network"


def transfer_request(task: TaskSpec, spec: BenchSpec, request: BenchRequest) -> TransferRequest:
    """What `scatd transfer` would be asked for: the source alone."""
    source = Path(task.source)
    return TransferRequest(
        drug=ALL,
        family=task.family,
        cohorts=CohortFiles(
            source=source,
            reference=source if task.reference is None else Path(task.reference),
            panel=task.panel,
            scale=task.scale,
        ),
        # The mean of a tissue is one of the naive means.
        labelled=LabelFiles(
            labels=task.labels,
            label_map=task.label_map,
            label_kind=task.label_kind,
            group_baseline=OFF,
        ),
        backbone=task.backbone,
        settings=replace(
            task.settings, model=model_setting(spec.candidates), folds=spec.folds,
            seed=spec.seeds[0],
        ),
        device=request.device,
        allow_simulated=request.allow_simulated,
        promote=False,
    )  # fmt: skip


def _open(
    task: TaskSpec, spec: BenchSpec, request: BenchRequest, asked: tuple[str, ...] | None
) -> OpenTask | None:
    """The task; None where it has none of the drugs that were asked for."""
    opened = open_inputs(transfer_request(task, spec, request))
    names = None if ALL in task.drugs else task.drugs
    counts = chosen_drugs(opened, names, task.min_sensitive)
    columns = [name for name in counts if names is None]
    if names is not None:  # in the order of the file
        columns = [column for name in names for column in find_drug(name, list(counts))]
    if asked is not None:
        kept = {column for name in asked for column in find_drug(name, columns)}
        columns = [column for column in columns if column in kept]
        if not columns:
            return None
    drugs, left_out = _labels(opened, columns, is_named=names is not None)
    codes = np.column_stack([one.source.labels.codes for one in drugs.values()])
    substances = tuple(map(substance_key, drugs))
    pairs = Pairs(codes.astype(np.int8), substances, _tissues(opened, task, codes))
    for kind in task.splits:
        with _said_of(f"split {kind}"):
            split(kind, pairs, spec.folds, spec.seeds[0])
    targets = []
    for one in task.targets:
        with _said_of(f"target {one.name}"):
            target = open_target(task, one, opened, list(drugs))
        if target is None:
            left_out[f"target {one.name}"] = "its labels have no drug of the task"
        else:
            targets.append(target)
    return OpenTask(task, opened, drugs, pairs, targets, left_out)


def _labels(
    opened: Opened, columns: Sequence[str], *, is_named: bool
) -> tuple[dict[str, DrugLabels], dict[str, str]]:
    """Checked labels by column, and why other columns have no part in it.

    Raises
    ------
    InputError
        For a drug that was named and cannot be learned; or where none can.
    """
    found: dict[str, DrugLabels] = {}
    left_out: dict[str, str] = {}
    first: InputError | None = None
    for column in columns:
        try:
            found[column] = drug_labels(opened, column)
        except InputError as fault:
            if is_named:
                raise
            first, left_out[column] = first or fault, str(fault)
    if not found and first is not None:
        raise first
    return found, left_out


def _tissues(opened: Opened, task: TaskSpec, codes: np.ndarray) -> np.ndarray | None:
    """Tissue of each line; "" for a line without one, which is said."""
    if task.tissue is None:
        return None
    source = opened.cohorts.source
    with _said_of("tissue"):
        every = np.arange(source.n_obs)
        found = read_groups(source, every, task.tissue, opened.labels, allow_gaps=True)
    n_gaps = int((found[(codes >= 0).any(axis=1)] == "").sum())
    if n_gaps:
        logger.warning(
            "%s: %s no %s. Such lines are no part of split tissues.",
            *(task.name, counted(n_gaps, "labelled line", "has"), task.tissue),
        )
    return found


@contextmanager
def _said_of(place: str) -> Iterator[None]:
    """Let a refusal begin with a place in the file of tasks, not with an option."""
    try:
        yield
    except InputError as fault:
        where = "" if fault.where.startswith("--") else fault.where
        raise fault.changed(where=where).within(place) from fault
