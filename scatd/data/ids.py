"""Ids of rows: read from their file in blocks, because a large cohort has more text than memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.data.files import reading
from scatd.data.kinds import store_kind
from scatd.errors import Faults
from scatd.wording import counted

_BLOCK = 1 << 16
"""Rows whose ids are read together."""
_NAMED = 5


class Ids:
    """The ids of rows, (n_rows,) text; a missing id is empty.

    `ids[5]` is one id. Slices, row numbers in any order and masks give arrays of text, and
    `np.asarray(ids)` gives all of them. The last block is kept: rows are asked for in order.

    Parameters
    ----------
    read
        Returns the ids from one row to another as an array of text or objects.
    n_rows
        Number of rows.
    """

    ndim = 1

    def __init__(self, read: Callable[[int, int], Any], n_rows: int) -> None:
        self.shape = (n_rows,)
        self._read = read
        self._start = 0
        self._kept = np.empty(0, dtype=str)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                return self._slice(start, max(start, stop))
            rows = np.arange(start, stop, step)
        picked = np.asarray(rows)
        if picked.dtype == bool:
            picked = np.flatnonzero(picked)
        if picked.ndim == 0:
            row = range(len(self))[int(picked)]
            return str(self._block(row)[row - self._start])
        return self._pick(picked.astype(np.int64))

    def __iter__(self) -> Iterator[str]:
        for _, texts in self.blocks():
            yield from texts.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:  # noqa: FBT001
        del copy
        return self._slice(0, len(self)).astype(dtype or str, copy=False)

    def blocks(self) -> Iterator[tuple[int, NDArray[np.str_]]]:
        """Yield blocks of ids in order, each with the number of its first row."""
        for start in range(0, len(self), _BLOCK):
            yield start, self._block(start)

    def _block(self, row: int) -> NDArray[np.str_]:
        """The ids of the block that holds a row."""
        if not self._start <= row < self._start + len(self._kept):
            self._start = row - row % _BLOCK
            stop = min(self._start + _BLOCK, len(self))
            self._kept = as_text(self._read(self._start, stop))
        return self._kept

    def _slice(self, start: int, stop: int) -> NDArray[np.str_]:
        parts = []
        while start < stop:
            block = self._block(start)
            first = start - self._start
            parts.append(block[first : first + stop - start])
            start += len(parts[-1])
        return np.concatenate(parts) if parts else np.empty(0, dtype=str)

    def _pick(self, rows: NDArray[np.int64]) -> NDArray[np.str_]:
        rows = np.where(rows < 0, rows + len(self), rows)
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"row {rows.min()} or {rows.max()} of {counted(len(self), 'row')}")
        order = np.argsort(rows, kind="stable")
        ascending = rows[order]
        parts, done = [], 0
        while done < len(rows):
            block = self._block(int(ascending[done]))
            end = int(np.searchsorted(ascending, self._start + len(block)))
            parts.append(block[ascending[done:end] - self._start])
            done = end
        found = np.concatenate(parts) if parts else np.empty(0, dtype=str)
        picked = np.empty_like(found)
        picked[order] = found
        return picked


def as_text(values: Any) -> NDArray[np.str_]:
    """Ids of any type as text, (n_rows,); missing values are empty."""
    found = pd.Index(values)
    return found.astype(object).where(found.notna(), "").astype(str).to_numpy(dtype=str)


def row_numbers(n_rows: int) -> Ids:
    """The numbers of the rows, from 0: the ids of a file without ids."""
    return Ids(lambda start, stop: np.arange(start, stop).astype(str), n_rows)


def held_ids(values: Any) -> Ids:
    """Ids that are in memory already; they are kept as one Arrow array."""
    import pyarrow as pa

    texts = pa.array(as_text(values).tolist(), type=pa.large_string())
    return Ids(lambda start, stop: _of_arrow(texts[start:stop]), len(texts))


def kept_ids(ids: Ids) -> Ids:
    """The same ids in memory, as Arrow text: they can be read when their file is closed."""
    import pyarrow as pa

    parts = [pa.array(texts.tolist(), type=pa.large_string()) for _, texts in ids.blocks()]
    texts = pa.chunked_array(parts, type=pa.large_string())
    return Ids(lambda start, stop: texts[start:stop].to_numpy(), len(ids))


def _of_arrow(texts: Any) -> NDArray[np.object_]:
    found: NDArray[np.object_] = texts.to_numpy(zero_copy_only=False)
    return found


def stored_ids(path: Path, table: Any) -> Ids:
    """Ids from a table of an open store, such as `store["obs"]`; they stay in the store.

    Parameters
    ----------
    path
        The store, for messages.
    table
        The table as anndata has stored it since version 0.7: a group with an index.

    Raises
    ------
    InputError
        When the index is damaged; then, or when the damaged part is read.
    """
    title = table.attrs["_index"]
    element = table[title.decode() if isinstance(title, bytes) else title]
    kind = store_kind(path)
    if not hasattr(element, "shape"):  # categories, or text with a mask
        from anndata.io import read_elem

        with reading(path, kind):
            return held_ids(read_elem(element))
    words = element.asstr() if _is_hdf5_text(element) else element

    def rows(start: int, stop: int) -> Any:
        with reading(path, kind):
            return words[start:stop]

    return Ids(rows, int(element.shape[0]))


def _is_hdf5_text(element: Any) -> bool:
    import h5py

    return isinstance(element, h5py.Dataset) and h5py.check_string_dtype(element.dtype) is not None


def check_ids(ids: Ids, faults: Faults, *, unique: bool = True) -> bool:
    """Look for ids that are empty or repeated, and add them to `faults`.

    It needs 8 bytes a row: it compares hashes, and then the text of ids with equal hashes.

    Parameters
    ----------
    unique
        False allows repeated ids.

    Returns
    -------
    False when the ids are only the numbers of the rows, which an AnnData without names has.
    """
    hashes = np.empty(len(ids), np.uint64)
    n_empty, are_numbers = 0, True
    for start, texts in ids.blocks():
        rows = slice(start, start + len(texts))
        hashes[rows] = _hashed(texts)
        n_empty += int((texts == "").sum())
        are_numbers = are_numbers and np.array_equal(
            texts, np.arange(rows.start, rows.stop).astype(str)
        )
    if n_empty:
        faults.add(f"{counted(n_empty, 'id', 'is')} empty", remedy="Give every row its own id.")
    hashes.sort()
    repeated = _repeated(ids, hashes) if unique else []
    if repeated:
        some = ", ".join(f"'{name}'" for name in repeated[:_NAMED])
        faults.add(
            f"{counted(len(repeated), 'id', 'occurs')} more than once, such as {some}",
            expected="one row an id",
            remedy="Make them unique (adata.obs_names_make_unique()) or remove the copies.",
        )
    return not are_numbers


def _hashed(texts: NDArray[np.str_]) -> NDArray[np.uint64]:
    return pd.util.hash_array(texts.astype(object), categorize=False)


def _repeated(ids: Ids, hashes: NDArray[np.uint64]) -> list[str]:
    """Ids that occur again, in the order of their second row; `hashes` are those of all, sorted."""
    suspects = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
    suspects = suspects[suspects != _hashed(np.array([""]))[0]]
    if not len(suspects):
        return []
    seen: set[str] = set()
    again: dict[str, None] = {}
    for _, texts in ids.blocks():
        for name in texts[np.isin(_hashed(texts), suspects)].tolist():
            if name in seen:
                again[name] = None
            seen.add(name)
    return list(again)
