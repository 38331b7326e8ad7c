"""Tables on disk: csv, tsv, txt (also gzipped), xlsx and parquet, read one way everywhere."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pandas as pd

from scatd.data.files import reading, require_existing
from scatd.errors import InputError

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
TABLE_SUFFIXES = (*TEXT_SUFFIXES, ".xlsx", ".parquet")


@dataclass(frozen=True)
class TextLayout:
    """What separates fields, the names of the columns, and how many lines stand before the data."""

    separator: str
    header: list[str]
    lines_before_data: int
    has_rows: bool


def has_suffix(path: Path | str, suffixes: tuple[str, ...]) -> bool:
    """Whether the name ends in one of `suffixes`, in upper or lower case."""
    return str(path).lower().endswith(suffixes)


def read_table(path: Path, *, as_text: bool) -> pd.DataFrame:
    """Read a table with one header row.

    Parameters
    ----------
    path
        A file with one of `TABLE_SUFFIXES`; the first sheet of a workbook.
    as_text
        Read every cell as stripped text, empty where there is nothing. Otherwise columns have
        their own types, except the first of a text file, which stays text (ids such as 007).

    Returns
    -------
    pandas.DataFrame
        Numbered rows. Row names without a header (R, pandas) are the first column, named "".

    Raises
    ------
    InputError
        When the file is missing, damaged, empty or of another type, or a column name is repeated.
    """
    require_existing(path)
    if has_suffix(path, TEXT_SUFFIXES):
        frame = _read_text(path, as_text=as_text)
    elif has_suffix(path, (".xlsx",)):
        with reading(path, "an Excel workbook"):
            cells = pd.read_excel(path, header=None, dtype=str, keep_default_na=False)
        _require_header(path, cells.empty)
        frame = cells.iloc[1:].set_axis([str(name).strip() for name in cells.iloc[0]], axis=1)
    elif has_suffix(path, (".parquet",)):
        with reading(path, "a parquet table"):
            frame = pd.read_parquet(path)
        if not isinstance(frame.index, pd.RangeIndex):
            frame = frame.rename_axis(index=str(frame.index.name or "")).reset_index()
        frame.columns = frame.columns.map(str)
    else:
        what = f"'{path.suffix}' is no known kind of table"
        raise InputError(what, where=str(path), expected=", ".join(TABLE_SUFFIXES))
    repeated = list(frame.columns[frame.columns.duplicated()].unique())
    if repeated:
        names = ", ".join(f"'{name}'" for name in repeated[:5])
        what = f"{len(repeated)} column names occur more than once: {names}"
        raise InputError(what, where=str(path), remedy="Rename or remove the copies.")
    frame = frame.reset_index(drop=True)
    return frame.apply(_stripped) if as_text else frame


def text_layout(path: Path) -> TextLayout:
    """How a text table is laid out, from its first lines.

    Raises
    ------
    InputError
        When the file is damaged or has no header.
    """
    with reading(path, "a text table"):
        with open_text(path) as file:
            line = next((line for line in file if line.strip() and not _is_remark(line)), "")
        separator = max(",\t;", key=line.count)
        with open_text(path) as file:
            rows = csv.reader(file, delimiter=separator)
            header = next((row for row in rows if row and not _is_remark(row[0], len(row))), [])
            header = [name.strip() for name in header]
            lines_before_data = rows.line_num
            first = next(filter(None, rows), [])
    _require_header(path, not header)
    if len(first) == len(header) + 1:  # R writes no header above its row names
        header = ["", *header]
    return TextLayout(separator, header, lines_before_data, has_rows=bool(first))


def _is_remark(line: str, n_fields: int | None = None) -> bool:
    """Whether a line says something about the file: it begins with # and is no header."""
    n_fields = max(map(line.count, ",\t;")) + 1 if n_fields is None else n_fields
    return line.startswith("#") and n_fields == 1


def _read_text(path: Path, *, as_text: bool) -> pd.DataFrame:
    layout = text_layout(path)
    header = layout.header
    if len(set(header)) < len(header) or not layout.has_rows:
        return pd.DataFrame(columns=header)  # nothing to read, or refused by the caller
    with reading(path, "a text table"):
        return pd.read_csv(
            path,
            sep=layout.separator,
            header=None,
            skiprows=layout.lines_before_data,
            names=header,
            dtype=str if as_text else {header[0]: str},
            keep_default_na=not as_text,
            encoding="utf-8-sig",
            low_memory=False,
        )


def open_text(path: Path) -> IO[str]:
    """Open a text file, gzipped or not, as UTF-8 with or without a byte order mark."""
    if has_suffix(path, (".gz",)):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _require_header(path: Path, missing: bool) -> None:  # noqa: FBT001
    if missing:
        raise InputError("is empty", where=str(path), expected="a header row and data rows")


def _stripped(column: pd.Series) -> pd.Series:
    return column.astype(object).where(column.notna(), "").astype(str).str.strip()
