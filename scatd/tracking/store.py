"""The MLflow store: its place, its first opening, and locks between the processes that share it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import filelock
import mlflow
from mlflow.entities import Experiment, LifecycleStage
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from scatd.data.downloads import cache_folder
from scatd.data.files import make_folder
from scatd.errors import InputError
from scatd.tracking import artifact_place
from scatd.tracking.artifact_place import no_password

EXPERIMENT = "scatd"

_connected: set[str] = set()


def connect() -> MlflowClient:
    """Open the store: `MLFLOW_TRACKING_URI`, else `mlflow.db` in the working folder.

    A cold store is migrated, and its experiment created, by one process at a time.

    Raises
    ------
    InputError
        When the store cannot be opened.
    """
    uri = tracking_uri()
    _quieten_mlflow()
    if uri in _connected:
        return MlflowClient(uri)
    _require_file(uri)
    try:
        with lock("store"):
            client = MlflowClient(uri)
            experiment_id(client)
    except (MlflowException, SQLAlchemyError, ImportError, ValueError) as error:
        what = f"the MLflow store cannot be opened ({_first_line(error)})"
        remedy = "Check MLFLOW_TRACKING_URI; after an update of MLflow, run: mlflow db upgrade URI"
        raise InputError(no_password(what), where=no_password(uri), remedy=remedy) from error
    _connected.add(uri)
    return client


def _require_file(uri: str) -> None:
    """Refuse a folder in the place of a database: MLflow would try it again for minutes."""
    scheme, _, path = uri.partition(":///")
    if scheme == "sqlite" and Path(path.partition("?")[0]).is_dir() and path:
        what = f"the MLflow store '{uri}' is a folder"
        expected = "the file of a database, such as sqlite:///mlflow.db"
        raise InputError(what, where="MLFLOW_TRACKING_URI", expected=expected)


def tracking_uri() -> str:
    """The store of runs: a database in the working folder, unless MLflow was given another."""
    if mlflow.is_tracking_uri_set():
        return mlflow.get_tracking_uri()
    # Said in full: MLflow's own default gives way to an old ./mlruns folder, which it then refuses.
    return f"sqlite:///{Path.cwd() / 'mlflow.db'}"


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
    if given := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        try:
            return client.get_experiment(given)
        except MlflowException as error:
            what, expected = f"there is no experiment '{given}'", "the id of one, or no variable"
            raise InputError(what, where="MLFLOW_EXPERIMENT_ID", expected=expected) from error
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    found = client.get_experiment_by_name(name)
    if found is None:
        place = artifact_place.of_new_experiment(tracking_uri(), _store_folder(), name)
        return client.get_experiment(client.create_experiment(name, artifact_location=place))
    if found.lifecycle_stage == LifecycleStage.DELETED:
        client.restore_experiment(found.experiment_id)
    return found


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


def _quieten_mlflow() -> None:
    for noisy in ("alembic", "mlflow.store.db.utils", "mlflow.pyfunc"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # A server that passes files on would send each reader to its bucket, even for small files: by
    # an address that may be known to the server only, and with two more requests a file.
    os.environ.setdefault("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "false")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
