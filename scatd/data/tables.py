"""Read tables: csv, tsv, txt, tab (also gzipped), xlsx and parquet, with the same rules."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from scatd.data.files import reading, require_existing
from scatd.data.limits import IN_MEMORY_BYTES
from scatd.data.location import Remote
from scatd.data.row_groups import KIND, RowGroups
from scatd.data.text.layout import TextLayout, text_layout
from scatd.data.text.rows import as_numbers, chunks, head
from scatd.data.text.spreadsheets import plain
from scatd.data.text.start import refuse_values_as_header
from scatd.data.text.values import GAPS, as_text, judge
from scatd.errors import FaultKind, InputError, of_kind
from scatd.wording import counted

_PLAIN = (".csv", ".tsv", ".txt", ".tab")
TEXT_SUFFIXES = (*_PLAIN, *(f"{suffix}.gz" for suffix in _PLAIN))
TABLE_SUFFIXES = (*TEXT_SUFFIXES, ".xlsx", ".parquet")


@dataclass(frozen=True, eq=False)
class Table:
    """A table with one header row: text on disk, or a sheet in memory.

    Parameters
    ----------
    path
        The file.
    header
        Names of the columns; they may repeat. "" for row names without a title.
    n_rows
        Number of rows with at least one value.
    row_names
        (n_rows,) the first column as text.
    layout, cells, groups
        Layout of a text file; or the columns, numbered, of a table in memory; or the row groups of
        a parquet table that stays in its file.
    """

    path: Path
    header: list[str]
    n_rows: int
    row_names: Sequence[str]
    layout: TextLayout | None = None
    cells: pd.DataFrame | None = None
    groups: RowGroups | None = None

    @property
    def decimal(self) -> str:
        """The decimal sign."""
        return "." if self.layout is None else self.layout.decimal

    def head(self, n_rows: int) -> pd.DataFrame:
        """The first rows as text, columns numbered."""
        if self.layout is not None:
            return head(self.path, self.layout, n_rows)
        everything = range(len(self.header))
        empty = pd.DataFrame(columns=everything, dtype=object)
        return next(self.chunks(n_rows, everything), empty)

    def chunks(self, n_rows: int, text: Collection[int]) -> Iterator[pd.DataFrame]:
        """Read parts of `n_rows` rows, columns numbered.

        Parameters
        ----------
        text
            Columns to read as stripped text. Other columns are float64, NaN for a gap.

        Raises
        ------
        NotANumberError
            When a value of another column is a word.
        """
        if self.layout is not None:
            yield from chunks(self.path, self.layout, n_rows, text)
            return
        if self.groups is not None:
            for part in self.groups.parts(n_rows):
                yield as_numbers(part, text, ".", int(part.index[0]))
            return
        assert self.cells is not None
        for start in range(0, self.n_rows, n_rows):
            part = self.cells.iloc[start : start + n_rows]
            yield as_numbers(part, text, ".", start)

    def refuse_repeated_names(self) -> None:
        """Refuse a table with two columns of the same name.

        Raises
        ------
        InputError
            Names these columns.
        """
        names = pd.Index(self.header, dtype=object)
        repeated = list(names[names.duplicated()].unique())
        if repeated:
            some = ", ".join(f"'{name}'" for name in repeated[:5])
            what = f"{counted(len(repeated), 'column name', 'occurs')} more than once: {some}"
            raise InputError(what, where=str(self.path), remedy="Rename or remove the copies.")


def has_suffix(path: Path | str, suffixes: tuple[str, ...]) -> bool:
    """True when the name ends in one of `suffixes`, in any case."""
    return str(path).lower().endswith(suffixes)


@of_kind(FaultKind.TABLE)
def open_table(path: Path) -> Table:
    """Open a table with one header row.

    Parameters
    ----------
    path
        A file with one of `TABLE_SUFFIXES`; the first sheet of a workbook. A parquet table that is
        larger than `IN_MEMORY_BYTES`, or on another computer, is read by its row groups.

    Raises
    ------
    InputError
        When the file is missing, damaged, empty or of another type, or its lines do not fit its
        header.
    """
    require_existing(path)
    if has_suffix(path, TEXT_SUFFIXES):
        layout = text_layout(path)
        table = Table(path, layout.header, layout.n_rows, layout.row_names, layout)
        if len(table.row_names) == table.n_rows:
            return table
        # An empty column before the first one.
        row_names = table.head(table.n_rows)[0].tolist()
        return replace(table, row_names=row_names)
    if has_suffix(path, (".xlsx",)):
        header, cells = _sheet(path)
    elif has_suffix(path, (".parquet",)):
        groups = RowGroups(path)
        if isinstance(path, Remote) or _is_large(groups):
            names = as_text(groups.column(0)).tolist() if groups.header else []
            return Table(path, groups.header, groups.n_rows, names, groups=groups)
        header, cells = _parquet(groups)
    else:
        what = f"scatd does not read '{path.suffix}' as a table"
        raise InputError(what, where=str(path), expected=", ".join(TABLE_SUFFIXES))
    return Table(path, header, len(cells), _first(cells), cells=cells)


def read_table(path: Path, *, as_text: bool) -> pd.DataFrame:
    """Read a whole table with one header row.

    Parameters
    ----------
    path
        As in `open_table`.
    as_text
        Read every cell as stripped text, empty for a gap. Otherwise a column that holds only
        numbers and gaps becomes numeric, except the first column (ids such as 007).

    Returns
    -------
    pandas.DataFrame
        Numbered rows. Row names without a title (R, pandas) are the first column, named "".

    Raises
    ------
    InputError
        As `open_table`; also when a column name occurs twice.
    """
    table = open_table(path)
    table.refuse_repeated_names()
    cells = table.cells
    if as_text or cells is None:
        cells = table.head(table.n_rows)
    if not as_text:
        cells = pd.DataFrame({place: _typed(cells[place], table.decimal) for place in cells})
    names = pd.Index(table.header, dtype=object)
    return cells.set_axis(names, axis=1).reset_index(drop=True)


def _is_large(groups: RowGroups) -> bool:
    n_values = groups.n_rows * len(groups.header)
    return n_values * np.dtype(np.float32).itemsize > IN_MEMORY_BYTES


def _first(cells: pd.DataFrame) -> list[str]:
    return as_text(cells[0]).tolist() if cells.shape[1] else []


def _typed(column: pd.Series, decimal: str) -> pd.Series:
    """Convert a column of text to whole numbers, numbers, or words with gaps."""
    if column.dtype != object:
        return column
    found = judge(column, decimal)
    if found.kind in ("words", "both") or column.name == 0:
        return column.mask(column.isin(GAPS) & (column.name != 0))
    numbers = found.numbers
    with np.errstate(invalid="ignore"):
        is_whole = bool(np.all(numbers == np.floor(numbers)) and np.all(np.abs(numbers) < 2**53))
    return pd.Series(numbers.astype(np.int64) if is_whole else numbers, index=column.index)


def _sheet(path: Path) -> tuple[list[str], pd.DataFrame]:
    """Header and cells of the first sheet of a workbook, without empty rows and unnamed columns."""
    with reading(path, "an Excel workbook"):
        cells = pd.read_excel(path, header=None, dtype=str, keep_default_na=False)
    cells = cells.apply(as_text).map(plain)
    cells = cells[(cells != "").any(axis=1)]
    if cells.empty:
        raise InputError("... is empty", where=str(path), expected="a header row and data rows")
    first, cells = cells.iloc[0], cells.iloc[1:]
    kept = [
        column
        for column in range(cells.shape[1])
        if first.iloc[column] or (cells.iloc[:, column] != "").any()
    ]
    header = [first.iloc[column] for column in kept]
    cells = cells[kept].set_axis(range(len(kept)), axis=1)
    below = cells[0].iloc[0] if len(cells) else ""
    refuse_values_as_header(path, header, below, 1)
    return header, cells


def _parquet(groups: RowGroups) -> tuple[list[str], pd.DataFrame]:
    """Names and columns of a parquet table; an index with values becomes the first column."""
    frame = groups.whole()
    with reading(groups.path, KIND):
        if not isinstance(frame.index, pd.RangeIndex):
            index = frame.index.to_frame(index=False)
            index.columns = ["" if name is None else name for name in frame.index.names]
            frame = pd.concat([index, frame.reset_index(drop=True)], axis=1)
    header = [str(name).strip() for name in frame.columns]
    return header, frame.set_axis(range(len(header)), axis=1)
