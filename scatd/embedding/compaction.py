"""The shards of a store: a new one for a writer, and one of many small ones."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import filelock
import numpy as np

from scatd.embedding.shard import Shard

_SHARDS, _LOCK = "shards", ".lock"
_TRIES = 10
_MOST = 16
_SMALL = 1 << 16
_UNFINISHED = ".new-"


def shard_folders(folder: Path) -> list[Path]:
    """Folders of the shards of a store, without one that a killed process left unfinished."""
    return sorted((folder / _SHARDS).glob("[!.]*"))


def new_shard(folder: Path, width: int) -> tuple[Shard, filelock.BaseFileLock]:
    """A shard for one writer, with the lock that it must keep: nobody joins it with others then.

    Raises
    ------
    OSError
        When the folder cannot be written.
    """
    for left in reversed(range(_TRIES)):
        shard = Shard(folder / _SHARDS / uuid.uuid4().hex, width)
        shard.folder.mkdir(parents=True)
        lock = filelock.FileLock(shard.folder / _LOCK)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:  # another process took the empty shard, to remove it
            if not left:
                raise
        else:
            break
    return shard, lock


def compact(folder: Path, width: int) -> None:
    """Join small shards of a store, if there are many and no other process writes the store.

    The new shard gets its name when it is complete, and only then the others are removed. A
    process that is killed before leaves a folder that does not count; one that is killed after
    leaves rows that are stored twice. Damaged rows are left out.

    Nothing happens where the folder cannot be written.
    """
    shards = folder / _SHARDS
    all_shards = [Shard(path, width) for path in shard_folders(folder)]
    small = [shard for shard in all_shards if len(shard) < _SMALL]
    if len(small) <= _MOST:
        return
    with contextlib.suppress(OSError, filelock.Timeout), contextlib.ExitStack() as stack:
        stack.enter_context(_held(folder))
        for shard in small:
            stack.enter_context(_held(shard.folder))
        for left in shards.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left)
        _join(small, shards, width)


def _join(small: list[Shard], shards: Path, width: int) -> None:
    name = uuid.uuid4().hex
    new = Shard(shards / f"{_UNFINISHED}{name}", width)
    seen: set[bytes] = set()  # small, as the shards are
    try:
        for shard in small:
            for digests, embeddings in shard.blocks():
                is_new = np.array([digest not in seen for digest in digests.tolist()], bool)
                if is_new.any():
                    new.append(digests[is_new], embeddings[is_new])
                seen.update(digests.tolist())
    except OSError:  # a disk that is full needs the room
        shutil.rmtree(new.folder, ignore_errors=True)
        raise
    if seen:
        new.folder.rename(shards / name)
    for shard in small:
        shutil.rmtree(shard.folder)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, or raise `Timeout` at once where another process holds it."""
    with filelock.FileLock(folder / _LOCK, timeout=0):
        yield
