"""Commands on a terminal, each in a fork of one process that has imported `scatd.cli`.

Every command begins with that import. It is done once here, and counts for each command.
"""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

AT_ONCE = 20
"""Commands that run side by side. Each is silent for a second before it says what it does."""
REPOSITORY = Path(__file__).resolve().parents[2]


class Shown(NamedTuple):
    """What a command showed, its exit status, and the seconds of a processor that it used."""

    said: str
    status: int
    seconds: float


def started(
    commands: Mapping[str, Sequence[str]],
    *,
    until_end: bool,
    folder: Path,
    env: Mapping[str, str],
) -> dict[str, Shown]:
    """Start each command; it is ended when it has shown something, unless it runs to its end."""
    done = subprocess.run(
        [sys.executable, "-m", __name__, "end" if until_end else "word"],
        input=json.dumps({name: list(words) for name, words in commands.items()}),
        cwd=folder,
        env={**env, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name: Shown(*found) for name, found in json.loads(done.stdout).items()}


def main(*, until_end: bool) -> None:
    """Start the commands that stdin names, and print what they showed."""
    from scatd.cli import main as scatd

    imported = time.process_time()
    waiting: list[tuple[str, list[str]]] = list(json.load(sys.stdin).items())
    working: dict[int, tuple[str, int]] = {}
    said: dict[str, bytes] = {}
    found: dict[str, Shown] = {}
    while waiting or working:
        while waiting and len(working) < AT_ONCE:
            name, words = waiting.pop()
            process, terminal = pty.fork()
            if process == 0:
                _run(scatd, words)
            working[terminal] = name, process
        ready, _, _ = select.select(list(working), [], [], 300)
        assert ready, f"nothing is said by {sorted(working.values())}"
        for terminal in ready:
            name, process = working[terminal]
            part = _read(terminal)
            said[name] = said.get(name, b"") + part
            if part and until_end:
                continue
            if part:
                os.kill(process, signal.SIGKILL)
            _, status, used = os.wait4(process, 0)
            os.close(terminal)
            del working[terminal]
            seconds = imported + used.ru_utime + used.ru_stime
            found[name] = Shown(said[name].decode(), os.waitstatus_to_exitcode(status), seconds)
    print(json.dumps(found))  # noqa: T201


def _read(terminal: int) -> bytes:
    """Some output; none where the process has ended."""
    try:
        return os.read(terminal, 10_000)
    except OSError:
        return b""


def _run(scatd: Any, words: Sequence[str]) -> NoReturn:
    """A command in this process, which ends with it."""
    sys.argv = ["scatd", *words]
    status = 1
    try:
        scatd(words, prog_name="scatd")
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else 1
    finally:
        sys.stdout.flush()
        os._exit(status)


if __name__ == "__main__":
    main(until_end=sys.argv[1] == "end")
