"""Matrices larger than memory; their rows are read when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from scatd.data.cohort import csr_rows
from scatd.data.files import reading, row_blocks
from scatd.data.kinds import store_kind
from scatd.data.readers.consistency import sparse_format, stored_shape
from scatd.data.tables import has_suffix

IN_MEMORY_BYTES = 1 << 28
"""Matrices above this size (as float32) stay on disk if their reader allows it."""


class LazyMatrix:
    """A float32 matrix whose rows are read when they are needed.

    It replaces a memory map: slices and ascending row numbers return arrays. The last rows read are
    kept, because files compressed in blocks of rows are slow to read row by row.

    Parameters
    ----------
    read
        Returns rows from `start` to `stop`, (n_rows, n_features), of any number type.
    shape
        (n_obs, n_features).
    block_rows
        Number of rows that the file stores together.
    """

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(
        self, read: Callable[[int, int], Any], shape: tuple[int, int], block_rows: int = 1
    ) -> None:
        self.shape = shape
        self.block_rows = block_rows
        self._read = read
        self._start = 0
        self._kept = np.empty((0, shape[1]), np.float32)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        if not isinstance(rows, slice):
            return self._pick(np.asarray(rows))
        start, stop, step = rows.indices(len(self))
        if step != 1:
            return self._pick(np.arange(start, stop, step))
        stop = max(start, stop)
        if not self._start <= start <= stop <= self._start + len(self._kept):
            first = start - start % self.block_rows
            last = min(-(-stop // self.block_rows) * self.block_rows, len(self))
            with np.errstate(over="ignore"):  # too large values become infinite; checks find them
                self._kept = np.asarray(self._read(first, last), dtype=np.float32)
            self._start = first
        return self._kept[start - self._start : stop - self._start]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:  # noqa: FBT001
        return np.array(self[:], dtype=dtype)

    def _pick(self, rows: np.ndarray) -> np.ndarray:
        picked = np.empty((len(rows), self.shape[1]), np.float32)
        for block in row_blocks(self):
            first, end = np.searchsorted(rows, [block.start, block.stop])
            if end > first:
                picked[first:end] = self[block][rows[first:end] - block.start]
        return picked


def reopened(path: Path, name: str) -> Any:
    """An element of an `.h5ad` or `.zarr`, whose file stays open while it is used."""
    if has_suffix(path, (".zarr",)):
        import zarr

        return zarr.open_group(path, mode="r")[name]
    import h5py

    return h5py.File(path, "r")[name]


def lazy_element(path: Path, element: Any) -> LazyMatrix | None:
    """A large dense or row-compressed matrix of an open `.h5ad` or `.zarr`, left in its file.

    None when it is small enough to be read, or is stored by columns.
    """
    shape = stored_shape(element)
    if len(shape) != 2 or shape[0] * shape[1] * LazyMatrix.dtype.itemsize <= IN_MEMORY_BYTES:
        return None
    if hasattr(element, "shape"):
        chunks = element.chunks or (1,)
        return LazyMatrix(lambda start, stop: element[start:stop], (shape[0], shape[1]), chunks[0])
    if sparse_format(element) != "csr":
        return None
    indptr = np.asarray(element["indptr"][:]).astype(np.int64)
    rows = csr_rows(element["data"], element["indices"], indptr, shape[1])

    def dense_rows(start: int, stop: int) -> Any:
        with reading(path, store_kind(path)):
            return rows(start, stop).toarray()

    return LazyMatrix(dense_rows, (shape[0], shape[1]))
