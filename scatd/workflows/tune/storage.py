"""The storage of a study: a journal file, or a database that is not MLflow's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from scatd import tracking
from scatd.data.files import check_writable
from scatd.errors import InputError


def storage_of(given: str | None, study_name: str) -> tuple[str, str]:
    """Where a study is kept: as Optuna takes it, and as it may be shown (without a password).

    Raises
    ------
    InputError
        For MLflow's own database: both keep a table of their schema's version under one name.
    """
    if given is None:
        folder = tracking.work_folder()
        folder.mkdir(parents=True, exist_ok=True)
        given = str(folder / f"tune-{study_name}.journal")
    elif _database(given) == _database(tracking.tracking_uri()):
        what = "... is the database that MLflow keeps its runs in"
        remedy = "Give another database, such as sqlite:///optuna.db, or a journal file."
        raise InputError(what, where="--storage", remedy=remedy)
    if "://" in given:
        return given, make_url(given).render_as_string(hide_password=True)
    check_writable(Path(given))
    return given, given


def _database(uri: str) -> tuple[Any, ...]:
    """Parts that are the same in two addresses of one database, or two paths of one file."""
    if "://" not in uri:
        return (Path(uri).resolve(),)
    try:
        url = make_url(uri)
    except ArgumentError as error:
        raise InputError("... is no database URL", where="--storage") from error
    if url.get_backend_name() == "sqlite":
        return (Path(url.database or "").resolve(),)
    return url.get_backend_name(), url.host, url.port, url.database
