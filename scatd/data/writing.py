"""Write a cohort block by block, so memory does not grow with the cohort."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from scipy import sparse

from scatd.data.elements import VALUES_PER_CHUNK, CompressedRows
from scatd.data.files import atomic_path
from scatd.data.hdf5 import raise_fault, written_hdf5
from scatd.data.io import STORE_SUFFIXES
from scatd.data.storable import storable, storable_value
from scatd.data.tables import has_suffix
from scatd.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData


class RowWriter(Protocol):
    """An unfinished cohort: `add` rows in order, then `finish` it once."""

    def add(self, block: sparse.csr_matrix) -> None:
        """Append rows to `X`."""

    def finish(self, obs: pd.DataFrame, var: pd.DataFrame, uns: Mapping[str, Any]) -> None:
        """Add what describes rows and columns, and the whole."""


class CohortCollector:
    """A cohort that is made in memory; `cohort` is there once it is finished."""

    cohort: AnnData

    def __init__(self) -> None:
        self._blocks: list[sparse.csr_matrix] = []

    def add(self, block: sparse.csr_matrix) -> None:
        """Append rows to `X`; values become float32, as in a file."""
        self._blocks.append(block.astype(np.float32))

    def finish(self, obs: pd.DataFrame, var: pd.DataFrame, uns: Mapping[str, Any]) -> None:
        """Make the cohort."""
        import anndata

        X = sparse.vstack(self._blocks, format="csr")
        described = storable(obs), storable(var)
        self.cohort = anndata.AnnData(X, *described, uns=dict(storable_value(uns)))


class CohortWriter:
    """A cohort that is written to a file block by block."""

    def __init__(self, root: Any, n_columns: int) -> None:
        import anndata
        from anndata.io import sparse_dataset, write_elem

        self._root, self._write = root, write_elem
        empty = anndata.AnnData(shape=(0, n_columns))
        empty.obs, empty.var = storable(empty.obs), storable(empty.var)
        write_elem(root, "/", empty)
        if "raw" in root:
            del root["raw"]  # a null here, which older readers cannot read
        write_elem(
            root,
            "X",
            sparse.csr_matrix((0, n_columns), dtype=np.float32),
            # anndata would choose chunks for the empty matrix.
            dataset_kwargs={"chunks": (VALUES_PER_CHUNK,), "indptr_dtype": np.dtype(np.int64)},
        )
        self._X: Any = sparse_dataset(root["X"])
        self._layers: list[CompressedRows] = []

    def add(self, block: sparse.csr_matrix) -> None:
        """Append rows to `X`."""
        if block.shape[0]:
            self._X.append(block)
            raise_fault(self._root)

    def layer(self, name: str, n_columns: int) -> CompressedRows:
        """Begin a layer, whose rows are added like those of `X`; `finish` finishes it."""
        layer = CompressedRows(self._root["layers"], name, n_columns)
        self._layers.append(layer)
        return layer

    def finish(self, obs: pd.DataFrame, var: pd.DataFrame, uns: Mapping[str, Any]) -> None:
        """Write the annotations of rows, of columns and of the whole cohort."""
        described = {"obs": storable(obs), "var": storable(var), "uns": storable_value(uns)}
        for layer in self._layers:
            layer.finish()
        for name, element in described.items():
            self._write(self._root, name, element)
            raise_fault(self._root)


def require_store_name(path: Path) -> None:
    """Refuse an output that is neither `.h5ad` nor `.zarr`.

    Raises
    ------
    InputError
        When it has another ending.
    """
    if not has_suffix(path, STORE_SUFFIXES):
        what = f"unknown kind of output '{path.suffix}'"
        raise InputError(what, where=str(path), expected=" or ".join(STORE_SUFFIXES))


@contextmanager
def writing_cohort(path: Path, n_columns: int) -> Iterator[CohortWriter]:
    """Open a new `.h5ad` or `.zarr` file of (any number of rows, n_columns).

    The file gets its name only when the block succeeds.

    Raises
    ------
    InputError
        When the file cannot be written.
    """
    require_store_name(path)
    with ExitStack() as stack:
        temporary = stack.enter_context(atomic_path(path))
        if has_suffix(path, (".zarr",)):
            import zarr

            root: Any = zarr.open_group(temporary, mode="w", zarr_format=2)
        else:
            root = stack.enter_context(written_hdf5(temporary))
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", message="Writing zarr v2 data")
        yield CohortWriter(root, n_columns)
        if has_suffix(path, (".zarr",)):
            zarr.consolidate_metadata(root.store)  # without a list, a web server cannot serve it
