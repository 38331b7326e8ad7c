"""The processes that work on one study: which of them live, and the trials of dead ones."""

from __future__ import annotations

import platform
from collections.abc import Iterable

import filelock
from mlflow.exceptions import MlflowException
from mlflow.utils import mlflow_tags

from scatd import keys, tracking
from scatd.tracking import FINISHED
from scatd.training.study import Study


def sign_of_life(run_id: str) -> tracking.Lock:
    """The lock that a process holds as long as it works in this parent run."""
    return tracking.lock(f"tune-run-{run_id}")


def pick_up(run: tracking.Run, study: Study, owners: Iterable[str]) -> set[str]:
    """Give up the unfinished trials of dead processes, and move their finished ones under `run`.

    Call it while no other process does.

    Parameters
    ----------
    run
        This process's parent run.
    owners
        Parent runs of other processes.

    Returns
    -------
    Those of the owners that live on this host. One on another host, or with another store, cannot
    be told from a dead one: it is left alone.
    """
    found = [owner for owner in owners if _is_open_here(run, owner)]
    alive = {owner for owner in found if _lives(owner)}
    dead = tuple(owner for owner in found if owner not in alive)
    settled: dict[int, str] = {}
    for record in study.trials():
        if record.owner not in dead:
            continue
        if record.state == "running":
            study.fail(record.number)
        elif record.is_settled and record.run is not None:
            trial_run = run.client.get_run(record.run)
            # Another process may have picked it up before.
            if trial_run.data.tags.get(mlflow_tags.MLFLOW_PARENT_RUN_ID) in dead:
                settled[record.number] = record.run
                if trial_run.info.status == "RUNNING":  # killed after its result was known
                    run.client.set_terminated(record.run, FINISHED)
    if dead:
        tracking.adopt(tracking.DeadRun(dead, settled), run)
    return alive


def _is_open_here(run: tracking.Run, owner: str) -> bool:
    """Whether this host has a process of this run, or had one that did not finish."""
    try:
        found = run.client.get_run(owner)
    except MlflowException as error:
        tracking.raise_if_lost(error)
        return False
    is_here = found.data.tags.get(keys.TAG_HOST) == platform.node()
    return found.info.status != FINISHED and is_here


def _lives(owner: str) -> bool:
    held = sign_of_life(owner)
    try:
        held.acquire(timeout=0)
    except filelock.Timeout:
        return True
    held.release()
    return False
