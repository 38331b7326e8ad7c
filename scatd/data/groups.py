"""The group of each row, such as its patient or batch: one rule for all commands."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.data.features import Features
from scatd.data.labels import LabelSource
from scatd.errors import InputError
from scatd.spelling import nearest
from scatd.wording import LISTED, counted, some_of

OPTION = "--group-by"
_GAPS = {"", "na", "n/a", "nan", "<na>", "nat"}
"""Words of a text table that mean a missing value. `none` is not among them: it can be a group."""


def group_words(values: pd.Series) -> NDArray[np.str_]:
    """Groups as text (n_rows,); a missing value is an empty text."""
    words = values.astype(object).where(values.notna(), "").astype(str)
    return words.mask(words.str.strip().str.casefold().isin(_GAPS), "").to_numpy(dtype=str)


def group_column(
    column: str,
    *tables: pd.DataFrame,
    rows: NDArray[np.intp] | None = None,
    option: str = OPTION,
    allow_gaps: bool = False,
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
    option
        The option that named the column, for messages.
    allow_gaps
        A row without a group has an empty text.

    Raises
    ------
    InputError
        When no table has the column, or a row has no group.
    """
    found = next((table for table in tables if column in table), None)
    if found is None:
        known = [str(name) for table in tables for name in table.columns]
        listed = some_of(nearest(column, known) or known, LISTED)
        places = "obs" if len(tables) == 1 else "obs or in the label table"
        expected = f"one of {listed}" if listed else f"a column of {places}"
        what = f"there is no column '{column}' in {places}"
        raise InputError(what, where=option, expected=expected)
    words = group_words(found[column] if rows is None else found[column].iloc[rows])
    n_gaps = int((words == "").sum())
    if n_gaps and not allow_gaps:
        what = f"column '{column}' is empty for {counted(n_gaps, 'row', of=len(words))}"
        raise InputError(what, where=option, expected="a group for every row that is used")
    return words


def group_categories(
    column: str, obs: pd.DataFrame, *, option: str = OPTION
) -> pd.Categorical[str]:
    """The group of each row as a number and a name, (n_rows,), by one column of `obs`.

    Raises
    ------
    InputError
        As `group_column`.
    """
    return pd.Categorical(group_column(column, obs, option=option))


def read_groups(
    features: Features,
    rows: NDArray[np.intp] | None,
    column: str,
    labels: LabelSource,
    *,
    option: str = OPTION,
    allow_gaps: bool = False,
) -> NDArray[np.str_]:
    """The group of some rows of a cohort, or of all, from its obs or else from its label table.

    Raises
    ------
    InputError
        As `group_column`.
    """
    tables = [features.obs]
    if column not in features.obs and labels.file is not None:
        tables.append(labels.table.of(features).others)
    return group_column(column, *tables, rows=rows, option=option, allow_gaps=allow_gaps)
