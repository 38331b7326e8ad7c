"""The run of a command: opened with its settings, closed as the command ends."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import threading
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils import mlflow_tags

from scatd import __version__, keys
from scatd.errors import InputError
from scatd.tracking import artifact_place
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
    client = connect()
    run = _claim_project_run(client, command)
    about = {
        keys.TAG_COMMAND: command,
        keys.TAG_VERSION: __version__,
        keys.TAG_HOST: platform.node(),
        keys.TAG_PROCESS: str(os.getpid()),
        **tags,
    }
    if resume_key is not None:
        about[keys.TAG_RESUME_KEY] = resume_key
    if run is None:
        place = experiment(client)
        artifact_place.require_shared(client.tracking_uri, place)
        run = create(client, place.experiment_id, name, about)
    else:
        client.update_run(run.run_id, name=name)
        run.set_tags(about)
    with _sigterm_raises(), ended_with_block(run):
        run.log_settings(settings)
        yield run


def _claim_project_run(client: MlflowClient, command: str) -> Run | None:
    run_id = os.environ.get("MLFLOW_RUN_ID")
    if not run_id:
        return None
    try:
        tags = client.get_run(run_id).data.tags
    except MlflowException as error:
        what, expected = f"there is no run '{run_id}'", "the id of one, or no variable"
        raise InputError(what, where="MLFLOW_RUN_ID", expected=expected) from error
    entry_point = tags.get(mlflow_tags.MLFLOW_PROJECT_ENTRY_POINT)
    if command != ("demo" if entry_point == "main" else entry_point):
        return None
    # Taken: neither a second run of this process nor a child process may have it.
    del os.environ["MLFLOW_RUN_ID"]
    return Run(client, run_id)


@contextlib.contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Let SIGTERM unwind the stack, so that runs are closed; only a main thread may ask for it."""

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
