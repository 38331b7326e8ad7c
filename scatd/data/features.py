"""Features of a cohort from any file: one checked float32 matrix with row ids."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import keys
from scatd.data.feature_files import Found, find_features
from scatd.data.files import row_blocks, sha256_array
from scatd.data.given import GivenCohort
from scatd.data.lazy import IN_MEMORY_BYTES, LazyMatrix
from scatd.data.opened import OpenedInput, open_input
from scatd.errors import Faults, InputError
from scatd.keys import InputScale


@dataclass(frozen=True, eq=False)
class Features:
    """The features that a model of one family reads, and the rows that they belong to.

    Parameters
    ----------
    X
        (n_obs, n_features) float32, finite; may be a memory map or a `LazyMatrix`.
    ids
        (n_obs,) unique text: the barcodes; row numbers from 0 if the file has no ids.
    has_ids
        False when `ids` are only row numbers.
    obs
        Columns that describe the rows, indexed by `ids`; no columns for a plain matrix.
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
    ids: np.ndarray
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
        Leave on disk a float32 `.npy`, an uncompressed matrix in `.h5ad`, and every matrix larger
        than `IN_MEMORY_BYTES` in `.npy`, `.h5ad` and `.zarr`.
    unique_ids
        Refuse repeated ids. An audit allows them, to report them.
    scale
        Scale of the expression that the user named; of several matrices, it decides which is read.

    Raises
    ------
    InputError
        When the file cannot be read or has no such features. Else one message with all faults:
        number of features, values that are not finite in float32, repeated or missing ids, no rows.
    """
    if family not in keys.FAMILIES:
        what = f"unknown family '{family}'"
        raise InputError(what, expected=f"one of {', '.join(keys.FAMILIES)}")
    with open_input(given, outlives=True) as opened:
        path, faults = opened.path, Faults(str(opened.path))
        found = find_features(opened, family, faults, mmap=mmap, scale=scale)
    _require_matrix(found, path)
    n_obs, width = found.raw.shape
    if n_features is not None and width != n_features:
        faults.add(
            f"{found.key} has {width} features a row",
            expected=f"{n_features} (family {family})",
            remedy="Check that the file was made for this family and model.",
        )
    if not n_obs or not width:
        faults.add(f"{found.key} has {n_obs} rows and {width} features", expected="at least one")
    ids, has_ids = _checked_ids(found.ids, n_obs, faults, unique=unique_ids)
    X = _float32(_readable(found), found.key, ids, faults)
    faults.raise_if_any()
    index = pd.Index(ids)
    obs = pd.DataFrame(index=index) if found.obs is None else found.obs.set_axis(index, axis=0)
    return Features(X, ids, has_ids, obs, path, found.key, found.simulated, found.names)


def _require_matrix(found: Found, path: Path) -> None:
    if found.raw.ndim != 2:
        shape = " x ".join(map(str, found.raw.shape)) or "one number"
        what = f"{found.key} has {found.raw.ndim} dimensions ({shape})"
        raise InputError(what, where=str(path), expected="a matrix, rows by features")
    if found.raw.dtype.kind not in "fiu":
        what = f"{found.key} holds values of type {found.raw.dtype}"
        raise InputError(what, where=str(path), expected="real numbers, best as float32")


def _readable(found: Found) -> Any:
    """The matrix itself; a large memory map of another type is converted when it is read."""
    raw = found.raw
    if isinstance(raw, np.memmap) and raw.dtype != np.float32 and raw.size * 4 > IN_MEMORY_BYTES:
        return LazyMatrix(lambda start, stop: raw[start:stop], (raw.shape[0], raw.shape[1]))
    return raw


def _checked_ids(
    found: pd.Index | None, n_obs: int, faults: Faults, *, unique: bool
) -> tuple[np.ndarray, bool]:
    """Ids as text; row numbers if there are none."""
    if found is None:
        return np.arange(n_obs).astype(str), False
    ids = found.astype(object).where(found.notna(), "").astype(str)
    n_empty = int((ids == "").sum())
    if n_empty:
        faults.add(f"{n_empty} ids are empty", remedy="Give every row its own id.")
    repeated = ids[ids.duplicated() & (ids != "")].unique()
    if len(repeated) and unique:
        some = ", ".join(f"'{name}'" for name in repeated[:5])
        faults.add(
            f"{len(repeated)} ids occur more than once, such as {some}",
            expected="one row an id",
            remedy="Make them unique (adata.obs_names_make_unique()) or remove the copies.",
        )
    # An AnnData without names gets row numbers as ids.
    has_ids = not np.array_equal(ids, np.arange(n_obs).astype(str))
    return ids.to_numpy(dtype=str), has_ids


def _float32(raw: np.ndarray, key: str, ids: np.ndarray, faults: Faults) -> np.ndarray:
    """Convert to float32 block by block, and count the values that no model can read."""
    same = raw.dtype == np.float32
    X = raw if same else np.empty(raw.shape, dtype=np.float32)
    counts = {"NaN": 0, "infinite": 0, "too large for float32": 0}
    first = ""
    for rows in row_blocks(raw):
        block = raw[rows]
        if not same:
            with np.errstate(over="ignore"):
                X[rows] = block
        bad = ~np.isfinite(X[rows])
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
        )
    return X
