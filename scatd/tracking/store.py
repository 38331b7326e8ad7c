"""The MLflow store: its place, its first opening, and locks between the processes that share it."""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path

import filelock
from mlflow.entities import Experiment, LifecycleStage
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from scatd.data.downloads import cache_folder
from scatd.data.files import make_folder
from scatd.errors import InputError
from scatd.tracking import databases, reach
from scatd.tracking.addresses import VARIABLE, first_line, no_password, sqlite_file, tracking_uri
from scatd.tracking.faults import raise_if_lost

EXPERIMENT = "scatd"

_SERVER_SCHEMES = ("http", "https", "databricks", "uc")

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")

_opened: dict[str, bool] = {}
"""Stores that this process has opened: whether for writing, too."""


def connect(*, create: bool = False) -> MlflowClient:
    """Open the store: `MLFLOW_TRACKING_URI`, else `mlflow.db` in the working folder.

    Parameters
    ----------
    create
        Make the store, and the experiment in it, where there is none. Leave it at False for
        whatever only reads: nothing is then made or written, and no lock is taken.

    Raises
    ------
    InputError
        When there is no store (without `create`), or it cannot be opened.
    StoreError
        When it is lost, locked or faulty.
    """
    uri = tracking_uri()
    file = sqlite_file(uri)
    if _opened.get(uri, -1) >= create and (file is None or file.exists()):
        return MlflowClient(uri)
    _quieten_mlflow()
    try:
        if reach.is_server(uri):
            reach.be_patient()
            reach.require_answer(uri)
        elif uri.partition("+")[0].partition(":")[0] in _DATABASES:
            databases.require(uri, create=create)
        client = _made(uri) if create else MlflowClient(uri)
        if not create and not reach.is_server(uri):  # which was asked just now
            client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, sqlite3.Error, ImportError, ValueError) as error:
        raise_if_lost(error)
        what = f"the MLflow store cannot be opened ({first_line(error)})"
        remedy = f"Check {VARIABLE}."
        raise InputError(no_password(what), where=no_password(uri), remedy=remedy) from error
    _opened[uri] = create
    return client


def _made(uri: str) -> MlflowClient:
    """A client of the store, after one process at a time has made what was not there."""
    with lock("store"):
        databases.make_file(uri)
        client = MlflowClient(uri)
        experiment_id(client)
    return client


def has_store() -> bool:
    """Whether there is a store to read; that a server answers is found out by `connect`."""
    file = sqlite_file(tracking_uri())
    return file is None or file.exists()


def experiment_id(client: MlflowClient) -> str:
    """The experiment that MLflow's variables name, else `scatd`; created where there is none.

    Raises
    ------
    InputError
        When `MLFLOW_EXPERIMENT_ID` names none.
    """
    name = experiment_name()
    found = find_experiment(client)
    if found is None:
        return client.create_experiment(name, artifact_location=_artifact_location())
    if found.lifecycle_stage == LifecycleStage.DELETED:
        client.restore_experiment(found.experiment_id)
    return found.experiment_id


def find_experiment(client: MlflowClient) -> Experiment | None:
    """The experiment that is used; None where it was not made yet.

    Raises
    ------
    InputError
        When `MLFLOW_EXPERIMENT_ID` names none.
    """
    given = os.environ.get("MLFLOW_EXPERIMENT_ID")
    if not given:
        return client.get_experiment_by_name(experiment_name())
    try:
        return client.get_experiment(given)
    except MlflowException as error:
        raise_if_lost(error)
        what, expected = f"there is no experiment '{given}'", "the id of one, or no variable"
        raise InputError(what, where="MLFLOW_EXPERIMENT_ID", expected=expected) from error


def experiment_name() -> str:
    """Name of the experiment of runs, where no id is given."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT


def lock(name: str) -> filelock.BaseFileLock:
    """A lock between processes, released by the system when its holder is killed.

    Raises
    ------
    InputError
        When its folder cannot be written.
    """
    folder = work_folder()
    remedy = "Run from a folder that you may write to, or set MLFLOW_TRACKING_URI."
    make_folder(folder, remedy=remedy)
    return filelock.FileLock(folder / f"{name}.lock")


def work_folder() -> Path:
    """Folder of locks and of checkpoints of unfinished work, beside the store."""
    return _store_folder() / ".scatd"


def _store_folder() -> Path:
    """The folder of a database file; for a server, one that all of a user's processes share."""
    scheme, _, rest = tracking_uri().partition(":///")
    return Path(rest).absolute().parent if scheme == "sqlite" else cache_folder()


def _artifact_location() -> str | None:
    """Beside a database file; in the working folder for another database; None for a server."""
    scheme = tracking_uri().partition(":")[0]
    if scheme in _SERVER_SCHEMES:
        return None
    folder = _store_folder() if scheme == "sqlite" else Path.cwd()
    return (folder / "mlartifacts").as_uri()


def _quieten_mlflow() -> None:
    for noisy in ("alembic", "mlflow.pyfunc"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It prints the traceback of what it then raises.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
