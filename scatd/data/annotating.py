"""Copy a cohort to a new file, and add columns and embeddings to it block by block."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scatd.data.copies import copy_cohort
from scatd.data.elements import (
    OLD_TABLES,
    Column,
    ColumnKind,
    Rows,
    as_word,
    begin,
    ids_of,
    is_hdf5,
)
from scatd.data.hdf5 import raise_fault, written_hdf5
from scatd.data.opened import OpenedInput
from scatd.data.storable import mapping, storable, storable_value
from scatd.data.tables import has_suffix
from scatd.data.unfinished import long_written
from scatd.data.writing import require_store_name
from scatd.errors import InputError
from scatd.wording import counted


class AnnotatedCohort:
    """A cohort in a file, to which columns and embeddings are added in the order of its rows.

    Parameters
    ----------
    root
        Root group of the file.
    path
        The file, for messages.
    """

    def __init__(self, root: Any, path: Path) -> None:
        self._root, self._path = root, path
        self._columns: dict[str, Column] = {}
        self._matrices: dict[str, Rows] = {}
        for name in ("obsm", "uns"):
            if name not in root:
                _write(root, name, {})
        if root["obs"].attrs.get("encoding-version") in OLD_TABLES:
            _write(root, "obs", storable(_read(root["obs"])))
        self._index, self.n_obs = ids_of(root["obs"])

    def column(self, name: str, kind: ColumnKind, categories: Sequence[str] = ()) -> Column:
        """Begin a column of `obs`; a column of the same name is replaced.

        Parameters
        ----------
        kind
            Type of its values.
        categories
            Words of a categorical column, in the order of its codes.

        Raises
        ------
        InputError
            When the ids of the rows are stored under this name.
        """
        if name == self._index:
            what = f"obs stores the ids of its rows under the name '{name}', which a result needs"
            raise InputError(what, where=str(self._path), remedy="Rename the index of obs.")
        self.remove_column(name)
        obs = self._root["obs"]
        with _silent():
            self._columns[name] = Column(obs, name, kind, self.n_obs, categories)
        self._set_order([*self._order(), name])
        return self._columns[name]

    def remove_column(self, name: str) -> None:
        """Remove a column of `obs`, if it is there."""
        if name in self._order():
            del self._root["obs"][name]
            self._set_order([other for other in self._order() if other != name])
            self._columns.pop(name, None)

    def matrix(self, name: str, width: int, dtype: Any) -> Rows:
        """Begin a matrix (n_obs, width) of `obsm`; a matrix of the same name is replaced."""
        empty = np.empty((0, width), dtype)
        with _silent():
            self._matrices[name] = Rows(begin(self._root["obsm"], name, empty, self.n_obs))
        return self._matrices[name]

    def uns(self, name: str) -> dict[str, Any]:
        """An entry of `uns` as it is now; empty where there is none."""
        uns = self._root["uns"]
        return mapping(_read(uns[name])) if name in uns else {}

    def set_uns(self, name: str, value: Mapping[str, Any]) -> None:
        """Replace an entry of `uns`."""
        _write(self._root["uns"], name, storable_value(value))

    def finish(self) -> None:
        """Write what waits.

        Raises `ValueError` when a column or matrix has not a value for each row.
        """
        parts: dict[str, Column | Rows] = {
            **{f"obs {name}": column for name, column in self._columns.items()},
            **{f"obsm {name}": matrix for name, matrix in self._matrices.items()},
        }
        for name, part in parts.items():
            if len(part) != self.n_obs:
                raise ValueError(f"{name} has {counted(len(part), 'row')} of {self.n_obs}")
            part.finish()

    def _order(self) -> list[str]:
        return [as_word(name) for name in self._root["obs"].attrs["column-order"]]

    def _set_order(self, names: list[str]) -> None:
        obs = self._root["obs"]
        # As anndata writes it: HDF5 has no type for an empty list of words.
        obs.attrs["column-order"] = (
            np.array(names, object if names else float) if is_hdf5(obs) else names
        )


@contextlib.contextmanager
def annotating(
    opened: OpenedInput, path: Path, rows: slice | None = None, ids: Any = None
) -> Iterator[AnnotatedCohort]:
    """Copy a cohort to a new file, to which columns and embeddings are added.

    Neither the expression nor what is added is held in memory. The file gets its name only when
    the block succeeds.

    Parameters
    ----------
    opened
        The cohort; or a matrix of features, whose file then holds its ids only.
    path
        `.h5ad` or `.zarr`.
    rows
        Rows of the input that the file will hold, without a step; None for all.
    ids
        (n_obs,) ids of all rows of a matrix of features. A table without them is a table of
        expression.

    Raises
    ------
    InputError
        When the file cannot be written, or the cohort is damaged.
    """
    require_store_name(path)
    with long_written(path, _bytes_of(opened, rows)) as temporary:
        with _silent():
            copy_cohort(opened, temporary, rows, ids)
        with _open(temporary) as root:
            cohort = AnnotatedCohort(root, path)
            yield cohort
            with _silent():
                cohort.finish()


def _bytes_of(opened: OpenedInput, rows: slice | None) -> int:
    """Size of the copy of a file, as far as it is known before it is made."""
    is_file = opened.store is not None and rows is None and opened.path.is_file()
    return opened.path.stat().st_size if is_file else 0


@contextlib.contextmanager
def _open(path: Path) -> Iterator[Any]:
    if has_suffix(path, (".zarr",)):
        import zarr

        # The list of all parts is out of date as soon as a part is added.
        root = zarr.open_group(path, mode="r+", use_consolidated=False)
        yield root
        with _silent():
            zarr.consolidate_metadata(path, zarr_format=root.metadata.zarr_format)
    else:
        with written_hdf5(path, "r+") as root:
            yield root


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without the warnings of zarr and anndata about the age of formats."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _read(element: Any) -> Any:
    from anndata.io import read_elem

    with _silent():
        return read_elem(element)


def _write(parent: Any, name: str, value: Any) -> None:
    from anndata.io import write_elem

    with _silent():
        write_elem(parent, name, value)
    raise_fault(parent)
