"""The baseline that knows the group of a sample (tissue, patient, batch) and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scatd.data.files import is_whole, sha256_file, write_hashes
from scatd.errors import InputError
from scatd.evaluation.naive import shrunken_share

FILE = "group_mean.json"

Words = NDArray[np.str_]


@dataclass(frozen=True)
class FoldGroups:
    """Groups of the rows of a fold, as text; empty where a row has none.

    Parameters
    ----------
    column
        Where they stand.
    train, val
        (n_train,) and (n_val,), of the source samples.
    few, target
        Of the few-shot cells and of the labelled target cells; None where the target has no such
        column.
    """

    column: str
    train: Words
    val: Words
    few: Words | None = None
    target: Words | None = None


@dataclass(frozen=True)
class GroupMean:
    """Share of resistant training samples of each group, smoothed toward the prevalence.

    With k resistant ones of n samples of a group and a prevalence p, it is
    (k + 2 p) / (n + 2): see `scatd.evaluation.naive.shrunken_share`. A group that was not seen in
    training gets p.

    Parameters
    ----------
    column
        Where the groups stand.
    prevalence
        Share of resistant training samples.
    shares
        By group.
    """

    column: str
    prevalence: float
    shares: Mapping[str, float]

    @classmethod
    def fit(cls, column: str, groups: Words, codes: NDArray[np.int_]) -> GroupMean:
        """Fit groups (n_obs,) and classes (n_obs,) of training samples."""
        prevalence = float(codes.mean())
        names, place = np.unique(groups, return_inverse=True)
        n, k = np.bincount(place), np.bincount(place, weights=codes)
        shares = shrunken_share(k, n, prevalence)
        by_name = dict(zip(names.tolist(), shares.tolist(), strict=True))
        by_name.pop("", None)
        return cls(column, prevalence, by_name)

    def probabilities(self, groups: Words) -> NDArray[np.float64]:
        """P(resistant) of rows by their groups, (n_obs,)."""
        return np.array([self.shares.get(name, self.prevalence) for name in groups.tolist()])

    def write(self, folder: Path) -> None:
        """Write it into a folder that is there."""
        content = {"column": self.column, "prevalence": self.prevalence, "shares": self.shares}
        path = folder / FILE
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
        write_hashes(path, sha256_file(path))

    @classmethod
    def read(cls, folder: Path) -> GroupMean:
        """Read what `write` wrote.

        Raises
        ------
        InputError
            When the file is damaged.
        """
        path = folder / FILE
        remedy = "Learn the drug again: scatd transfer --drug DRUG"
        damaged = InputError("... is damaged", where=str(path), remedy=remedy)
        if not is_whole(path):
            raise damaged
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            found = cls(str(held["column"]), held["prevalence"], held["shares"])
            numbers = np.array([found.prevalence, *found.shares.values()], dtype=np.float64)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise damaged from error
        if not ((numbers >= 0) & (numbers <= 1)).all():
            raise damaged
        return found
