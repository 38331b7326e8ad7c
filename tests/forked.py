"""Processes that start with everything imported: torch and MLflow take seconds to import.

One process imports them, and each process that a test starts is a fork of it: with an id, a working
folder, variables and an end of its own. Not for tests of what a command imports, or how it starts.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PRELOADED = [
    *("torch", "torch._dynamo", "mlflow.pyfunc", "mlflow.store.tracking.sqlalchemy_store"),
    "anndata",
    *("sklearn.ensemble", "sklearn.linear_model", "scatd.workflows.transfer", "scatd.registry"),
    *("scatd.workflows.predict", "scatd.scheduling.preload", "tests.forked"),
    "transformers.models.bert.modeling_bert",
]
SCATD = "from scatd.cli import main; main()"
"""A scatd command, whose words are the arguments."""


def quick_scatd(*as_shipped: str) -> str:
    """The same without what takes seconds; see `tests.quick.quick`."""
    return f"from tests.quick import quick\nwith quick(*{as_shipped!r}):\n    {SCATD}"


_PIPES = """
import sys
sys.stdin, sys.stdout = open(sys.argv[1]), open(sys.argv[2], "w")
del sys.argv[1:3]
"""


class _Fork(ForkServerProcess):
    """A fork with the variables of the process that asks for it."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._variables = dict(os.environ)

    def run(self) -> None:
        adopt(self._variables)
        super().run()


class _Forks(ForkServerContext):
    Process = _Fork


def context() -> ForkServerContext:
    """A context whose processes are forks of one that has imported `PRELOADED`."""
    made = _Forks()
    made.set_forkserver_preload(PRELOADED)
    with pytest.MonkeyPatch.context() as patch:
        # What it imports is the code under test, whatever is installed.
        patch.setenv("PYTHONPATH", str(ROOT))
        forkserver.ensure_running()
    return made


class Process:
    """A script in a process of its own, with the methods of `subprocess.Popen` that tests use.

    Parameters
    ----------
    script, arguments
        As given to `python -c`.
    folder, env
        Its working folder and its variables, if others than those of this process.
    log
        Takes all that it prints; else `communicate` gives it.
    """

    def __init__(
        self,
        script: str,
        *arguments: object,
        folder: Path | None = None,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        self._printed = tempfile.TemporaryDirectory(prefix="scatd-forked-")
        files = [log or Path(self._printed.name, name) for name in ("out", "err")]
        words = [str(word) for word in arguments]
        own = dict(os.environ if env is None else env)
        self._process = context().Process(
            target=_run, args=(script, words, folder or Path.cwd(), own, files)
        )
        self._process.start()
        self.pid = self._process.pid
        assert self.pid is not None

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        """How it ended, if it has."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Until it has ended; how."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutExpired(str(self._process), timeout or 0)
        return self._process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Until it has ended; what it printed, and its errors."""
        self.wait(timeout)
        out, errors = (Path(self._printed.name, name).read_text() for name in ("out", "err"))
        return out, errors

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a power cut does."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


class Piped(Process):
    """A script that is written to by `stdin`, and whose `stdout` is read; its errors go to a file.

    Parameters
    ----------
    script, arguments, folder, env
        As of `Process`.
    errors
        Takes its errors.
    """

    def __init__(
        self,
        script: str,
        *arguments: object,
        folder: Path | None = None,
        env: Mapping[str, str] | None = None,
        errors: Path | None = None,
    ) -> None:
        self._pipes = tempfile.TemporaryDirectory(prefix="scatd-piped-")
        pipes = [Path(self._pipes.name, name) for name in ("in", "out")]
        for pipe in pipes:
            os.mkfifo(pipe)
        super().__init__(_PIPES + script, *pipes, *arguments, folder=folder, env=env, log=errors)
        self.stdin, self.stdout = pipes[0].open("w"), pipes[1].open()

    def close(self) -> None:
        """Kill it, if it has not ended."""
        self.kill()
        self.wait()
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        self.stdout.close()


def run(
    script: str,
    *arguments: object,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> CompletedProcess[str]:
    """Run a script to its end, in such a process."""
    process = Process(script, *arguments, folder=folder, env=env)
    out, errors = process.communicate()
    return CompletedProcess(script, process.wait(), out, errors)


def adopt(variables: Mapping[str, str]) -> None:
    """In a process: the variables of a process that is started now."""
    os.environ.clear()
    os.environ.update(variables)
    tempfile.tempdir = None  # else the folder of a command that has ended


def _run(
    script: str,
    words: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    files: Sequence[Path],
) -> None:
    adopt(variables)
    os.chdir(folder)
    os.setsid()  # with those that it starts, it is a group that can be ended
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for path, stream in zip(files, (sys.stdout, sys.stderr), strict=True):
        with path.open("ab") as file:
            os.dup2(file.fileno(), stream.fileno())
    sys.argv = ["-c", *words]
    try:
        exec(compile(script, "<string>", "exec"), {"__name__": "__main__"})
    finally:
        atexit._run_exitfuncs()  # a fork ends without
