"""Rows of a text table in chunks, by pandas' fast reader, from lines that were checked before."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.data.files import reading
from scatd.data.text import fields
from scatd.data.text.encoding import KIND, text_lines
from scatd.data.text.fields import BLANK
from scatd.data.text.layout import TextLayout
from scatd.data.text.spreadsheets import plain
from scatd.data.text.survey import is_row
from scatd.data.text.values import GAPS, as_text, judge

_FEW = 50


def head(path: Path, layout: TextLayout, n_rows: int) -> pd.DataFrame:
    """The first rows as stripped text, columns numbered."""
    lines = islice(rows_of(path, layout), n_rows)
    cells = [fields.split(line, layout.separator) for line in lines]
    kept = [[plain(row[place].strip()) for place in layout.places] for row in cells]
    return pd.DataFrame(kept, columns=range(len(layout.header)), dtype=object)


def rows_of(path: Path, layout: TextLayout) -> Iterator[str]:
    """Lines of a table, without remarks, header and empty lines."""
    for line in islice(text_lines(path), layout.n_lines_before, None):
        if is_row(line, layout.separator):
            yield line


class NotANumberError(Exception):
    """A word in a column of numbers: number of the column and row, and the word."""

    def __init__(self, column: int, row: int, word: str) -> None:
        self.column, self.row, self.word = column, row, word
        super().__init__(word)


def chunks(
    path: Path, layout: TextLayout, n_rows: int, text: Collection[int]
) -> Iterator[pd.DataFrame]:
    """Read a table in parts of `n_rows` rows, columns numbered.

    Parameters
    ----------
    text
        Columns to read as stripped text, empty for a gap. Other columns are float64, NaN for a
        gap.

    Raises
    ------
    NotANumberError
        When another column holds a word.
    """
    start = 0
    while start < layout.n_rows:
        if not layout.holds_logicals:
            # Pandas does not name the value that is not a number, and accepts fewer forms of
            # numbers.
            with contextlib.suppress(ValueError):
                for chunk in _parts(path, layout, n_rows, text, start):
                    yield chunk
                    start += len(chunk)
                return
        everything = range(len(layout.header))
        chunk = next(_parts(path, layout, n_rows, everything, start))
        yield as_numbers(chunk, text, layout.decimal, start)
        start += len(chunk)


def as_numbers(
    chunk: pd.DataFrame, text: Collection[int], decimal: str, start: int
) -> pd.DataFrame:
    """Convert columns of text to numbers, except the columns `text`.

    Raises
    ------
    NotANumberError
        For the first word, in the order of rows.
    """
    columns = range(chunk.shape[1])
    judged = {column: judge(chunk[column], decimal) for column in columns if column not in text}
    words = [
        (int(found.is_word.argmax()), column)
        for column, found in judged.items()
        if found.is_word.any()
    ]
    if words:
        row, column = min(words)
        raise NotANumberError(column, start + row, str(chunk[column].iloc[row]))
    converted = {
        column: judged[column].numbers if column in judged else as_text(chunk[column])
        for column in columns
    }
    return pd.DataFrame(converted, index=chunk.index)


def _parts(
    path: Path, layout: TextLayout, n_rows: int, text: Collection[int], start: int
) -> Iterator[pd.DataFrame]:
    """Chunks from a row on, as pandas reads them; ValueError if a column is not numeric."""
    names = {place: column for column, place in enumerate(layout.places)}
    is_text = {place: column in text for place, column in names.items()}
    kinds: dict[Any, Any] = {place: object if is_text[place] else np.float64 for place in names}
    gaps: dict[Any, Any] = {place: list(GAPS) for place in names if not is_text[place]}
    renamed: Any = names
    is_blank = layout.separator == BLANK
    with reading(path, KIND):
        parser = pd.read_csv(
            _Lines(path, layout, start),
            sep=r"\s+" if is_blank else layout.separator,
            header=None,
            names=range(layout.n_fields),
            usecols=None if len(names) == layout.n_fields else list(names),
            dtype=kinds,
            keep_default_na=False,
            na_values=gaps,
            decimal=layout.decimal,
            index_col=False,
            skip_blank_lines=False,
            chunksize=n_rows,
        )
    words = [place for place in names if is_text[place]]
    with parser:
        for chunk in parser:
            stripped = pd.DataFrame(_stripped(chunk[words].to_numpy(object)), chunk.index, words)
            if len(words) < _FEW:  # in place: the numbers are not copied
                chunk[words] = stripped
                chunk.columns = chunk.columns.map(renamed)
                yield chunk
            else:
                whole = pd.concat([chunk.drop(columns=words), stripped], axis=1)
                yield whole[list(names)].rename(columns=renamed)


def _stripped(cells: NDArray[np.object_]) -> NDArray[np.object_]:
    """Every cell as stripped text."""
    found: Any = np.frompyfunc(lambda text: plain(text.strip()), 1, 1)(cells)
    return np.asarray(found, dtype=object)


class _Lines(io.TextIOBase):
    """The rows of a table as one file of text, without remarks, header and empty lines."""

    def __init__(self, path: Path, layout: TextLayout, start: int) -> None:
        self._rows = islice(rows_of(path, layout), start, None)

    def read(self, size: int | None = -1, /) -> str:
        """At least `size` characters in whole lines, if there are so many."""
        kept: list[str] = []
        n_read = 0
        while size is None or size < 0 or n_read < size:
            line = next(self._rows, None)
            if line is None:
                break
            kept.append(line)
            n_read += len(line) + 1
        return "\n".join([*kept, ""]) if kept else ""

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]
        return (f"{line}\n" for line in self._rows)
