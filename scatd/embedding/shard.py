"""One shard of a store of embeddings: three files that only grow, written by one process."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scatd.embedding.cells import DIGEST_BYTES, DIGEST_TYPE

_CHECK_BYTES = 16
_ROW_TYPE = np.dtype("<f4")
_BLOCK = 1024


class Shard:
    """Hashes of contents, embeddings, and a checksum of each pair.

    A killed process leaves at most some rows without a hash at the end; they do not count.

    Parameters
    ----------
    folder
        Its folder; it may not exist yet.
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

    @property
    def cannot_be_checked(self) -> bool:
        """True for rows of which none can be used: scatd before 0.2 wrote no checksums."""
        return not len(self) and _size(self._names) > 0

    def names(self, n_rows: int) -> NDArray[np.bytes_]:
        """Hashes of the first `n_rows` contents."""
        if not n_rows:
            return np.empty(0, DIGEST_TYPE)
        return np.fromfile(self._names, DIGEST_TYPE, count=n_rows)

    def read(
        self, rows: NDArray[np.int64], digests: NDArray[np.bytes_]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Embeddings (len(rows), width), and whether each is the one of its hash.

        Raises
        ------
        OSError
            When the files are gone.
        """
        values = _read_rows(self._rows, rows, self._row_bytes).view(_ROW_TYPE)
        checks = _read_rows(self._checks, rows, _CHECK_BYTES)
        own = np.frombuffer(b"".join(_hashes(digests, values)), np.uint8)
        is_own = (own.reshape(checks.shape) == checks).all(axis=1)
        return values, is_own & np.isfinite(values).all(axis=1)

    def append(self, digests: NDArray[np.bytes_], embeddings: NDArray[np.float32]) -> None:
        """Store embeddings (len(digests), width); one process at a time may do so.

        Raises
        ------
        OSError
            When the folder cannot be written.
        """
        kept = embeddings.astype(_ROW_TYPE)
        self.folder.mkdir(parents=True, exist_ok=True)
        n_rows = len(self)
        # Rows are written first: a hash without its row would point to nothing.
        _write_at(self._rows, n_rows * self._row_bytes, kept.tobytes())
        _write_at(self._checks, n_rows * _CHECK_BYTES, b"".join(_hashes(digests, kept)))
        _write_at(self._names, n_rows * DIGEST_BYTES, digests.tobytes())

    def blocks(self) -> Iterator[tuple[NDArray[np.bytes_], NDArray[np.float32]]]:
        """Yield hashes and embeddings of the rows that are not damaged, in blocks."""
        names = self.names(len(self))
        for start in range(0, len(names), _BLOCK):
            some = names[start : start + _BLOCK]
            values, is_good = self.read(np.arange(start, start + len(some)), some)
            yield some[is_good], values[is_good]

    @property
    def _row_bytes(self) -> int:
        return self._width * _ROW_TYPE.itemsize


def _read_rows(path: Path, rows: NDArray[np.int64], row_bytes: int) -> NDArray[np.uint8]:
    """Rows of a file of records, (len(rows), row_bytes); rows beyond its end are zero.

    The file is read and not mapped: mapped pages would count as memory of the process.
    """
    found = np.zeros((len(rows), row_bytes), np.uint8)
    order = np.argsort(rows, kind="stable")
    ascending = rows[order]
    # Neighbours are read at once.
    starts = np.flatnonzero(np.diff(ascending, prepend=-2) != 1)
    with path.open("rb", buffering=0) as file:
        for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
            file.seek(int(ascending[start]) * row_bytes)
            held = file.read((stop - start) * row_bytes)
            n_whole = len(held) // row_bytes
            whole = np.frombuffer(held, np.uint8, n_whole * row_bytes)
            found[order[start : start + n_whole]] = whole.reshape(n_whole, row_bytes)
    return found


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
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _write_at(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(offset)
        file.seek(offset)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
