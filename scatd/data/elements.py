"""Elements of an open `.h5ad` or `.zarr` that are written block by block, as anndata writes them.

An element is first written without rows by anndata itself. So it has the encoding of the installed
version, and only its arrays grow here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from scatd.data.hdf5 import raise_fault
from scatd.wording import counted

ColumnKind = Literal["float64", "float32", "int64", "boolean", "categorical", "string"]

OLD_TABLES = (None, "0.1.0")
"""Encodings of a table, of anndata before 0.8: the words of a column lie beside the table."""
VALUES_PER_CHUNK = 1 << 18
"""Number of values of a sparse matrix that are stored together."""
_COLUMN_CHUNK = 1 << 16
_MATRIX_CHUNK = 512
_CHUNK_BYTES = 1 << 23
_MOST_CATEGORIES = 1 << 15


class Rows:
    """The rows of one array of a store; they are added in order, and written a chunk at a time.

    Parameters
    ----------
    array
        The array, without rows yet.
    """

    def __init__(self, array: Any) -> None:
        self._array = array
        self._step = int(array.chunks[0])
        self._waiting: list[NDArray[Any]] = []
        self._n_waiting = self._n_written = 0

    def __len__(self) -> int:
        return self._n_written + self._n_waiting

    def add(self, block: NDArray[Any]) -> None:
        """Add rows, (any number, ...); the memory of the block may be used again."""
        if not self._n_waiting:
            n_whole = len(block) - len(block) % self._step
            self._write(block[:n_whole])
            block = block[n_whole:]
        self._waiting.append(block.copy())
        self._n_waiting += len(block)
        if self._n_waiting >= self._step:
            waiting = self._taken()
            self.add(waiting)

    def finish(self) -> None:
        """Write the rows that do not fill a chunk."""
        self._write(self._taken())

    def _taken(self) -> NDArray[Any]:
        found = np.concatenate(self._waiting) if self._waiting else self._array[:0]
        self._waiting, self._n_waiting = [], 0
        return found

    def _write(self, block: NDArray[Any]) -> None:
        if not len(block):
            return
        start, self._n_written = self._n_written, self._n_written + len(block)
        self._array.resize((self._n_written, *self._array.shape[1:]))
        self._array[start : self._n_written] = block
        raise_fault(self._array)


class Column:
    """A column of `obs` that is written block by block.

    Parameters
    ----------
    obs
        The open group of `obs`.
    name
        Of the column; one of this name is replaced.
    kind
        Type of its values.
    n_rows
        Number of rows that it will have.
    categories
        The words that the codes of a categorical column stand for. They may be set later.
    """

    def __init__(
        self, obs: Any, name: str, kind: ColumnKind, n_rows: int, categories: Any = ()
    ) -> None:
        self.categories = categories
        self._kind: ColumnKind = kind
        self._highest = -1
        self._element = begin(obs, name, _EMPTY[kind](), n_rows)
        parts = {"categorical": ("codes",), "boolean": ("values", "mask")}.get(kind)
        arrays = [self._element] if parts is None else [self._element[part] for part in parts]
        self._parts = [Rows(array) for array in arrays]

    def __len__(self) -> int:
        return len(self._parts[0])

    def add(self, values: Any) -> None:
        """Add the values of the next rows.

        Parameters
        ----------
        values
            Numbers; text; booleans, as an array of numpy or, with gaps, of pandas; or the codes of
            a categorical column, -1 for a gap.
        """
        for part, block in zip(self._parts, self._blocks(values), strict=True):
            part.add(block)

    def finish(self) -> None:
        """Write what waits, and the categories.

        Raises `ValueError` for a code without a category.
        """
        from anndata.io import write_elem

        for part in self._parts:
            part.finish()
        if self._kind == "categorical":
            if self._highest >= min(len(self.categories), _MOST_CATEGORIES):
                raise ValueError(
                    f"code {self._highest} of {counted(len(self.categories), 'category')}"
                )
            write_elem(self._element, "categories", np.array(list(self.categories), object))

    def _blocks(self, values: Any) -> list[NDArray[Any]]:
        if self._kind == "boolean":
            held: Any = pd.array(values, dtype="boolean")
            return [held.to_numpy(bool, na_value=False), np.asarray(held.isna())]
        if self._kind == "categorical":
            self._highest = max(self._highest, int(np.max(values, initial=-1)))
            return [np.asarray(values, np.int16)]
        return [np.asarray(values, object if self._kind == "string" else self._kind)]


class CompressedRows:
    """A matrix of sparse rows that is written block by block.

    Parameters
    ----------
    parent, name
        Open group, and name of the matrix in it; one of this name is replaced.
    n_columns
        Number of columns.
    """

    def __init__(self, parent: Any, name: str, n_columns: int) -> None:
        self._n_columns = n_columns
        self._parent, self._name = parent, name
        self._ends = [np.zeros(1, np.int64)]
        self._parts: tuple[Rows, Rows] | None = None

    def add(self, block: sparse.csr_matrix) -> None:
        """Add rows; the first block sets the type of the values."""
        if self._parts is None:
            empty = sparse.csr_matrix((0, self._n_columns), dtype=block.dtype)
            self._parts = self._begin(empty)
        for part, values in zip(self._parts, (block.data, block.indices), strict=True):
            part.add(values)
        self._ends.append(self._ends[-1][-1] + block.indptr[1:])

    def finish(self) -> None:
        """Write the row ends."""
        from anndata.io import write_elem

        if self._parts is None:
            self._parts = self._begin(sparse.csr_matrix((0, self._n_columns), dtype=np.float32))
        for part in self._parts:
            part.finish()
        ends, element = np.concatenate(self._ends), self._parent[self._name]
        write_elem(element, "indptr", ends)
        element.attrs["shape"] = [len(ends) - 1, self._n_columns]

    def _begin(self, empty: sparse.csr_matrix) -> tuple[Rows, Rows]:
        element = begin(self._parent, self._name, empty, VALUES_PER_CHUNK)
        return Rows(element["data"]), Rows(element["indices"])


def begin(
    parent: Any, name: str, empty: Any, n_rows: int, options: Mapping[str, Any] | None = None
) -> Any:
    """Write an element without rows, whose arrays can grow along the first axis.

    Parameters
    ----------
    parent, name
        Open group, and name of the element in it; one of this name is replaced.
    empty
        The element without rows, as anndata writes it.
    n_rows
        Number of rows that it will have.
    options
        Compression of its arrays in HDF5.

    Returns
    -------
    The element of the store.
    """
    from anndata.io import write_elem

    chunks = _chunks(empty, n_rows)
    kwargs: dict[str, Any] = {"chunks": chunks}
    if is_hdf5(parent):
        kwargs |= {"maxshape": (None, *chunks[1:]), **(options or {})}
    if sparse.issparse(empty):
        kwargs["indptr_dtype"] = np.dtype(np.int64)
    write_elem(parent, name, empty, dataset_kwargs=kwargs)
    return parent[name]


def ids_of(table: Any) -> tuple[str, int]:
    """The name under which a stored table holds the ids of its rows, and their number."""
    name = as_word(table.attrs["_index"])
    ids = table[name]
    # Words that may be missing are stored with a mask.
    return name, int((ids if hasattr(ids, "shape") else ids["values"]).shape[0])


def as_word(stored: Any) -> str:
    """A word of an attribute; old files hold it as bytes."""
    return stored.decode() if isinstance(stored, bytes) else str(stored)


def is_hdf5(group: Any) -> bool:
    """True for a group of an HDF5 file, False for one of a zarr store."""
    import h5py

    return isinstance(group, h5py.Group)


def _chunks(empty: Any, n_rows: int) -> tuple[int, ...]:
    width = () if sparse.issparse(empty) or len(empty.shape) == 1 else empty.shape[1:]
    most = VALUES_PER_CHUNK if sparse.issparse(empty) else _MATRIX_CHUNK if width else _COLUMN_CHUNK
    if width:
        row_bytes = max(1, math.prod(width) * empty.dtype.itemsize)
        most = max(1, min(most, _CHUNK_BYTES // row_bytes))
    return max(1, min(n_rows, most)), *(max(1, size) for size in width)


# With 200 categories the codes have two bytes.
_EMPTY: Mapping[ColumnKind, Any] = {
    "float64": lambda: np.empty(0, np.float64),
    "float32": lambda: np.empty(0, np.float32),
    "int64": lambda: np.empty(0, np.int64),
    "boolean": lambda: pd.array([], dtype="boolean"),
    "categorical": lambda: pd.Categorical([], categories=[f"{number}" for number in range(200)]),
    "string": lambda: np.empty(0, object),
}
