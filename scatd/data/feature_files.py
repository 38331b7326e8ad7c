"""Find the features of a family in each kind of file. The values are checked elsewhere."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scatd import keys
from scatd.data.annotations import Annotations
from scatd.data.cohort import RAW, Matrix, X
from scatd.data.contents import require_plausible
from scatd.data.elements import OLD_TABLES
from scatd.data.feature_tables import from_table
from scatd.data.files import reading
from scatd.data.found_features import ARRAY_SUFFIXES, Found, no_embedding, require_order
from scatd.data.genes import gene_names
from scatd.data.ids import stored_ids
from scatd.data.io import COHORT_KINDS
from scatd.data.kinds import store_kind, unknown_kind
from scatd.data.layer_names import place
from scatd.data.layers import choose_to_learn
from scatd.data.lazy import file_rows, lazy_element, reopened
from scatd.data.opened import OpenedInput
from scatd.data.readers.arrays import read_npy, read_npz
from scatd.data.readers.consistency import sparse_format, stored_shape
from scatd.data.readers.stores import by_rows, read_element
from scatd.data.table_content import genes_are_rows_of
from scatd.data.tables import has_suffix
from scatd.data.text.encoding import text_lines
from scatd.errors import Faults
from scatd.keys import InputScale
from scatd.wording import counted

logger = logging.getLogger(__name__)

MATRIX_KINDS = ".npy, .npz, .csv, .tsv, .txt, .xlsx or .parquet"


def find_features(
    opened: OpenedInput,
    family: str,
    faults: Faults,
    *,
    mmap: bool,
    scale: InputScale | None = None,
    as_stream: bool = False,
) -> Found:
    """Read the features of `family` from any kind of file; small faults are added to `faults`.

    If a file has several matrices of expression, `layers.choose_to_learn` chooses one; `scale` is
    the scale that the user named. `as_stream` leaves ids of a store there, and reads no `obs`.

    Raises
    ------
    InputError
        When the file is damaged, of an unknown kind, or has no features of this family.
    """
    path, has_obsm = opened.path, opened.store is not None or opened.adata is not None
    if family in keys.OBSM_FEATURES and has_obsm:
        return _from_obsm(opened, family, mmap=mmap, as_stream=as_stream)
    if opened.is_cohort:
        if family in keys.OBSM_FEATURES:
            raise no_embedding(path, family, "... is a file of counts without obsm")
        return _from_expression(opened, scale, mmap=mmap)
    if has_suffix(path, ARRAY_SUFFIXES):
        return _from_array(path, faults, mmap=mmap)
    if opened.is_table:
        if family not in keys.OBSM_FEATURES and genes_are_rows_of(opened.table):
            return _turned(opened, scale)
        return from_table(opened.table, family, faults, on_disk=mmap)
    raise unknown_kind(path, "features", f"{COHORT_KINDS}, or a matrix ({MATRIX_KINDS})")


def _from_obsm(opened: OpenedInput, family: str, *, mmap: bool, as_stream: bool) -> Found:
    """Read only the embedding and the annotations; `X` of a large cohort stays on disk."""
    name, path = keys.OBSM_FEATURES[family], opened.path
    slots = opened.embeddings
    if name not in slots:
        held = ", ".join(sorted(slots)) or "nothing"
        raise no_embedding(path, family, f'... has no obsm["{name}"] (obsm holds {held})')
    store = opened.store
    if store is None or hasattr(store["obs"], "shape"):  # before anndata 0.7 obs was one table
        return _from_memory(opened, name)
    with reading(path, store_kind(path)):
        _require_dense(path, f"obsm/{name}", slots[name])
        element = _on_disk(opened, f"obsm/{name}", slots[name]) if mmap else None
        if element is None:
            element = _dense(read_element(slots[name]), f'obsm["{name}"]', path)
        obs = None if as_stream else read_element(store["obs"])
        simulated = _is_simulated(store)
    ids = obs.index if obs is not None else stored_ids(path, store["obs"])
    return Found(element, f'obsm["{name}"]', ids, obs, simulated)


def obs_of(opened: OpenedInput) -> pd.DataFrame:
    """What describes the rows of an input; no columns for a plain matrix.

    Raises
    ------
    InputError
        When the file is damaged.
    """
    if opened.adata is not None:
        return opened.adata.obs
    if opened.store is not None and not hasattr(opened.store["obs"], "shape"):
        with reading(opened.path, store_kind(opened.path)):
            found: pd.DataFrame = read_element(opened.store["obs"])
        return found
    return opened.cohort.obs if opened.is_cohort else pd.DataFrame()


def obs_column(opened: OpenedInput, name: str) -> pd.DataFrame:
    """What describes the rows of an input: one column where it can be read alone, else all.

    Raises
    ------
    InputError
        When the file is damaged.
    """
    obs = None if opened.store is None else opened.store["obs"]
    if obs is None or obs.attrs.get("encoding-version") in OLD_TABLES:
        return obs_of(opened)
    columns = Annotations(opened.path, obs, 0)
    return columns[name].to_frame() if name in columns else obs_of(opened)


def _from_memory(opened: OpenedInput, name: str) -> Found:
    cells = opened.adata
    if cells is None:
        cells = opened.whole()
    simulated = bool(cells.uns.get(keys.UNS_SIMULATED, False))
    with reading(opened.path, "an AnnData"):
        values = _dense(cells.obsm[name], f'obsm["{name}"]', opened.path)
    return Found(values, f'obsm["{name}"]', cells.obs_names, cells.obs, simulated)


def _from_expression(opened: OpenedInput, scale: InputScale | None, *, mmap: bool) -> Found:
    """Read expression; only a large matrix in a store stays on disk."""
    cohort, chosen = opened.cohort, X
    if len(cohort.matrices) > 1 or X not in cohort.matrices:
        choice = choose_to_learn(cohort, scale)
        chosen = choice.layer
        for note in choice.notes:
            logger.info("%s: %s", opened.path, note)
    matrix = cohort.matrices[chosen]
    names = tuple(gene_names(matrix.var))
    element = _stored(opened, chosen) if mmap else None
    if element is None:
        element = _in_memory(matrix)
    return Found(element, place(chosen), cohort.obs.index, cohort.obs, cohort.simulated, names)


def _turned(opened: OpenedInput, scale: InputScale | None) -> Found:
    """A table of genes x samples, as samples x genes."""
    for note in opened.cohort.notes:
        logger.info("%s: %s.", opened.path, note)
    return _from_expression(opened, scale, mmap=False)


def _stored(opened: OpenedInput, chosen: str) -> Any:
    """A matrix that can stay in its store; None if it must be read."""
    store = opened.store
    if store is None or hasattr(store["obs"], "shape"):  # old stores have other names
        return None
    name = {X: X, RAW: f"{RAW}/{X}"}.get(chosen, f"layers/{chosen}")
    with reading(opened.path, store_kind(opened.path)):
        return _on_disk(opened, name, store[name])


def _in_memory(matrix: Matrix) -> np.ndarray:
    """All rows of a matrix, in the type in which it is stored."""
    n_obs = matrix.shape[0]
    blocks = [rows.toarray() for _, rows in matrix.blocks()] if n_obs else []
    return np.concatenate(blocks) if blocks else np.empty(matrix.shape, np.float32)


def _from_array(path: Path, faults: Faults, *, mmap: bool) -> Found:
    key = "the array"
    if has_suffix(path, (".npy",)):
        raw = read_npy(path, on_disk=mmap)
    else:
        raw, name = read_npz(path)
        key = f'array "{name}"'
    return Found(raw, key, _sidecar_ids(path, len(raw) if raw.ndim else 0, faults))


def _sidecar_ids(path: Path, n_obs: int, faults: Faults) -> pd.Index | None:
    """Ids from NAME.ids.txt or NAME.ids.csv beside an array; None if there is no such file."""
    for suffix in (".ids.txt", ".ids.csv"):
        sidecar = path.with_suffix(suffix)
        if not sidecar.is_file():
            continue
        ids = [line.strip().strip('"') for line in text_lines(sidecar)]
        while ids and not ids[-1]:
            ids.pop()
        if len(ids) == n_obs:
            return pd.Index(ids, dtype=object)
        header = " Is the first line a header?" if len(ids) == n_obs + 1 else ""
        faults.add(
            f"{sidecar.name} has {counted(len(ids), 'id')} for {counted(n_obs, 'row')}.{header}",
            expected="one id a line, no header",
        )
        return None
    return None


def _is_simulated(store: Mapping[str, Any]) -> bool:
    from anndata.io import read_elem

    uns = store.get("uns", {})
    return keys.UNS_SIMULATED in uns and bool(read_elem(uns[keys.UNS_SIMULATED]))


def _on_disk(opened: OpenedInput, name: str, element: Any) -> Any:
    """A matrix left in its file, and read by rows.

    None if it must be read into memory, or is small enough and compressed.
    """
    import h5py

    path, shape = opened.path, stored_shape(element)
    if isinstance(element, h5py.Dataset) and element.dtype.kind in "fiu" and len(shape) == 2:
        offset = element.id.get_offset() if element.size else None
        if offset is not None:  # its bytes are contiguous
            return file_rows(path, offset, (shape[0], shape[1]), element.dtype)
    return lazy_element(path, reopened(path, name) if opened.outlives else element)


def _require_dense(path: Path, name: str, element: Any) -> None:
    """Refuse a sparse matrix that is too sparse to be converted to a dense one."""
    if sparse_format(element):
        claimed = math.prod(stored_shape(element)) * np.dtype(np.float32).itemsize
        stored = sum(element[part].nbytes for part in ("data", "indices", "indptr"))
        require_plausible(path, name, claimed, stored)


def _dense(element: Any, key: str, path: Path) -> np.ndarray:
    if isinstance(element, pd.DataFrame):
        require_order([str(name) for name in element.columns], key, path)
        return element.to_numpy()
    if sparse.issparse(element):
        return by_rows(element).toarray()
    return np.asanyarray(element)
