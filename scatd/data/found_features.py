"""Features as a file holds them, and the faults of files that do not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scatd import keys
from scatd.data.ids import Ids
from scatd.data.tables import has_suffix
from scatd.errors import FaultKind, InputError

ARRAY_SUFFIXES = (".npy", ".npz")


@dataclass(frozen=True, eq=False)
class Found:
    """The content of a file: the array as stored, its place in the file, and ids if any."""

    raw: np.ndarray
    key: str
    ids: Ids | pd.Index | None = None
    obs: pd.DataFrame | None = None
    simulated: bool = False
    names: tuple[str, ...] | None = None


def require_order(names: Sequence[str], key: str, path: Path) -> None:
    """Refuse columns with numbered names in another order, such as f0, f1, f10, f2.

    The columns of an embedding are read by their places. A sorted table has lost them.

    Raises
    ------
    InputError
        Names the first column that is not in its place.
    """
    found = [re.fullmatch(r"(.*?)(\d+)", name, re.DOTALL) for name in names]
    if not all(found) or len({one[1] for one in found if one}) != 1:
        return
    numbers = [int(one[2]) for one in found if one]
    in_order = sorted(numbers)
    if numbers == in_order:
        return
    at = next(i for i, number in enumerate(numbers) if number != in_order[i])
    raise InputError(
        f"the columns of {key} are not in the order of their numbers: column {at}, counted from "
        f"0, is '{names[at]}'",
        where=str(path),
        expected="the order in which the embedding was made",
        remedy="Sort the columns by number, or give the values without names if they are in order.",
        kind=FaultKind.TABLE,
    )


def no_embedding(path: Path, family: str, what: str) -> InputError:
    """The fault of a file without the embedding of a family, and how to make it."""
    if has_suffix(path, ARRAY_SUFFIXES):
        expected = f"features of family {family}, or counts with the names of their genes"
        remedy = "An array has no names: write the counts as .h5ad, or as a table with a header."
        return InputError(what, where=str(path), expected=expected, remedy=remedy)
    return InputError(
        what,
        where=str(path),
        expected=f'features of family {family} in obsm["{keys.OBSM_FEATURES[family]}"]',
        remedy=f"Make them: scatd embed {path} --backend {keys.BACKENDS[family]} -o embedded.h5ad",
        kind=FaultKind.NO_EMBEDDING,
    )
