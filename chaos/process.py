"""scatd as a process of its own: its folders, its environment, and its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 600.0
"""Seconds after which a command counts as hanging."""


@dataclass(frozen=True)
class Case:
    """The folders of one case: working folder, temp folder, cache and home."""

    folder: Path

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def temp(self) -> Path:
        return self.folder / "temp"

    def make(self) -> Case:
        for name in ("work", "temp", "cache", "home"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        return self

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Variables for a child: none of MLflow's, and its own temp folder, cache and home."""
        own = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MLFLOW_", "SCATD_"))
        }
        before = own.get("PYTHONPATH")
        return {
            **own,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{before}" if before else str(ROOT),
            "HOME": str(self.folder / "home"),
            "SCATD_CACHE": str(self.folder / "cache"),
            "TMPDIR": str(self.temp),
            # Shared by all cases: matplotlib takes seconds to look for fonts.
            "MPLCONFIGDIR": str(self.folder.parent / "matplotlib"),
            "OMP_NUM_THREADS": "1",
            "MPLBACKEND": "Agg",
            "TORCHINDUCTOR_CACHE_DIR": str(self.folder / "cache" / "torch"),
            **(more or {}),
        }


@dataclass(frozen=True)
class Ended:
    """How a command ended; a negative code is a signal."""

    code: int
    output: str
    errors: str
    seconds: float
    hung: bool = False


def scatd(*words: str) -> list[str]:
    """The command line of a scatd command."""
    return [str(Path(sys.executable).with_name("scatd")), *words]


def dying(after: int, count: Path, *words: str) -> list[str]:
    """The same, killed after a number of writes; see `chaos.dying`."""
    return [sys.executable, "-m", "chaos.dying", str(after), str(count), *words]


def run(
    case: Case,
    command: Sequence[str],
    *,
    kill: tuple[int, float] | None = None,
    more: Mapping[str, str] | None = None,
    longest: float = LONGEST,
    name: str = "command",
) -> Ended:
    """Run a command in a session of its own.

    Parameters
    ----------
    kill
        A signal and after how many seconds it is sent: SIGTERM to the process, as a scheduler
        does; others to its whole group, as the kernel and Ctrl-C do.
    longest
        Seconds after which the command is killed, and counts as hung.
    """
    log = case.folder / f"{name}.log"
    started = time.monotonic()
    hung = False
    with log.with_suffix(".out").open("w") as out, log.with_suffix(".err").open("w") as err:
        child = subprocess.Popen(
            command, cwd=case.work, env=case.environment(more), stdin=subprocess.DEVNULL,
            stdout=out, stderr=err, start_new_session=True,
        )  # fmt: skip
        try:
            if kill is not None:
                number, after = kill
                try:
                    child.wait(after)
                except subprocess.TimeoutExpired:
                    _send(child, number)
                    longest = 60.0
            child.wait(longest)
        except subprocess.TimeoutExpired:
            hung = True
        finally:
            _kill_group(child)
            child.wait()
    texts = [log.with_suffix(end).read_text(errors="replace") for end in (".out", ".err")]
    return Ended(child.returncode, texts[0], texts[1], time.monotonic() - started, hung)


def _send(child: subprocess.Popen[bytes], number: int) -> None:
    if child.poll() is not None:
        return
    if number == signal.SIGTERM:
        child.send_signal(number)
    else:
        os.killpg(child.pid, number)


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """End what is left of the group: workers of a killed command."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
