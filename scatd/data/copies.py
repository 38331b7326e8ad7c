"""Copy a cohort, or some of its rows, to a new `.h5ad` or `.zarr` with little memory."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.data.cohort import BLOCK_VALUES, RAW, Cohort, X
from scatd.data.elements import VALUES_PER_CHUNK, Rows, begin, ids_of, is_hdf5
from scatd.data.files import reading
from scatd.data.hdf5 import raise_fault, written_hdf5
from scatd.data.kinds import store_kind
from scatd.data.opened import OpenedInput
from scatd.data.readers.consistency import sparse_format, stored_shape
from scatd.data.readers.stores import has_half_floats, read_element
from scatd.data.storable import storable_value, write_whole
from scatd.data.tables import has_suffix
from scatd.data.writing import writing_cohort

_ZARR = (".zarr",)
_BLOCK_BYTES = 1 << 25
_OLD_FORMAT = 2
"""The format of a new zarr store, which every program reads."""


def copy_cohort(opened: OpenedInput, target: Path, rows: slice | None, ids: Any = None) -> None:
    """Write a cohort, or some of its rows, to a new store.

    The bytes of a file of the same kind are copied, so that nothing in it changes: this is the one
    time that the file is read beside the one opening. Otherwise it is copied part by part. A file
    from before anndata 0.8 is read whole then.

    Parameters
    ----------
    target
        Path that does not exist yet, with the ending `.h5ad` or `.zarr`.
    rows
        Rows of the copy, without a step; None for all.
    ids
        (n_obs,) names of all rows of a matrix of features, whose copy holds nothing else. A table
        without them is a table of expression.

    Raises
    ------
    InputError
        When the cohort is damaged.
    """
    store = opened.store
    if store is not None and has_half_floats(store):
        write_whole(_in_memory(opened, rows, ids), target)  # as float32, which anndata reads
        return
    is_matrix = not opened.is_cohort and ids is not None
    if store is None and opened.adata is None and not is_matrix:
        _write_by_blocks(opened.cohort, target, rows)
    elif store is not None and rows is None and _has_same_kind(opened, target):
        copy = shutil.copytree if opened.path.is_dir() else shutil.copyfile
        copy(opened.path, target)
    elif store is not None and store.attrs.get("encoding-type") == "anndata":  # type: ignore[attr-defined]
        with _new_store(target, store) as root:
            _Copier(opened.path, store, rows).copy_to(root)
    else:
        write_whole(_in_memory(opened, rows, ids), target)


def _has_same_kind(opened: OpenedInput, target: Path) -> bool:
    # anndata before 0.7 wrote obs as one table, which has no place for a column more.
    is_table = opened.store is not None and hasattr(opened.store["obs"], "shape")
    return opened.path.exists() and not is_table and store_kind(opened.path) == store_kind(target)


def _in_memory(opened: OpenedInput, rows: slice | None, ids: Any) -> Any:
    import anndata

    if opened.is_cohort:
        cohort = opened.whole()
    else:
        cohort = anndata.AnnData(obs=pd.DataFrame(index=pd.Index(np.asarray(ids, object))))
    return cohort if rows is None else cohort[rows].copy()


@contextmanager
def _new_store(target: Path, source: Any) -> Iterator[Any]:
    if has_suffix(target, _ZARR):
        import zarr

        metadata = getattr(source, "metadata", None)
        version: Any = getattr(metadata, "zarr_format", _OLD_FORMAT)
        yield zarr.open_group(target, mode="w", zarr_format=version)
    else:
        with written_hdf5(target) as root:
            yield root


def _write_by_blocks(cohort: Cohort, target: Path, rows: slice | None) -> None:
    """Write a cohort that is no store; its expression becomes sparse rows of float32."""
    kept = range(cohort.n_obs)[rows or slice(None)]
    matrix = cohort.matrices[X]
    with writing_cohort(target, matrix.shape[1]) as writer:
        for name, layer in cohort.matrices.items():
            into = writer if name == X else writer.layer(name, layer.shape[1])
            for start, stop in _pieces(kept, layer.block_rows):
                into.add(layer.rows(start, stop).astype(np.float32))
        writer.finish(cohort.obs.iloc[kept.start : kept.stop], matrix.var, cohort.uns)


class _Copier:
    """Copies elements of an open store in blocks, along the rows that are kept.

    Parameters
    ----------
    path
        The store, for messages.
    root
        Its root group.
    rows
        The rows that are kept; None for all.
    """

    def __init__(self, path: Path, root: Any, rows: slice | None) -> None:
        self._path, self._root = path, root
        _, n_obs = ids_of(root["obs"])
        self._rows = range(n_obs)[rows or slice(None)]

    def copy_to(self, target: Any) -> None:
        """Copy every part of the store to an empty root group."""
        rows = self._rows
        _set_attributes(target, self._root)
        for name in list(self._root):
            element = self._root[name]
            if name in ("obs", X):
                self._copy_rows(element, target, name)
            elif name in ("layers", "obsm", "obsp"):
                group = _group(element, target, name)
                for inner in list(element):
                    minor = rows if name == "obsp" else None
                    self._copy_rows(element[inner], group, inner, minor)
            elif name == RAW and not hasattr(element, "shape"):
                group = _group(element, target, name)
                for inner in list(element):
                    copy = self._copy_rows if inner == X else self._copy_whole
                    copy(element[inner], group, inner)
            else:
                self._copy_whole(element, target, name)

    def _read(self, get: Callable[[], Any]) -> Any:
        with reading(self._path, store_kind(self._path)), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the age of the file
            return get()

    def _copy_whole(self, element: Any, target: Any, name: str) -> None:
        """Copy an element whose size does not depend on the number of rows."""
        from anndata.io import write_elem

        write_elem(target, name, storable_value(self._read(lambda: read_element(element))))
        raise_fault(target)

    def _copy_rows(
        self, element: Any, target: Any, name: str, columns: range | None = None
    ) -> None:
        """Copy the rows that are kept of any element along the rows.

        Parameters
        ----------
        columns
            The columns that are kept of a matrix of rows x rows.
        """
        from anndata.io import write_elem

        kind = element.attrs.get("encoding-type", "")
        if sparse_format(element):
            self._copy_compressed(element, target, name, columns)
        elif kind == "null":
            self._copy_whole(element, target, name)
        elif hasattr(element, "shape") and element.dtype.names is None:
            self._copy_array(element, target, name, columns)
        elif kind == "categorical":
            group = _group(element, target, name)
            self._copy_rows(element["codes"], group, "codes")
            self._copy_whole(element["categories"], group, "categories")
        elif kind == "dataframe" or ("values" in element and "mask" in element):
            group = _group(element, target, name)
            for inner in list(element):
                self._copy_rows(element[inner], group, inner)
        else:  # of a kind that can only be read whole, such as lists of different lengths
            whole = self._read(lambda: read_element(element))
            kept = slice(self._rows.start, self._rows.stop)
            part = whole[kept] if columns is None else whole[kept, columns.start : columns.stop]
            write_elem(target, name, part)

    def _copy_array(self, element: Any, target: Any, name: str, columns: range | None) -> None:
        within = slice(None) if columns is None else slice(columns.start, columns.stop)
        is_text = element.dtype.kind in "OTU"
        shape = element.shape[1:] if columns is None else (len(columns),)
        empty = np.empty((0, *shape), object if is_text else element.dtype)
        made = begin(target, name, empty, len(self._rows), _compression(element))
        rows = Rows(made)
        stored = (element.chunks or (1,))[0]
        row_bytes = max(1, empty.dtype.itemsize * int(np.prod(shape)))
        step = max(1, _BLOCK_BYTES // row_bytes // stored) * stored
        for start, stop in _pieces(self._rows, step):
            if len(shape):
                rows.add(self._read(lambda: element[start:stop, within]))  # noqa: B023
            else:
                rows.add(self._read(lambda: _words(element)[start:stop]))  # noqa: B023
        rows.finish()

    def _copy_compressed(self, element: Any, target: Any, name: str, columns: range | None) -> None:
        """Copy a sparse matrix; half floats become float32, because scipy has no such type."""
        from anndata.io import write_elem

        n_rows, n_columns = stored_shape(element)
        columns = range(n_columns) if columns is None else columns
        lists, within, n_within = self._rows, columns, n_columns
        if sparse_format(element) == "csc":
            lists, within, n_within = columns, self._rows, n_rows
        indptr = self._read(lambda: np.asarray(element["indptr"][:]).astype(np.int64))
        group = _group(element, target, name)
        parts = {}
        for part in ("data", "indices"):
            held = element[part]
            is_half = part == "data" and held.dtype == np.float16
            empty = np.empty(0, np.float32 if is_half else held.dtype)
            parts[part] = Rows(begin(group, part, empty, VALUES_PER_CHUNK, _compression(held)))
        ends = [np.zeros(1, np.int64)]
        for start, stop in _lists_of(indptr, lists):
            first, last = int(indptr[start]), int(indptr[stop])
            data = self._read(lambda: element["data"][first:last])  # noqa: B023
            indices = self._read(lambda: element["indices"][first:last])  # noqa: B023
            own = indptr[start : stop + 1] - first
            if len(within) < n_within:
                kept = (indices >= within.start) & (indices < within.stop)
                own = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept)])[own]
                data, indices = data[kept], indices[kept] - within.start
            parts["data"].add(data)
            parts["indices"].add(indices)
            ends.append(ends[-1][-1] + own[1:])
        for rows in parts.values():
            rows.finish()
        write_elem(group, "indptr", np.concatenate(ends))
        group.attrs["shape"] = [len(self._rows), len(columns)]


def _pieces(rows: range, step: int) -> Iterator[tuple[int, int]]:
    for start in rows[::step]:
        yield start, min(start + step, rows.stop)


def _lists_of(indptr: NDArray[np.int64], lists: range) -> Iterator[tuple[int, int]]:
    """Ranges of rows (or columns) of about `BLOCK_VALUES` values each."""
    start = lists.start
    while start < lists.stop:
        most = int(np.searchsorted(indptr, indptr[start] + BLOCK_VALUES, side="right")) - 1
        stop = min(max(most, start + 1), lists.stop)
        yield start, stop
        start = stop


def _group(element: Any, target: Any, name: str) -> Any:
    group = target.create_group(name)
    _set_attributes(group, element)
    return group


def _set_attributes(target: Any, source: Any) -> None:
    """Copy attributes; zarr stores them as JSON, and HDF5 words as an array of text."""
    # All are read first: while h5py goes through them it holds a lock, for which a thread of zarr
    # would wait when it frees an object of h5py.
    for name, value in dict(source.attrs).items():
        plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        if is_hdf5(target) and isinstance(plain, list) and plain and isinstance(plain[0], str):
            plain = np.array(plain, dtype=object)
        target.attrs[name] = plain


def _words(element: Any) -> Any:
    """Text of HDF5 as text, not as bytes."""
    is_text_of_hdf5 = element.dtype.kind == "O" and hasattr(element, "asstr")
    return element.asstr() if is_text_of_hdf5 else element


def _compression(element: Any) -> dict[str, Any]:
    """The compression of an array of HDF5, where every installation has it."""
    if getattr(element, "compression", None) not in ("gzip", "lzf"):
        return {}
    options = {"compression": element.compression, "shuffle": element.shuffle}
    if element.compression == "gzip":
        options["compression_opts"] = element.compression_opts
    return options
