"""Cohorts of any size: expression is read in blocks of rows."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from scatd import keys
from scatd.data.ahead import read_ahead
from scatd.data.blocks import stored_blocks

BLOCK_VALUES = 1 << 20
"""Approximate number of nonzero values in a block of rows."""
PASS_VALUES = 1 << 24
"""The same for a pass over a file whose values are not in the order of its rows."""

X, RAW = "X", "raw"


@dataclass(frozen=True, eq=False)
class Matrix:
    """Expression of one cohort, read by rows.

    Parameters
    ----------
    shape
        (n_obs, n_columns).
    rows
        Returns rows from `start` to `stop` as `csr_matrix`, (stop - start, n_columns).
    var
        (n_columns,) annotations of the columns; its index names the genes.
    n_values
        Number of nonzero values, if the file stores it; otherwise that of a full matrix.
    """

    shape: tuple[int, int]
    rows: Callable[[int, int], sparse.csr_matrix]
    var: pd.DataFrame
    n_values: int

    def blocks(self, rows: range | None = None) -> Iterator[tuple[int, sparse.csr_matrix]]:
        """Yield blocks of rows in order, each with the number of its first row.

        Parameters
        ----------
        rows
            Consecutive rows; None takes all.
        """
        step, wanted = self.block_rows, rows or range(self.shape[0])
        starts = range(wanted.start, wanted.stop, step)
        read = read_ahead(lambda start: self.rows(start, min(start + step, wanted.stop)), starts)
        yield from zip(starts, read, strict=True)

    @property
    def block_rows(self) -> int:
        """Number of rows in a block of about `BLOCK_VALUES` values."""
        return max(1, BLOCK_VALUES * self.shape[0] // max(self.n_values, 1))

    def sample(self, n_rows: int, n_places: int = 10) -> sparse.csr_matrix:
        """Read about `n_rows` rows from all parts of the matrix, (n_rows, n_columns)."""
        n_obs = self.shape[0]
        if n_obs <= n_rows:
            return self.rows(0, n_obs)
        size = max(1, n_rows // n_places)
        starts = np.linspace(0, n_obs - size, n_places).astype(int)
        return sparse.vstack([self.rows(start, start + size) for start in starts], format="csr")


@dataclass(frozen=True, eq=False)
class Cohort:
    """Cells or samples of a file, with all of its matrices of expression.

    Parameters
    ----------
    path
        The file.
    obs
        (n_obs,) annotations of the rows; its index holds their ids.
    matrices
        By name: `X`, `raw`, or the name of a layer.
    uns
        Information about the whole cohort that must be kept: whether it is simulated, and by
        which mechanism.
    notes
        Decisions of the reader, in words.
    """

    path: Path
    obs: pd.DataFrame
    matrices: dict[str, Matrix]
    uns: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def n_obs(self) -> int:
        """Number of cells or samples."""
        return len(self.obs)

    @property
    def simulated(self) -> bool:
        """True for simulated cohorts."""
        return bool(self.uns.get(keys.UNS_SIMULATED, False))


def csr_rows(
    data: Any, indices: Any, indptr: NDArray[np.int64], n_columns: int
) -> Callable[[int, int], sparse.csr_matrix]:
    """Read rows of a matrix that is stored by rows: arrays, memory maps, or elements of a store.

    Raises `ValueError` for a column number outside the matrix, or twice in a row.
    """
    read_values, read_columns = stored_blocks(data), stored_blocks(indices)

    def rows(start: int, stop: int) -> sparse.csr_matrix:
        first, last = int(indptr[start]), int(indptr[stop])
        # A memory map is copied.
        columns = np.require(read_columns(first, last), requirements="W")
        if wrong := outside(columns, n_columns):
            raise ValueError(wrong)
        block = sparse.csr_matrix(
            (
                np.require(numbers(read_values(first, last)), requirements="W"),
                columns,
                indptr[start : stop + 1] - first,
            ),
            (stop - start, n_columns),
        )
        if wrong := repeated(block):
            raise ValueError(wrong)
        return block

    return rows


def outside(columns: NDArray[Any], n_columns: int) -> str:
    """Describe a column number outside a matrix of `n_columns`; empty if there is none."""
    if not len(columns):
        return ""
    lowest, highest = int(columns.min()), int(columns.max())
    if lowest >= 0 and highest < n_columns:
        return ""
    wrong = lowest if lowest < 0 else highest
    return f"column number {wrong}, where columns are 0 to {n_columns - 1}"


def repeated(block: sparse.csr_matrix) -> str:
    """Describe a column number that occurs twice in a row; empty if there is none."""
    if block.has_canonical_format:
        return ""
    ordered = block.sorted_indices()
    if ordered.has_canonical_format:
        return ""
    again = np.flatnonzero(np.diff(ordered.indices) == 0) + 1
    column = ordered.indices[again[~np.isin(again, ordered.indptr)][0]]
    return f"column number {column} occurs more than once in a row"


def numbers(values: Any) -> NDArray[Any]:
    """Convert to a type that sparse matrices support: half floats and booleans become float32.

    Raises
    ------
    TypeError
        When the values are not real numbers.
    """
    found = np.asanyarray(values)
    if found.dtype.kind not in "biuf":
        raise TypeError(f"values of type {found.dtype}, where real numbers are expected")
    if found.dtype.kind == "b" or (found.dtype.kind == "f" and found.dtype.itemsize < 4):
        return found.astype(np.float32)
    return found.astype(found.dtype.newbyteorder("="), copy=False)


class Spool:
    """Stores a matrix on disk: blocks of rows are appended, then any rows can be read.

    It is used for files that can only be read from start to end: text, or matrices stored by
    columns.

    Parameters
    ----------
    folder
        A temporary folder; its owner removes it.
    n_columns
        Number of columns of every block.
    """

    def __init__(self, folder: Path, n_columns: int) -> None:
        self.n_columns = n_columns
        name = uuid.uuid4().hex
        self._paths = folder / f"{name}.data", folder / f"{name}.indices"
        self._lengths: list[NDArray[np.int64]] = [np.zeros(1, np.int64)]
        for path in self._paths:
            path.touch()

    def add(self, block: sparse.csr_matrix) -> None:
        """Append rows; values are stored as float32."""
        block.sort_indices()
        parts = (
            block.data.astype(np.float32, copy=False),
            block.indices.astype(np.int32, copy=False),
        )
        for path, part in zip(self._paths, parts, strict=True):
            with path.open("ab") as file:
                part.tofile(file)
        self._lengths.append(np.diff(block.indptr).astype(np.int64))

    def matrix(self, var: pd.DataFrame) -> Matrix:
        """The stored matrix; `var` describes its columns."""
        indptr = np.cumsum(np.concatenate(self._lengths))
        data, indices = (
            np.memmap(path, kind, "r") if path.stat().st_size else np.empty(0, kind)
            for path, kind in zip(self._paths, (np.float32, np.int32), strict=True)
        )
        rows = csr_rows(data, indices, indptr, self.n_columns)
        return Matrix((len(indptr) - 1, self.n_columns), rows, var, int(indptr[-1]))


def turned(stored: Matrix, var: pd.DataFrame, scratch: Path) -> Matrix:
    """The transposed matrix. It is transposed on disk when its rows are first read.

    Parameters
    ----------
    stored
        (n_columns, n_obs), such as a table of genes x samples.
    var
        (n_columns,) annotations of its rows, which become columns.
    scratch
        Folder for the transposed matrix.
    """
    kept: list[Matrix] = []

    def rows(start: int, stop: int) -> sparse.csr_matrix:
        if not kept:
            kept.append(_turn(stored, scratch).matrix(var))
        return kept[0].rows(start, stop)

    return Matrix((stored.shape[1], stored.shape[0]), rows, var, stored.n_values)


def _turn(stored: Matrix, scratch: Path) -> Spool:
    """Transpose a matrix in several passes; each pass holds `PASS_VALUES`."""
    n_obs = stored.shape[1]
    lengths = np.zeros(n_obs, np.int64)
    for _, block in stored.blocks():
        lengths += np.bincount(block.indices, minlength=n_obs)
    ends = np.cumsum(lengths)
    spool = Spool(scratch, stored.shape[0])
    first = 0
    while first < n_obs:
        before = ends[first - 1] if first else 0
        last = int(np.searchsorted(ends, before + PASS_VALUES, side="right"))
        last = min(max(last, first + 1), n_obs)
        parts = [block[:, first:last] for _, block in stored.blocks()]
        spool.add(sparse.vstack(parts, format="csr").T.tocsr())
        first = last
    return spool
