"""Faults of a disk in words: it is full, read-only, or damaged.

Libraries report these faults in many ways. They are told apart here, and nowhere else.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scatd.errors import ScatdError

_AGAIN = "then start the same command again."
_WORDS = {
    errno.ENOSPC: ("the disk is full", f"Free some space or choose another disk, {_AGAIN}"),
    errno.EDQUOT: (
        "your quota on this disk is used up",
        f"Remove files or choose another disk, {_AGAIN}",
    ),
    errno.EFBIG: (
        "the file would be larger than the system allows",
        f"Raise the limit (ulimit -f) or choose another disk, {_AGAIN}",
    ),
    errno.EROFS: ("the disk can only be read", f"Choose another disk, {_AGAIN}"),
    errno.EIO: ("the disk reports a fault (EIO)", f"Check it or choose another disk, {_AGAIN}"),
}
"""By the number of the system: what is wrong, and what to do."""
_FILLED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LITTLE = 1 << 20
"""A disk with fewer free bytes counts as full."""
_NUMBERED = re.compile(r"(?:os error |errno = |\[Errno )(\d+)")
"""How HDF5, libraries in Rust, and text that quotes an OSError tell the number."""
_SAID = {
    "database or disk is full": errno.ENOSPC,  # SQLite
    **{os.strerror(number): number for number in _WORDS if number != errno.EIO},
}


class DiskError(ScatdError, OSError):
    """Something could not be written, because of its disk (exit code 1)."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes; an OSError forgets its text otherwise."""
        return _restored, (self.args, self.errno, self.__dict__)


def _restored(args: tuple[Any, ...], number: int | None, parts: dict[str, Any]) -> DiskError:
    fault = DiskError("")
    fault.args, fault.errno = args, number
    fault.__dict__.update(parts)
    return fault


def explained(
    error: BaseException, target: Path | None = None, needed: int = 0
) -> DiskError | None:
    """The fault of a disk behind an error, or None where there is none.

    Parameters
    ----------
    error
        What was caught. Its causes are looked through too.
    target
        The file that was being written; None takes it from the error.
    needed
        Bytes that the file needs at least; 0 where that is not known.
    """
    if target is None and isinstance(error, ScatdError) and os.path.lexists(error.where):
        target = Path(error.where)
    for one in _causes(error):
        if isinstance(one, DiskError):
            return one
        number = _number_of(one)
        # A fault of reading is told by who reads.
        if number is None or (isinstance(error, ScatdError) and number not in _FILLED):
            continue
        return _fault(number, _place(one, number, target), target, needed)
    return None


@contextlib.contextmanager
def told(target: Path, needed: int = 0) -> Iterator[None]:
    """Raise faults of the disk as a `DiskError` that names the target.

    Parameters
    ----------
    target, needed
        As in `explained`.
    """
    try:
        yield
    except ScatdError:
        raise
    except Exception as error:
        fault = explained(error, target, needed)
        if fault is None:
            raise
        raise fault from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from, or while handling what."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _number_of(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno if error.errno in _WORDS else None
    text = str(error)
    for found in map(int, _NUMBERED.findall(text)):
        if found in _WORDS:
            return found
    return next((number for words, number in _SAID.items() if words in text), None)


def _place(error: BaseException, number: int, target: Path | None) -> Path | None:
    """The file or folder that could not be written, as far as it can be known."""
    if isinstance(error, OSError):
        # A copy names its source first.
        named = error.filename2 or error.filename
        if isinstance(named, str | bytes) and (target is None or _is_elsewhere(named, target)):
            return Path(os.fsdecode(named))
    if number != errno.ENOSPC:
        return target
    folders = [Path(tempfile.gettempdir()), Path.cwd()]
    if target is not None and _is_full(target.parent):
        return target
    return next((folder for folder in folders if _is_full(folder)), target)


def _is_elsewhere(named: str | bytes, target: Path) -> bool:
    """True for a file that is not the unfinished `target`, nor in it."""
    path = Path(os.fsdecode(named))
    return not any(part.name.endswith(f"-{target.name}") for part in (path, *path.parents))


def _is_full(folder: Path) -> bool:
    free = _free_bytes(folder)
    return free is not None and free < _LITTLE


def _free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _fault(number: int, place: Path | None, target: Path | None, needed: int) -> DiskError:
    what, remedy = _WORDS[number]
    expected = ""
    if place is not None:
        place = place.absolute()
        folder = place if place.is_dir() and place != target else place.parent
        if place != target and folder.is_relative_to(tempfile.gettempdir()):
            remedy = f"Free some space, or name a folder on another disk by TMPDIR; {_AGAIN}"
            what += " on which temporary files lie"
        free = _free_bytes(folder) if number == errno.ENOSPC else None
        what += f" ({folder}{'' if free is None else f', {in_units(free)} free'})"
    if needed and place == (target.absolute() if target else None) and number in _FILLED:
        expected = f"room for about {in_units(needed)} more"
    where = "" if place is None else str(target if target and place == target.absolute() else place)
    verb = "read or written" if number == errno.EIO else "written"
    fault = DiskError(
        f"... cannot be {verb}: {what}", where=where, expected=expected, remedy=remedy
    )
    fault.errno = number
    return fault


def in_units(n_bytes: int) -> str:
    """A number of bytes for people: `3.2 MB`."""
    size, unit = float(n_bytes), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
