"""Store of computed embeddings, by the content of the cell: a cache and a checkpoint."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import filelock
import numpy as np
from numpy.typing import NDArray

from scatd.embedding.cells import DIGEST_BYTES, DIGEST_TYPE
from scatd.errors import InputError

logger = logging.getLogger(__name__)

_CHECK_BYTES = 16
_BLOCK = 4096


class EmbeddingStore:
    """Three files that only grow: hashes of contents, embeddings, and a checksum of each pair.

    A row is used only if its checksum fits its hash and its values. A damaged row counts as
    missing: it is computed and stored again. A killed process leaves at most some rows without a
    hash at the end; the next process overwrites them. Several processes may share a store. Stores
    of scatd before 0.2 have no checksums and are overwritten.

    Parameters
    ----------
    folder
        Folder of one encoder with its weights and settings; created by the first `append`.
    width
        Features of an embedding.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self.folder = folder
        self._width = width
        self._names = folder / "digests.bin"
        self._rows = folder / "embeddings.f32"
        self._checks = folder / "checks.bin"

    def __len__(self) -> int:
        """Number of rows with hash and checksum."""
        sizes = {
            self._names: DIGEST_BYTES,
            self._rows: self._row_bytes,
            self._checks: _CHECK_BYTES,
        }
        return min(_size(path) // size for path, size in sizes.items())

    def find(self, digests: NDArray[np.bytes_]) -> NDArray[np.int64]:
        """Row of each content; -1 if there is no valid row."""
        found = np.full(len(digests), -1, np.int64)
        n_rows = len(self)
        if not n_rows and _size(self._names):
            logger.warning("Embeddings in %s cannot be checked, and are computed anew.",
                           self.folder)  # fmt: skip
        if n_rows and len(digests):
            known = np.fromfile(self._names, DIGEST_TYPE, count=n_rows)
            order = np.argsort(known, kind="stable")
            # Of equal hashes the last one is used: it replaced a damaged row.
            at = np.searchsorted(known, digests, side="right", sorter=order) - 1
            is_there = (at >= 0) & (known[order[np.maximum(at, 0)]] == digests)
            found[is_there] = order[at[is_there]]
            self._leave_out_damaged(found, digests)
        return found

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Embeddings (len(rows), width) of rows from `find`."""
        if not len(rows):
            return np.empty((0, self._width), np.float32)
        shape = (len(self), self._width)
        return np.array(np.memmap(self._rows, np.dtype("<f4"), mode="r", shape=shape)[rows])

    def append(self, digests: NDArray[np.bytes_], embeddings: NDArray[np.float32]) -> None:
        """Store embeddings (len(digests), width).

        Raises
        ------
        InputError
            When the folder cannot be written.
        """
        kept = embeddings.astype("<f4")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self.folder / ".lock"):
                n_rows = len(self)
                # Rows are written first: a hash without its row would point to nothing.
                _write_at(self._rows, n_rows * self._row_bytes, kept.tobytes())
                _write_at(self._checks, n_rows * _CHECK_BYTES, b"".join(_hashes(digests, kept)))
                _write_at(self._names, n_rows * DIGEST_BYTES, digests.tobytes())
        except OSError as error:
            what = f"cannot be written ({error.strerror or error})"
            remedy = "Name another folder in SCATD_CACHE."
            raise InputError(what, where=str(self.folder), remedy=remedy) from error

    def _leave_out_damaged(self, found: NDArray[np.int64], digests: NDArray[np.bytes_]) -> None:
        """Set rows to -1 when their checksum does not fit their hash and values."""
        checks = np.fromfile(self._checks, np.uint8, count=len(self) * _CHECK_BYTES)
        checks = checks.reshape(-1, _CHECK_BYTES)
        places = np.flatnonzero(found >= 0)
        damaged = []
        for start in range(0, len(places), _BLOCK):
            some = places[start : start + _BLOCK]
            values = self.read(found[some])
            own = np.frombuffer(b"".join(_hashes(digests[some], values)), np.uint8)
            is_own = (own.reshape(-1, _CHECK_BYTES) == checks[found[some]]).all(axis=1)
            damaged.append(some[~is_own | ~np.isfinite(values).all(axis=1)])
        bad = np.concatenate([*damaged, np.empty(0, np.int64)]).astype(np.int64)
        if len(bad):
            logger.warning("%d of %d embeddings in %s are damaged, and are computed anew.",
                           len(bad), len(places), self.folder)  # fmt: skip
            found[bad] = -1

    @property
    def _row_bytes(self) -> int:
        return self._width * np.dtype(np.float32).itemsize


def _hashes(digests: NDArray[np.bytes_], embeddings: NDArray[np.float32]) -> list[bytes]:
    """One checksum a row, over its hash and its values."""
    names, values = digests.tobytes(), np.ascontiguousarray(embeddings)
    return [
        hashlib.blake2b(
            names[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES] + row.tobytes(),
            digest_size=_CHECK_BYTES,
        ).digest()
        for number, row in enumerate(values)
    ]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _write_at(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(offset)
        file.seek(offset)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
