"""Parts of work that is under way: a killed command goes on from those that are finished."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import numpy as np
from numpy.typing import NDArray

from scatd import __version__
from scatd.data.disk_faults import DiskError
from scatd.data.files import atomic_path, sha256_file
from scatd.errors import InputError

_MANIFEST, _LOCK = "manifest.json", "lock"
_DAMAGE = (OSError, ValueError, KeyError, TypeError)

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class KeptParts:
    """A folder with the finished parts of one piece of work. It travels to workers.

    Each part is a file of arrays and a note with its checksum. The note is written last: a part
    with a note is whole.

    Parameters
    ----------
    folder
        On a file system that all workers reach.
    """

    folder: Path

    def put(self, rows: range, arrays: Mapping[str, NDArray[Any]], more: dict[str, Any]) -> None:
        """Keep a part: its arrays, one row a cell, and plain values."""
        with atomic_path(self._file(rows)) as unfinished, unfinished.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # its stubs know no mapping
        note = {"sha256": sha256_file(self._file(rows)), "more": more}
        with atomic_path(self._note(rows)) as unfinished:
            unfinished.write_text(json.dumps(note), encoding="utf-8")

    @contextlib.contextmanager
    def alone(self, rows: range) -> Iterator[None]:
        """Compute a part while no other worker computes it, where the file system has locks."""
        lock = filelock.FileLock(self._file(rows).with_suffix(".lock"))
        try:
            lock.acquire()
        except (NotImplementedError, OSError):  # a network without locks: it may be done twice
            yield
            return
        try:
            yield
        finally:
            lock.release()

    def has(self, rows: range) -> bool:
        """Whether a part is finished and undamaged."""
        try:
            note = json.loads(self._note(rows).read_text(encoding="utf-8"))
            return bool(note["sha256"] == sha256_file(self._file(rows)))
        except _DAMAGE:
            return False

    def take(self, rows: range) -> tuple[Arrays, dict[str, Any]]:
        """The arrays and values of a part that is there."""
        note = json.loads(self._note(rows).read_text(encoding="utf-8"))
        with np.load(self._file(rows), allow_pickle=False) as held:
            return {name: held[name] for name in held.files}, note["more"]

    def _file(self, rows: range) -> Path:
        return self.folder / f"{rows.start:012d}-{rows.stop:012d}.npz"

    def _note(self, rows: range) -> Path:
        return self._file(rows).with_suffix(".json")


@dataclass(frozen=True)
class Unfinished:
    """Work that is under way: its parts so far, and how many rows a part has."""

    parts: KeptParts
    rows_a_part: int


@contextlib.contextmanager
def unfinished_work(
    folder: Path, work: Mapping[str, Any], rows_a_part: int
) -> Iterator[Unfinished]:
    """Begin a piece of work, or go on with it.

    The folder is removed when the work ends, and when it fails by a fault that the user has to
    mend. It stays when the command is killed or interrupted, or its workers are lost: the same
    command then goes on.

    Parameters
    ----------
    folder
        Belongs to the output.
    work
        Everything that determines the content of the parts, as plain values. Parts of other work
        are removed.
    rows_a_part
        For new work; work that goes on keeps its own.
    """
    text = json.dumps([__version__, work], sort_keys=True)
    identity = hashlib.sha256(text.encode()).hexdigest()
    folder.mkdir(exist_ok=True)
    with _alone(folder):
        held = _read(folder / _MANIFEST)
        if held.get("work") != identity:
            for left in folder.iterdir():
                if left.is_dir():
                    shutil.rmtree(left)
                elif left.name != _LOCK:
                    left.unlink()
            held = {"work": identity, "rows_a_part": rows_a_part}
            with atomic_path(folder / _MANIFEST) as path:
                path.write_text(json.dumps(held), encoding="utf-8")
        try:
            yield Unfinished(KeptParts(folder.absolute()), int(held["rows_a_part"]))
        except (InputError, DiskError):
            shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Refuse a second command that would write the same output.

    Raises
    ------
    InputError
        When another command is at work.
    """
    lock = filelock.FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        what = "another command is at work on this output"
        remedy = "Wait until it has ended, or choose another output."
        raise InputError(what, where=str(folder), remedy=remedy) from error
    try:
        yield
    finally:
        lock.release()


def _read(manifest: Path) -> dict[str, Any]:
    try:
        held = json.loads(manifest.read_text(encoding="utf-8"))
    except _DAMAGE:
        return {}
    return held if isinstance(held, dict) and isinstance(held.get("rows_a_part"), int) else {}
