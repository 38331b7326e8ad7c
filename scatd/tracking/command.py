"""The run of a command: opened with its settings, closed as the command ends."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator, Mapping
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils import mlflow_tags

from scatd import __version__, keys
from scatd.data.scratch import ended_by_signals
from scatd.errors import InputError, StoreError
from scatd.tracking import artifact_place, faults, orphans
from scatd.tracking.load import system_metrics
from scatd.tracking.run import Run, create, ended_with_block
from scatd.tracking.store import connect, experiment


@contextlib.contextmanager
def parent_run(
    command: str,
    *,
    name: str,
    tags: Mapping[str, str],
    settings: Mapping[str, Any],
    resume_key: str | None = None,
) -> Iterator[Run]:
    """Open the run of a command; it ends FINISHED, FAILED, or KILLED (Ctrl-C, SIGTERM).

    Parameters
    ----------
    command
        The command that this run is for. A run that `mlflow run` made beforehand is taken over
        only by the entry point asked for, not by a backbone made on the way.
    name, tags, settings
        As shown in the UI; settings become parameters `cfg.*`.
    resume_key
        From `resume_key()`: lets a later process resume this work.
    """
    about = {
        keys.TAG_COMMAND: command,
        keys.TAG_VERSION: __version__,  # also where MLflow made the run
        keys.TAG_HOST: platform.node(),
        keys.TAG_PROCESS: str(os.getpid()),
        **tags,
    }
    if resume_key is not None:
        about[keys.TAG_RESUME_KEY] = resume_key
    client = connect(create=True)
    with _store_faults(keeps=resume_key is not None):
        if resume_key is None:  # otherwise `adopt` does it
            orphans.mark_dead(client, command)
        run = _opened(client, command, name, about)
        with ended_by_signals(), ended_with_block(run):
            run.log_settings(settings)
            with system_metrics(run):
                yield run


def _opened(client: MlflowClient, command: str, name: str, about: Mapping[str, str]) -> Run:
    """The run, with its tags: a process that is killed leaves none that nobody knows."""
    run = _claim_project_run(client, command)
    if run is None:
        place = experiment(client)
        artifact_place.require_shared(client.tracking_uri, place)
        return create(client, place.experiment_id, name, about)
    client.update_run(run.run_id, name=name)
    run.set_tags(about)
    return run


@contextlib.contextmanager
def _store_faults(*, keeps: bool) -> Iterator[None]:
    """Say what is kept where the store is lost.

    Parameters
    ----------
    keeps
        Whether the same command goes on from what was finished.
    """
    kept = "What was finished is kept: folds, drugs, trials and checkpoints."
    said = kept if keeps else "Nothing of this command was finished."
    try:
        yield
    except Exception as error:
        fault = error if isinstance(error, StoreError) else faults.in_words(error)
        if fault is None:
            raise
        if not isinstance(fault, StoreError):
            raise fault from error
        remedy = fault.remedy if kept in fault.remedy else f"{said} {fault.remedy}"
        raise fault.changed(remedy=remedy) from error


def _claim_project_run(client: MlflowClient, command: str) -> Run | None:
    run_id = os.environ.get("MLFLOW_RUN_ID")
    if not run_id:
        return None
    try:
        tags = client.get_run(run_id).data.tags
    except MlflowException as error:
        faults.raise_if_lost(error)
        what, expected = f"there is no run '{run_id}'", "the id of one, or an unset variable"
        raise InputError(what, where="MLFLOW_RUN_ID", expected=expected) from error
    entry_point = tags.get(mlflow_tags.MLFLOW_PROJECT_ENTRY_POINT)
    if command != ("demo" if entry_point == "main" else entry_point):
        return None
    # Taken: neither a second run of this process nor a child process may have it.
    del os.environ["MLFLOW_RUN_ID"]
    return Run(client, run_id)
