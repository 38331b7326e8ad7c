"""Tables of patients (survival of TCGA) joined to the samples of a cohort."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from scatd.data.tables import read_table
from scatd.errors import InputError

_BARCODE_LENGTHS = (16, 15, 12)
"""A TCGA barcode names the vial, the sample, the patient by its first characters."""


def join_patients(obs: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, str]:
    """Add the columns of a table to `obs`, by id.

    Ids are those of the table's first column, or of a later one that fits more samples. A TCGA
    barcode finds its row by the vial, the sample or the patient that it begins with. Samples
    without a row get missing values.

    Parameters
    ----------
    obs
        (n_obs,) samples, ids in the index.
    path
        Any table; of a repeated id the first row counts.

    Returns
    -------
    `obs` with the table's columns, and how many samples were found, in words.

    Raises
    ------
    InputError
        When no sample is found.
    """
    table = read_table(path, as_text=False)
    best: tuple[int, pd.Series, pd.DataFrame] | None = None
    for column in table.columns:
        if not pd.api.types.is_string_dtype(table[column]):
            continue
        by_id = table.dropna(subset=[column]).drop_duplicates(column).set_index(column)
        by_id.index = by_id.index.astype(str)
        ids = _known(obs.index.astype(str), by_id.index)
        n_found = int(ids.notna().sum())
        if best is None or n_found > best[0]:
            best = n_found, ids, by_id
    if best is None or not best[0]:
        what = f"has no row for any of the {len(obs)} samples, such as '{obs.index[0]}'"
        raise InputError(what, where=str(path), expected="a column with their ids")
    n_found, ids, by_id = best
    joined = by_id.reindex(ids.fillna("")).set_axis(obs.index, axis=0)
    joined = joined.drop(columns=[name for name in joined if name in obs])
    note = f"{n_found} of {len(obs)} samples have a row in {path.name}"
    return pd.concat([obs, joined], axis=1), note


def _known(ids: pd.Index, rows: pd.Index) -> pd.Series:
    """The row of each id, by the longest beginning that has one."""
    found = pd.Series(ids.where(ids.isin(rows)), dtype=object)
    for length in _BARCODE_LENGTHS:
        short = pd.Series(ids.str[:length], dtype=object)
        found = found.where(found.notna(), short.where(short.isin(rows)))
    return found
