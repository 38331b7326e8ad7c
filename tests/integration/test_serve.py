"""A server in a process: many requests, a promotion, a kill, and misuse."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from scatd import registry
from scatd.scoring import Scorer
from tests import forked

N_CELLS = 50


class Served:
    """`scatd serve` in a process of its own, on a free port of this computer."""

    def __init__(self, folder, *options):
        self.log = folder / "serve.log"
        self.log.touch()
        words = ("serve", "--port", "0", "--refresh", "0.2", *options)
        env = os.environ | {"PYTHONPATH": str(forked.ROOT)}
        self.process = forked.Process(forked.SCATD, *words, folder=folder, env=env, log=self.log)
        self.url = self._url()

    def _url(self):
        for _ in range(3000):
            if self.process.poll() is not None:
                raise AssertionError(self.log.read_text())
            for line in self.log.read_text().splitlines():
                about = json.loads(line) if line.startswith("{") else {}
                if about.get("process") == self.process.pid and "url" in about:
                    with contextlib.suppress(OSError):
                        self.port = int(about["url"].rstrip("/").rpartition(":")[2])
                        self.ask("GET", "/healthz")
                        return about["url"]
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def served(copied_registry):
    started = []

    def start(*options):
        started.append(Served(copied_registry, *options))
        return started[-1]

    yield start
    for server in started:
        server.kill()


def test_load_promotion_kill_and_misuse(served, tiny_registry, tmp_path):
    cells = np.random.default_rng(1).normal(size=(N_CELLS, 12)).astype(np.float32)
    np.save(tmp_path / "cells.npy", cells)
    body = (tmp_path / "cells.npy").read_bytes()
    expected = {n: Scorer(tiny_registry / f"model{n}").score(cells).prob_resistant for n in (1, 2)}
    server = served("--max-upload-mb", "20")
    answers, stop = [], threading.Event()

    def client(_):
        while not stop.is_set():
            answers.append(server.ask("POST", "/predict/docetaxel", body))

    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(client, number) for number in range(4)]
        try:
            wait_for(lambda: len(answers) > 20)
            registry.promote("scatd-sf-docetaxel", 2, reason="", evidence_run_id="")
            wait_for(lambda: answers[-1][1].get("x-scatd-version") == "2")
            refuse_two_gigabytes(server)
            n_before = len(answers)
            wait_for(lambda: len(answers) > n_before + 20)
        finally:
            stop.set()
        for item in clients:
            item.result()
    versions = []
    for status, headers, content in answers:
        assert status == 200, content
        said = json.loads(content)
        versions.append(said["model"]["version"])
        assert headers["x-scatd-version"] == str(versions[-1])
        scores = [cell["prob_resistant"] for cell in said["cells"]]
        np.testing.assert_allclose(scores, expected[versions[-1]], rtol=0, atol=1e-6)
    assert set(versions) == {1, 2}

    left = list((tmp_path / ".scatd" / "serving").iterdir())
    server.kill()
    again = served()
    status, headers, _ = again.ask("POST", "/predict/docetaxel", body)
    assert (status, headers["x-scatd-version"]) == (200, "2")
    assert not set(left) & set((tmp_path / ".scatd" / "serving").iterdir())
    for line in again.log.read_text().splitlines():
        json.loads(line)


def refuse_two_gigabytes(server):
    """As announced, and as counted when nothing is announced."""
    announced = {"Content-Length": "2000000000"}
    assert server.ask("POST", "/predict/docetaxel", b"", announced)[0] == 413
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    with contextlib.closing(connection):
        connection.putrequest("POST", "/predict/docetaxel")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        block = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
        sent = 0
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while sent < 2_000_000_000:
                connection.send(block)
                sent += 1 << 20
        assert sent < 200_000_000
        assert connection.getresponse().status == 413


def wait_for(condition):
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--host", "0.0.0.0"], "without a token"),
        (["--host", "192.0.2.1", "--port", "1"], "without a token"),
        (["--device", "cuda:99"], "no device"),
        (["--host", "::1", "--port", "70000"], "70000"),
    ],
)
def test_what_cannot_be_served_is_one_line(run_scatd, store, options, says):
    done = run_scatd("serve", *options, code=2)
    assert says in done.output
    assert "Traceback" not in done.output


def test_a_token_that_is_empty_and_a_port_that_is_taken(run_scatd, store, monkeypatch):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert "cannot listen" in run_scatd("serve", "--port", port, code=2).output
    monkeypatch.setenv("SCATD_TOKEN", " ")
    assert "SCATD_TOKEN is empty" in run_scatd("serve", code=2).output


def test_mlflow_serves_tensors_and_parquet(copied_registry, tiny_registry, tmp_path):
    """MLflow's own server, on the registered model as it is: JSON tensors, and Parquet."""
    import socket

    import pandas as pd

    cells = np.random.default_rng(1).normal(size=(20, 12)).astype(np.float32)
    expected = Scorer(tiny_registry / "model1").score(cells).prob_resistant
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
    command += ["-m", "models:/scatd-sf-docetaxel@production", "-p", str(port), "-w", "1"]
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    root = str(Path(__file__).resolve().parents[2])
    # MLflow starts its server through the shell, by the name `uvicorn`.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | store | {"PYTHONPATH": root, "PATH": path}
    log = tmp_path / "mlflow.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=environment, start_new_session=True
        )

    def ask(body, media):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(connection):
            connection.request("POST", "/invocations", body, {"Content-Type": media})
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status == 200, said
            table = pd.DataFrame(json.loads(said)["predictions"])
        np.testing.assert_allclose(table["prob_resistant"], expected, rtol=0, atol=1e-6)
        assert set(table["response"]) <= {"sensitive", "resistant"}

    def is_up():
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    try:
        wait_for(is_up)
        ask(json.dumps({"inputs": cells.tolist()}), "application/json")
        frame = pd.DataFrame(cells, columns=[str(number) for number in range(12)])
        ask(frame.to_parquet(), "application/vnd.apache.parquet")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


HEAD = b"POST /predict/docetaxel HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"


def scratch_of(folder):
    return list((folder / ".scatd" / "serving").glob("*"))


def test_a_server_that_is_stopped_finishes_what_runs_and_refuses_what_is_new(served, tmp_path):
    import socket

    np.save(tmp_path / "cells.npy", np.zeros((N_CELLS, 12), np.float32))
    body = (tmp_path / "cells.npy").read_bytes()
    server = served("--stop-limit", "60")
    assert server.ask("POST", "/predict/docetaxel", body)[0] == 200
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as running:
        running.sendall(HEAD % len(body) + body[:100])
        wait_for(lambda: b"scatd_requests_in_work 1.0" in server.ask("GET", "/metrics")[2])
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: is_refused(server))
        running.sendall(body[100:])
        answer = http.client.HTTPResponse(running)
        answer.begin()
        assert answer.status == 200
        assert len(json.loads(answer.read())["cells"]) == N_CELLS
    assert server.process.wait(timeout=60) == 0
    assert scratch_of(tmp_path) == []
    assert '"event": "stopped"' in server.log.read_text()


def is_refused(server):
    """Whether a new request is not taken: told so, or without a connection."""
    try:
        status, headers, _ = server.ask("GET", "/drugs")
    except OSError:
        return True
    return status == 503 and headers["retry-after"] == "10"


@pytest.mark.parametrize("is_at_work", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_server_that_is_stopped_leaves_no_temporary_folder(
    served, tmp_path, monkeypatch, is_at_work
):
    import socket

    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    server = served("--stop-limit", "300", "--silence-limit", "600")
    assert len(list(temporary.glob("scatd-*"))) == 1
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as endless:
        if is_at_work:
            endless.sendall(HEAD % 100_000 + b"\x93NUMPY")
            wait_for(lambda: b"scatd_requests_in_work 1.0" in server.ask("GET", "/metrics")[2])
        server.process.send_signal(signal.SIGTERM)
        if is_at_work:
            wait_for(lambda: is_refused(server))
            server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=60) == 0
    assert list(temporary.glob("scatd-*")) == []


@pytest.mark.parametrize("signals", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_server_ends_within_its_limit_whatever_still_runs(served, tmp_path, signals):
    """An upload that does not end: it is told so, or cut; with a second signal at once."""
    import socket

    limit = 3 if signals == 1 else 300
    server = served("--stop-limit", str(limit), "--silence-limit", "600")
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as endless:
        endless.sendall(HEAD % 100_000 + b"\x93NUMPY")
        wait_for(lambda: b"scatd_requests_in_work 1.0" in server.ask("GET", "/metrics")[2])
        (folder,) = scratch_of(tmp_path)
        assert [path.name for path in folder.glob("*/*/*")] == ["upload"]
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        if signals == 2:
            wait_for(lambda: is_refused(server))
            server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=60) == 0
        assert time.monotonic() - started < (limit + 2 if signals == 1 else 30)
        if signals == 1:
            answer = http.client.HTTPResponse(endless)
            answer.begin()
            assert (answer.status, answer.getheader("Retry-After")) == (503, "10")
            assert "stopping" in json.loads(answer.read())["error"]
    assert scratch_of(tmp_path) == []
