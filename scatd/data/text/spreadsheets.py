"""Text that a spreadsheet would run as a formula, in the tables that people open.

A cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return gets an apostrophe in front.
So does a text that begins with apostrophes and such a sign: the readers take one off, and give what
was written. Numbers are left as they are. It holds for names of columns and of rows too.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import pandas as pd

from scatd.data.text.values import is_number

_MARK = "'"
_SIGNS = "=+-@\t\r"
_FORMULA = re.compile(rf"{_MARK}*[{re.escape(_SIGNS)}]")
_BEGIN = frozenset(_MARK + _SIGNS)


def guarded(text: str) -> str:
    """A text as it is written to a table: no spreadsheet runs it."""
    if text[:1] not in _BEGIN or not _FORMULA.match(text) or is_number(text):
        return text
    return _MARK + text


def plain(text: str) -> str:
    """The text that `guarded` was given."""
    return text[1:] if text[:1] == _MARK and _FORMULA.match(text) else text


def to_csv(
    table: pd.DataFrame,
    target: Path | IO[str] | None = None,
    *,
    index: bool = False,
    header: bool = True,
) -> str:
    """Write a table as csv, in which no cell is a formula. All csv of scatd are written here.

    Parameters
    ----------
    target
        None gives the text back.
    index, header
        Whether to write the names of the rows, and of the columns.
    """
    safe = _changed(table, guarded)
    if index:
        safe.index = _changed_names(table.index, guarded)
    # The writer of csv does not see that a carriage return ends a line for those who read it.
    quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC if _has_return(safe) else csv.QUOTE_MINIMAL
    if target is None:
        return str(safe.to_csv(index=index, header=header, quoting=quoting))
    safe.to_csv(target, index=index, header=header, quoting=quoting)
    return ""


def read_csv(path: Path, **options: Any) -> pd.DataFrame:
    """Read a table that `to_csv` wrote; the options are those of `pandas.read_csv`."""
    # The usual reader of pandas is off by one in the last digit of some numbers.
    return plain_table(pd.read_csv(path, float_precision="round_trip", **options))


def plain_table(table: pd.DataFrame) -> pd.DataFrame:
    """A table as it was before it was written by `to_csv`, without what pandas made of it."""
    return _changed(table, plain)


def _changed(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """The same table with changed text, in cells and in names of columns."""
    places = [place for place, kind in enumerate(table.dtypes) if _may_hold_text(kind)]
    changed = table.copy(deep=False)
    changed.columns = pd.RangeIndex(table.shape[1])
    for place in places:
        changed[place] = _changed_column(changed[place], change)
    changed.columns = _changed_names(table.columns, change)
    return changed


def _changed_column(column: pd.Series, change: Callable[[str], str]) -> pd.Series:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.rename_categories([_each(one, change) for one in column.cat.categories])
    values = column.tolist()
    if not any(isinstance(value, str) and value[:1] in _BEGIN for value in values):
        return column
    found = [_each(value, change) for value in values]
    return pd.Series(found, index=column.index, dtype=column.dtype)


def _changed_names(names: pd.Index, change: Callable[[str], str]) -> pd.Index:
    title = _each(names.name, change)
    return pd.Index([_each(name, change) for name in names], name=title)


def _has_return(table: pd.DataFrame) -> bool:
    text = [table.iloc[:, place] for place, kind in enumerate(table.dtypes) if _may_hold_text(kind)]
    names = (table.columns, table.index if table.index.dtype == np.dtype(object) else ())
    values = itertools.chain(*names, *(column.tolist() for column in text))
    return any(isinstance(value, str) and "\r" in value for value in values)


def _may_hold_text(kind: Any) -> bool:
    return isinstance(kind, pd.CategoricalDtype | pd.StringDtype) or kind == np.dtype(object)


def _each(value: Any, change: Callable[[str], str]) -> Any:
    return change(value) if isinstance(value, str) else value
