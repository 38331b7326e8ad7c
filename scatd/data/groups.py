"""The group of each row, such as its patient or batch: one rule for all commands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scatd.data.features import Features
from scatd.data.labels import read_label_table
from scatd.errors import InputError


def read_groups(
    features: Features,
    rows: NDArray[np.intp],
    column: str,
    labels: str | None,
    label_map: str | None,
) -> NDArray[np.str_]:
    """The group of some rows, (n_rows,), from obs or from the label table.

    Parameters
    ----------
    column
        Name of the column; one of obs wins.
    labels, label_map
        As in `scatd.data.labels.read_labels`.

    Raises
    ------
    InputError
        When there is no such column, or a row has no group.
    """
    columns = features.obs
    if column not in columns and labels is not None:
        columns = read_label_table(labels, label_map, features).of(features).others
    if column not in columns:
        held = ", ".join(map(str, columns.columns[:10])) or "none"
        what = f"there is no column '{column}'"
        raise InputError(what, where="--group-by", expected=f"one of: {held}")
    values = columns[column].iloc[rows]
    if values.isna().any():
        what = f"column '{column}' is empty for {int(values.isna().sum())} samples"
        raise InputError(what, where="--group-by", expected="a group for every labelled sample")
    return values.astype(str).to_numpy(dtype=str)
