"""Read Matrix Market files: a header, then one entry a line, in any order."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from scatd.data.cohort import PASS_VALUES, Spool
from scatd.data.files import reading, release
from scatd.errors import InputError
from scatd.wording import counted

MTX_KIND = "a Matrix Market file"
_LINES = 1 << 22
_ENTRY = np.dtype([("row", "i4"), ("column", "i4"), ("value", "f4")])
_FIELDS = ("real", "integer", "double", "unsigned-integer")
_GZIP = b"\x1f\x8b"
_CUT = "The file may be cut or damaged: copy or write it again."

Axis = Literal["row", "column"]


@dataclass(frozen=True)
class Size:
    """The sizes in the header, and the number of its lines."""

    n_rows: int
    n_columns: int
    n_entries: int
    n_lines: int


def read_size(path: Path) -> Size:
    """Read the header of a Matrix Market file, gzipped or not.

    Raises
    ------
    InputError
        When the header is damaged, or the file does not hold sparse counts.
    """
    with reading(path, MTX_KIND), _opened(path) as file:
        line, n_lines = file.readline(), 1
        banner = line.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
        while line.startswith((b"%", b"\xef\xbb\xbf%")) or (line and not line.strip()):
            line, n_lines = file.readline(), n_lines + 1
        words = line.decode("utf-8").split()
    if banner.lower().startswith("%%matrixmarket"):
        _require_counts(path, banner)
    if len(words) != 3 or not all(word.isascii() and word.isdecimal() for word in words):
        raise InputError(
            f"line {n_lines} is '{line.decode()[:60].strip()}'",
            where=str(path),
            expected="three whole numbers: rows, columns, entries (a Matrix Market file)",
        )
    n_rows, n_columns, n_entries = map(int, words)
    return Size(n_rows, n_columns, n_entries, n_lines)


def spool_rows(path: Path, size: Size, axis: Axis, scratch: Path) -> Spool:
    """Store the entries of a file on disk, by one of its axes; memory is that of one block.

    Parameters
    ----------
    path, size
        The file and its header.
    axis
        The axis that becomes rows: the rows of the file, or its columns.
    scratch
        A temporary folder.

    Raises
    ------
    InputError
        When the number of entries differs from the header, or an entry lies outside the matrix,
        occurs twice, or is not a number.
    """
    other: Axis = "column" if axis == "row" else "row"
    n_of = {"row": size.n_rows, "column": size.n_columns}
    spool = Spool(scratch, n_of[other])
    first = 0
    for n_rows, entries in _buckets(path, size, axis, scratch):
        places = entries[axis] - first, entries[other]
        block = sparse.coo_matrix((entries["value"], places), (n_rows, n_of[other])).tocsr()
        if block.nnz < len(entries):
            raise _repeated(path, entries)
        spool.add(block)
        first += n_rows
    return spool


def is_cut_short(path: Path) -> bool:
    """True when the last line has no line end: digits of its value may be missing."""
    with path.open("rb") as file:
        if file.read(2) == _GZIP:  # the checksum of gzip proves that the file is complete
            return False
        file.seek(-1, 2)
        return file.read(1) not in b"\r\n"


def _require_counts(path: Path, banner: str) -> None:
    form, field, symmetry = (*banner.lower().split()[2:], "", "", "")[:3]
    what, remedy = "", "Write it as 'coordinate integer general': scipy.io.mmwrite does."
    if form != "coordinate":
        what = f"... is a Matrix Market file of the form '{form}'"
    elif field == "pattern":
        what = "... is a 'pattern': it says where values are, and not how large they are"
        remedy = "Export the counts themselves."
    elif field not in _FIELDS:
        what = f"... holds values of the kind '{field}'"
    elif symmetry not in ("general", ""):
        what = f"... is a '{symmetry}' matrix, and genes x cells are not"
    if what:
        expected = "a sparse matrix of counts (matrix coordinate integer general)"
        raise InputError(what, where=str(path), expected=expected, remedy=remedy)


def _buckets(
    path: Path, size: Size, axis: Axis, scratch: Path
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the entries in order of rows: a number of rows, and their entries."""
    whole = scratch / f"{path.name}.entries"
    counts, is_sorted = _write_entries(path, size, axis, whole)
    ends = np.cumsum(counts)
    bounds = _bounds(ends)
    entries = np.memmap(whole, _ENTRY, "r") if size.n_entries else np.empty(0, _ENTRY)
    if is_sorted or len(bounds) == 2:
        for first, last in pairwise(bounds):
            start = int(ends[first - 1]) if first else 0
            stop = int(ends[last - 1]) if last else 0
            yield last - first, np.array(entries[start:stop])
            release(entries)
        return
    files = [scratch / f"{whole.name}.{number}" for number in range(len(bounds) - 1)]
    for start in range(0, len(entries), _LINES):
        part = entries[start : start + _LINES]
        places = np.searchsorted(bounds, part[axis], side="right") - 1
        for number in np.unique(places):
            with files[number].open("ab") as file:
                part[places == number].tofile(file)
        release(entries)
    for number, file_path in enumerate(files):
        held = np.fromfile(file_path, _ENTRY) if file_path.exists() else np.empty(0, _ENTRY)
        yield bounds[number + 1] - bounds[number], held
        file_path.unlink(missing_ok=True)


def _bounds(ends: NDArray[np.int64]) -> list[int]:
    """Row numbers that cut the rows into buckets of about `PASS_VALUES` entries each."""
    bounds = [0]
    while bounds[-1] < len(ends):
        before = int(ends[bounds[-1] - 1]) if bounds[-1] else 0
        last = int(np.searchsorted(ends, before + PASS_VALUES, side="right"))
        bounds.append(min(max(last, bounds[-1] + 1), len(ends)))
    return bounds


def _write_entries(
    path: Path, size: Size, axis: Axis, target: Path
) -> tuple[NDArray[np.int64], bool]:
    """Write the entries as numbers, counted from 0; return their number a row, and their order."""
    n_rows = size.n_rows if axis == "row" else size.n_columns
    counts = np.zeros(n_rows, np.int64)
    n_done, last, is_sorted = 0, 0, True
    with target.open("wb") as file:
        for chunk in _chunks(path, size.n_lines):
            entries = _checked(path, size, chunk, n_done)
            n_done += len(entries)
            if n_done > size.n_entries:
                break
            rows = entries[axis]
            if len(rows):
                is_sorted &= bool(rows[0] >= last and np.all(rows[1:] >= rows[:-1]))
                last = rows[-1]
            counts += np.bincount(rows, minlength=n_rows)
            entries.tofile(file)
    if n_done != size.n_entries:
        more = "more than " if n_done > size.n_entries else ""
        what = f"... holds {more}{counted(min(n_done, size.n_entries), 'entry')}"
        expected = f"{size.n_entries:,}, as its header says"
        raise InputError(what, where=str(path), expected=expected, remedy=_CUT)
    return counts, is_sorted


def _checked(path: Path, size: Size, chunk: pd.DataFrame, n_before: int) -> NDArray[Any]:
    """The entries of some lines, counted from 0; each must have three numbers."""

    def refuse(row: int, what: str, expected: str, remedy: str = _CUT) -> InputError:
        held = (column.iloc[row] for _, column in chunk.items())
        words = " ".join(_as_written(word) for word in held if not pd.isna(word))
        place = f"entry {n_before + row + 1:,} ('{words}')"
        return InputError(f"{place} {what}", where=str(path), expected=expected, remedy=remedy)

    is_whole = chunk["rest"].isna() & chunk[["row", "column", "value"]].notna().all(axis=1)
    if not is_whole.all():
        row = int(np.argmin(is_whole))
        raise refuse(row, "is incomplete or too long", "row, column and value")
    read = {name: _numbers(chunk[name]) for name in ("row", "column", "value")}
    for name, values in read.items():
        is_good = np.isfinite(values)
        if name != "value":
            is_good &= values == np.floor(values)
        if not is_good.all():
            whole = "" if name == "value" else "whole "
            what = f"has a {name} that is no {whole}number"
            raise refuse(int(np.argmin(is_good)), what, "numbers")
    for name, n in (("row", size.n_rows), ("column", size.n_columns)):
        low = read[name] < 1
        if low.any():
            what = f"has the {name} {int(read[name][np.argmax(low)])}"
            remedy = "If rows and columns were counted from 0, add 1 to both."
            raise refuse(int(np.argmax(low)), what, f"{name}s counted from 1", remedy)
        high = read[name] > n
        if high.any():
            what = f"has the {name} {int(read[name][np.argmax(high)])}"
            raise refuse(int(np.argmax(high)), what, f"1 to {n}, as the header says")
    entries = np.empty(len(chunk), _ENTRY)
    entries["row"], entries["column"] = read["row"] - 1, read["column"] - 1
    entries["value"] = read["value"]
    return entries


def _as_written(word: Any) -> str:
    return f"{word:.15g}" if isinstance(word, float) else str(word)


def _numbers(column: pd.Series) -> NDArray[np.float64]:
    if column.dtype.kind == "b":  # the words True and False
        return np.full(len(column), np.nan)
    return pd.to_numeric(column, errors="coerce").to_numpy(np.float64)


def _chunks(path: Path, n_lines: int) -> Iterator[pd.DataFrame]:
    with _opened(path) as file, warnings.catch_warnings():
        # Lines with too many fields fill the column "rest".
        warnings.simplefilter("ignore", pd.errors.ParserWarning)
        with reading(path, MTX_KIND):
            for _ in range(n_lines):
                file.readline()
            try:
                chunks = pd.read_csv(
                    file,
                    sep=r"\s+",
                    header=None,
                    names=["row", "column", "value", "rest"],
                    index_col=False,
                    comment="%",
                    keep_default_na=False,
                    na_values=[""],
                    chunksize=_LINES,
                )
            except pd.errors.EmptyDataError:
                return
        while True:
            with reading(path, MTX_KIND):
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked if they are gzipped, whatever the name of the file."""
    with path.open("rb") as file:
        is_packed = file.read(2) == _GZIP
        file.seek(0)
        if not is_packed:
            yield file
            return
        with gzip.open(file, "rb") as unpacked:
            yield unpacked  # type: ignore[misc]


def _repeated(path: Path, entries: NDArray[Any]) -> InputError:
    order = np.lexsort((entries["column"], entries["row"]))
    placed = entries[order]
    again = (placed["row"][1:] == placed["row"][:-1]) & (
        placed["column"][1:] == placed["column"][:-1]
    )
    first = placed[int(np.argmax(again))]
    return InputError(
        f"row {first['row'] + 1}, column {first['column'] + 1} occurs more than once",
        where=str(path),
        expected="one entry a gene and cell",
        remedy="Write it again from the matrix: the copies may be the same molecules or others.",
    )
