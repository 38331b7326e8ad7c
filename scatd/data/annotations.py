"""Columns that describe the rows of a store; each is read when it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scatd.data.files import reading
from scatd.data.kinds import store_kind


class Annotations:
    """The columns of a table in an open store, such as its `obs`; the table stays in the store.

    `annotations["tissue"]` is a whole column, and `annotations.rows(a, b)` a part of each.
    Rows are numbered: their ids are read apart, by `ids.stored_ids`.

    Parameters
    ----------
    path
        The store, for messages.
    table
        The table as anndata has stored it since version 0.7: a group with a data set a column.
    n_rows
        Number of rows.
    """

    def __init__(self, path: Path, table: Mapping[str, Any], n_rows: int) -> None:
        self._path, self._table, self._n_rows = path, table, n_rows
        attributes: Any = table
        names = attributes.attrs.get("column-order", ())
        self.columns = [name.decode() if isinstance(name, bytes) else str(name) for name in names]

    def __len__(self) -> int:
        return self._n_rows

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> pd.Series:
        if name not in self.columns:
            raise KeyError(name)
        from anndata.io import read_elem

        with reading(self._path, store_kind(self._path)):
            return pd.Series(read_elem(self._table[name]), name=name)

    def rows(self, start: int, stop: int) -> pd.DataFrame:
        """Read all columns from one row to another.

        Raises
        ------
        InputError
            When a column is damaged.
        """
        with reading(self._path, store_kind(self._path)):
            found = {name: _part(self._table[name], start, stop) for name in self.columns}
        index = pd.RangeIndex(start, stop)
        return pd.DataFrame({name: pd.Series(part, index) for name, part in found.items()}, index)


def _part(element: Any, start: int, stop: int) -> Any:
    """Rows of a column; its categories are read whole, and so are columns of other kinds."""
    from anndata.io import read_elem

    if hasattr(element, "shape"):
        return _plain(element, start, stop)
    if "codes" in element:
        ordered = bool(element.attrs.get("ordered", False))
        codes = np.asarray(element["codes"][start:stop])
        return pd.Categorical.from_codes(codes, read_elem(element["categories"]), ordered=ordered)
    masked = _MASKED.get(element.attrs.get("encoding-type", ""))
    if masked is None:
        return read_elem(element)[start:stop]
    return masked(*(np.asarray(element[part][start:stop]) for part in ("values", "mask")))


_MASKED: Mapping[str, Any] = {
    "nullable-integer": pd.arrays.IntegerArray,
    "nullable-boolean": pd.arrays.BooleanArray,
}
"""Columns with gaps, by the name that anndata gives their kind."""


def _plain(element: Any, start: int, stop: int) -> Any:
    import h5py

    is_text = isinstance(element, h5py.Dataset) and h5py.check_string_dtype(element.dtype)
    found = (element.asstr() if is_text else element)[start:stop]
    return found.astype(object) if found.dtype.kind in "UT" else found
