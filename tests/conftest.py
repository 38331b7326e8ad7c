"""Fixtures shared by all tests: where the shared data is, small cohorts, and an MLflow store."""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.quick import as_marked
from tests.team import (  # noqa: F401 - fixtures
    auth_server,
    bucket,
    direct_server,
    postgres,
)
from tests.workers import kept_workers, quick_workers, two_workers  # noqa: F401 - fixtures

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _shared_folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"shared development data is absent ({name})")
    return folder


def pytest_collection_modifyitems(items):
    """The longest files first, so that no process of pytest-xdist ends with one of them alone."""
    items.sort(key=lambda item: item.path.parent.name != "integration")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for garbage less often: it means to look through all that was imported."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.set_threshold(20_000, 10, 10)
        _keep_what_is_left()


def _keep_what_is_left() -> None:
    """Imports make millions of objects that stay; to look through all of them takes seconds."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item, nextitem):
    """Most tests of commands and of the server draw no figures."""
    with as_marked(item):
        done = yield
    if nextitem is None or nextitem.path != item.path:
        _keep_what_is_left()
    return done


@pytest.fixture(scope="session", autouse=True)
def _no_word_about_silence():
    """On a slow machine commands are silent for long; tests compare what they say otherwise."""
    from scatd import activity

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activity, "FIRST_WORD", 10_000.0)
        yield


@pytest.fixture(scope="session")
def golden() -> Path:
    """Numbers that the published code gave for fixed inputs."""
    return _shared_folder("golden")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Real embeddings, expression tables and response labels."""
    return _shared_folder("data")


@pytest.fixture(scope="session")
def cases() -> Path:
    """Small inputs, each odd in its own way."""
    return _shared_folder("cases")


@pytest.fixture(scope="session")
def reference_tables() -> Path:
    """Published gene orders, identifier maps and settings."""
    return _shared_folder("reference")


@pytest.fixture(scope="session")
def migrated_store(tmp_path_factory) -> Iterator[Path]:
    """A migrated and empty MLflow database: migrating one takes seconds, copying it does not."""
    from mlflow.store.db import utils
    from mlflow.tracking import MlflowClient
    from sqlalchemy import Engine, event

    folder = tmp_path_factory.mktemp("store")
    event.listen(Engine, "connect", _need_no_disk)
    with contextlib.chdir(folder):
        MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").search_experiments()
    with pytest.MonkeyPatch.context() as patch:
        # MLflow reads all of its migrations for each database that it opens.
        newest = functools.cache(utils._get_latest_schema_revision)
        patch.setattr(utils, "_get_latest_schema_revision", newest)
        yield folder / "mlflow.db"
    event.remove(Engine, "connect", _need_no_disk)


def _need_no_disk(connection, _):
    """Databases of tests need not outlive a power cut: SQLite waits for no disk."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture
def store(migrated_store, tmp_path, monkeypatch) -> Path:
    """A working folder of its own with a migrated store, and none of MLflow's variables set."""
    shutil.copy(migrated_store, tmp_path / "mlflow.db")
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def tiny_registry(migrated_store, tmp_path_factory) -> Path:
    """A working folder with two versions of a small model for docetaxel; 1 is in production.

    It has random weights, reads 12 features of family sf, and version 2 answers otherwise than 1.
    Tests work on a copy (`copied_registry`); the artifacts stay where they are.
    """
    import torch

    from scatd import artifact, registry, tracking
    from scatd.nn.alignment import Alignment, feature_stats
    from scatd.nn.classifier import ResponseClassifier
    from scatd.nn.residual_vae import DESIGNS, Sizes

    folder = tmp_path_factory.mktemp("tiny")
    shutil.copy(migrated_store, folder / "mlflow.db")
    sizes = Sizes(12, 6, (10, 8), (8, 10))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.chdir(folder)
        for seed in (1, 2):
            torch.manual_seed(seed)
            head = ResponseClassifier(sizes, DESIGNS["sf"])
            head.train()(torch.randn(64, 12))
            stats = feature_stats([torch.randn(64, 12)])
            alignment = Alignment("none", reference=stats)
            model = artifact.Artifact(
                "response", "sf", "sf", sizes, head.state_dict(), alignment, threshold=0.5
            )
            artifact.write(folder / f"model{seed}", model)
            with tracking.parent_run("transfer", name="tiny", tags={}, settings={}) as run:
                version = registry.register_artifact(
                    folder / f"model{seed}", "scatd-sf-docetaxel", run.run_id,
                    metrics={"auroc": 0.8}, description="tiny", tags={"scatd.drug": "docetaxel"},
                )  # fmt: skip
            assert version == seed
        registry.promote("scatd-sf-docetaxel", 1, reason="a test", evidence_run_id="none")
    return folder


@pytest.fixture
def copied_registry(tiny_registry, tmp_path, monkeypatch) -> Path:
    """A copy of that folder's store, as the working folder."""
    shutil.copy(tiny_registry / "mlflow.db", tmp_path / "mlflow.db")
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "SCATD_TOKEN"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Where the shared data is, a golden test that skips proves nothing: it fails."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and SHARED.is_dir() and item.get_closest_marker("golden"):
        report.outcome = "failed"
        report.longrepr = f"golden test skipped although {SHARED} is there: {report.longrepr}"


class Publisher:
    """A web server on this machine that plays figshare's API, GitHub and the Hugging Face hub.

    `files` holds bytes by path, and `answers` JSON (or a function of the query that makes it);
    `moved` redirects. `faults` holds, by path, what happens instead to the next requests: a status
    code, ("cut", n) to hang up after n bytes, ("stall", n) to say no more after n bytes, or
    "promise more" to announce a byte that never comes.
    `asked` notes the path and the Range of every request, and `sent` the bytes of files.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.answers: dict[str, object] = {}
        self.moved: dict[str, str] = {}
        self.faults: dict[str, list] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.sent = 0
        self.ignores_range = False
        self.stalled = threading.Event()
        self.closing = threading.Event()
        handler = type("Handler", (_PublisherHandler,), {"publisher": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


class _PublisherHandler(BaseHTTPRequestHandler):
    publisher: Publisher

    def do_GET(self):
        own, parts = self.publisher, urlsplit(self.path)
        path = parts.path
        own.asked.append((path, self.headers["Range"]))
        fault = own.faults[path].pop(0) if own.faults.get(path) else None
        if isinstance(fault, int):
            self.send_error(fault)
        elif path in own.moved:
            self._answer(302, b"", Location=own.moved[path])
        elif path in own.answers:
            answer = own.answers[path]
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            answer = answer(query) if callable(answer) else answer
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self._answer(200, body)
        elif path in own.files:
            self._send_file(own.files[path], fault)
        else:
            self.send_error(404)

    def _send_file(self, whole, fault):
        own, begin = self.publisher, 0
        if self.headers["Range"] and not own.ignores_range:
            begin = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        if begin >= len(whole) > 0:
            self.send_error(416)
            return
        end = min(len(whole), begin + fault[1]) if isinstance(fault, tuple) else len(whole)
        more = {"Content-Range": f"bytes {begin}-{len(whole) - 1}/{len(whole)}"} if begin else {}
        own.sent += end - begin
        promised = len(whole) - begin + (fault == "promise more")
        self._answer(206 if begin else 200, whole[begin:end], length=promised, **more)
        if isinstance(fault, tuple) and fault[0] == "stall":
            own.stalled.set()
            own.closing.wait(60)
        self.close_connection = True

    def _answer(self, status, body, length=None, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing on the terminal."""


@pytest.fixture
def publisher(monkeypatch):
    """A stand-in for everything that is published; scatd asks it and nobody else."""
    server = Publisher()
    for variable in ("SCATD_FIGSHARE_API", "SCATD_GITHUB_RAW", "HF_ENDPOINT"):
        monkeypatch.setenv(variable, server.url)
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)
    monkeypatch.setattr("scatd.data.remote.FIRST_WAIT", 0.001)
    yield server
    server.close()
