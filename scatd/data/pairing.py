"""Pair the rows of a cohort with the rows of a table of responses: by id, else by position."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from scatd.data.features import Features
from scatd.errors import InputError
from scatd.wording import counted

logger = logging.getLogger(__name__)


def pair_rows(
    features: Features, ids: pd.Series | None, n_rows: int, file: Path
) -> tuple[np.ndarray, Literal["id", "position"]]:
    """Pair the rows of a cohort with those of a table of responses.

    Parameters
    ----------
    ids
        Ids of the table; None when it has none.
    n_rows
        Number of rows of the table.
    file
        The file of the table, for messages.

    Returns
    -------
    Row of the table for each row of the cohort, -1 if there is none; and how they were paired.

    Raises
    ------
    InputError
        When ids are repeated, no id is found, or without ids the numbers of rows differ.
    """
    if ids is not None and ids.duplicated().any():
        repeated = ids[ids.duplicated()].unique()
        some = ", ".join(f"'{name}'" for name in repeated[:5])
        what = f"{counted(len(repeated), 'id', 'occurs')} more than once: {some}"
        raise InputError(what, where=str(file), expected="one row an id")
    if features.has_ids:
        if ids is None:
            expected = "ids in the first column"
            raise InputError("... has no id column", where=str(file), expected=expected)
        return _match_ids(features, pd.Index(ids), file), "id"
    if ids is not None and set(ids) == set(features.ids):
        return pd.Index(ids).get_indexer(pd.Index(features.ids)), "id"
    if n_rows != features.n_obs:
        raise InputError(
            f"... has {counted(n_rows, 'row')}, but {features.path} has "
            f"{counted(features.n_obs, 'row')} and no ids",
            where=str(file),
            remedy=f"Put the ids beside it, one a line: {features.path.with_suffix('.ids.txt')}",
        )
    logger.warning(
        "%s: %s has no ids, so %s paired with the labels by position.",
        file,
        features.path,
        counted(n_rows, "row", "is"),
    )
    return np.arange(n_rows), "position"


def _match_ids(features: Features, ids: pd.Index, file: Path) -> np.ndarray:
    rows = ids.get_indexer(pd.Index(features.ids))
    n_found = int((rows >= 0).sum())
    if not n_found:
        here, there = (", ".join(map(repr, some[:3].tolist())) for some in (ids, features.ids))
        raise InputError(
            f"... has no row for any of the {counted(features.n_obs, 'sample')} of "
            f"{features.path}: its ids look like {here}; the samples are called {there}",
            where=str(file),
            remedy="Use a table of the same samples, with the same ids in the first column.",
        )
    if n_found < features.n_obs:
        logger.warning(
            "%s: %s no row there.",
            file,
            counted(features.n_obs - n_found, "sample", "has", of=features.n_obs),
        )
    if n_found < len(ids):
        logger.info("%s: %s to no sample.", file, counted(len(ids) - n_found, "row", "belongs"))
    return rows
