"""A child process that reads every upload first, because a reader may crash or fill the memory.

A damaged file can crash the libraries that read HDF5 and Parquet, and a crash ends the whole
process. A small file can hold many gigabytes. So a child process, whose memory is limited, reads
the whole file first. If it finds no fault, the file is read again for scoring.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

from scatd.serving.contents import require_harmless
from scatd.serving.formats import JSON, PARQUET
from scatd.serving.json_table import table_of_json
from scatd.serving.limits import limit_this_process
from scatd.serving.refusals import TOO_LARGE, TOO_SLOW, UNUSABLE, Refusal
from scatd.wording import counted

_DAMAGED = "The file cannot be read: it may be truncated or damaged."
_NO_MEMORY = "The file needs more memory than a file may have on this server."
_OUT_OF_MEMORY = (-signal.SIGABRT, -getattr(signal, "SIGKILL", signal.SIGABRT))
"""How a child ends that has no memory left: by itself, or by the system."""


class Examiner:
    """One child process for one thread. It starts when needed, and again after each crash."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None

    def examine(self, path: Path, kind: str, max_content: int, seconds: float) -> Path:
        """Let the child read a file, and return the file to score: for JSON, a table made from it.

        Raises
        ------
        Refusal
            As `contents.require_harmless`; 413 for a file that needs too much memory, 422 for a
            damaged file, 504 when reading takes longer.
        """
        child = self._running()
        assert child.stdin is not None
        assert child.stdout is not None
        alarm = threading.Timer(seconds, child.kill)
        alarm.start()
        try:
            child.stdin.write(json.dumps([str(path), kind, max_content, seconds]) + "\n")
            child.stdin.flush()
            said = child.stdout.readline()
        except (BrokenPipeError, ValueError):  # the second when `close` came from another thread
            said = ""
        finally:
            is_late = alarm.finished.is_set()
            alarm.cancel()
        if not said:
            ended = self.close()
            if is_late or ended == -getattr(signal, "SIGXCPU", 0):
                raise Refusal(
                    TOO_SLOW, f"Reading the file took longer than {counted(seconds, 'second')}."
                )
            if ended in _OUT_OF_MEMORY:
                raise Refusal(TOO_LARGE, _NO_MEMORY)
            raise Refusal(UNUSABLE, _DAMAGED)
        if answer := json.loads(said):
            raise Refusal(*answer)
        return _to_score(path, kind)

    def close(self) -> int | None:
        """End the child, and return how it had ended by itself; None where it still worked."""
        child, self._child = self._child, None
        if child is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0.5)  # a child that crashes closes its pipes first
        ended = child.poll()
        child.kill()
        child.communicate()
        return ended

    def kill(self) -> None:
        """Kill the child from another thread; `examine` then returns there."""
        child = self._child
        if child is not None:
            child.kill()

    def _running(self) -> subprocess.Popen[str]:
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-m", __spec__.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        return self._child


def main() -> None:
    """Read the files named on stdin, one a line, and print one line of result for each."""
    _import_readers()
    for line in sys.stdin:
        path, kind, max_content, seconds = json.loads(line)
        limit_this_process(max_content, seconds)
        print(json.dumps(_judged(Path(path), kind, max_content)), flush=True)  # noqa: T201


def _import_readers() -> None:
    """Load the libraries before the memory is limited: they need much address space."""
    import pyarrow.parquet  # noqa: F401


def _judged(path: Path, kind: str, max_content: int) -> tuple[int, str] | None:
    try:
        if kind == JSON:
            table_of_json(path, _to_score(path, kind))
            path, kind = _to_score(path, kind), PARQUET
        require_harmless(path, kind, max_content)
    except Refusal as refusal:
        return refusal.status, refusal.message
    except MemoryError:
        return TOO_LARGE, _NO_MEMORY
    except Exception:  # noqa: BLE001 (readers raise anything for a damaged file)
        return UNUSABLE, _DAMAGED
    return None


def _to_score(path: Path, kind: str) -> Path:
    return path.with_suffix(PARQUET) if kind == JSON else path


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
