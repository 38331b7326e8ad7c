"""Embeddings that were computed before, by the content of the cell: a cache, and a checkpoint."""

from __future__ import annotations

import os
from pathlib import Path

import filelock
import numpy as np
from numpy.typing import NDArray

from scatd.embed.cells import DIGEST_BYTES, DIGEST_TYPE
from scatd.errors import InputError


class EmbeddingStore:
    """Two files that only grow: names of contents, and their embeddings in the same order.

    A killed process leaves at most rows without a name at the end, which the next one overwrites.
    Several processes may share a store.

    Parameters
    ----------
    folder
        Of one encoder with its weights and settings; made when something is appended.
    width
        Features of an embedding.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self.folder = folder
        self._width = width
        self._names = folder / "digests.bin"
        self._rows = folder / "embeddings.f32"

    def __len__(self) -> int:
        """Rows that have their name."""
        if not (self._names.exists() and self._rows.exists()):
            return 0
        n_names = self._names.stat().st_size // DIGEST_BYTES
        return min(n_names, self._rows.stat().st_size // self._row_bytes)

    def find(self, digests: NDArray[np.bytes_]) -> NDArray[np.int64]:
        """Row of each content, -1 where there is none."""
        found = np.full(len(digests), -1, np.int64)
        n_rows = len(self)
        if n_rows and len(digests):
            known = np.fromfile(self._names, DIGEST_TYPE, count=n_rows)
            order = np.argsort(known, kind="stable")
            at = np.minimum(np.searchsorted(known, digests, sorter=order), n_rows - 1)
            is_there = known[order[at]] == digests
            found[is_there] = order[at[is_there]]
        return found

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Embeddings (len(rows), width) of rows that `find` gave."""
        if not len(rows):
            return np.empty((0, self._width), np.float32)
        shape = (len(self), self._width)
        return np.array(np.memmap(self._rows, np.float32, mode="r", shape=shape)[rows])

    def append(self, digests: NDArray[np.bytes_], embeddings: NDArray[np.float32]) -> None:
        """Keep embeddings (len(digests), width).

        Raises
        ------
        InputError
            When the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self.folder / ".lock"):
                n_rows = len(self)
                # Rows first: a name without its row would be an embedding of nothing.
                _write_at(self._rows, n_rows * self._row_bytes, embeddings.astype("<f4").tobytes())
                _write_at(self._names, n_rows * DIGEST_BYTES, digests.tobytes())
        except OSError as error:
            what = f"cannot be written ({error.strerror or error})"
            remedy = "Name another folder in SCATD_CACHE."
            raise InputError(what, where=str(self.folder), remedy=remedy) from error

    @property
    def _row_bytes(self) -> int:
        return self._width * np.dtype(np.float32).itemsize


def _write_at(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(offset)
        file.seek(offset)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
