"""Rows of a file that stores them in blocks: each block is read once, in order."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

_BLOCKS_AHEAD = 8
_AHEAD_BYTES = 1 << 23
_CACHE_OF_HDF5 = 1 << 20
"""HDF5 keeps at least this much of a data set by itself."""


class Blocks:
    """Rows, or values of a list, that are read in whole blocks; the last blocks are kept.

    A chunk of a file has to be decompressed, and often fetched, as a whole. Rows are asked for in
    order and in small pieces, so a chunk would be read again for every piece. While the pieces
    follow each other, some blocks are read ahead: zarr reads several chunks at once.

    Parameters
    ----------
    read
        Returns a new array of the rows from `start` to `stop`.
    n_rows
        Number of rows.
    block_rows
        Number of rows that the file stores together. 1 keeps nothing.
    ahead
        Number of rows to read ahead.
    """

    def __init__(
        self, read: Callable[[int, int], Any], n_rows: int, block_rows: int = 1, ahead: int = 0
    ) -> None:
        self._read, self._n_rows, self._block_rows, self._ahead = read, n_rows, block_rows, ahead
        self._kept: tuple[int, np.ndarray] = (0, np.empty(0))

    def __call__(self, start: int, stop: int) -> np.ndarray:
        """Rows from `start` to `stop`, as a new array."""
        if self._block_rows == 1:
            return np.asarray(self._read(start, stop))
        first, kept = self._kept
        end = first + len(kept)
        if first <= start and stop <= end:
            return kept[start - first : stop - first].copy()
        follows = len(kept) > 0 and first <= start <= end
        rest = kept[start - first :] if follows else kept[:0]
        first = end if follows else start - start % self._block_rows
        wanted = max(stop, start + self._ahead) if follows else stop
        last = min(-(-wanted // self._block_rows) * self._block_rows, self._n_rows)
        kept = np.asarray(self._read(first, last))
        self._kept = (first, kept)
        own = kept[max(start - first, 0) : stop - first]
        return np.concatenate([rest, own]) if len(rest) else own.copy()


def stored_blocks(element: Any) -> Blocks:
    """Rows of an array or of an element of an open store, in the type in which they are stored."""
    import h5py

    n_rows, block_rows = int(element.shape[0]), chunk_rows(element)
    row_bytes = max(1, math.prod(element.shape[1:]) * element.dtype.itemsize)
    if isinstance(element, h5py.Dataset) and block_rows * row_bytes <= _CACHE_OF_HDF5 // 2:
        block_rows = 1
    ahead = min(_BLOCKS_AHEAD * block_rows, _AHEAD_BYTES // row_bytes)
    return Blocks(lambda start, stop: element[start:stop], n_rows, block_rows, ahead)


def chunk_rows(element: Any) -> int:
    """Number of rows that a store reads together: those of a chunk, also inside a shard."""
    return int((getattr(element, "chunks", None) or (1,))[0])
