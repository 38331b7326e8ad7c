"""Store of computed embeddings, by the content of the cell: a cache and a checkpoint."""

from __future__ import annotations

import contextlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import filelock
import numpy as np
from numpy.typing import NDArray

from scatd.embedding.compaction import compact, new_shard, shard_folders
from scatd.embedding.index import Index
from scatd.embedding.shard import Shard
from scatd.errors import InputError
from scatd.wording import counted

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Own:
    """The shard that a process writes, and the lock that it holds for that."""

    process: int
    shard: Shard
    lock: filelock.BaseFileLock


class EmbeddingStore:
    """Shards of embeddings in one folder: each process that computes writes its own.

    A row is used only if its checksum fits its hash and its values. A damaged row counts as
    missing: it is computed and stored again. Any number of processes, also of several computers
    with one file system, may use a store at once; each sees what was there when it first looked,
    and what it adds. Small shards become one when a store is opened that no other process writes.
    The three files of scatd 0.2 are a shard of their own.

    Parameters
    ----------
    folder
        Folder of one encoder with its weights and settings; created by the first `append`.
    width
        Features of an embedding.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self.folder = folder
        self.n_added = 0
        self._width = width
        self._shards: list[Shard] = []
        self._index: Index | None = None
        self._own: _Own | None = None

    def __len__(self) -> int:
        """Number of rows that were there, or were added here."""
        return len(self._opened())

    def get(self, digests: NDArray[np.bytes_]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Embeddings (len(digests), width), and which of them are known; the others are zero."""
        values = np.zeros((len(digests), self._width), np.float32)
        known = np.zeros(len(digests), bool)
        if not len(digests):
            return values, known
        try:
            n_damaged = self._look_up(digests, values, known)
        except FileNotFoundError:  # another process has just made one shard of many
            self._index = None
            n_damaged = self._look_up(digests, values, known)
        if n_damaged:
            said = counted(n_damaged, "embedding", "is", of=len(digests))
            logger.warning("%s damaged in %s. What is damaged is computed anew.", said, self.folder)
        return values, known

    def append(self, digests: NDArray[np.bytes_], embeddings: NDArray[np.float32]) -> None:
        """Store embeddings (len(digests), width).

        Raises
        ------
        InputError
            When the folder cannot be written.
        """
        index = self._opened()
        try:
            shard = self._own_shard()
            first = len(shard)
            shard.append(digests, embeddings)
        except OSError as error:
            what = f"... cannot be written ({error.strerror or error})"
            remedy = "Name another folder in SCATD_CACHE."
            raise InputError(what, where=str(self.folder), remedy=remedy) from error
        index.add(digests, self._shards.index(shard), first)
        self.n_added += len(digests)

    def _look_up(
        self, digests: NDArray[np.bytes_], values: NDArray[np.float32], known: NDArray[np.bool_]
    ) -> int:
        """Read what is known; returns how many have only damaged rows."""
        is_there = np.zeros(len(digests), bool)
        for places, numbers, rows in self._opened().candidates(digests):
            wanted = ~known[places]
            places, numbers, rows = places[wanted], numbers[wanted], rows[wanted]
            is_there[places] = True
            for number in np.unique(numbers):
                own = numbers == number
                some = places[own]
                read, is_good = self._shards[number].read(rows[own], digests[some])
                values[some[is_good]] = read[is_good]
                known[some[is_good]] = True
        return int((is_there & ~known).sum())

    def _opened(self) -> Index:
        """The index of all shards; it is made once."""
        if self._index is None:
            compact(self.folder, self._width)
            self._index = self._indexed()
        return self._index

    def _indexed(self) -> Index:
        index = Index()
        self._shards = []
        for folder in (self.folder, *shard_folders(self.folder)):
            shard = Shard(folder, self._width)
            if self._own is not None and self._own.shard.folder == folder:
                shard = self._own.shard
            self._shards.append(shard)
            if shard.cannot_be_checked:
                logger.warning("Embeddings in %s cannot be checked, and are computed anew.",
                               shard.folder)  # fmt: skip
            with contextlib.suppress(FileNotFoundError):  # has just been joined with others
                index.add(shard.names(len(shard)), len(self._shards) - 1, 0, wait=True)
        index.settle()
        return index

    def _own_shard(self) -> Shard:
        """The shard that this process writes; a process after a fork has its own."""
        if self._own is None or self._own.process != os.getpid():
            shard, lock = new_shard(self.folder, self._width)
            self._shards.append(shard)
            self._own = _Own(os.getpid(), shard, lock)
        return self._own.shard
