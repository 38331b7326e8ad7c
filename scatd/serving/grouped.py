"""The cells of a result by a column of `obs`: which columns can group them, and the counts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import keys
from scatd.data.feature_files import obs_column, obs_of
from scatd.data.groups import group_words
from scatd.data.opened import open_input
from scatd.serving.refusals import NOT_FOUND, Trouble, refusal

_MOST_GROUPS = 60
_MOST_COLUMNS = 100
NO_GROUP = "(no value)"


def grouping_columns(cohort: Path) -> list[str]:
    """Columns of `obs` that name 2 to 60 groups, such as patient or cell type; scatd's own not."""
    with open_input(cohort) as opened:
        obs = obs_of(opened)
    found = [
        str(name)
        for name in obs.columns
        if not str(name).startswith(f"{keys.UNS_SCATD}_") and _makes_groups(obs[name])
    ]
    return found[:_MOST_COLUMNS]


def _makes_groups(values: pd.Series) -> bool:
    if pd.api.types.is_float_dtype(values):  # measurements, unless they are whole numbers
        known = values.dropna().to_numpy()
        if not np.array_equal(known, np.round(known)):
            return False
    few = values.dropna().unique()
    return 2 <= len(few) <= _MOST_GROUPS


def by_group(
    cohort: Path, column: str, calls: Mapping[str, NDArray[np.int8]]
) -> list[dict[str, Any]]:
    """Number of cells of each group by their call, for each drug.

    Parameters
    ----------
    cohort
        The scored cohort.
    column
        One of `grouping_columns`.
    calls
        (n_obs,) number of each cell's call in `keys.CALLS`, -1 for a cell without a score; by drug.

    Returns
    -------
    One mapping a group, by name: `group`, `n_cells`, and `drugs`: for each drug the number of cells
    by call.

    Raises
    ------
    Refusal
        404 if the cohort has no such column.
    """
    with open_input(cohort) as opened:
        obs = obs_column(opened, column)
    if column not in obs or not _makes_groups(obs[column]):
        raise refusal(NOT_FOUND, "There are no such groups.", Trouble.NO_GROUPS)
    words = group_words(obs[column])
    names, numbers = np.unique(words, return_inverse=True)
    counted = _counts(calls, numbers, len(names))
    sizes = np.bincount(numbers, minlength=len(names))
    return [
        {
            "group": str(name) or NO_GROUP,
            "n_cells": int(sizes[row]),
            "drugs": {
                drug: dict(zip(keys.CALLS, map(int, table[row]), strict=True))
                for drug, table in counted.items()
            },
        }
        for row, name in enumerate(names)
    ]


def _counts(
    calls: Mapping[str, NDArray[np.int8]], numbers: NDArray[np.intp], n_groups: int
) -> dict[str, NDArray[np.intp]]:
    """(n_groups, n_calls) cells with a score, for each drug."""
    n_calls = len(keys.CALLS)
    found = {}
    for drug, codes in calls.items():
        has = codes >= 0
        places = numbers[has] * n_calls + codes[has]
        found[drug] = np.bincount(places, minlength=n_groups * n_calls).reshape(n_groups, n_calls)
    return found
