"""Join tables of patients (survival of TCGA) to the samples of a cohort."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from scatd.data.tables import read_table
from scatd.errors import InputError
from scatd.wording import counted

_BARCODE = re.compile(r"(TCGA-\w\w-\w{4})-(\d\d)")
_FIRST_NORMAL = 10
"""Sample types from this number on are normal tissue and controls; lower ones are tumours."""
_BARCODE_LENGTHS = (16, 15, 12)
"""Length of the part of a TCGA barcode that names the vial, the sample and the patient."""


def join_patients(obs: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, str]:
    """Add the columns of a table to `obs`, by id.

    Ids are the first column of the table, or a later column that fits more samples. A TCGA barcode
    finds its row by vial, sample or patient. Samples without a row get missing values.

    Parameters
    ----------
    obs
        (n_obs,) samples, ids in the index.
    path
        Any table; if an id is repeated, its first row counts.

    Returns
    -------
    `obs` with the columns of the table, and the number of samples found, in words.

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
        what = (
            f"... has no row for any of the {counted(len(obs), 'sample')}, such as '{obs.index[0]}'"
        )
        raise InputError(what, where=str(path), expected="a column with their ids")
    n_found, ids, by_id = best
    joined = by_id.reindex(ids.fillna("")).set_axis(obs.index, axis=0)
    joined = joined.drop(columns=[name for name in joined if name in obs])
    note = f"{counted(n_found, 'sample', 'has', of=len(obs))} a row in {path.name}"
    return pd.concat([obs, joined], axis=1), note


def one_tumour_each(ids: pd.Index) -> pd.Series:
    """Select one tumour sample for each patient, primary tumours first.

    Normal tissue has the survival of its patient, but not the expression of the tumour. A patient
    with two samples would count twice. An id that is not a TCGA barcode is a patient of its own.

    Returns
    -------
    (n_obs,) True for samples that are kept, in the order of `ids`.
    """
    found = [_BARCODE.match(name) for name in ids.astype(str)]
    table = pd.DataFrame(
        {
            "id": ids.astype(str),
            "patient": [
                name if is_code is None else is_code[1]
                for name, is_code in zip(ids.astype(str), found, strict=True)
            ],
            "kind": [1 if is_code is None else int(is_code[2]) for is_code in found],
        }
    )
    tumours = table[table["kind"] < _FIRST_NORMAL]
    kept = tumours.sort_values(["kind", "id"], kind="stable").drop_duplicates("patient")
    return pd.Series(table.index.isin(kept.index), index=ids)


def _known(ids: pd.Index, rows: pd.Index) -> pd.Series:
    """The row of each id, found by the longest part of the id that has a row."""
    found = pd.Series(ids.where(ids.isin(rows)), dtype=object)
    for length in _BARCODE_LENGTHS:
        short = pd.Series(ids.str[:length], dtype=object)
        found = found.where(found.notna(), short.where(short.isin(rows)))
    return found
