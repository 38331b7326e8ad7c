"""Features of a cohort from any file: one checked float32 matrix with row ids.

The values of a matrix in memory are checked at once. Those of a matrix on disk are checked when
they are read, so that a large cohort is read once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import keys
from scatd.data.feature_files import find_features
from scatd.data.files import release, row_blocks, sha256_array
from scatd.data.found_features import Found, no_embedding
from scatd.data.given import GivenCohort
from scatd.data.ids import Ids, check_ids, held_ids, row_numbers
from scatd.data.opened import OpenedInput, open_input
from scatd.errors import FaultKind, Faults, InputError, of_kind
from scatd.keys import InputScale
from scatd.wording import counted


@dataclass(frozen=True, eq=False)
class Features:
    """The features that a model of one family reads, and the rows that they belong to.

    Parameters
    ----------
    X
        (n_obs, n_features) float32, finite; may be a `LazyMatrix` or `CheckedRows`.
    ids
        (n_obs,) unique text: the barcodes; row numbers from 0 if the file has no ids. `Ids` if the
        cohort is read as a stream.
    has_ids
        False when `ids` are only row numbers.
    obs
        Columns that describe the rows, indexed by `ids`; no columns for a plain matrix, and none
        and no rows if the cohort is read as a stream.
    path
        The file that was read.
    key
        Place of the features in the file, such as `obsm["X_scfoundation"]`.
    simulated
        True for simulated cohorts.
    names
        Gene names of the columns if the features are expression (family `dist`).
    missing
        (n_features,) True for genes that the cohort does not have, and that hold 0; None where it
        has all.
    """

    X: np.ndarray
    ids: Any
    has_ids: bool
    obs: pd.DataFrame
    path: Path
    key: str
    simulated: bool = False
    names: tuple[str, ...] | None = None
    missing: NDArray[np.bool_] | None = None

    @property
    def n_obs(self) -> int:
        """Number of cells or samples."""
        return int(self.X.shape[0])

    @property
    def n_features(self) -> int:
        """Number of features a row."""
        return int(self.X.shape[1])

    def sha256(self) -> str:
        """Hex SHA-256 of the matrix: type, shape and values, computed once."""
        return self._sha256

    @cached_property
    def _sha256(self) -> str:
        return sha256_array(self.X)


def read_features(
    given: GivenCohort | OpenedInput,
    family: str,
    *,
    n_features: int | None = None,
    mmap: bool = False,
    unique_ids: bool = True,
    scale: InputScale | None = None,
    as_stream: bool = False,
) -> Features:
    """Read and check the features of one model family.

    Parameters
    ----------
    given
        A cohort (`.h5ad`, `.zarr`, or an AnnData in memory): the embedding of the family in `obsm`;
        for `dist` its expression, of several matrices the counts, else `X`. Or a matrix (n_obs,
        n_features): `.npy`, `.npz` (one array, or the one named X), `.csv`, `.tsv` (also gzipped),
        `.parquet`. The ids of an array are in `NAME.ids.txt` or `NAME.ids.csv` beside it (one a
        line, no header). Those of a table are its first column without numbers, or a first column
        with a title of ids (cell, id, barcode, or none).
    family
        One of `keys.FAMILIES`.
    n_features
        Number of features that the model expects.
    mmap
        Leave on disk a `.npy`, an uncompressed matrix in `.h5ad`, and every matrix larger than
        `IN_MEMORY_BYTES` in `.h5ad` and `.zarr`. Their values are checked when they are read.
    unique_ids
        Refuse repeated ids. An audit allows them, to report them.
    scale
        Scale of the expression that the user named; of several matrices, it decides which is read.
    as_stream
        True for a cohort that is read block by block while it is open: ids stay in their file, and
        nothing else that describes the rows is read.

    Raises
    ------
    InputError
        When the file cannot be read or has no such features (counts of genes are no embedding).
        Else one message with all faults:
        number of features, values that are not finite in float32, repeated or missing ids, no rows.
    """
    if family not in keys.FAMILIES:
        what = f"unknown family '{family}'"
        raise InputError(what, expected=f"one of {', '.join(keys.FAMILIES)}")
    with open_input(given, outlives=True) as opened:
        path, faults = opened.path, Faults(str(opened.path))
        found = find_features(opened, family, faults, mmap=mmap, scale=scale, as_stream=as_stream)
    _require_matrix(found, path)
    if family in keys.OBSM_FEATURES:
        _refuse_counts(found, path, family)
    n_obs, width = found.raw.shape
    if n_features is not None and width != n_features:
        faults.add(
            f"{found.key} has {counted(width, 'feature')} a row",
            expected=f"{n_features} (family {family})",
            remedy="Check that the file was made for this family and model.",
            kind=FaultKind.WIDTH,
        )
    if not n_obs or not width:
        what = f"{found.key} has {counted(n_obs, 'row')} and {counted(width, 'feature')}"
        faults.add(what, expected="at least one of each", kind=FaultKind.NO_EXPRESSION)
    ids = row_numbers(n_obs) if found.ids is None else _as_ids(found.ids)
    has_ids = check_ids(ids, faults, unique=unique_ids) and found.ids is not None
    X: Any
    if isinstance(found.raw, np.ndarray) and not isinstance(found.raw, np.memmap):
        X = np.empty(found.raw.shape, np.float32) if found.raw.dtype != np.float32 else found.raw
        _check(found.raw, found.key, ids, faults, X)
    else:
        X = CheckedRows(found.raw, found.key, ids, path)
    faults.raise_if_any()
    about = path, found.key, found.simulated, found.names
    if as_stream:
        return Features(X, ids, has_ids, pd.DataFrame(), *about)
    named = np.asarray(ids)
    obs = pd.DataFrame(index=named) if found.obs is None else found.obs.set_axis(named, axis=0)
    return Features(X, named, has_ids, obs, *about)


_LOOK_ROWS, _COUNTS_COLUMNS = 64, 100
"""Rows that are looked at, and least columns of a table of genes."""


class CheckedRows:
    """A matrix on disk, (n_obs, n_features) float32, whose rows are checked when they are read.

    Slices and ascending row numbers return arrays. What was read is not kept.

    Parameters
    ----------
    raw
        The matrix, of any number type.
    key, ids, path
        Its place in the file, the ids of its rows, and the file, for messages.
    """

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(self, raw: Any, key: str, ids: Ids, path: Path) -> None:
        self.shape: tuple[int, int] = (int(raw.shape[0]), int(raw.shape[1]))
        self.block_rows: int = getattr(raw, "block_rows", 1)
        self._raw, self._key, self._ids, self._path = raw, key, ids, path

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        with np.errstate(over="ignore"):
            # A copy: a view of a memory map would be empty after its pages are released.
            found = np.array(self._raw[rows], dtype=np.float32)
        release(self._raw)
        if not np.isfinite(found).all():
            faults = Faults(str(self._path))
            _check(self._raw, self._key, self._ids, faults)
            faults.raise_if_any()
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:  # noqa: FBT001
        del copy
        return self[:].astype(dtype or np.float32, copy=False)


@of_kind(FaultKind.WIDTH)
def _require_matrix(found: Found, path: Path) -> None:
    if found.raw.ndim != 2:
        shape = " x ".join(map(str, found.raw.shape)) or "one number"
        what = f"{found.key} has {counted(found.raw.ndim, 'dimension')} ({shape})"
        raise InputError(what, where=str(path), expected="a matrix, rows by features")
    if found.raw.dtype.kind not in "fiu":
        what = f"{found.key} holds values of type {found.raw.dtype}"
        raise InputError(what, where=str(path), expected="real numbers, best as float32")


def _refuse_counts(found: Found, path: Path, family: str) -> None:
    """Refuse counts of genes in the place of an embedding: a model would learn from them."""
    first = np.asarray(found.raw[:_LOOK_ROWS], dtype=np.float64)
    if first.shape[1] < _COUNTS_COLUMNS or len(np.unique(first)) < 3:
        return
    if np.isfinite(first).all() and (first >= 0).all() and (first == np.rint(first)).all():
        raise no_embedding(path, family, f"{found.key} holds whole numbers, as counts of genes are")


def _as_ids(found: Ids | pd.Index) -> Ids:
    return found if isinstance(found, Ids) else held_ids(found)


def _check(raw: Any, key: str, ids: Ids, faults: Faults, into: np.ndarray | None = None) -> None:
    """Count the values that no model can read; `into` takes all as float32."""
    counts = {"NaN": 0, "infinite": 0, "too large for float32": 0}
    first = ""
    for rows in row_blocks(raw):
        block = raw[rows]
        with np.errstate(over="ignore"):
            converted = block.astype(np.float32, copy=False)
        if into is not None and into is not raw:
            into[rows] = converted
        bad = ~np.isfinite(converted)
        if not bad.any():
            continue
        values = block[bad]
        counts["NaN"] += int(np.isnan(values).sum())
        counts["infinite"] += int(np.isinf(values).sum())
        counts["too large for float32"] += int(np.isfinite(values).sum())
        if not first:
            row, column = np.argwhere(bad)[0]
            at = rows.start + row
            first = f"{values[0]} in row {at} (id '{ids[at]}'), column {column}, counted from 0"
    if first:
        found = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        faults.add(
            f"{key} has values that are not finite float32 numbers: {found}; the first is {first}",
            remedy="Remove these rows, or repair the step that wrote them.",
            kind=FaultKind.VALUES,
        )
