"""Check the content of an upload before any of it is kept in memory.

A megabyte of compressed zeros may hold a terabyte of cells, and a small file may refer to other
files on this computer. Both are refused. Other files are read once, block by block, so that a
damaged block is found here.
"""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import Any

from scatd.data.contents import hdf5_objects
from scatd.data.files import reading, row_blocks
from scatd.data.parquet_content import is_number, longest_word, unpacked_bytes
from scatd.data.readers.consistency import sparse_format, stored_shape
from scatd.data.readers.tenx import is_10x
from scatd.data.row_groups import KIND, RowGroups
from scatd.data.text.encoding import text_lines
from scatd.errors import FaultKind, InputError
from scatd.serving.formats import CSV, H5AD, PARQUET, TENX, TSV
from scatd.serving.refusals import (
    TOO_LARGE,
    UNUSABLE,
    Refusal,
    Trouble,
    refusal,
    unusable,
)

_ROWS = 4096
_SEPARATORS = ("\t", ",", ";", " ")
_LONGEST_NAME = 1000
_MOST_OBJECTS = 10_000
_READ_WHOLE = ("obs", "var", "obsm", "uns", "varm", "obsp", "varp")


def require_harmless(path: Path, kind: str, max_content: int) -> str:
    """Refuse a file whose content is too large, or that reads from other files.

    Parameters
    ----------
    path, kind
        The upload, and one of `formats`' kinds.
    max_content
        Largest size of its content in memory, bytes.

    Returns
    -------
    The kind, where the content says more than the first bytes: `.h5` for a 10x file.

    Raises
    ------
    Refusal
        413 for a file whose content is too large, 422 for one that is damaged, refers to other
        files or holds something that no cohort needs.
    """
    try:
        if kind == H5AD:
            return _look_into_hdf5(path, max_content)
        if kind == PARQUET:
            _look_into_parquet(path, max_content)
        elif kind in (CSV, TSV):
            _look_into_text(path, max_content)
    except InputError as error:
        if isinstance(error.__cause__, MemoryError):
            what = "The file needs more memory than it may have."
            raise refusal(TOO_LARGE, what, FaultKind.NO_MEMORY) from error
        raise unusable(error, path.parent) from error
    return kind


def _odd(what: str) -> Refusal:
    return refusal(UNUSABLE, what, Trouble.ODD_CONTENT)


class _Budget:
    """The memory in bytes that the content of a file may still take."""

    def __init__(self, left: int) -> None:
        self._left, self._whole = left, left

    def spend(self, n_bytes: int) -> None:
        self._left -= n_bytes
        if self._left < 0:
            whole = f"{self._whole / 1e6:,.0f} MB"
            what = f"The file holds more than {whole} when it is unpacked."
            raise refusal(TOO_LARGE, what, Trouble.LARGE_CONTENT, limit=whole)

    def names(self, longest: int, n_names: int) -> None:
        """Count names; numpy stores every name of a table with the width of the longest."""
        if longest > _LONGEST_NAME:
            self.spend(4 * longest * n_names)


def _look_into_hdf5(path: Path, max_content: int) -> str:
    import h5py

    budget = _Budget(max_content)
    with reading(path, "an .h5ad file"), h5py.File(path, "r") as file:
        for n_seen, item in enumerate(hdf5_objects(path, file)):
            if n_seen > _MOST_OBJECTS:
                raise _odd(f"The file holds more than {_MOST_OBJECTS:,} objects.")
            _measure_attributes(item, budget)
            if isinstance(item, h5py.Dataset):
                _measure(item, budget)
            elif sparse_format(item):
                _measure_sparse(item, budget)
        _rehearse(file)
        return TENX if is_10x(file) else H5AD


def _measure_attributes(item: Any, budget: _Budget) -> None:
    for name in item.attrs:
        stored = item.attrs.get_id(name)
        budget.spend(math.prod(stored.shape or ()) * stored.dtype.itemsize)
        item.attrs[name]


def _rehearse(file: Any) -> None:
    """Read the parts that scoring will read, to see whether a reader crashes.

    Errors are ignored here, because scoring reports them with better messages.
    """
    from anndata.io import read_elem

    for name in _READ_WHOLE:
        with contextlib.suppress(Exception):
            read_elem(file[name])


def _measure_sparse(group: Any, budget: _Budget) -> None:
    """Count a sparse matrix as dense, unless it is expression, which is read in sparse blocks."""
    if group.name not in ("/X", "/raw/X") and not group.name.startswith("/layers/"):
        n_rows, n_columns = stored_shape(group)
        budget.spend(8 * max(n_rows, 0) * max(n_columns, 0))


def _measure(data: Any, budget: _Budget) -> None:
    """Count the memory that the dataset takes; strings have any length, so they are read."""
    import h5py

    if data.shape is None:
        return
    in_chunk = math.prod(data.chunks or (0,))
    budget.spend(max(data.size, in_chunk) * max(data.dtype.itemsize, 1))
    if data.ndim == 0 or not data.size:
        data[()]
        return
    if data.dtype.kind != "O":
        for part in data.iter_chunks() if data.chunks else row_blocks(data):
            data[part]
        return
    if h5py.check_string_dtype(data.dtype) is None or data.ndim > 1:
        raise _odd("The file holds lists or references, which no cohort needs.")
    longest = 0
    for start in range(0, len(data), _ROWS):
        for word in data[start : start + _ROWS]:
            budget.spend(len(word))
            longest = max(longest, len(word))
    budget.names(longest, data.size)


def _look_into_text(path: Path, max_content: int) -> None:
    """Count the numbers that a table of text may hold, and the width of its longest names."""
    budget, n_lines, longest = _Budget(max_content), 0, 0
    for line in text_lines(path):
        separator = max(_SEPARATORS, key=line.count)
        budget.spend(8 * (line.count(separator) + 1))
        names = line.split(separator) if n_lines == 0 else line.split(separator, 1)[:1]
        longest = max(longest, *map(len, names))
        n_lines += 1
    budget.names(longest, n_lines)


def _look_into_parquet(path: Path, max_content: int) -> None:
    """Count what a table announces, then its words; words are counted before they are written out.

    `RowGroups` refuses lists, and a part that grows too much, by itself.
    """
    groups, budget = RowGroups(path), _Budget(max_content)
    budget.spend(8 * groups.n_rows * max(len(groups.header), 1))
    longest = 0
    for batch in groups.packed(_ROWS):
        with reading(path, KIND):
            batch.validate(full=True)
        for column in batch.columns:
            if not is_number(column.type):
                budget.spend(unpacked_bytes(column))
                longest = max(longest, longest_word(column))
    budget.names(longest, groups.n_rows)
