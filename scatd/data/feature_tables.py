"""Features from a table: which columns hold numbers, which the ids, and which words are wrong."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from scatd import keys
from scatd.data.found_features import Found, no_embedding, require_order
from scatd.data.gene_titles import folded
from scatd.data.lazy import LazyMatrix
from scatd.data.row_groups import RowGroups
from scatd.data.table_content import holds_expression
from scatd.data.tables import Table
from scatd.data.text.rows import NotANumberError
from scatd.data.text.values import as_text, judge
from scatd.data.titles import ROW_TITLES, describes_cells
from scatd.errors import FaultKind, Faults
from scatd.wording import counted

logger = logging.getLogger(__name__)

_CHUNK_VALUES = 1 << 23
_ROWS_LOOKED_AT = 100
_MISPRINTS_NAMED = 3


def from_table(table: Table, family: str, faults: Faults, *, on_disk: bool) -> Found:
    """Read a table whose columns are features, except ids; other columns of words are faults.

    Parameters
    ----------
    family
        Whose features are wanted.
    faults
        Takes the faults that let the other columns be read.
    on_disk
        Leave the values in the file, where it is a parquet table of numbers.

    Raises
    ------
    InputError
        When a name is repeated, when the columns of an embedding are not in order, or when the
        table holds genes and an embedding is wanted.
    """
    path = table.path
    table.refuse_repeated_names()
    is_named = family not in keys.OBSM_FEATURES
    if not is_named and holds_expression(table, len(table.header)):
        raise no_embedding(path, family, "... is a table of genes, and no embedding")
    id_column = _id_column(table)
    aside = [
        column
        for column, name in enumerate(table.header)
        if is_named and column != id_column and describes_cells(name)
    ]
    if aside:
        names = ", ".join(table.header[column] for column in aside)
        logger.warning("%s: left out, because they are no genes: %s.", path, names)
    columns = [column for column in range(len(table.header)) if column not in (id_column, *aside)]
    X: Any
    if on_disk and table.groups is not None and table.groups.are_numbers(columns):
        X, ids = _by_groups(table.groups, columns, id_column)
    else:
        X, ids = _numbers(table, columns, id_column, aside, faults)
    if ids and folded(table.header[id_column or 0]) not in ROW_TITLES:
        found = judge(pd.Series(ids, dtype=object), table.decimal)
        if found.kind == "both":
            row = int(np.isfinite(found.numbers).argmax())
            word = int(found.is_word.argmax())
            what = f"column '{table.header[id_column or 0]}' has '{ids[word]}' in row {word}"
            faults.add(
                f"{what} and the number {ids[row]} in row {row}",
                expected="words, which are ids, or numbers, which are features",
                remedy="If these are ids, name the column 'id' and put it first.",
                kind=FaultKind.TABLE,
            )
    # pandas writes row numbers under an empty name; they are not ids.
    if ids and table.header[id_column or 0] == "" and ids == [str(row) for row in range(len(ids))]:
        ids = None
    index = None if ids is None else pd.Index(ids, dtype=object)
    features = tuple(table.header[column] for column in columns)
    if not is_named:
        require_order(features, "the table", path)
    return Found(X, "the table", index, names=features if is_named else None)


def _by_groups(
    groups: RowGroups, columns: list[int], id_column: int | None
) -> tuple[LazyMatrix, list[str] | None]:
    """Values (n_rows, n_columns) of `columns`, left in a parquet table, and the ids."""
    shape = groups.n_rows, len(columns)
    X = LazyMatrix(partial(groups.values, columns), shape, groups.block_rows)
    return X, None if id_column is None else as_text(groups.column(id_column)).tolist()


def _numbers(
    table: Table, columns: list[int], id_column: int | None, aside: list[int], faults: Faults
) -> tuple[np.ndarray, list[str] | None]:
    """Values (n_rows, n_columns) of `columns`, NaN for a gap, and the ids.

    A column with words is a fault; its values become zero, so that other columns are checked too.
    """
    misprints: dict[int, tuple[int, str]] = {}
    X = np.zeros((table.n_rows, len(columns)))
    ids: list[str] = []
    for _ in range(_MISPRINTS_NAMED):
        text = {*misprints, *aside, *([] if id_column is None else [id_column])}
        kept = [place for place, column in enumerate(columns) if column not in text]
        ids.clear()
        start = 0
        try:
            for chunk in table.chunks(max(1, _CHUNK_VALUES // len(table.header)), text):
                rows = slice(start, start + len(chunk))
                X[rows, kept] = chunk[[columns[place] for place in kept]].to_numpy()
                ids += [] if id_column is None else chunk[id_column].tolist()
                start = rows.stop
            break
        except NotANumberError as found:
            if not misprints:  # most tables hold none, and are not read for it
                misprints = _misprints(table, columns)
            misprints.setdefault(found.column, (found.row, found.word))
    X[:, [columns.index(column) for column in misprints]] = 0
    _add_misprints(table, misprints, faults)
    return X, None if id_column is None else ids


def _misprints(table: Table, columns: list[int]) -> dict[int, tuple[int, str]]:
    """Columns with a word among the first rows: the row of the first word, and the word."""
    head = table.head(_ROWS_LOOKED_AT)
    found = {}
    for column in columns:
        is_word = judge(head[column], table.decimal).is_word
        if is_word.any():
            row = int(is_word.argmax())
            found[column] = (row, str(head[column].iloc[row]))
    return found


def _add_misprints(table: Table, misprints: dict[int, tuple[int, str]], faults: Faults) -> None:
    if not misprints:
        return
    some = [
        f"'{table.header[column]}' has '{word}' in row {row}"
        for column, (row, word) in list(misprints.items())[:_MISPRINTS_NAMED]
    ]
    faults.add(
        f"words in {counted(len(misprints), 'column')}: {'; '.join(some)}",
        expected="numbers in every column but the ids",
        remedy="Name the id column 'id' and put it first; remove other columns of words.",
        kind=FaultKind.TABLE,
    )


def _id_column(table: Table) -> int | None:
    """The column with the row ids: the first if its title says so, else the first of words only.

    A column with some numbers is not an id column: a misprint in a feature must not make it one.
    """
    if table.header and folded(table.header[0]) in ROW_TITLES:
        return 0
    head = table.head(_ROWS_LOOKED_AT)
    for column in range(len(table.header)):
        if judge(head[column], table.decimal).kind == "words":
            return column
    return None
