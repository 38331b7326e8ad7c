"""Use case: candidates beside baselines and naive means, on every task of a file."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException

from scatd import console, keys, tracking
from scatd.data import results
from scatd.errors import InputError, ScatdError, TrainingError
from scatd.keys import metric_names
from scatd.scheduling import open_cluster
from scatd.scheduling.engine import Engine
from scatd.wording import counted
from scatd.workflows.bench.inputs import OpenBench, OpenTask, open_bench
from scatd.workflows.bench.markdown import require_marks, write_markdown
from scatd.workflows.bench.output import place_of, record, record_unit, stored_table
from scatd.workflows.bench.report import Outcome, findings
from scatd.workflows.bench.request import BenchRequest, BenchSpec, read_spec
from scatd.workflows.bench.scores import Done
from scatd.workflows.bench.targets import OpenTarget
from scatd.workflows.bench.units import Batch, Unit, batches, fit_batch
from scatd.workflows.transfer.inputs import basis_of
from scatd.workflows.transfer.record import log_data
from scatd.workflows.transfer.task import Basis

logger = logging.getLogger(__name__)

_NO_FOLD = "no fold has both classes to learn from and to rank"


@dataclass(frozen=True, eq=False)
class BenchResult:
    """The outcome of a bench.

    Parameters
    ----------
    run_id, output
        The parent run, and the folder with page, tables and figures.
    results
        One row a task, split and model: see `tables.results_table`.
    words, cautions
        The findings, and reasons to trust them less, in sentences.
    not_run
        Why a task was not run, by its name.
    """

    run_id: str
    output: Path
    results: pd.DataFrame
    words: list[str]
    cautions: list[str]
    not_run: dict[str, str]


def bench(request: BenchRequest) -> BenchResult:
    """Fit every candidate and baseline on every task, and compare them pair by pair.

    A bench that was killed goes on with its finished units when it is started again in the same
    way.

    Raises
    ------
    InputError
        When the file or what it names cannot be used; nothing is then computed.
    """
    spec = read_spec(request.tasks)
    results.require_own(*place_of(request, spec))
    if request.markdown is not None:
        require_marks(request.markdown)
    opened = open_bench(request, spec)
    with open_cluster(request.machines) as cluster:
        bases = [(task, *_bases(task)) for task in opened.tasks]
        work = [batch for of_task in bases for batch in batches(spec, *of_task)]
        units = [unit for batch in work for unit in batch.units]
        key = tracking.resume_key("bench", _identity(spec), [unit.key for unit in units])
        with tracking.resume_lock(key):
            dead = tracking.unfinished(key)
            with tracking.parent_run(
                "bench",
                name=f"bench {spec.name}",
                tags=_tags(basis for _, basis, _ in bases),
                settings=_settings(request, spec, len(units)),
                resume_key=key,
            ) as run:
                for _, own, targets in bases:
                    for basis in [own, *(on_target for _, on_target in targets)]:
                        log_data(run, basis)
                found, failed = _all_done(run, spec, _Work(cluster, work), dead)
                left_out = {unit.name: _NO_FOLD for unit in units if not unit.jobs} | failed
                done = _by_name(units, found)
                return _finish(request, spec, opened, Outcome(done, left_out), run)


@dataclass(frozen=True, eq=False)
class _Work:
    """What is to be fitted, and the workers that do it; None for this machine."""

    cluster: Engine | None
    batches: Sequence[Batch]


def _bases(task: OpenTask) -> tuple[Basis, list[tuple[OpenTarget, Basis]]]:
    """The basis of the task, and of each target; a backbone is pretrained where there is none."""
    basis = replace(basis_of(task.opened), shares_labels=True)
    targets = [
        (target, replace(basis_of(target.opened), shares_labels=True)) for target in task.targets
    ]
    return basis, targets


def _identity(spec: BenchSpec) -> dict[str, Any]:
    """What the file says; where its files lie has no part in it, but what they hold has."""
    return {"name": spec.name, "resamples": spec.resamples, "folds": spec.folds}


def _tags(bases: Any) -> dict[str, str]:
    simulated = any(basis.simulated for basis in bases)
    return {keys.TAG_LEVEL: keys.LEVEL_BENCH, keys.TAG_SIMULATED: str(simulated).lower()}


def _settings(request: BenchRequest, spec: BenchSpec, n_units: int) -> dict[str, object]:
    drugs = None if request.drugs is None else ", ".join(request.drugs)
    shown: dict[str, list[Any]] = {
        "tasks": [task.name for task in spec.tasks],
        "candidates": list(spec.candidates),
        "seeds": list(spec.seeds),
    }
    in_words = {name: ", ".join(map(str, some)) for name, some in shown.items()}
    numbers = {"folds": spec.folds, "resamples": spec.resamples, "n_units": n_units}
    return {**in_words, **numbers, "drugs": drugs}


def _all_done(
    run: tracking.Run, spec: BenchSpec, work: _Work, dead: tracking.DeadRun | None
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Tables of all units by key, adopted or fitted now; and why a unit failed, by its name."""
    n_units = sum(bool(unit.jobs) for batch in work.batches for unit in batch.units)
    found = _adopted(run, work.batches, dead)
    failed: dict[str, str] = {}
    n_adopted = len(found)
    with console.progress(n_units, "Bench", "unit") as bar:
        bar.update(n_adopted)
        for batch in work.batches:
            named = {unit.key: unit for unit in batch.units}
            bar.set_postfix(task=batch.units[0].task)
            fits = fit_batch(work.cluster, batch, spec.candidates, found)
            with contextlib.closing(fits) as fitted:
                for key, outcome, seconds in itertools.chain.from_iterable(fitted):
                    if isinstance(outcome, ScatdError):
                        logger.warning("%s failed: %s", named[key].name, outcome)
                        failed[named[key].name] = str(outcome)
                    else:
                        record_unit(run, named[key], outcome, seconds)
                        found[key] = outcome
                    bar.update(1)
    run.log_metrics(
        {
            metric_names.UNITS_DONE: len(found),
            metric_names.UNITS_ADOPTED: n_adopted,
            metric_names.UNITS_FAILED: len(failed),
        }
    )
    if not found:
        what = "no unit could be fitted"
        raise TrainingError(what, remedy=next(iter(failed.values()), _NO_FOLD))
    return found, failed


def _adopted(
    run: tracking.Run, work: Sequence[Batch], dead: tracking.DeadRun | None
) -> dict[str, pd.DataFrame]:
    """Units that a killed bench has finished; one whose table is damaged is fitted anew."""
    if dead is None:
        return {}
    done = tracking.finished_units(dead)
    tracking.adopt(dead, run)
    found: dict[str, pd.DataFrame] = {}
    for unit in (unit for batch in work for unit in batch.units if unit.key in done):
        try:
            found[unit.key] = stored_table(tracking.Run(run.client, done[unit.key]))
        except (InputError, MlflowException, OSError) as error:
            tracking.raise_if_lost(error)
            logger.warning("%s is fitted anew: %s", unit.name, error)
        else:
            tracking.move_under(run, done[unit.key])
    if found:
        logger.info("Continuing: %s done", counted(len(found), "unit", "is"))
    return found


def _by_name(units: Sequence[Unit], found: dict[str, pd.DataFrame]) -> Done:
    return {
        (unit.task, unit.split, unit.seed, unit.drug): found[unit.key]
        for unit in units
        if unit.key in found
    }


def _finish(
    request: BenchRequest,
    spec: BenchSpec,
    opened: OpenBench,
    outcome: Outcome,
    run: tracking.Run,
) -> BenchResult:
    """Compare, and write everything."""
    found = findings(spec, opened, outcome)
    output = record(request, spec, found, run)
    if request.markdown is not None:
        write_markdown(request.markdown, spec, found)
    return BenchResult(
        *(run.run_id, output, found.tables["results"], found.words, found.cautions),
        opened.not_run,
    )
