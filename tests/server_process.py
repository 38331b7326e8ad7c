"""`mlflow server` as one process, a fork: by itself it is two, which both import for seconds."""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests import forked
from tests.store_server import free_port

_SCRIPT = "from tests.server_process import main; main()"
_SECONDS = 300
"""Until a busy machine has started one."""


class MlflowServer:
    """A server of MLflow on this computer, which answers once this is made.

    Parameters
    ----------
    folder
        Where it works and writes `server.log`.
    options
        Of `mlflow server`, with its store.
    variables
        That it has beside those of this process, of which it gets none of MLflow's.
    """

    def __init__(
        self,
        folder: Path,
        *options: object,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        known = {name: value for name, value in os.environ.items() if "MLFLOW_" not in name}
        # Its processes for jobs are of no use to scatd.
        env = {**known, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **(variables or {})}
        words = ("server", "--host", "127.0.0.1", "--port", self.port, "--workers", 1, *options)
        log = folder / "server.log"
        self._process = forked.Process(_SCRIPT, *words, folder=folder, env=env, log=log)
        self._await(log)

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _await(self, log: Path) -> None:
        until = time.monotonic() + _SECONDS
        while self._process.poll() is None and time.monotonic() < until:
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        self.kill()
        pytest.fail(f"mlflow server did not start:\n{log.read_text()[-2000:]}")

    def kill(self) -> None:
        """End it as a power cut does: it has nothing that a test wants to keep."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def die_with_parent(how: int) -> None:
    """Ask Linux to end this process when the tests are killed, which then stop nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, how)  # PR_SET_PDEATHSIG


def main() -> None:
    """Run the command line of MLflow; the program that a server would start runs here."""
    from mlflow import server
    from mlflow.cli import cli
    from werkzeug import security

    # Passwords are looked at with each request, and the usual hash takes a tenth of a second.
    security.generate_password_hash.__defaults__ = ("pbkdf2:sha256:1000", 16)
    die_with_parent(signal.SIGKILL)
    server._exec_cmd = _run
    cli()


def _run(command: Sequence[str], *, extra_env: Mapping[str, str], **_: object) -> None:
    python, option, module, *words = command
    assert (python, option) == (sys.executable, "-m"), command
    os.environ.update(extra_env)
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__")
    sys.exit()
