"""Use case: learn many drugs from one source, each registered and gated on its own."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from mlflow.exceptions import MlflowException

from scatd import console, keys, registry, tracking
from scatd.data.drugs import drug_key
from scatd.errors import InputError, ScatdError, StoreError
from scatd.plots.style import save_figure
from scatd.report import Page, Section, ShownInNotebook
from scatd.scheduling import open_cluster
from scatd.scheduling.engine import Engine
from scatd.training.fitting import LearnedFold
from scatd.training.heads import can_share
from scatd.wording import counted
from scatd.workflows.sweep import report
from scatd.workflows.sweep.inputs import Counts, chosen_drugs, open_tasks
from scatd.workflows.sweep.processes import learn_all
from scatd.workflows.transfer.inputs import open_inputs
from scatd.workflows.transfer.record import (
    InSweep,
    Resumed,
    in_sweep,
    labels_in_words,
    log_data,
    record_learned,
    settings_of,
)
from scatd.workflows.transfer.request import TransferRequest
from scatd.workflows.transfer.run import learn_drug
from scatd.workflows.transfer.task import DrugTask, basis_identity, drug_identity

logger = logging.getLogger(__name__)

Outcome = tuple[str, report.Row | ScatdError]
"""A drug, and its row of the table or why it has none."""


@dataclass(frozen=True, eq=False, repr=False)
class SweepResult(ShownInNotebook):
    """The outcome of a sweep.

    Parameters
    ----------
    run_id
        The sweep run.
    table
        One row a drug, highest mean AUROC first: see `report.COLUMNS`.
    sentence
        The finding in plain words.
    labels
        What the labels of source and target mean, in sentences.
    family
        Of all models.
    """

    run_id: str
    table: pd.DataFrame
    sentence: str
    labels: str
    family: str

    @property
    def headline(self) -> str:
        """The result in a sentence or two."""
        return self.sentence

    def page(self, folder: Path) -> Page:
        """The finding, the table and the figure."""
        picture = save_figure(report.draw(self.table, self.family), folder, "drugs")[0]
        captions = {"Mean AUROC over folds, beside the best baseline on the same folds.": picture}
        sections = [
            Section("In short", [self.sentence, self.labels], tone="summary"),
            Section("Drugs", tables={"One row a drug": self.table}, figures=captions),
        ]
        return Page(
            f"{counted(len(self.table), 'drug')}, family {self.family}",
            sections,
            footer=keys.CAVEAT,
        )


def sweep(
    request: TransferRequest,
    names: Sequence[str] | None = None,
    *,
    min_sensitive: int = 0,
    figures: bool = False,
) -> SweepResult:
    """Learn many drugs from one source.

    The candidates `network`, `linear` and `trees` get the numbers that a drug gets by itself.
    `mean` may also learn from the labels of all drugs in the table.

    Parameters
    ----------
    request
        As for one drug; its `drug` is not read.
    names
        Drugs, in any spelling; None takes every column of responses.
    min_sensitive
        Without names: leave out drugs with fewer sensitive samples.
    figures
        Draw each drug.

    Raises
    ------
    InputError
        When the inputs cannot be used, or no drug at all could be learned. One drug's failure is a
        row of the table.
    """
    _require_tasks(request)
    opened = open_inputs(request)
    counts = chosen_drugs(opened, names, min_sensitive)
    for name in counts:
        registry.load_config(drug_key(name))  # a damaged file is refused before any work
    with open_cluster(request.machines) as cluster:
        basis, tasks, failed = open_tasks(opened, list(counts))
        about = [[task.drug_key, drug_identity(task)["labels"]] for task in tasks.values()]
        key = tracking.resume_key("sweep", basis_identity(basis), about, sorted(failed))
        settings = {**settings_of(basis), "n_drugs": len(counts), "min_sensitive": min_sensitive}
        with tracking.resume_lock(key):
            dead = tracking.unfinished(key)
            with tracking.parent_run(
                "transfer",
                name=f"{counted(len(counts), 'drug')} {request.family}",
                tags=basis.tags(keys.LEVEL_SWEEP),
                settings=settings,
                resume_key=key,
            ) as run:
                rows = {
                    drug: report.failure(drug, counts[drug], why) for drug, why in failed.items()
                }
                rows |= _kept(run, tasks, dead)
                waiting = {drug: task for drug, task in tasks.items() if drug not in rows}
                log_data(run, basis)
                outcomes = _one_by_one(run, waiting)
                if not _one_after_the_other(request):
                    how = _How(cluster, resumes=dead is not None, figures=figures)
                    outcomes = _together(run, waiting, how)
                rows |= _collected(outcomes, counts, n_done=len(rows))
                rows = {drug: rows[drug] for drug in counts}  # whichever came first
                labels = labels_in_words(request)
                table, sentence = report.write(run, list(rows.values()), request.family, labels)
                report.integrity(run, next(iter(tasks.values())), table)
                if (table["status"] == report.FAILED).all():
                    what = f"none of {counted(len(table), 'drug')} could be learned"
                    raise InputError(what, remedy=f"{table['drug'][0]}: {table['reason'][0]}")
    return SweepResult(run.run_id, table, sentence, labels, request.family)


def _collected(
    outcomes: Generator[Outcome, None, None], counts: Mapping[str, Counts], *, n_done: int
) -> dict[str, report.Row]:
    """Rows of the drugs as they come, with a bar."""
    rows = {}
    with contextlib.closing(outcomes), console.progress(len(counts), "Sweep", "drug") as bar:
        bar.update(n_done)
        for drug, row in outcomes:
            if isinstance(row, ScatdError):
                logger.warning("%s failed: %s", drug, row)
                row = report.failure(drug, counts[drug], row)
            rows[drug] = row
            bar.update(1)
    return rows


def _one_after_the_other(request: TransferRequest) -> list[str]:
    """What is asked for that needs a drug's folds one after the other, in words."""
    asked = {
        "target labels": request.labelled.target_labels is not None,
        "controls": request.controls.any,
        "few-shot cells": request.few.few_shot > 0,
        "--select refit": request.select == "refit",
        "settings that move the encoder": not can_share(request.settings),
    }
    return [words for words, is_asked in asked.items() if is_asked]


def _require_tasks(request: TransferRequest) -> None:
    """Refuse a scheduler that would get nothing to do."""
    if request.machines.scheduler is not None and (words := _one_after_the_other(request)):
        what = f"with {' and '.join(words)}, drugs are learned one after the other in this process"
        raise InputError(what, where="--scheduler", remedy="Leave one of the two out.")


def _one_by_one(run: tracking.Run, tasks: Mapping[str, DrugTask]) -> Generator[Outcome, None, None]:
    """Each drug as `transfer` learns it alone; it resumes its own folds, and always draws."""
    for drug, task in tasks.items():
        try:
            result = learn_drug(task)
        except StoreError:
            raise  # no other drug would fare better
        except ScatdError as error:
            yield drug, error
            continue
        tracking.move_under(run, result.run_id)
        yield drug, report.adopted(drug, result.run_id)


def _kept(
    run: tracking.Run, tasks: Mapping[str, DrugTask], dead: tracking.DeadRun | None
) -> dict[str, report.Row]:
    """Drugs that a killed sweep had finished; one whose table is damaged is learned anew."""
    if dead is None:
        return {}
    done = tracking.finished_drugs(dead)
    tracking.adopt(dead, run)
    rows = {}
    for drug, task in tasks.items():
        if task.drug_key not in done:
            continue
        try:
            rows[drug] = report.adopted(drug, done[task.drug_key])
        except (InputError, MlflowException, OSError) as error:
            tracking.raise_if_lost(error)
            logger.warning("%s is learned anew: %s", drug, error)
        else:
            tracking.move_under(run, done[task.drug_key])
    if rows:
        logger.info("Continuing: %s done", counted(len(rows), "drug", "is"))
    return rows


@dataclass(frozen=True)
class _How:
    """How drugs are fitted together and recorded."""

    cluster: Engine | None
    resumes: bool
    figures: bool


def _together(
    run: tracking.Run, tasks: Mapping[str, DrugTask], how: _How
) -> Generator[Outcome, None, None]:
    """Folds of many drugs at once."""
    if not tasks:
        return
    by_drug_key = {task.drug_key: (drug, task) for drug, task in tasks.items()}
    basis = next(iter(tasks.values())).basis
    recorder = _Recorder(run, in_sweep(basis, figures=how.figures), how.resumes)
    jobs = [task.folds() for task in tasks.values()]
    with contextlib.closing(learn_all(how.cluster, basis.learner_inputs, jobs)) as fitted:
        for learned_key, folds in itertools.chain.from_iterable(map(dict.items, fitted)):
            drug, task = by_drug_key[learned_key]
            if isinstance(folds, ScatdError):
                yield drug, folds
                continue
            try:
                yield drug, recorder.record(task, folds)
            except ScatdError as error:
                yield drug, error


@dataclass(frozen=True, eq=False)
class _Recorder:
    """Writes drugs that were fitted together to runs nested in the run of the sweep."""

    run: tracking.Run
    sweep: InSweep
    resumes: bool

    def record(self, task: DrugTask, learned: list[LearnedFold]) -> report.Row:
        """Track, register and gate one drug."""
        about = basis_identity(task.basis), drug_identity(task)
        key = tracking.resume_key("drug of a sweep", *about)
        dead = tracking.unfinished(key) if self.resumes else None
        name = f"{task.drug_key} {task.basis.request.family}"
        tags = {**task.tags(keys.LEVEL_DRUG), keys.TAG_RESUME_KEY: key}
        with self.run.child(name, tags) as run:
            resumed = Resumed(key, dead.run_ids if dead else ())
            result = record_learned(run, task, learned, resumed, self.sweep)
        row = report.row(run, task.source.labels.column, result.models)
        return row | {"stage": result.ref.stage, "version": result.ref.version}
