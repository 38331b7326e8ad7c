"""Continuing the work of a killed run: finished folds are adopted, the rest is marked KILLED."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import filelock
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils import mlflow_tags

from scatd import __version__, keys
from scatd.errors import InputError
from scatd.tracking import search
from scatd.tracking.faults import raise_if_lost
from scatd.tracking.run import FINISHED, KILLED, Run
from scatd.tracking.store import connect, lock

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeadRun:
    """Runs of some work that did not finish.

    Parameters
    ----------
    run_ids
        Parent runs, newest first.
    folds
        Finished fold runs by fold.
    """

    run_ids: tuple[str, ...]
    folds: Mapping[int, str]


def resume_key(*parts: Any) -> str:
    """Hash of everything that a result depends on: settings and data hashes, as JSON values."""
    text = json.dumps([__version__, *parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextlib.contextmanager
def resume_lock(resume_key: str) -> Iterator[None]:
    """Hold the lock of this work. A killed process loses it.

    Raises
    ------
    InputError
        When another live process does the same work.
    """
    held = lock(f"work-{resume_key}")
    try:
        held.acquire(timeout=0)
    except filelock.Timeout as error:
        what = "another process is doing exactly this work"
        remedy = "Wait for it, or stop it and start again: its finished folds are kept."
        raise InputError(what, remedy=remedy) from error
    try:
        yield
    finally:
        held.release()


def unfinished(resume_key: str) -> DeadRun | None:
    """Runs and folds that are left of this work; None when its last run finished.

    Call it inside `resume_lock` and before `parent_run`: a run that is still RUNNING on this host
    is then known to be dead. RUNNING runs of other hosts are left alone.
    """
    client = connect(create=True)
    parents = search.runs(client, f"tags.`{keys.TAG_RESUME_KEY}` = '{resume_key}'")
    dead: list[str] = []
    folds: dict[int, str] = {}
    for parent in parents:
        if parent.info.status == FINISHED:
            break
        if (
            parent.info.status == "RUNNING"
            and parent.data.tags.get(keys.TAG_HOST) != platform.node()
        ):
            continue
        dead.append(parent.info.run_id)
        for child in search.nested_runs(client, parent.info.run_id, parent.info.experiment_id):
            if child.info.status == FINISHED and keys.TAG_FOLD in child.data.tags:
                folds.setdefault(int(child.data.tags[keys.TAG_FOLD]), child.info.run_id)
    return DeadRun(tuple(dead), folds) if dead else None


def leave_out_damaged(dead: DeadRun, require_whole: Callable[[Run], object]) -> DeadRun:
    """The finished folds of a dead run. Folds with a damaged file are named and left out.

    Parameters
    ----------
    require_whole
        Raises InputError for the run of a damaged fold.
    """
    client, whole = connect(), {}
    for fold, run_id in dead.folds.items():
        try:
            require_whole(Run(client, run_id))
        except (InputError, MlflowException, OSError) as error:
            raise_if_lost(error)
            logger.warning("Fold %d of run %s is computed anew: %s", fold, run_id, error)
        else:
            whole[fold] = run_id
    return replace(dead, folds=whole)


def finished_drugs(dead: DeadRun) -> dict[str, str]:
    """Finished drug runs of a sweep that did not finish itself, newest, by drug key."""
    return _finished_children(dead, keys.LEVEL_DRUG, keys.TAG_DRUG)


def finished_units(dead: DeadRun) -> dict[str, str]:
    """Finished units of a bench that did not finish itself, newest, by the key of the unit."""
    return _finished_children(dead, keys.LEVEL_UNIT, keys.TAG_UNIT)


def _finished_children(dead: DeadRun, level: str, tag: str) -> dict[str, str]:
    client = connect()
    found: dict[str, str] = {}
    for run_id in dead.run_ids:
        experiment = client.get_run(run_id).info.experiment_id
        for child in search.nested_runs(client, run_id, experiment):
            tags = child.data.tags
            if tags.get(keys.TAG_LEVEL) == level and child.info.status == FINISHED:
                found.setdefault(tags[tag], child.info.run_id)
    return found


def adopt(dead: DeadRun, parent: Run) -> None:
    """Move finished folds under `parent`, and mark runs that were left RUNNING as KILLED."""
    for fold_run_id in dead.folds.values():
        move_under(parent, fold_run_id)
    for run_id in dead.run_ids:
        mark_killed(parent.client, parent.client.get_run(run_id))


def move_under(parent: Run, run_id: str) -> None:
    """Make a run a nested run of `parent`."""
    parent.client.set_tag(run_id, mlflow_tags.MLFLOW_PARENT_RUN_ID, parent.run_id)


def mark_killed(client: MlflowClient, run: MlflowRun) -> None:
    """Mark a run that was left RUNNING as KILLED, and the runs nested in it at any depth."""
    for child in search.nested_runs(client, run.info.run_id, run.info.experiment_id):
        if child.info.status == "RUNNING":
            mark_killed(client, child)
    if run.info.status == "RUNNING":
        client.set_terminated(run.info.run_id, KILLED)
