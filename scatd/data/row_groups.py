"""Parquet tables that stay in their file, on this computer or another; row groups are read."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.data.contents import require_plausible
from scatd.data.files import reading
from scatd.data.location import Remote
from scatd.data.parquet_content import (
    is_dictionary,
    is_number,
    require_flat,
    require_plausible_groups,
    unpacked_bytes,
    word_columns,
)
from scatd.data.readers.remote import open_remote_file

KIND = "a parquet table"
_UNNAMED = re.compile(r"__index_level_\d+__")
"""Name under which pandas stores row names without a title."""


class RowGroups:
    """A parquet table whose rows are read group by group; the last group of a matrix is kept.

    Columns are numbered: row names of pandas come first, then the columns in their order.

    Parameters
    ----------
    path
        The file, or its address.

    Raises
    ------
    InputError
        When it is no parquet table, cannot be reached, has columns of lists, or claims more than
        it can hold.
    """

    def __init__(self, path: Path) -> None:
        from pyarrow import parquet

        self.path = path
        is_remote = isinstance(path, Remote)
        source: Any = open_remote_file(path, KIND) if isinstance(path, Remote) else path
        with reading(path, KIND):
            # From afar, the columns of a group are fetched in few requests.
            opened = parquet.ParquetFile(source, pre_buffer=is_remote)
            schema, about = opened.schema_arrow, opened.metadata
            opened.close()
        require_flat(path, schema)
        require_plausible_groups(path, about, schema)
        with reading(path, KIND):
            self._file = parquet.ParquetFile(
                source, metadata=about, pre_buffer=is_remote, read_dictionary=word_columns(schema)
            )
        self._schema, self._about = schema, about
        index = _index_names(schema)
        names = [*index, *(name for name in schema.names if name not in index)]
        self._fields = [schema.field(name) for name in names]
        self.header = ["" if _UNNAMED.fullmatch(name) else name.strip() for name in names]
        self.n_rows = int(about.num_rows)
        sizes = [int(about.row_group(group).num_rows) for group in range(about.num_row_groups)]
        self._starts = [0, *itertools.accumulate(sizes)]
        self._kept: tuple[int, tuple[int, ...], NDArray[np.float32]] | None = None

    @property
    def block_rows(self) -> int:
        """Number of rows of each group; 1 if the groups differ."""
        sizes = {stop - start for start, stop in itertools.pairwise(self._starts[:-1])}
        last = self._starts[-1] - self._starts[-2] if len(self._starts) > 1 else 1
        if not sizes:
            return max(last, 1)
        return sizes.pop() if len(sizes) == 1 and last <= max(sizes) else 1

    def are_numbers(self, columns: Sequence[int]) -> bool:
        """True when every one of these columns holds integers or floating-point numbers."""
        kinds = {self._fields[column].type for column in columns}
        return all(is_number(kind) for kind in kinds)

    def parts(self, n_rows: int) -> Iterator[pd.DataFrame]:
        """Yield all columns in parts of at most `n_rows` rows.

        Raises
        ------
        InputError
            When the file is damaged.
        """
        names = [field.name for field in self._fields]
        start = 0
        for batch in self._batches(n_rows, names):
            with reading(self.path, KIND):
                frame = self._unpacked(batch.select(names)).to_pandas(ignore_metadata=True)
            rows = pd.RangeIndex(start, start + len(frame))
            yield frame.set_axis(range(len(names)), axis=1).set_axis(rows, axis=0)
            start += len(frame)

    def column(self, column: int) -> pd.Series:
        """A whole column.

        Raises
        ------
        InputError
            When the file is damaged.
        """
        found = self._read([self._fields[column].name])
        with reading(self.path, KIND):
            return pd.Series(found.column(0).to_pandas(), name=column)

    def whole(self) -> pd.DataFrame:
        """The whole table as pandas wrote it, with its index.

        Raises
        ------
        InputError
            When the file is damaged.
        """
        found = self._read(self._schema.names)
        with reading(self.path, KIND):
            frame: pd.DataFrame = found.to_pandas()
        return frame

    def packed(self, n_rows: int) -> Iterator[Any]:
        """Yield the table as batches of Arrow of at most `n_rows` rows; words are dictionaries.

        Raises
        ------
        InputError
            When the file is damaged.
        """
        yield from self._batches(n_rows, None)

    def _batches(self, n_rows: int, names: list[str] | None) -> Iterator[Any]:
        """Batches of some columns, or of all, whose size is plausible for their row group."""
        for group in range(len(self._starts) - 1):
            with reading(self.path, KIND):
                batches = self._file.iter_batches(n_rows, row_groups=[group], columns=names)
            while True:
                with reading(self.path, KIND):
                    batch = next(batches, None)
                if batch is None:
                    break
                self._require_plausible(batch, group)
                yield batch

    def values(self, columns: Sequence[int], start: int, stop: int) -> NDArray[np.float32]:
        """Rows of some columns of numbers, (stop - start, n_columns); NaN for a gap.

        Raises
        ------
        InputError
            When the file is damaged.
        """
        parts = []
        for group, (first, end) in enumerate(itertools.pairwise(self._starts)):
            if first < stop and start < end:
                rows = self._group(group, tuple(columns))
                whole = start <= first and end <= stop
                parts.append(rows if whole else rows[max(start - first, 0) : stop - first])
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty((0, len(columns)), np.float32)

    def _read(self, names: list[str]) -> Any:
        """Columns as a table of Arrow, group by group, with all words written out."""
        import pyarrow as pa

        parts = []
        for group in range(len(self._starts) - 1):
            with reading(self.path, KIND):
                part = self._file.read_row_group(group, columns=names)
            self._require_plausible(part, group)
            with reading(self.path, KIND):
                parts.append(self._unpacked(part))
        with reading(self.path, KIND):
            empty = pa.schema([self._schema.field(name) for name in names], self._schema.metadata)
            return pa.concat_tables(parts) if parts else empty.empty_table()

    def _unpacked(self, part: Any) -> Any:
        """A table or batch of Arrow with the types that the file says."""
        import pyarrow as pa

        fields = [self._schema.field(name) for name in part.schema.names]
        return part.cast(pa.schema(fields, part.schema.metadata))

    def _require_plausible(self, part: Any, group: int) -> None:
        """Refuse words that would grow larger than is possible, before they are written out."""
        about = self._about.row_group(group)
        for name in part.schema.names:
            column = part.column(name)
            if is_dictionary(column.type):
                stored = about.column(self._schema.get_field_index(name)).total_compressed_size
                require_plausible(self.path, f"column '{name}'", unpacked_bytes(column), stored)

    def _group(self, group: int, columns: tuple[int, ...]) -> NDArray[np.float32]:
        if self._kept is None or self._kept[:2] != (group, columns):
            self._kept = None  # its memory is needed for the next one
            names = [self._fields[column].name for column in columns]
            n_rows = self._starts[group + 1] - self._starts[group]
            found = np.empty((n_rows, len(columns)), np.float32)
            with reading(self.path, KIND), np.errstate(over="ignore"):
                table = self._file.read_row_group(group, columns=names)
                for place, name in enumerate(names):
                    found[:, place] = table.column(name).to_numpy()
            self._kept = (group, columns, found)
        return self._kept[2]


def _index_names(schema: Any) -> list[str]:
    """Columns in which pandas stored the names of the rows; numbers of rows are not stored."""
    stored = (schema.metadata or {}).get(b"pandas")
    if stored is None:
        return []
    names = json.loads(stored).get("index_columns", [])
    return [name for name in names if isinstance(name, str) and name in schema.names]
