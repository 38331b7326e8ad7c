"""The address of the store; addresses and texts of others as they may be shown."""

from __future__ import annotations

import re
from pathlib import Path

import mlflow

VARIABLE = "MLFLOW_TRACKING_URI"


def tracking_uri() -> str:
    """The store of runs: a database in the working folder, unless MLflow was given another."""
    if mlflow.is_tracking_uri_set():
        return mlflow.get_tracking_uri()
    # Said in full: MLflow's own default gives way to an old ./mlruns folder, which it then refuses.
    return f"sqlite:///{Path.cwd() / 'mlflow.db'}"


def no_password(text: str) -> str:
    """A text without the user names and passwords of the addresses in it."""
    return re.sub(r"//[^\s'\"]*@", "//", text)


def first_line(error: BaseException) -> str:
    """The first line of an exception's text."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def sqlite_file(uri: str) -> Path | None:
    """The file of an SQLite database; None for any other store, and for one in memory."""
    scheme, _, rest = uri.partition(":///")
    path = rest.partition("?")[0]
    if scheme.partition("+")[0] != "sqlite" or not path or path == ":memory:":
        return None
    return Path(path).absolute()
