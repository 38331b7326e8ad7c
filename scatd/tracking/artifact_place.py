"""Where the files of runs go: a place that every host of a shared store can read."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from mlflow.entities import Experiment

from scatd.errors import InputError
from scatd.tracking.addresses import no_password

_SERVER_SCHEMES = ("http", "https", "databricks", "uc")
_EXPECTED = "s3://BUCKET/FOLDER, another object store, or mlflow-artifacts:/ of a server"
_COMMAND = (
    "mlflow experiments create --experiment-name {name} --artifact-location s3://BUCKET/{name}"
)


def of_new_experiment(uri: str, folder: Path, name: str) -> str | None:
    """Where a new experiment of a store keeps its files; None where the server decides.

    Parameters
    ----------
    uri
        Of the store.
    folder
        Of the database file, where the store is one.
    name
        Of the experiment.

    Raises
    ------
    InputError
        For another database without server: a folder of this host would be no place for others.
    """
    scheme = urlsplit(uri).scheme
    if scheme in _SERVER_SCHEMES:
        return None
    if scheme == "sqlite":
        return (folder / "mlartifacts").as_uri()
    what = f"the store has no experiment '{name}', and nothing says where its files are to go"
    remedy = f"Make the experiment once: {_COMMAND.format(name=name)}"
    raise InputError(what, where=no_password(uri), expected=_EXPECTED, remedy=remedy)


def require_shared(uri: str, found: Experiment) -> None:
    """Refuse an experiment of a shared store whose files only one host could read.

    A database file is no shared store. An absolute path may be on a file system that all hosts
    see: it is taken where MLFLOW_EXPERIMENT_NAME or MLFLOW_EXPERIMENT_ID names the experiment.

    Raises
    ------
    InputError
        When its files go to a folder.
    """
    if urlsplit(uri).scheme == "sqlite":
        return
    place = urlsplit(found.artifact_location)
    if place.scheme not in ("", "file"):
        return
    is_chosen = bool(os.environ.keys() & {"MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"})
    if is_chosen and Path(place.path).is_absolute():
        return
    what = (
        f"files of the experiment '{found.name}' go to the folder '{found.artifact_location}', "
        "which other hosts cannot read"
    )
    remedy = (
        "If all hosts see that folder by that path, set "
        f"MLFLOW_EXPERIMENT_NAME={found.name}. If not, set MLFLOW_EXPERIMENT_NAME=NAME and make "
        f"that experiment: {_COMMAND.format(name='NAME')}"
    )
    raise InputError(what, where=no_password(uri), expected=_EXPECTED, remedy=remedy)
