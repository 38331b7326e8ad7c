"""The units of a bench: what is fitted, stored and adopted as one piece.

A unit is one drug of a task, in one split, with one seed. Its table holds P(resistant) of samples
by every model, and no label.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np
import pandas as pd

from scatd import tracking
from scatd.data.files import return_freed_memory
from scatd.data.splits import fold_seed, stratified_folds
from scatd.errors import ScatdError
from scatd.evaluation.metrics import Array
from scatd.keys import LabelKind, ModelChoice
from scatd.scheduling import here
from scatd.scheduling.engine import Engine
from scatd.training.beside import Beside, fit_beside
from scatd.training.jobs import FoldJob
from scatd.training.learner import Learner, LearnerInputs
from scatd.training.processes import learner_of, processes_for
from scatd.workflows.bench.inputs import OpenTask
from scatd.workflows.bench.request import BenchSpec, SplitName
from scatd.workflows.bench.splits import Folds, parts, split
from scatd.workflows.bench.targets import OpenTarget
from scatd.workflows.transfer.task import Basis, DrugTask, basis_identity, drug_identity

Kind = Literal["random", "lines", "tissues", "drugs", "target"]
PROB = "prob_"
"""Prefix of the columns of models, in front of the candidate's or baseline's name."""
UNITS_AT_ONCE = {"cpu": 1, "cuda": 8}
"""Units whose networks are trained together, and lost together when the bench is killed."""
WORTH_PROCESSES = 3
"""Fewer units are done before processes of their own have started."""


@dataclass(frozen=True, eq=False)
class Unit:
    """A piece of work.

    Parameters
    ----------
    task, split, seed, drug
        What it is; the split of a target is its name.
    kind
        Of the split.
    key
        Hash of all that its table depends on.
    jobs
        Folds to fit.
    label_kind
        What the labels say that its models are judged by.
    """

    task: str
    split: str
    seed: int
    drug: str
    kind: Kind
    key: str
    jobs: list[FoldJob]
    label_kind: LabelKind

    @property
    def name(self) -> str:
        """For its run."""
        return f"{self.task} {self.split} {self.drug} seed {self.seed}"


@dataclass(frozen=True, eq=False)
class Batch:
    """Units of one learner: they share features, settings and seed."""

    inputs: LearnerInputs
    units: list[Unit]


Fitted = list[tuple[str, pd.DataFrame, float] | tuple[str, ScatdError, float]]
"""Key of a unit, its table or why it has none, and the seconds that it took."""


def batches(
    spec: BenchSpec, task: OpenTask, basis: Basis, targets: Sequence[tuple[OpenTarget, Basis]]
) -> Iterator[Batch]:
    """All units of a task, seed by seed."""
    of_source = basis.learner_inputs
    of_targets = [(target, on_target, on_target.learner_inputs) for target, on_target in targets]
    for seed in spec.seeds:
        inputs = _with_seed(of_source, seed)
        both = [*_splits(spec, task, basis, seed)]
        if units := [unit for unit in both if unit.kind != "drugs"]:
            yield Batch(inputs, units)
        if units := [unit for unit in both if unit.kind == "drugs"]:
            # A label of a drug that is left out must not come in by the table of all drugs.
            yield Batch(replace(inputs, many_drugs=None), units)
        for target, on_target, own in of_targets:
            units = [*_of_target(spec, task, target, on_target, seed)]
            yield Batch(_with_seed(own, seed), units)


def _with_seed(inputs: LearnerInputs, seed: int) -> LearnerInputs:
    return replace(inputs, settings=replace(inputs.settings, seed=seed))


def folds_of(spec: BenchSpec, task: OpenTask, kind: SplitName, seed: int) -> Folds:
    """The fold of every pair of a task: see `splits.split`."""
    return split(kind, task.pairs, spec.folds, seed)


def _splits(spec: BenchSpec, task: OpenTask, basis: Basis, seed: int) -> Iterator[Unit]:
    for kind in task.spec.splits:
        folds = folds_of(spec, task, kind, seed)
        for place, (drug, labels) in enumerate(task.drugs.items()):
            drug_task = DrugTask(basis, labels)
            if kind == "drugs":
                jobs = [_whole(drug_task, task, seed)]
            else:
                jobs = _jobs(drug_task, folds, place, seed)
            digest = tracking.resume_key(folds[:, place].tolist())
            unit = _unit(spec, task, drug_task, (kind, kind, seed, drug), digest, jobs)
            yield replace(unit, label_kind=task.spec.label_kind)


def _of_target(
    spec: BenchSpec, task: OpenTask, target: OpenTarget, basis: Basis, seed: int
) -> Iterator[Unit]:
    """Models of the random folds of the source, which score the labelled cells."""
    for drug, labels in target.drugs.items():
        drug_task = DrugTask(basis, labels)
        assert labels.target is not None
        jobs = [
            drug_task.job(train, val, seed=fold_seed(seed, number), number=number)
            for number, (train, val) in enumerate(
                stratified_folds(labels.source.codes, spec.folds, seed), start=1
            )
        ]
        digest = tracking.resume_key(labels.target.scored.codes.tolist())
        about = "target", target.spec.name, seed, drug
        unit = _unit(spec, task, drug_task, about, digest, jobs)
        yield replace(unit, label_kind=target.spec.label_kind)


def _unit(
    spec: BenchSpec,
    task: OpenTask,
    drug_task: DrugTask,
    about: tuple[str, str, int, str],
    digest: str,
    jobs: list[FoldJob],
) -> Unit:
    kind, name, seed, drug = about
    whole = basis_identity(drug_task.basis), drug_identity(drug_task)
    # Targets are scored in the folds, so that labels of two targets are two pieces of work.
    key = tracking.resume_key("unit", *about, list(spec.candidates), *whole, digest)
    return Unit(task.spec.name, name, seed, drug, cast(Kind, kind), key, jobs, "unknown")


def _jobs(task: DrugTask, folds: Folds, drug: int, seed: int) -> list[FoldJob]:
    """The folds of a drug in which both classes can be learned and ranked."""
    source, found = task.source, []
    for number, train, val in parts(folds, drug):
        if min(len(np.unique(source.labels.codes[rows])) for rows in (train, val)) < 2:
            continue
        places = (np.searchsorted(source.rows, rows) for rows in (train, val))
        found.append(task.job(*places, seed=fold_seed(seed, number), number=number))
    return found


def _whole(drug_task: DrugTask, task: OpenTask, seed: int) -> FoldJob:
    """All lines of a drug to learn from; every line of the task is scored, for other drugs."""
    every = np.arange(len(drug_task.source.rows))
    job = drug_task.job(every, every, seed=fold_seed(seed, 0))
    lines = task.pairs.lines
    # The classes of rows to score are only reported, and nothing is reported of these.
    return replace(job, val=lines, codes_val=np.zeros(len(lines), dtype=np.int64))


def fit_batch(
    cluster: Engine | None,
    batch: Batch,
    candidates: Sequence[ModelChoice],
    done: Mapping[str, pd.DataFrame],
) -> Generator[Fitted, None, None]:
    """Fit the units that are not done, some at a time.

    Without a cluster, in as many processes as there are cores.
    """
    waiting = [unit for unit in batch.units if unit.key not in done and unit.jobs]
    device = batch.inputs.device
    at_once = UNITS_AT_ONCE["cpu" if device.type == "cpu" else "cuda"]
    chunks = [
        _Chunk(tuple(candidates), waiting[start : start + at_once])
        for start in range(0, len(waiting), at_once)
    ]
    engine = cluster or here(processes_for(device, len(waiting), least=WORTH_PROCESSES))
    return engine.as_done(_fit, engine.share(batch.inputs, learner_of), chunks)


@dataclass(frozen=True, eq=False)
class _Chunk:
    """Units that are fitted together, as they travel to a process."""

    candidates: tuple[ModelChoice, ...]
    units: list[Unit]


def _fit(learner: Learner, chunk: _Chunk) -> Fitted:
    return_freed_memory()
    jobs = [job for unit in chunk.units for job in unit.jobs]
    try:
        rest = iter(fit_beside(learner, jobs, chunk.candidates))
    except ScatdError as error:
        if len(chunk.units) == 1:
            return [(chunk.units[0].key, error, 0.0)]
        alone = [_Chunk(chunk.candidates, [unit]) for unit in chunk.units]
        return [found for one in alone for found in _fit(learner, one)]
    found: Fitted = []
    for unit in chunk.units:
        folds = [next(rest) for _ in unit.jobs]
        found.append((unit.key, _table(unit, folds), sum(fold.seconds for fold in folds)))
    return found


def _table(unit: Unit, folds: Sequence[Beside]) -> pd.DataFrame:
    """One row a fold and sample: row, fold, and P(resistant) by model, candidates first."""
    tables = []
    for fold in folds:
        rows, prob = fold.job.val, fold.candidates | _others(fold.candidates, fold.baselines)
        if unit.kind == "target":
            assert fold.job.target is not None
            rows = fold.job.target.rows
            prob = fold.on_target | _others(fold.on_target, fold.baselines_on_target)
        columns: dict[str, object] = {"row": rows, "fold": fold.job.number}
        tables.append(pd.DataFrame(columns | {PROB + name: p for name, p in prob.items()}))
    return pd.concat(tables, ignore_index=True)


def _others(candidates: Mapping[str, Array], baselines: Mapping[str, Array]) -> dict[str, Array]:
    """Baselines, none of which may have the name of a candidate."""
    assert not set(candidates) & set(baselines)
    return dict(baselines)
