"""Locks between processes: a file beside the store, or a lock of the database that is the store."""

from __future__ import annotations

import contextlib
import hashlib
import time
from types import TracebackType
from typing import Any, Protocol

import filelock
import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError

_POLL = 0.1
"""Seconds between two tries."""
_NOTICE = {
    "postgresql": "SELECT set_config('tcp_keepalives_idle', '10', false), "
    "set_config('tcp_keepalives_interval', '5', false), "
    "set_config('tcp_keepalives_count', '3', false)"
}
"""Lets the server notice after 25 s that a host has lost its power, not after two hours."""
_TAKE = {
    "postgresql": "SELECT pg_try_advisory_lock(:key)",
    "mysql": "SELECT GET_LOCK(:key, 0)",
}
_FREE = {
    "postgresql": "SELECT pg_advisory_unlock(:key)",
    "mysql": "SELECT RELEASE_LOCK(:key)",
}


class Lock(Protocol):
    """A lock between processes, freed by the system when its holder is killed."""

    def acquire(self, timeout: float | None = None) -> Any:
        """Take the lock.

        Parameters
        ----------
        timeout
            Seconds to wait; None waits without end.

        Raises
        ------
        filelock.Timeout
            When another holds it.
        """
        ...

    def release(self) -> None:
        """Give it back."""
        ...

    def __enter__(self) -> Any:
        """Take it and wait without end."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give it back."""
        ...


def is_lockable(uri: str) -> bool:
    """True where a store is a database that has locks between hosts: PostgreSQL or MySQL."""
    return _dialect(uri) in _TAKE


class DatabaseLock:
    """An advisory lock of PostgreSQL or MySQL: it holds between hosts.

    It belongs to a connection. The server frees it when the process that holds it dies.

    Parameters
    ----------
    uri
        Address of the database.
    name
        Of the lock.
    """

    def __init__(self, uri: str, name: str) -> None:
        self._uri, self._name, self._dialect = uri, name, _dialect(uri)
        digest = hashlib.sha256(f"scatd {name}".encode())
        # PostgreSQL names a lock by 64 bits, in each database; MySQL by text, for a whole server.
        if self._dialect == "postgresql":
            self._key: int | str = int.from_bytes(digest.digest()[:8], "big", signed=True)
        else:
            place = hashlib.sha256(uri.rpartition("/")[2].encode()).hexdigest()
            self._key = f"scatd-{place[:16]}-{digest.hexdigest()[:32]}"
        self._engine: sqlalchemy.Engine | None = None
        self._connection: sqlalchemy.Connection | None = None

    def acquire(self, timeout: float | None = None) -> None:
        """Take the lock.

        Raises
        ------
        filelock.Timeout
            When another holds it for longer than `timeout` seconds (None: wait without end).
        sqlalchemy.exc.SQLAlchemyError
            When the database does not answer.
        """
        from mlflow.store.db.utils import create_sqlalchemy_engine

        # MLflow's own way to open a database knows its variables for certificates.
        self._engine = create_sqlalchemy_engine(self._uri)
        until = None if timeout is None or timeout < 0 else time.monotonic() + timeout
        try:
            made = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._connection = made
            if self._dialect in _NOTICE:
                made.exec_driver_sql(_NOTICE[self._dialect])
            while not (taken := self._ask(made, _TAKE)):
                if until is not None and time.monotonic() >= until:
                    break
                time.sleep(_POLL)  # asked again, so that Ctrl-C ends the wait
        except BaseException:
            self._close()
            raise
        if not taken:
            self._close()
            raise filelock.Timeout(self._name)

    def release(self) -> None:
        """Give the lock back. If the connection is lost, the server has freed it already."""
        if self._connection is not None:
            with contextlib.suppress(SQLAlchemyError):
                self._ask(self._connection, _FREE)
        self._close()

    def __enter__(self) -> DatabaseLock:
        """Take it and wait without end."""
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give it back."""
        self.release()

    def _ask(self, connection: sqlalchemy.Connection, question: dict[str, str]) -> bool:
        asked = sqlalchemy.text(question[self._dialect])
        return bool(connection.execute(asked, {"key": self._key}).scalar())

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(SQLAlchemyError):
                self._connection.close()
        if self._engine is not None:
            self._engine.dispose()
        self._connection = self._engine = None


def _dialect(uri: str) -> str:
    scheme = uri.partition("://")[0].partition("+")[0]
    return {"postgres": "postgresql", "mariadb": "mysql"}.get(scheme, scheme)
