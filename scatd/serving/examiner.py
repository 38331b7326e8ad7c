"""A child process that reads every upload first, because a reader may crash.

A damaged file can crash the libraries that read HDF5 and Parquet, and a crash ends the whole
process. So a child process reads the whole file first. If it does not crash, the file is read again
for scoring.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from pathlib import Path

from scatd.serving.contents import require_harmless
from scatd.serving.refusals import TOO_LARGE, TOO_SLOW, UNUSABLE, Refusal

_DAMAGED = "The file cannot be read: it may be truncated or damaged."


class Examiner:
    """One child process for one thread. It starts when needed, and again after each crash."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None

    def examine(self, path: Path, kind: str, max_content: int, seconds: float) -> None:
        """Let the child read a file.

        Raises
        ------
        Refusal
            As `contents.require_harmless`; 422 for a damaged file, 504 when reading takes longer.
        """
        child = self._running()
        assert child.stdin is not None
        assert child.stdout is not None
        alarm = threading.Timer(seconds, child.kill)
        alarm.start()
        try:
            child.stdin.write(json.dumps([str(path), kind, max_content]) + "\n")
            child.stdin.flush()
            said = child.stdout.readline()
        except BrokenPipeError:
            said = ""
        finally:
            is_late = alarm.finished.is_set()
            alarm.cancel()
        if not said:
            self.close()
            if is_late:
                raise Refusal(TOO_SLOW, f"Reading the file took longer than {seconds:g} seconds.")
            raise Refusal(UNUSABLE, _DAMAGED)
        if answer := json.loads(said):
            raise Refusal(*answer)

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

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
    for line in sys.stdin:
        path, kind, max_content = json.loads(line)
        print(json.dumps(_judged(Path(path), kind, max_content)), flush=True)  # noqa: T201


def _judged(path: Path, kind: str, max_content: int) -> tuple[int, str] | None:
    try:
        require_harmless(path, kind, max_content)
    except Refusal as refusal:
        return refusal.status, refusal.message
    except MemoryError:
        return TOO_LARGE, "The file needs more memory than there is."
    except Exception:  # noqa: BLE001 (readers raise anything for a damaged file)
        return UNUSABLE, _DAMAGED
    return None


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
