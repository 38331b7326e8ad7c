"""Sort the columns of an expression table: ids, expression, and descriptions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from scatd.data.gene_titles import GENE_TITLES, folded
from scatd.data.readers.orientation import genes_are_rows
from scatd.data.tables import Table
from scatd.data.text.values import Judged, judge
from scatd.data.titles import (
    ROW_TITLES,
    describes_cells,
    describes_genes,
)
from scatd.errors import InputError

_ROWS_LOOKED_AT = 100
_MADE_UP = ("x", "unnamed0")
"""Titles that R and pandas give to row names without a title when they read them again."""
_NAMED = 8
_MEASURES = {
    "counts": ("count", "counts", "readcount", "readcounts", "rawcount", "rawcounts", "numreads"),
    "expected counts": ("expectedcount", "expectedcounts", "estcounts", "estimatedcounts"),
    "TPM": ("tpm",),
    "FPKM": ("fpkm", "rpkm"),
    "CPM": ("cpm",),
    "coverage": ("coverage", "cov"),
}
_MEASURE_OF = {word: measure for measure, words in _MEASURES.items() for word in words}
_MEASURE = re.compile(
    rf"(.*[\W_])?({'|'.join(sorted(_MEASURE_OF, key=len, reverse=True))})", re.IGNORECASE
)


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns of a table by their content; numbers count from 0.

    Parameters
    ----------
    ids
        The column with the names of the rows.
    numbers
        Columns of expression: samples, or genes.
    text
        Columns that describe the rows.
    aside
        Columns that are left out.
    genes_are_rows
        False: genes are columns.
    notes
        Decisions, in words.
    """

    table: Table
    ids: int
    numbers: list[int]
    text: list[int]
    aside: list[int]
    genes_are_rows: bool
    notes: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """Names of the columns of expression."""
        return [self.table.header[column] for column in self.numbers]

    def word_among_numbers(self, column: int, row: int, word: str) -> InputError:
        """The error for a word in a column of numbers."""
        name = self.table.row_names[row] if self.ids == 0 else f"number {row + 1}"
        rows, across = ("gene", "sample") if self.genes_are_rows else ("cell", "gene")
        what = f"'{word}' in {rows} '{name}', {across} '{self.table.header[column]}', is no number"
        return InputError(
            what,
            where=str(self.table.path),
            expected="numbers in every row of the column",
            remedy="Repair the value; or remove the column, where it describes the rows.",
        )

    def require_words(self, rows: pd.DataFrame) -> None:
        """Refuse a column with words and numbers, unless its title explains them.

        Parameters
        ----------
        rows
            The columns `text`, as text.

        Raises
        ------
        InputError
            Names the column, its first word and its first number.
        """
        describes = describes_genes if self.genes_are_rows else describes_cells
        for column in self.text:
            if describes(self.table.header[column]):
                continue
            found = judge(rows[column], self.table.decimal)
            if found.kind == "both":
                raise self._mixed(column, found, rows)

    def _mixed(self, column: int, found: Judged, rows: pd.DataFrame) -> InputError:
        row = int(found.is_word.argmax())
        return self.word_among_numbers(column, row, str(rows[column].iloc[row]))


def sort_columns(table: Table) -> Columns:
    """Find out what each column of an expression table holds.

    Raises
    ------
    InputError
        When there are no rows, ids or numbers, or several measures of one sample.
    """
    where = str(table.path)
    if not table.n_rows:
        raise InputError("... has a header and no rows", where=where)
    head = table.head(_ROWS_LOOKED_AT)
    judged = {column: judge(head[column], table.decimal) for column in range(len(table.header))}
    ids = _id_column(table, judged)
    candidates = [
        column for column, found in judged.items() if column != ids and found.kind != "words"
    ]
    names = [table.header[column] for column in candidates]
    rows = list(table.row_names) if ids == 0 else head[ids].tolist()
    if not candidates:
        raise InputError("... holds no numbers", where=where, expected="expression values")
    turned = genes_are_rows(table.path, table.header[ids], names, rows)
    describes = describes_genes if turned else describes_cells
    text: list[int] = []
    aside: list[int] = []
    numbers: list[int] = []
    for column, found in judged.items():
        name = table.header[column]
        if column == ids:
            continue
        if column == 0 and not describes(name):
            aside.append(column)  # row numbers left of the ids
        elif found.kind == "words" or describes(name):
            text.append(column)
        elif found.kind == "nothing" and not _holds_something(table, column):
            aside.append(column)
        else:
            numbers.append(column)
    columns = Columns(table, ids, numbers, text, aside, turned, _notes(table, text, aside, turned))
    _require_samples(columns, judged, head)
    return columns


def _holds_something(table: Table, column: int) -> bool:
    """True when a column that begins with gaps has a value further down."""
    everything = range(len(table.header))
    chunks = table.chunks(max(1, (1 << 20) // len(table.header)), everything)
    return any(judge(chunk[column], table.decimal).kind != "nothing" for chunk in chunks)


def _id_column(table: Table, judged: dict[int, Judged]) -> int:
    """The first column; or a later one with a title of ids, if the first only counts the rows."""
    title = folded(table.header[0])
    is_place = describes_genes(title) and title not in GENE_TITLES
    first = range(table.n_rows)
    numbers = list(table.row_names)
    is_numbered = numbers in ([str(n) for n in first], [str(n + 1) for n in first])
    if is_place or (is_numbered and title in ("", "id", "index", "row", *_MADE_UP)):
        titled = [
            column
            for column, found in judged.items()
            if column
            and found.kind in ("words", "both")
            and (_names_ids(table.header[column]) or folded(table.header[column]) in _MADE_UP)
        ]
        if titled:
            return titled[0]
    if is_place:
        what = f"the first column, '{table.header[0]}', describes genes and does not name them"
        remedy = "Put the names of the genes first, and name their column 'gene'."
        raise InputError(what, where=str(table.path), remedy=remedy)
    holds_numbers = judge(pd.Series(numbers, dtype=object)).kind in ("numbers", "nothing")
    if holds_numbers and title not in ROW_TITLES | GENE_TITLES:
        what = f"the first column, '{table.header[0]}', holds numbers"
        remedy = "If these are ids, name the column 'id'."
        where = str(table.path)
        raise InputError(what, where=where, expected="ids of the rows", remedy=remedy)
    return 0


def _names_ids(title: str) -> bool:
    title = folded(title)
    return bool(title) and (title in GENE_TITLES or title in ROW_TITLES)


def _require_samples(columns: Columns, judged: dict[int, Judged], head: pd.DataFrame) -> None:
    """Refuse columns that cannot be expression.

    Raises
    ------
    InputError
        When there is no column, one without a name, a word in the first rows, or several measures.
    """
    where, header = str(columns.table.path), columns.table.header
    if not columns.numbers:
        raise InputError("... holds no numbers", where=where, expected="expression values")
    for column in columns.numbers:
        if not header[column]:
            what = f"column {column + 1} holds numbers and has no name"
            raise InputError(what, where=where, remedy="Name it in the header, or remove it.")
        if judged[column].is_word.any():
            row = int(judged[column].is_word.argmax())
            raise columns.word_among_numbers(column, row, str(head[column].iloc[row]))
    if columns.genes_are_rows:
        _refuse_measures(columns)


def _refuse_measures(columns: Columns) -> None:
    found: dict[str, str] = {}
    for name in columns.names:
        tail = _MEASURE.fullmatch(re.sub(r"(?<=[a-z])[ _.-](?=counts?$)", "", name.strip()))
        if tail is not None:
            found.setdefault(_MEASURE_OF[tail[2].lower()], name)
    if len(found) > 1:
        listed = ", ".join(f"{name} ({measure})" for measure, name in found.items())
        what = f"its columns are different measures: {listed}"
        remedy = (
            "Keep one measure, counts where there are some (RSEM: expected_count, "
            "Salmon: NumReads), and name its columns after the samples."
        )
        raise InputError(what, where=str(columns.table.path), remedy=remedy)


def _notes(
    table: Table,
    text: Sequence[int],
    aside: Sequence[int],
    turned: bool,  # noqa: FBT001
) -> tuple[str, ...]:
    notes = []
    rows, across = ("genes", "samples") if turned else ("cells", "genes")
    for columns, what in (
        (text, f"taken as descriptions of the {rows}, not as {across}"),
        (aside, "left out, because they hold no values"),
    ):
        names = [table.header[column] or f"column {column + 1}" for column in columns]
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            notes.append(f"{what}: {', '.join(names[:_NAMED])}{more}")
    return tuple(notes)
