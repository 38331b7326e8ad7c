"""`mlflow server` behind a door that fails every second request while it is told to."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from chaos.process import Case


@dataclass
class Flaky:
    """The door: whether it fails now, and how often it failed."""

    uri: str = ""
    fails: bool = False
    asked: int = 0
    failed: int = 0


@contextlib.contextmanager
def flaky_server(case: Case) -> Iterator[Flaky]:
    """Run both until the block ends."""
    with _mlflow(case) as port:
        state = Flaky()
        handler = type("Handler", (_Handler,), {"state": state, "behind": port})
        door = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        door.daemon_threads = True
        state.uri = f"http://127.0.0.1:{door.server_port}"
        threading.Thread(target=door.serve_forever, daemon=True).start()
        try:
            yield state
        finally:
            door.shutdown()
            door.server_close()


class _Handler(BaseHTTPRequestHandler):
    state: Flaky
    behind: int

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.state.asked += 1
        if self.state.fails and self.state.asked % 2:
            self.state.failed += 1
            if self.state.failed % 2:
                self.send_error(503)
            else:
                self.close_connection = True  # no answer at all
            return
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.behind)) as server:
            headers = {name: value for name, value in self.headers.items() if name != "Host"}
            server.request(self.command, self.path, body, headers)
            answer = server.getresponse()
            content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


for _verb in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"):
    setattr(_Handler, f"do_{_verb}", _Handler.answer)


@contextlib.contextmanager
def _mlflow(case: Case) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = case.folder / "server"
    folder.mkdir(exist_ok=True)
    words = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
             "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
             "--artifacts-destination", str(folder / "artifacts")]  # fmt: skip
    with (case.folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *words], cwd=folder, stdout=log, stderr=log,
            env=case.environment(), start_new_session=True,
        )  # fmt: skip
    try:
        for _ in range(1500):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            time.sleep(0.2)
        else:
            sys.exit("mlflow server did not start")
        yield port
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
