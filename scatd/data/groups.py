"""The group of each row, such as its patient or batch: one rule for all commands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.data.features import Features
from scatd.data.labels import LabelSource
from scatd.errors import InputError, nearest

OPTION = "--group-by"
_GAPS = {"", "na", "n/a", "nan", "<na>", "nat"}
"""Words of a text table that mean a missing value. `none` is not among them: it can be a group."""


def group_column(
    column: str, *tables: pd.DataFrame, rows: NDArray[np.intp] | None = None
) -> NDArray[np.str_]:
    """The group of each row as text, (n_rows,).

    Parameters
    ----------
    column
        Name of the column.
    tables
        Tables of the same rows; the first one with this column is used.
    rows
        Positions of the rows whose group is needed; None takes all.

    Raises
    ------
    InputError
        When no table has the column, or a row has no group.
    """
    words = _words(column, tables)
    words = words if rows is None else words.iloc[rows]
    n_gaps = int((words == "").sum())
    if n_gaps:
        what = f"column '{column}' is empty for {n_gaps} of {len(words)} rows"
        raise InputError(what, where=OPTION, expected="a group for every row that is used")
    return words.to_numpy(dtype=str)


def _words(column: str, tables: Sequence[pd.DataFrame]) -> pd.Series:
    """The group of each row as text; nothing for a row without one."""
    found = next((table for table in tables if column in table), None)
    if found is None:
        known = [str(name) for table in tables for name in table.columns]
        listed = ", ".join(nearest(column, known) or known[:10])
        places = "obs" if len(tables) == 1 else "obs or in the label table"
        expected = f"one of {listed}" if listed else f"a column of {places}"
        what = f"there is no column '{column}' in {places}"
        raise InputError(what, where=OPTION, expected=expected)
    values = found[column]
    words = values.astype(object).where(values.notna(), "").astype(str)
    return words.where(~words.str.strip().str.casefold().isin(_GAPS), "")


def read_groups(
    features: Features, rows: NDArray[np.intp], column: str, labels: LabelSource
) -> NDArray[np.str_]:
    """The group of some rows of a cohort, (n_rows,), from its obs or else from its label table.

    Raises
    ------
    InputError
        As `group_column`.
    """
    return group_column(column, *_tables(features, column, labels), rows=rows)


def groups_with_gaps(features: Features, column: str, labels: LabelSource) -> NDArray[np.str_]:
    """The group of every row of a cohort, (n_rows,), as `read_groups`; "" for a row without one.

    Raises
    ------
    InputError
        When there is no such column.
    """
    return _words(column, _tables(features, column, labels)).to_numpy(dtype=str)


def _tables(features: Features, column: str, labels: LabelSource) -> list[pd.DataFrame]:
    tables = [features.obs]
    if column not in features.obs and labels.file is not None:
        tables.append(labels.table.of(features).others)
    return tables
