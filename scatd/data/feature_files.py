"""Where each kind of file keeps the features of a family; nothing is judged here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scatd import keys
from scatd.data.files import reading
from scatd.data.io import STORE_SUFFIXES, is_cohort, open_store, read_adata
from scatd.data.kinds import store_kind, unknown_kind
from scatd.data.lazy import lazy_element
from scatd.data.readers.arrays import read_npy, read_npz
from scatd.data.readers.stores import by_rows, embeddings, read_anndata, read_element
from scatd.data.tables import TEXT_SUFFIXES, has_suffix, read_table
from scatd.errors import Faults, InputError

MATRIX_KINDS = ".npy, .npz, .csv, .tsv or .parquet"
_ID_NAMES = {"", "id", "ids", "index", "barcode", "cell", "cell_id", "sample", "sample_id"}


@dataclass(frozen=True, eq=False)
class Found:
    """What a file holds: the array as stored, its place in the file, ids where there are some."""

    raw: np.ndarray
    key: str
    ids: pd.Index | None = None
    obs: pd.DataFrame | None = None
    simulated: bool = False
    names: tuple[str, ...] | None = None


def find_features(path: Path, family: str, faults: Faults, *, mmap: bool) -> Found:
    """Read the features of `family` by the kind of file; small faults are added to `faults`.

    Raises
    ------
    InputError
        When the file is damaged, of an unknown kind, or holds no features of this family.
    """
    if family in keys.OBSM_FEATURES and has_suffix(path, STORE_SUFFIXES):
        return _from_store(path, family, mmap=mmap)
    if is_cohort(path):
        if family in keys.OBSM_FEATURES:
            raise _no_embedding(path, family, "is a file of counts without obsm")
        return _from_expression(path, mmap=mmap)
    if has_suffix(path, (".npy", ".npz")):
        return _from_array(path, faults, mmap=mmap)
    if has_suffix(path, (*TEXT_SUFFIXES, ".parquet")):
        return _from_table(path, family, faults)
    raise unknown_kind(path, "features", f"{', '.join(STORE_SUFFIXES)}, {MATRIX_KINDS}")


def _from_store(path: Path, family: str, *, mmap: bool) -> Found:
    """Read only the embedding and the annotations: `X` of a large cohort stays on disk."""
    from anndata.io import read_elem

    name = keys.OBSM_FEATURES[family]
    with open_store(path) as store:
        slots = embeddings(store)
        if name not in slots:
            held = ", ".join(sorted(slots)) or "nothing"
            raise _no_embedding(path, family, f'has no obsm["{name}"] (obsm holds {held})')
        if hasattr(store["obs"], "shape"):  # from before anndata 0.7, in tables of its own
            cells = read_anndata(path, store)
            simulated = bool(cells.uns.get(keys.UNS_SIMULATED, False))
            values = _dense(cells.obsm[name])
            return Found(values, f'obsm["{name}"]', cells.obs_names, cells.obs, simulated)
        with reading(path, store_kind(path)):
            element = _on_disk(path, f"obsm/{name}", slots[name]) if mmap else None
            if element is None:
                element = _dense(read_element(slots[name]))
            obs = read_elem(store["obs"])
            simulated = _is_simulated(store)
    return Found(element, f'obsm["{name}"]', obs.index, obs, simulated)


def _from_expression(path: Path, *, mmap: bool) -> Found:
    """Expression; only a large one in a store stays on disk."""
    if mmap and has_suffix(path, STORE_SUFFIXES):
        from anndata.io import read_elem

        with open_store(path) as store, reading(path, store_kind(path)):
            is_new = "X" in store and not hasattr(store["obs"], "shape")
            element = _on_disk(path, "X", store["X"]) if is_new else None
            if element is not None:
                obs = read_elem(store["obs"])
                names = tuple(map(str, read_elem(store["var"]).index))
                return Found(element, "X", obs.index, obs, _is_simulated(store), names)
    adata = read_adata(path)
    if adata.X is None:
        raise InputError("has no X", where=str(path), expected="expression in X")
    simulated = bool(adata.uns.get(keys.UNS_SIMULATED, False))
    names = tuple(map(str, adata.var_names))
    return Found(_dense(adata.X), "X", adata.obs_names, adata.obs, simulated, names)


def _from_array(path: Path, faults: Faults, *, mmap: bool) -> Found:
    key = "the array"
    if has_suffix(path, (".npy",)):
        raw = read_npy(path, mmap=mmap)
    else:
        raw, name = read_npz(path)
        key = f'array "{name}"'
    return Found(raw, key, _sidecar_ids(path, len(raw) if raw.ndim else 0, faults))


def _sidecar_ids(path: Path, n_obs: int, faults: Faults) -> pd.Index | None:
    """Ids from NAME.ids.txt or NAME.ids.csv beside an array, None where there is no such file."""
    for suffix in (".ids.txt", ".ids.csv"):
        sidecar = path.with_suffix(suffix)
        if not sidecar.is_file():
            continue
        with reading(sidecar, "text"):
            lines = sidecar.read_text(encoding="utf-8-sig").splitlines()
        ids = [line.strip().strip('"') for line in lines]
        while ids and not ids[-1]:
            ids.pop()
        if len(ids) == n_obs:
            return pd.Index(ids, dtype=object)
        header = " Is the first line a header?" if len(ids) == n_obs + 1 else ""
        faults.add(
            f"{sidecar.name} has {len(ids)} ids for {n_obs} rows.{header}",
            expected="one id a line, no header",
        )
        return None
    return None


def _from_table(path: Path, family: str, faults: Faults) -> Found:
    frame = read_table(path, as_text=False)
    id_name = _id_column(frame)
    ids: pd.Index | None = None
    if id_name is not None:
        column = frame.pop(id_name)
        ids = pd.Index(column.astype(object).where(column.notna(), "").astype(str).str.strip())
        # pandas writes row numbers under an empty name: they are nobody's ids.
        if id_name == "" and list(ids) == [str(row) for row in range(len(ids))]:
            ids = None
    misprints = []
    for name in frame.columns[[not _is_number(dtype) for dtype in frame.dtypes]]:
        words = frame[name][_words(frame[name])]
        if len(words):
            misprints.append(f"'{name}' has '{words.iloc[0]}' in row {words.index[0]}")
        # A text file's first column is read as text, in case it holds ids.
        frame[name] = pd.to_numeric(frame[name], errors="coerce").where(~_words(frame[name]), 0.0)
    if misprints:
        faults.add(
            f"{len(misprints)} columns hold words: {'; '.join(misprints[:3])}",
            expected="numbers in every column but the ids",
            remedy="Name the id column 'id' and put it first; remove other columns of words.",
        )
    names = tuple(frame.columns) if family not in keys.OBSM_FEATURES else None
    return Found(frame.to_numpy(dtype=np.float64, na_value=np.nan), "the table", ids, names=names)


def _is_number(dtype: Any) -> bool:
    return pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)


def _words(column: pd.Series) -> pd.Series:
    """Mark the cells that hold something that is no number."""
    return column.notna() & pd.to_numeric(column, errors="coerce").isna()


def _id_column(frame: pd.DataFrame) -> str | None:
    """Name of the column with the row ids: the first if named so, else the first of words only.

    A column with some numbers is no id column: a misprint among features must not make it one.
    """
    for position, name in enumerate(frame.columns):
        column = frame[name]
        if position == 0 and name.casefold() in _ID_NAMES:
            return name
        if not pd.api.types.is_numeric_dtype(column):
            words = _words(column)
            if words.any() and words.sum() == column.notna().sum():
                return name
    return None


def _is_simulated(store: Mapping[str, Any]) -> bool:
    from anndata.io import read_elem

    uns = store.get("uns", {})
    return keys.UNS_SIMULATED in uns and bool(read_elem(uns[keys.UNS_SIMULATED]))


def _on_disk(path: Path, name: str, element: Any) -> Any:
    """A matrix left in its file: mapped where its bytes are in one piece, else read by rows.

    None where it has to be, or may well be, read into memory.
    """
    import h5py

    if isinstance(element, h5py.Dataset) and element.dtype == np.float32 and element.size:
        offset = element.id.get_offset()
        if offset is not None:
            return np.memmap(path, np.float32, mode="r", offset=offset, shape=element.shape)
    return lazy_element(path, name)


def _dense(element: Any) -> np.ndarray:
    if isinstance(element, pd.DataFrame):
        return element.to_numpy()
    if sparse.issparse(element):
        return by_rows(element).toarray()
    return np.asanyarray(element)


def _no_embedding(path: Path, family: str, what: str) -> InputError:
    return InputError(
        what,
        where=str(path),
        expected=f'features of family {family} in obsm["{keys.OBSM_FEATURES[family]}"]',
        remedy=f"Make them: scatd embed {path} --backend {keys.BACKENDS[family]} -o embedded.h5ad",
    )
