"""Read AnnData files: `.h5ad` and `.zarr`, stored by rows, by columns or dense."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from scatd import keys
from scatd.data.blocks import stored_blocks
from scatd.data.cohort import RAW, Cohort, Matrix, X, csr_rows, numbers, outside, repeated, turned
from scatd.data.files import reading
from scatd.data.kinds import store_kind
from scatd.data.readers.consistency import sparse_format, stored_shape
from scatd.data.tables import has_suffix
from scatd.errors import FaultKind, InputError, of_kind

if TYPE_CHECKING:
    from anndata import AnnData

_KEPT = (keys.UNS_SIMULATED, keys.UNS_CAUSAL_GENES)


def read_store(path: Path, root: Mapping[str, Any], scratch: Path) -> Cohort:
    """Read the cohort of an open store; expression stays in the store.

    Parameters
    ----------
    path
        Path of the store, for messages.
    root
        Its root group, from `io.open_store`.
    scratch
        A folder for matrices stored by columns, which are transposed first.

    Raises
    ------
    InputError
        When the store is damaged or has no expression.
    """
    from anndata.io import read_elem

    if hasattr(root["obs"], "shape"):
        return cohort_of(path, read_anndata(path, root))  # from before anndata 0.7: one table
    with reading(path, store_kind(path)), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its age
        obs, var = read_elem(root["obs"]), read_elem(root["var"])
        uns = {name: read_elem(root["uns"][name]) for name in _KEPT if name in root.get("uns", {})}
        has_raw = RAW in root and not hasattr(root[RAW], "shape")  # a null has a shape
        raw_var = read_elem(root[RAW]["var"]) if has_raw else None
    matrices: dict[str, Matrix] = {}
    if X in root and len(stored_shape(root[X])) == 2:
        matrices[X] = _matrix(path, root[X], var, scratch)
    layers = root.get("layers", {})
    for name in layers:
        matrices[name] = _matrix(path, layers[name], var, scratch)
    if raw_var is not None and X in root[RAW]:
        matrices[RAW] = _matrix(path, root[RAW][X], raw_var, scratch)
    _require_expression(path, matrices)
    return Cohort(path, obs, matrices, uns)


def read_anndata(path: Path, root: Any) -> AnnData:
    """Read a whole open store into memory.

    Raises
    ------
    InputError
        When it is damaged.
    """
    import anndata
    from anndata.experimental import read_dispatched
    from anndata.io import read_elem

    with reading(path, store_kind(path)), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its age, and repeated names
        if has_half_floats(root):
            adata = read_dispatched(root, lambda read, _, element, **_kind: _read(read, element))
        elif has_suffix(path, (".zarr",)):
            adata = anndata.read_zarr(root)
        elif root.attrs.get("encoding-type") == "anndata":
            adata = read_elem(root)
        else:  # from before anndata 0.8: anndata opens the file itself
            adata = anndata.read_h5ad(path)
        matrices = [adata.X, *_layers(adata).values(), *adata.obsm.values()]
        matrices += [] if adata.raw is None else [adata.raw.X]
        for matrix in matrices:
            _require_columns(matrix)
    return adata


def embeddings(root: Mapping[str, Any]) -> dict[str, Any]:
    """Elements of `obsm` by name; files from before anndata 0.7 store them in one table."""
    slots = root.get("obsm", {})
    if hasattr(slots, "shape"):
        held = slots[:]
        return {name: held[name] for name in held.dtype.names or ()}
    return {name: slots[name] for name in slots}


def read_element(element: Any) -> Any:
    """Read a part of an open store into memory."""
    from anndata.io import read_elem

    return _read(read_elem, element)


def _read(read: Callable[[Any], Any], element: Any) -> Any:
    """Read an element; sparse half floats become float32, because scipy has no such type."""
    if not _is_half(element):
        return read(element)
    indptr, indices = (element[part][:] for part in ("indptr", "indices"))
    made = sparse.csr_matrix if sparse_format(element) == "csr" else sparse.csc_matrix
    return made((numbers(element["data"][:]), indices, indptr), shape=stored_shape(element))


def _is_half(element: Any) -> bool:
    return bool(sparse_format(element)) and element["data"].dtype == np.float16


def has_half_floats(root: Any) -> bool:
    """Whether a store has sparse half floats, which scipy and so anndata cannot read."""
    places = [root[name] for name in (X, "raw/X") if name in root]
    layers = root.get("layers", {})
    places += [*(layers[name] for name in layers), *embeddings(root).values()]
    return any(map(_is_half, places))


def _require_columns(matrix: Any) -> None:
    """Raise for column numbers outside the shape, or repeated: scipy does not check this."""
    if not sparse.issparse(matrix):
        return
    n_columns = matrix.shape[0 if matrix.format == "csc" else 1]
    if wrong := outside(matrix.indices, n_columns) or repeated(matrix):
        raise ValueError(wrong)


def cohort_of(path: Path, adata: AnnData) -> Cohort:
    """The cohort of an AnnData in memory; its values are not changed.

    Raises `ValueError` or `TypeError` for a matrix that is not numeric, or has wrong column
    numbers; `InputError` when it has no expression.
    """
    held = {} if adata.X is None else {X: (adata.X, adata.var)}
    held |= {name: (layer, adata.var) for name, layer in _layers(adata).items()}
    if adata.raw is not None:
        held[RAW] = (adata.raw.X, adata.raw.var)
    matrices = {name: _in_memory(_as_if_read(values), var) for name, (values, var) in held.items()}
    _require_expression(path, matrices)
    uns = {name: adata.uns[name] for name in _KEPT if name in adata.uns}
    return Cohort(path, adata.obs, matrices, uns)


@of_kind(FaultKind.NO_EXPRESSION)
def _require_expression(path: Path, matrices: Mapping[str, Matrix]) -> None:
    if not matrices:
        what = "... holds no expression (no X, no layers, no raw)"
        raise InputError(what, where=str(path), expected="raw counts in X or layers['counts']")


def _layers(adata: AnnData) -> dict[str, Any]:
    """The layers by name; anndata 0.13 lists X among them, under None."""
    return {name: layer for name, layer in adata.layers.items() if name is not None}


def _as_if_read(values: Any) -> sparse.csr_matrix:
    """Sparse rows of the same type as from a file: a matrix stored by columns becomes float32."""
    rows = by_rows(values)
    is_by_columns = sparse.issparse(values) and values.format == "csc"
    return rows.astype(np.float32, copy=False) if is_by_columns else rows


def by_rows(values: Any) -> sparse.csr_matrix:
    """Convert any matrix in memory to sparse rows.

    Raises `ValueError` for a column number outside the matrix, or twice in a row.
    """
    if not sparse.issparse(values):
        return sparse.csr_matrix(numbers(values))
    _require_columns(values)
    made = sparse.csr_matrix if values.format == "csr" else sparse.csc_matrix
    parts = (numbers(values.data), values.indices, values.indptr)
    return made(parts, shape=values.shape).tocsr()


def _in_memory(values: sparse.csr_matrix, var: pd.DataFrame) -> Matrix:
    return Matrix(values.shape, lambda start, stop: values[start:stop], var, values.nnz)


def _matrix(path: Path, element: Any, var: pd.DataFrame, scratch: Path) -> Matrix:
    """A matrix that is read from its store; a matrix stored by columns is transposed first."""
    kind = store_kind(path)
    n_obs, n_columns = stored_shape(element)
    if hasattr(element, "shape"):  # dense
        blocks = stored_blocks(element)

        def dense_rows(start: int, stop: int) -> sparse.csr_matrix:
            with reading(path, kind):
                return sparse.csr_matrix(numbers(blocks(start, stop)))

        return Matrix((n_obs, n_columns), dense_rows, var, n_obs * n_columns)
    with reading(path, kind):
        indptr = np.asarray(element["indptr"][:]).astype(np.int64)
    by_columns = sparse_format(element) == "csc"
    as_stored = (n_columns, n_obs) if by_columns else (n_obs, n_columns)
    read = csr_rows(element["data"], element["indices"], indptr, as_stored[1])

    def rows(start: int, stop: int) -> sparse.csr_matrix:
        with reading(path, kind):
            return read(start, stop)

    stored = Matrix(as_stored, rows, var, int(indptr[-1]))
    return turned(stored, var, scratch) if by_columns else stored
