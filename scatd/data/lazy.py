"""Matrices larger than memory; their rows are read when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from scatd.data.blocks import Blocks, chunk_rows
from scatd.data.cohort import csr_rows
from scatd.data.files import reading, release
from scatd.data.kinds import store_kind
from scatd.data.limits import IN_MEMORY_BYTES
from scatd.data.location import Remote
from scatd.data.readers.consistency import sparse_format, stored_shape
from scatd.data.readers.remote import open_remote_zarr
from scatd.data.tables import has_suffix

_GAP_BYTES, _AT_ONCE_BYTES = 1 << 18, 1 << 25
"""Picked rows are read in one go over gaps up to the first size, and up to the second in all."""


class LazyMatrix:
    """A float32 matrix whose rows are read when they are needed.

    It replaces a memory map, whose pages would stay in memory: slices and ascending row numbers
    return new arrays. Rows picked from anywhere are read with those near them only.

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
        self._blocks = Blocks(lambda start, stop: _float32(read(start, stop)), shape[0], block_rows)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        if not isinstance(rows, slice):
            return self._pick(np.asarray(rows))
        start, stop, step = rows.indices(len(self))
        if step != 1:
            return self._pick(np.arange(start, stop, step))
        return self._blocks(start, max(start, stop))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:  # noqa: FBT001
        del copy
        return self[:].astype(dtype or self.dtype, copy=False)

    def _pick(self, rows: np.ndarray) -> np.ndarray:
        picked = np.empty((len(rows), self.shape[1]), np.float32)
        for first, end in self._near(rows):
            start = int(rows[first])
            picked[first:end] = self._blocks(start, int(rows[end - 1]) + 1)[rows[first:end] - start]
        return picked

    def _near(self, rows: np.ndarray) -> Iterator[tuple[int, int]]:
        """Parts of ascending row numbers that lie so near that they are read at once."""
        row_bytes = max(1, self.shape[1] * self.dtype.itemsize)
        gap = max(_GAP_BYTES // row_bytes, self.block_rows, 1)
        at_once = max(_AT_ONCE_BYTES // row_bytes, self.block_rows, 1)
        first = 0
        while first < len(rows):
            end = int(np.searchsorted(rows, rows[first] + at_once))
            far = np.flatnonzero(np.diff(rows[first:end]) > gap)
            end = first + int(far[0]) + 1 if len(far) else end
            yield first, end
            first = end


def _float32(rows: Any) -> np.ndarray:
    with np.errstate(over="ignore"):  # too large values become infinite; checks find them
        return np.asarray(rows, dtype=np.float32)


def reopened(path: Path, name: str) -> Any:
    """An element of an `.h5ad` or `.zarr`, whose file stays open while it is used."""
    if isinstance(path, Remote):
        return open_remote_zarr(path)[name]
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
    kind, size = store_kind(path), (shape[0], shape[1])
    if hasattr(element, "shape"):

        def rows(start: int, stop: int) -> Any:
            with reading(path, kind):
                return element[start:stop]

        return LazyMatrix(rows, size, chunk_rows(element))
    if sparse_format(element) != "csr":
        return None
    indptr = np.asarray(element["indptr"][:]).astype(np.int64)
    read = csr_rows(element["data"], element["indices"], indptr, shape[1])

    def dense_rows(start: int, stop: int) -> Any:
        with reading(path, kind):
            return read(start, stop).toarray()

    return LazyMatrix(dense_rows, size)


def file_rows(path: Path, offset: int, shape: tuple[int, int], dtype: Any) -> LazyMatrix:
    """A matrix of plain numbers, row after row, in a file.

    It is read by its places in the file. The file is opened for each read, so that processes that
    were started from this one do not share a place in it.

    Parameters
    ----------
    offset
        Byte at which the first number begins.
    dtype
        Type of the numbers.
    """
    kind = np.dtype(dtype)
    row_bytes = shape[1] * kind.itemsize

    def rows(start: int, stop: int) -> np.ndarray:
        count = (stop - start) * shape[1]
        with reading(path, "a matrix"):
            found = np.fromfile(path, kind, count, offset=offset + start * row_bytes)
            if len(found) != count:
                raise ValueError(f"it ends before row {stop}")
        return found.reshape(stop - start, shape[1])

    return LazyMatrix(rows, shape)


def mapped_rows(array: np.memmap) -> LazyMatrix:
    """A memory map of any order, whose pages are released after each read."""

    def rows(start: int, stop: int) -> np.ndarray:
        found = np.array(array[start:stop], dtype=np.float32)
        release(array)
        return found

    return LazyMatrix(rows, (array.shape[0], array.shape[1]))
