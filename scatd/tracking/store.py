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

from scatd.data import scratch
from scatd.data.downloads import cache_folder
from scatd.data.files import make_folder
from scatd.errors import InputError
from scatd.tracking import artifact_place, databases, experiment_page, reach
from scatd.tracking.addresses import VARIABLE, first_line, no_password, sqlite_file, tracking_uri
from scatd.tracking.faults import raise_if_lost
from scatd.tracking.locks import DatabaseLock, Lock, is_lockable

EXPERIMENT = "scatd"

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_OTHER_STORES = ("file", "databricks", "databricks-uc", "uc")
"""Further addresses that MLflow knows, and judges itself."""

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
    _quieten_mlflow()
    file = sqlite_file(uri)
    if _opened.get(uri, -1) >= create and (file is None or file.exists()):
        return MlflowClient(uri)
    try:
        if reach.is_server(uri):
            reach.be_patient()
            reach.require_answer(uri)
        elif uri.partition("+")[0].partition(":")[0] in _DATABASES:
            databases.require(uri, create=create)
        else:
            _require_known(uri)
        client = _made(uri) if create else MlflowClient(uri)
        if not create and not reach.is_server(uri):  # which was asked just now
            client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, sqlite3.Error, ImportError, ValueError) as error:
        raise_if_lost(error)
        what = f"the MLflow store cannot be opened ({first_line(error)})"
        remedy = f"Check {VARIABLE}."
        raise InputError(no_password(what), where=no_password(uri), remedy=remedy) from error
    scratch.remove_left(serving_folder())
    _opened[uri] = create
    return client


def _require_known(uri: str) -> None:
    """Refuse an address whose beginning names no store that MLflow has."""
    scheme, is_address, _ = uri.partition("://")
    if not is_address or scheme in _OTHER_STORES:
        return
    expected = (
        "an address that begins with http://, https://, sqlite:///, postgresql:// or mysql://"
    )
    remedy = f"Correct {VARIABLE}."
    what = f"no address of a store begins with '{scheme}://'"
    raise InputError(what, where=no_password(uri), expected=expected, remedy=remedy)


def _made(uri: str) -> MlflowClient:
    """A client of the store, after one process at a time has made what was not there."""
    with lock("store"):
        databases.make_file(uri)
        client = MlflowClient(uri)
        experiment_id(client)
    return client


def has_store() -> bool:
    """Whether there is a store to read; that a server answers is found out by `connect`.

    An empty file is none: a command that trains fills it.
    """
    file = sqlite_file(tracking_uri())
    return file is None or (file.exists() and file.stat().st_size > 0)


def experiment_id(client: MlflowClient) -> str:
    """The id of `experiment`."""
    return experiment(client).experiment_id


def experiment(client: MlflowClient) -> Experiment:
    """The experiment that MLflow's variables name, else `scatd`; created where there is none.

    Raises
    ------
    InputError
        When `MLFLOW_EXPERIMENT_ID` names none, or when it must be created in a database without
        server, where nothing says which place of files all hosts can read.
    """
    name = experiment_name()
    found = find_experiment(client)
    if found is None:
        place = artifact_place.of_new_experiment(tracking_uri(), _store_folder(), name)
        found = client.get_experiment(client.create_experiment(name, artifact_location=place))
    if found.lifecycle_stage == LifecycleStage.DELETED:
        client.restore_experiment(found.experiment_id)
    experiment_page.put(client, found)
    return found


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
        what, expected = f"there is no experiment '{given}'", "the id of one, or an unset variable"
        raise InputError(what, where="MLFLOW_EXPERIMENT_ID", expected=expected) from error


def experiment_name() -> str:
    """Name of the experiment of runs, where no id is given."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT


def lock(name: str) -> Lock:
    """A lock between processes, released by the system when its holder is killed.

    On PostgreSQL and MySQL it is a lock of the database and holds between hosts. On a server it
    holds between the processes of a user on one host.

    Raises
    ------
    InputError
        When its folder cannot be written, or the folder of the store is not there.
    """
    if is_lockable(tracking_uri()):
        return DatabaseLock(tracking_uri(), name)
    if (file := sqlite_file(tracking_uri())) is not None:
        databases.require_folder(file)  # else it would be made for the lock
    folder = work_folder()
    remedy = "Run from a folder that you may write to, or set MLFLOW_TRACKING_URI."
    make_folder(folder, remedy=remedy)
    return filelock.FileLock(folder / f"{name}.lock")


def work_folder() -> Path:
    """Folder of locks and of checkpoints of unfinished work, beside the store."""
    return _store_folder() / ".scatd"


def serving_folder() -> Path:
    """Folder of what servers were sent, beside the store."""
    return work_folder() / "serving"


def _store_folder() -> Path:
    """The folder of a database file; for a server, one that all of a user's processes share."""
    scheme, _, rest = tracking_uri().partition(":///")
    return Path(rest).absolute().parent if scheme == "sqlite" else cache_folder()


def _quieten_mlflow() -> None:
    for noisy in ("alembic", "mlflow.pyfunc"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It prints the traceback of what it then raises.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # A server that passes files on would send each reader to its bucket, even for small files: by
    # an address that may be known to the server only, and with two more requests a file.
    os.environ.setdefault("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "false")
