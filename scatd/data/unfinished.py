"""A file that takes long to write: what a killed run left of it is removed by the next one."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import filelock

from scatd.data.files import atomic_path

_LOCK = ".lock"


@contextlib.contextmanager
def long_written(target: Path, needed: int = 0) -> Iterator[Path]:
    """Write a file completely or not at all, over a long time.

    As `files.atomic_path`. The unfinished file has a lock beside it, for as long as its process
    lives. An unfinished file of the same target whose lock nobody holds is removed first.

    Parameters
    ----------
    needed
        As in `files.atomic_path`.

    Raises
    ------
    InputError
        As `files.check_writable`, before anything is written.
    DiskError
        When the disk is full, read-only or damaged.
    """
    with atomic_path(target, needed) as temporary:
        _remove_left(target)
        lock = filelock.FileLock(temporary.with_name(temporary.name + _LOCK))
        try:
            with lock:
                yield temporary
        finally:
            Path(lock.lock_file).unlink(missing_ok=True)


def _remove_left(target: Path) -> None:
    pattern = re.compile(rf"(\.[0-9a-f]{{8}}-{re.escape(target.name)}){re.escape(_LOCK)}")
    for path in list(target.parent.iterdir()):
        found = pattern.fullmatch(path.name)
        if found is None:
            continue
        # Another process that still writes it, or a folder without locks: it stays.
        with contextlib.suppress(OSError), filelock.FileLock(path, timeout=0):
            left = path.with_name(found[1])
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
