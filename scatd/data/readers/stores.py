"""AnnData files: `.h5ad` and `.zarr`, stored by rows, by columns or dense."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scatd import keys
from scatd.data.cohort import RAW, Cohort, Matrix, X, csr_rows, turned
from scatd.data.files import reading
from scatd.errors import InputError

_KEPT = (keys.UNS_SIMULATED, keys.UNS_CAUSAL_GENES)


def read_store(path: Path, root: Mapping[str, Any], scratch: Path) -> Cohort:
    """The cohort in an open store; expression stays in it.

    Parameters
    ----------
    path
        Of the store, for messages.
    root
        Its root group, as `io.open_store` gives it.
    scratch
        A folder for matrices that are stored by columns, and so are turned first.

    Raises
    ------
    InputError
        When the store is damaged or holds no expression.
    """
    from anndata.io import read_elem

    if hasattr(root["obs"], "shape"):
        return _read_old(path)
    with reading(path, f"an AnnData {path.suffix} file"):
        obs, var = read_elem(root["obs"]), read_elem(root["var"])
        uns = {name: read_elem(root["uns"][name]) for name in _KEPT if name in root.get("uns", {})}
        has_raw = RAW in root and not hasattr(root[RAW], "shape")  # else a null
        raw_var = read_elem(root[RAW]["var"]) if has_raw else None
    matrices: dict[str, Matrix] = {}
    if X in root and _is_matrix(root[X]):
        matrices[X] = _matrix(path, root[X], var, scratch)
    layers = root.get("layers", {})
    for name in layers:
        matrices[name] = _matrix(path, layers[name], var, scratch)
    if raw_var is not None and X in root[RAW]:
        matrices[RAW] = _matrix(path, root[RAW][X], raw_var, scratch)
    if not matrices:
        what = "holds no expression (no X, no layers, no raw)"
        raise InputError(what, where=str(path), expected="raw counts in X or layers['counts']")
    return Cohort(path, obs, matrices, uns)


def _read_old(path: Path) -> Cohort:
    """A file from before anndata 0.7, which keeps `obs` in one table; read into memory."""
    import anndata

    with reading(path, "an AnnData file"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its age
        adata = anndata.read_h5ad(path)
    held = {} if adata.X is None else {X: (adata.X, adata.var)}
    held |= {name: (layer, adata.var) for name, layer in adata.layers.items()}
    if adata.raw is not None:
        held[RAW] = (adata.raw.X, adata.raw.var)
    matrices = {
        name: _in_memory(sparse.csr_matrix(values), var) for name, (values, var) in held.items()
    }
    return Cohort(
        path, adata.obs, matrices, {name: adata.uns[name] for name in _KEPT if name in adata.uns}
    )


def _in_memory(values: sparse.csr_matrix, var: pd.DataFrame) -> Matrix:
    return Matrix(values.shape, lambda start, stop: values[start:stop], var, values.nnz)


def _is_matrix(element: Any) -> bool:
    return len(_shape(element)) == 2


def _shape(element: Any) -> tuple[int, ...]:
    stored = getattr(element, "shape", None) or element.attrs.get("shape", ())
    return tuple(map(int, stored))


def _matrix(path: Path, element: Any, var: pd.DataFrame, scratch: Path) -> Matrix:
    """A matrix that is read where it lies, or turned where it is stored by columns."""
    kind = f"an AnnData {path.suffix} file"
    n_obs, n_columns = _shape(element)
    if hasattr(element, "shape"):  # dense

        def dense_rows(start: int, stop: int) -> sparse.csr_matrix:
            with reading(path, kind):
                return sparse.csr_matrix(np.asarray(element[start:stop]))

        return Matrix((n_obs, n_columns), dense_rows, var, n_obs * n_columns)
    with reading(path, kind):
        indptr = np.asarray(element["indptr"][:]).astype(np.int64)
        format_name = str(element.attrs.get("encoding-type"))
    by_columns = format_name.startswith("csc")
    stored_shape = (n_columns, n_obs) if by_columns else (n_obs, n_columns)
    read = csr_rows(element["data"], element["indices"], indptr, stored_shape[1])

    def rows(start: int, stop: int) -> sparse.csr_matrix:
        with reading(path, kind):
            return read(start, stop)

    stored = Matrix(stored_shape, rows, var, int(indptr[-1]))
    return turned(stored, var, scratch) if by_columns else stored
