"""Databases of MLflow: looked at before MLflow opens them, and made whole.

MLflow makes a database that is not there, adds to the tables of an older one, and tries a database
that does not answer for minutes, all unasked.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import mlflow.store.db.utils  # noqa: F401 - adds every table of MLflow to Base
import sqlalchemy
from mlflow.store.db.base_sql_model import Base
from mlflow.tracking import MlflowClient
from sqlalchemy.pool import NullPool

from scatd.errors import InputError
from scatd.tracking.addresses import VARIABLE, no_password, sqlite_file
from scatd.tracking.database_faults import of_revision

_LOCKED_FOR = 20  # seconds; as long as MLflow itself waits for a lock
_MADE_WITHIN = 30  # seconds in which another process fills a new database
_CONNECT_WITHIN = {"postgresql": 10, "mysql": 10}  # seconds


def require(uri: str, *, create: bool) -> None:
    """Refuse a database that MLflow would make or migrate unasked, or wait for.

    A database that another process is just making is waited for.

    Parameters
    ----------
    uri
        The address of the database.
    create
        Whether an empty database may be filled, and the file of one may be made.

    Raises
    ------
    InputError
        When there is none, or it is not one of this version of MLflow.
    """
    file = sqlite_file(uri)
    if file is not None:
        require_folder(file)
        if not file.exists():
            if create:
                return
            remedy = f"Change to the folder of your store, or set {VARIABLE}."
            raise InputError(f"no {file.name} in {file.parent}", remedy=remedy)
    tables = _tables(uri, file)
    until = time.monotonic() + _MADE_WITHIN
    while not _is_whole(tables) and _is_being_made(file) and time.monotonic() < until:
        time.sleep(0.5)
        tables = _tables(uri, file)
    if _is_whole(tables) or (create and not tables):
        return
    if not tables:
        remedy = f"A command that trains fills it. Or check {VARIABLE}."
        raise InputError("this database is empty", where=no_password(uri), remedy=remedy)
    raise of_revision(_revision(uri, file))


def make_file(uri: str) -> None:
    """Make the file of a database whole: nobody sees half of one, whenever this process is killed.

    Call it under the lock of the store.
    """
    file = sqlite_file(uri)
    if file is None or file.exists():
        return
    _remove_unfinished(file)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        MlflowClient(f"sqlite:///{unfinished}").search_experiments(max_results=1)
        unfinished.rename(file)
    except BaseException:  # Ctrl-C and SIGTERM, too
        _remove_unfinished(file)
        raise


def _remove_unfinished(file: Path) -> None:
    for left in file.parent.glob(f".{file.name}.*.new*"):
        left.unlink(missing_ok=True)


def require_folder(file: Path) -> None:
    """Refuse the file of a database that is a folder, or whose folder is not there.

    Raises
    ------
    InputError
        When it is so: nothing is made for an address that may be wrong.
    """
    if file.is_dir():
        what = f"the MLflow store '{file}' is a folder"
        expected = "the file of a database, such as sqlite:///mlflow.db"
        raise InputError(what, where=VARIABLE, expected=expected)
    if not file.parent.is_dir():
        remedy = "Make the folder, or correct the address."
        raise InputError(f"there is no folder {file.parent}", where=VARIABLE, remedy=remedy)


@contextlib.contextmanager
def _connected(uri: str, file: Path | None) -> Iterator[sqlalchemy.Connection]:
    if file is not None:

        def reading() -> sqlite3.Connection:
            place = f"file:{quote(str(file))}?mode=ro"
            return sqlite3.connect(place, uri=True, timeout=_LOCKED_FOR)

        engine = sqlalchemy.create_engine("sqlite://", creator=reading, poolclass=NullPool)
    else:
        kind = sqlalchemy.make_url(uri).get_backend_name()
        wait = {"connect_timeout": _CONNECT_WITHIN[kind]} if kind in _CONNECT_WITHIN else {}
        engine = sqlalchemy.create_engine(uri, connect_args=wait, poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


def _tables(uri: str, file: Path | None) -> set[str]:
    with _connected(uri, file) as connection:
        return set(sqlalchemy.inspect(connection).get_table_names())


def _is_whole(tables: set[str]) -> bool:
    """Whether MLflow would add no table."""
    return tables >= set(Base.metadata.tables)


def _is_being_made(file: Path | None) -> bool:
    """Whether a file was written a moment ago, as by `mlflow ui` in a new folder."""
    if file is None:
        return False
    places = (file, file.with_name(f"{file.name}-journal"))
    times = [place.stat().st_mtime for place in places if place.exists()]
    return time.time() - max(times, default=0.0) < _MADE_WITHIN


def _revision(uri: str, file: Path | None) -> str | None:
    query = sqlalchemy.text("SELECT version_num FROM alembic_version")
    with _connected(uri, file) as connection:
        if not sqlalchemy.inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(query).scalar()
        return None if found is None else str(found)
