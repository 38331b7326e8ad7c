"""A server in this process, with one small model."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import threading
import time

import anndata as ad
import numpy as np
import pandas as pd
import pytest

N_CELLS, N_FEATURES = 30, 12


@pytest.fixture(scope="session")
def cells(tmp_path_factory):
    """Thirty cells as every kind of body, by ending."""
    folder = tmp_path_factory.mktemp("cells")
    X = np.random.default_rng(3).normal(size=(N_CELLS, N_FEATURES)).astype(np.float32)
    names = [f"SECRET-{number}" for number in range(N_CELLS)]
    cohort = ad.AnnData(
        obs=pd.DataFrame({"patient": "MRS-SMITH"}, index=names),
        obsm={"X_scfoundation": X},
        shape=(N_CELLS, 0),
    )
    cohort.write_h5ad(folder / "cells.h5ad")
    frame = pd.DataFrame(X, columns=[f"f{number}" for number in range(N_FEATURES)])
    frame.insert(0, "barcode", names)
    frame.to_parquet(folder / "cells.parquet", index=False)
    np.save(folder / "cells.npy", X)
    (folder / "cells.json").write_text(json.dumps({"features": X.tolist(), "barcodes": names}))
    return folder


@pytest.fixture(scope="package", autouse=True)
def _kept_children():
    """A server takes over the children of servers that have ended: each imports for a second.

    How a child starts and ends is tried in `test_contents.py`.
    """
    from scatd.serving import service
    from scatd.serving.examiner import Examiner

    idle = []

    class Kept(Examiner):
        _works = False

        def examine(self, *given):
            self._works = True
            try:
                return super().examine(*given)
            finally:
                self._works = False

        def _running(self):
            if self._child is None and idle:
                self._child = idle.pop()
            return super()._running()

        def kill(self):
            if self._works:
                super().kill()

        def close(self):
            is_idle = self._child is not None and self._child.poll() is None
            if self._works or not is_idle:
                return super().close()
            idle.append(self._child)
            self._child = None
            return None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "Examiner", Kept)
        yield
    for child in idle:
        child.kill()
        child.communicate()


@contextlib.contextmanager
def serving(**settings):
    """A client of a new server in the working folder; the client knows the service."""
    from starlette.testclient import TestClient

    from scatd.serving.app import create_app
    from scatd.serving.service import Service
    from scatd.serving.settings import ServeSettings

    service = Service(ServeSettings(**{"refresh": 0.05, "device": "cpu", **settings}))
    client = TestClient(create_app(service), base_url="http://127.0.0.1:8000")
    client.service = service
    with client:
        yield client


class Listening:
    """A server in this process that listens on a port, for requests that no client would send."""

    def __init__(self, **settings):
        from scatd.serving.server import _server
        from scatd.serving.service import Service
        from scatd.serving.settings import ServeSettings

        self.service = Service(ServeSettings(**{"refresh": 0.05, "device": "cpu", **settings}))
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.server = _server(self.service)
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],))
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def ask(self, request):
        """Send bytes; return the status, 0 for none, the headers and the body."""
        with self.connect() as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(request)
            return self.read(connection)

    @staticmethod
    def read(connection):
        answer = http.client.HTTPResponse(connection)
        try:
            answer.begin()
            return answer.status, dict(answer.headers.items()), answer.read()
        except (http.client.HTTPException, ConnectionError):
            return 0, {}, b""

    def stop(self):
        self.server.should_exit = True
        self.thread.join(30)
        assert not self.thread.is_alive()


@contextlib.contextmanager
def listening(**settings):
    server = Listening(**settings)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def listen(copied_registry):
    """Start a server that listens, with these settings, on a registry that the test may change."""
    with contextlib.ExitStack() as stack:
        yield lambda **settings: stack.enter_context(listening(**settings))


@pytest.fixture
def serve(copied_registry):
    """Start a server with these settings, on a registry that the test may change."""
    with contextlib.ExitStack() as stack:
        yield lambda **settings: stack.enter_context(serving(**settings))


@pytest.fixture(scope="module")
def shared_server(tiny_registry):
    """A server with the defaults and no token, for tests that change nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tiny_registry)
        for name in [name for name in os.environ if name.startswith(("MLFLOW_", "SCATD_TOKEN"))]:
            patch.delenv(name)
        with serving() as client:
            yield client


@pytest.fixture
def client(shared_server, tiny_registry, monkeypatch):
    """That server, from its working folder."""
    monkeypatch.chdir(tiny_registry)
    return shared_server
