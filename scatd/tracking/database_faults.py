"""Faults of databases in words: SQLite, PostgreSQL, MySQL, and the schemas of MLflow."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import alembic.config
import alembic.script
import mlflow

from scatd.errors import InputError, ScatdError, StoreError
from scatd.tracking.addresses import VARIABLE, no_password, sqlite_file, tracking_uri


def of_driver(error: ImportError) -> InputError | None:
    """What to do about a package that a database needs; None where it is another package."""
    advice = {
        "psycopg": f"With psycopg2 installed, write postgresql+psycopg2:// in {VARIABLE}. Or "
        'install psycopg: pip install "psycopg[binary]"',
        "psycopg2": f"With psycopg installed, write postgresql+psycopg:// in {VARIABLE}. Or "
        "install psycopg2: pip install psycopg2-binary",
        "pymysql": "Install it: pip install pymysql",
        "MySQLdb": f"Write mysql+pymysql:// in {VARIABLE}, and install pymysql: "
        "pip install pymysql",
        "pyodbc": "Install it: pip install pyodbc",
    }
    if error.name not in advice:
        return None
    what = f"the package {error.name}, which speaks to this database, is not installed"
    return InputError(what, remedy=advice[error.name])


def of_text(text: str) -> ScatdError | None:
    """What the message of a database means; None where it says nothing about the store."""
    for pattern, words in _WORDS:
        if found := re.search(pattern, text, re.IGNORECASE):
            return words(found)
    return None


def of_revision(revision: str | None) -> InputError:
    """The refusal of a database with other tables than this version of MLflow has.

    Parameters
    ----------
    revision
        Of the schema that it has; None where it has none.
    """
    where = _here()
    if revision is None:
        what = "this database is not one of MLflow, or it was not finished when it was made"
        remedy = f"If it is new, remove it. Or check {VARIABLE}."
        return InputError(what, where=where, remedy=remedy)
    if revision in _known_revisions():
        what = f"this database was made by an older MLflow (its schema is {revision})"
        remedy = f"Make a copy of it, then run: mlflow db upgrade {where}"
        return InputError(what, where=where, remedy=remedy)
    what = f"this database was made by a newer MLflow than {mlflow.__version__} (its schema is "
    remedy = "Update MLflow, where scatd allows it, or use another store. Somebody ran mlflow db "
    remedy += "upgrade on it, and that cannot be undone without a copy."
    return InputError(f"{what}{revision})", where=where, remedy=remedy)


def _known_revisions() -> set[str]:
    config = alembic.config.Config()
    folder = Path(mlflow.__file__).parent / "store" / "db_migrations"
    config.set_main_option("script_location", str(folder))
    scripts = alembic.script.ScriptDirectory.from_config(config)
    return {script.revision for script in scripts.walk_revisions()}


def _here() -> str:
    return no_password(tracking_uri())


def _file() -> str:
    return str(sqlite_file(tracking_uri()) or _here())


def _locked(_: re.Match[str]) -> StoreError:
    what = f"the database is locked: another process holds {_file()}"
    remedy = (
        "It may be another command, mlflow ui, a program that shows databases, or a copy that is "
        "being made. Wait until it has ended, and start the same command again. For several people "
        "at once, use an mlflow server with PostgreSQL."
    )
    return StoreError(what, remedy=remedy)


def _read_only(_: re.Match[str]) -> InputError:
    remedy = "Ask its owner for the right to write, or set MLFLOW_TRACKING_URI to another store."
    return InputError(f"the database {_file()} may only be read", remedy=remedy)


def _not_opened(_: re.Match[str]) -> InputError:
    remedy = "Check the rights of the file and of its folder, in which SQLite makes further files."
    return InputError(f"the database {_file()} cannot be opened", remedy=remedy)


def _no_database(_: re.Match[str]) -> InputError:
    remedy = f"Take a copy of it, or check {VARIABLE}."
    return InputError(f"{_file()} is no SQLite database, or is damaged", remedy=remedy)


def _full(_: re.Match[str]) -> StoreError:
    remedy = "Make room on the disk, and start the same command again."
    return StoreError(f"the disk of {_file()} is full", remedy=remedy)


def _refused(found: re.Match[str]) -> StoreError:
    what = f"the database at {_here()} cannot be reached ({' '.join(found[0].split())})"
    remedy = f"Is it running? Check {VARIABLE} and the network. Start the same command again."
    return StoreError(what, remedy=remedy)


def _lost(_: re.Match[str]) -> StoreError:
    what = f"the connection to the database at {_here()} broke"
    return StoreError(what, remedy="Is it running? Start the same command again.")


def _password(_: re.Match[str]) -> InputError:
    what = f"the database at {_here()} refuses the user: the name or the password is wrong"
    return InputError(what, remedy=f"They stand in {VARIABLE}, or for PostgreSQL in ~/.pgpass.")


def _unknown(found: re.Match[str]) -> InputError:
    what = f"the server at {_here()} has no database '{found[1]}'"
    return InputError(what, remedy=f"Correct {VARIABLE}, or make the database: createdb {found[1]}")


def _no_right(found: re.Match[str]) -> InputError:
    what = f"the user of the database at {_here()} may not do this ({found[0]})"
    return InputError(what, remedy="Ask its administrator for the right.")


def _too_many(_: re.Match[str]) -> StoreError:
    what = f"the database at {_here()} takes no more connections"
    return StoreError(what, remedy="Start the same command again later.")


def _out_of_date(found: re.Match[str]) -> InputError:
    return of_revision(found[1])


def _unknown_revision(found: re.Match[str]) -> InputError:
    return of_revision(found[1])


_WORDS: tuple[tuple[str, Callable[[re.Match[str]], ScatdError]], ...] = (
    # SQLite
    (r"database (?:table |schema )?is locked", _locked),
    (r"attempt to write a readonly database", _read_only),
    (r"unable to open database file", _not_opened),
    (r"file is not a database|database disk image is malformed", _no_database),
    (r"database or disk is full|no space left on device", _full),
    # schemas of MLflow
    (r"out-of-date database schema \(found version (\w+)", _out_of_date),
    (r"Can't locate revision identified by '(\w+)'", _unknown_revision),
    # PostgreSQL and MySQL
    (r"password authentication failed|no password supplied|role \S+ does not exist", _password),
    (r"access denied for user", _password),
    (r"(?:unknown )?database ['\"]([^'\"]+)['\"] does not exist", _unknown),
    (r"unknown database '([^']+)'", _unknown),
    (r"permission denied for [^\n]*", _no_right),
    (r"too many (?:clients|connections)", _too_many),
    (r"could not translate host name[^\n:]*|failed to resolve host[^\n:]*", _refused),
    (r"connection refused|connection timed? ?out|timeout expired", _refused),
    (r"Can't connect to MySQL server", _refused),
    (r"server closed the connection|terminating connection|connection already closed", _lost),
    (r"lost connection|server has gone away|the connection is (?:closed|lost)", _lost),
)
"""What databases say, and what it means; the first that fits."""
