"""Cohorts that need not fit into memory: expression is read in blocks of rows."""

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

BLOCK_VALUES = 1 << 22
"""Values other than zero that a block of rows holds, about."""

X, RAW = "X", "raw"


@dataclass(frozen=True, eq=False)
class Matrix:
    """Expression of one cohort, read by rows.

    Parameters
    ----------
    shape
        (n_obs, n_columns).
    rows
        Gives rows from `start` to `stop` as `csr_matrix`, (stop - start, n_columns).
    var
        (n_columns,) what is known of the columns; its index names the genes.
    n_values
        Values other than zero, where the file tells; else of a full matrix.
    """

    shape: tuple[int, int]
    rows: Callable[[int, int], sparse.csr_matrix]
    var: pd.DataFrame
    n_values: int

    def blocks(self) -> Iterator[tuple[int, sparse.csr_matrix]]:
        """Blocks of rows in order, each with the number of its first row."""
        step = self.block_rows
        for start in range(0, self.shape[0], step):
            yield start, self.rows(start, min(start + step, self.shape[0]))

    @property
    def block_rows(self) -> int:
        """Rows of a block of about `BLOCK_VALUES` values."""
        return max(1, BLOCK_VALUES * self.shape[0] // max(self.n_values, 1))

    def sample(self, n_rows: int, n_places: int = 10) -> sparse.csr_matrix:
        """About `n_rows` rows from places all over the matrix, (n_rows, n_columns)."""
        n_obs = self.shape[0]
        if n_obs <= n_rows:
            return self.rows(0, n_obs)
        size = max(1, n_rows // n_places)
        starts = np.linspace(0, n_obs - size, n_places).astype(int)
        return sparse.vstack([self.rows(start, start + size) for start in starts], format="csr")


@dataclass(frozen=True, eq=False)
class Cohort:
    """Cells or samples of a file, with every matrix of expression that it holds.

    Parameters
    ----------
    path
        The file.
    obs
        (n_obs,) what is known of the rows; its index holds their ids.
    matrices
        By name: `X`, `raw`, or the name of a layer.
    uns
        What the file says of the whole cohort and must go with it: whether it is simulated, and by
        what mechanism.
    notes
        What the reader had to decide, for people.
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
        """True when the cohort says that no patient ever saw it."""
        return bool(self.uns.get(keys.UNS_SIMULATED, False))


def csr_rows(
    data: Any, indices: Any, indptr: NDArray[np.int64], n_columns: int
) -> Callable[[int, int], sparse.csr_matrix]:
    """Rows of a matrix that is stored by rows: arrays, memory maps, or elements of a store.

    The rows raise `ValueError` for a column number that the matrix has not, or that a row repeats.
    """

    def rows(start: int, stop: int) -> sparse.csr_matrix:
        first, last = int(indptr[start]), int(indptr[stop])
        columns = np.require(indices[first:last], requirements="W")  # copies what a file maps
        if wrong := outside(columns, n_columns):
            raise ValueError(wrong)
        block = sparse.csr_matrix(
            (
                np.require(numbers(data[first:last]), requirements="W"),
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
    """Names a column number that a matrix of `n_columns` has not; empty where there is none."""
    if not len(columns):
        return ""
    lowest, highest = int(columns.min()), int(columns.max())
    if lowest >= 0 and highest < n_columns:
        return ""
    wrong = lowest if lowest < 0 else highest
    return f"column number {wrong}, where columns are 0 to {n_columns - 1}"


def repeated(block: sparse.csr_matrix) -> str:
    """Names a column number that a row holds twice; empty where there is none."""
    if block.has_canonical_format:
        return ""
    ordered = block.sorted_indices()
    if ordered.has_canonical_format:
        return ""
    again = np.flatnonzero(np.diff(ordered.indices) == 0) + 1
    column = ordered.indices[again[~np.isin(again, ordered.indptr)][0]]
    return f"column number {column} occurs more than once in a row"


def numbers(values: Any) -> NDArray[Any]:
    """Numbers of a type that sparse matrices have: half floats and booleans become float32.

    Raises
    ------
    TypeError
        When they are no real numbers.
    """
    found = np.asanyarray(values)
    if found.dtype.kind not in "biuf":
        raise TypeError(f"values of type {found.dtype}, where real numbers are expected")
    if found.dtype.kind == "b" or (found.dtype.kind == "f" and found.dtype.itemsize < 4):
        return found.astype(np.float32)
    return found.astype(found.dtype.newbyteorder("="), copy=False)


class Spool:
    """A matrix on its way to disk: blocks of rows go in, any rows come out.

    Takes what can only be read from the beginning to the end (text, or matrices stored by columns).

    Parameters
    ----------
    folder
        Temporary, and removed by its owner.
    n_columns
        Columns of every block.
    """

    def __init__(self, folder: Path, n_columns: int) -> None:
        self.n_columns = n_columns
        name = uuid.uuid4().hex
        self._paths = folder / f"{name}.data", folder / f"{name}.indices"
        self._lengths: list[NDArray[np.int64]] = [np.zeros(1, np.int64)]
        for path in self._paths:
            path.touch()

    def add(self, block: sparse.csr_matrix) -> None:
        """Append rows; values are kept as float32."""
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
        """What was put in; `var` describes the columns."""
        indptr = np.cumsum(np.concatenate(self._lengths))
        data, indices = (
            np.memmap(path, kind, "r") if path.stat().st_size else np.empty(0, kind)
            for path, kind in zip(self._paths, (np.float32, np.int32), strict=True)
        )
        rows = csr_rows(data, indices, indptr, self.n_columns)
        return Matrix((len(indptr) - 1, self.n_columns), rows, var, int(indptr[-1]))


def turned(stored: Matrix, var: pd.DataFrame, scratch: Path) -> Matrix:
    """The same matrix with its columns as rows; turned on disk when rows are first asked for.

    Parameters
    ----------
    stored
        (n_columns, n_obs), such as a table of genes x samples.
    var
        (n_columns,) what is known of its rows, which become columns.
    scratch
        Where the turned matrix is kept.
    """
    kept: list[Matrix] = []

    def rows(start: int, stop: int) -> sparse.csr_matrix:
        if not kept:
            kept.append(_turn(stored, scratch).matrix(var))
        return kept[0].rows(start, stop)

    return Matrix((stored.shape[1], stored.shape[0]), rows, var, stored.n_values)


def _turn(stored: Matrix, scratch: Path) -> Spool:
    """Turn a matrix in passes over it, each of which holds the rows of one block."""
    n_obs = stored.shape[1]
    lengths = np.zeros(n_obs, np.int64)
    for _, block in stored.blocks():
        lengths += np.bincount(block.indices, minlength=n_obs)
    ends = np.cumsum(lengths)
    spool = Spool(scratch, stored.shape[0])
    first = 0
    while first < n_obs:
        before = ends[first - 1] if first else 0
        last = int(np.searchsorted(ends, before + 4 * BLOCK_VALUES, side="right"))
        last = min(max(last, first + 1), n_obs)
        parts = [block[:, first:last] for _, block in stored.blocks()]
        spool.add(sparse.vstack(parts, format="csr").T.tocsr())
        first = last
    return spool
