"""Temporary folders that nobody has to clear away.

A command has one folder for everything temporary, also that of the libraries it uses and of its
worker processes. It is removed as the command ends: by itself, by an error, or by a signal. What a
killed command left is removed by the next one, because nobody holds its lock any more.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import signal
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import filelock

_LOCK = ".lock"
_VARIABLE = "TMPDIR"
_SECONDS_TO_LOCK = 3600
"""A folder without a lock is being made; after this time, its process must be dead."""
_TRIES = 5

_mutex = threading.RLock()
_n_commands = 0
_held: Held | None = None


class Held:
    """A new folder that belongs to this process until it is closed, or the process ends.

    Parameters
    ----------
    parent
        Holds the folders of all processes.
    """

    def __init__(self, parent: Path) -> None:
        self._process = os.getpid()
        for _ in range(_TRIES):
            self.folder = Path(tempfile.mkdtemp(prefix=f"{_prefix()}{self._process}-", dir=parent))
            self._lock = filelock.FileLock(self.folder / _LOCK, thread_local=False)
            with contextlib.suppress(NotImplementedError, FileNotFoundError):
                self._lock.acquire()
            if (self.folder / _LOCK).exists():  # else another process took it for a left one
                return

    def new(self) -> Path:
        """An empty folder in it."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    def close(self) -> None:
        """Remove the folder. A copy of this process (a fork) does nothing."""
        if os.getpid() != self._process:
            return
        for attempt in range(_TRIES):
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.folder.exists():
                break
            time.sleep(0.1 * attempt)  # a process of ours still writes
        self._lock.release()


def remove_left(parent: Path) -> None:
    """Remove the folders of this user in `parent` whose process is dead."""
    pattern = re.compile(rf"{re.escape(_prefix())}\d+-\w+")
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(parent)):
            if pattern.fullmatch(entry.name):
                with contextlib.suppress(OSError, NotImplementedError, filelock.Timeout):
                    _remove_if_left(Path(entry.path))


@contextlib.contextmanager
def of_command() -> Iterator[None]:
    """Let everything temporary of a command be in one folder, which is removed after the block.

    SIGTERM and SIGHUP become `SystemExit`. `tempfile` and `TMPDIR` name the folder in the block, so
    that libraries and child processes use it. Where no folder can be made, nothing is changed.
    """
    with ended_by_signals(), contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            _enter()
            stack.callback(_leave)
        yield


def new_folder() -> Path:
    """A new folder that is removed as the command, or outside of commands the process, ends."""
    global _held
    with _mutex:
        if _held is None:
            parent = Path(tempfile.gettempdir())
            remove_left(parent)
            _held = Held(parent)
            atexit.register(_held.close)
        return _held.new()


def place() -> Path:
    """The temporary folder of the user: the one in which that of a command is."""
    here = Path(tempfile.gettempdir())
    return here.parent if _held is not None and here == _held.folder else here


def clear() -> None:
    """Remove the temporary folder of this process, before an end that runs nothing more."""
    if _held is not None:
        _held.close()


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the stack, so that everything is closed and removed.

    Only a main thread may ask for it. A signal that is ignored (nohup) stays so.
    """

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {number: signal.getsignal(number) for number in numbers}
    before = {number: found for number, found in before.items() if found != signal.SIG_IGN}
    for number in before:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number, found in before.items():
            signal.signal(number, found)


_before: tuple[str | None, str | None, Held | None] = (None, None, None)


def _enter() -> None:
    """Begin a command; those in other threads of this process share one folder."""
    global _n_commands, _before, _held
    with _mutex:
        if _n_commands == 0:
            parent = Path(tempfile.gettempdir())
            remove_left(parent)
            made = Held(parent)
            _before = tempfile.tempdir, os.environ.get(_VARIABLE), _held
            _held = made
            tempfile.tempdir = os.environ[_VARIABLE] = str(made.folder)
        _n_commands += 1


def _leave() -> None:
    global _n_commands, _held
    with _mutex:
        _n_commands -= 1
        if _n_commands or _held is None:
            return
        made = _held
        tempfile.tempdir, variable, _held = _before
        if variable is None:
            os.environ.pop(_VARIABLE, None)
        else:
            os.environ[_VARIABLE] = variable
        made.close()


def _prefix() -> str:
    return f"scatd-{os.getuid() if hasattr(os, 'getuid') else 'user'}-"


def _remove_if_left(folder: Path) -> None:
    """Remove a folder that is no link, is ours, and has a lock that nobody holds."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
        return
    if (folder / _LOCK).exists():
        with filelock.FileLock(folder / _LOCK, timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
    elif time.time() - found.st_mtime > _SECONDS_TO_LOCK:
        shutil.rmtree(folder, ignore_errors=True)
