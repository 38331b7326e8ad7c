"""Which pairs of a line and a drug are left out together, by kind of split.

A split gives every labelled pair the number of a fold, from 1; 0 is a pair without a part in it.
The pairs of a fold are scored by models that know pairs of other folds only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scatd.data.label_words import MISSING
from scatd.data.splits import shuffled_folds, stratified_folds, whole_groups
from scatd.errors import InputError
from scatd.workflows.bench.request import SplitName

Folds = NDArray[np.int_]
"""(n_lines, n_drugs), the fold of each pair."""

IN_WORDS: dict[SplitName, str] = {
    "random": "random folds",
    "lines": "lines left out",
    "tissues": "tissues left out",
    "drugs": "drugs left out",
}


@dataclass(frozen=True, eq=False)
class Pairs:
    """The labels of a task.

    Parameters
    ----------
    codes
        (n_lines, n_drugs), 0 sensitive, 1 resistant, -1 without a label.
    substances
        (n_drugs,), what each column is: synonyms are one substance.
    tissues
        (n_lines,), where the task has any; "" is unknown.
    """

    codes: NDArray[np.int8]
    substances: tuple[str, ...]
    tissues: NDArray[np.str_] | None = None

    @property
    def is_labelled(self) -> NDArray[np.bool_]:
        """(n_lines, n_drugs)."""
        return np.asarray(self.codes != MISSING)

    @property
    def lines(self) -> NDArray[np.intp]:
        """Positions of lines with a label for any drug."""
        return np.flatnonzero(self.is_labelled.any(axis=1))


def split(kind: SplitName, pairs: Pairs, n_folds: int, seed: int) -> Folds:
    """The fold of each pair.

    - `random`: stratified folds of the labelled lines of each drug, as `scatd transfer` has them.
    - `lines`: one partition of the lines, the same for all drugs.
    - `tissues`: one partition of the tissues, the same for all drugs. Lines of unknown tissue have
      no part in it.
    - `drugs`: each drug is a fold, together with other names of the same substance.

    Raises
    ------
    InputError
        When there are too few lines, tissues or drugs.
    """
    labelled = pairs.is_labelled
    if kind == "random":
        found = np.zeros(labelled.shape, dtype=int)
        for drug in range(labelled.shape[1]):
            rows = np.flatnonzero(labelled[:, drug])
            folds = stratified_folds(pairs.codes[rows, drug], n_folds, seed)
            for number, (_, val) in enumerate(folds, start=1):
                found[rows[val], drug] = number
        return found
    if kind == "drugs":
        return np.where(labelled, _drug_folds(pairs.substances), 0)
    by_line = np.zeros(len(labelled), dtype=int)
    lines = pairs.lines
    if kind == "lines":
        for number, (_, val) in enumerate(shuffled_folds(len(lines), n_folds, seed), start=1):
            by_line[lines[val]] = number
    else:
        assert pairs.tissues is not None
        lines = lines[pairs.tissues[lines] != ""]  # one of unknown tissue may be of any
        by_line[lines] = whole_groups(pairs.tissues[lines], n_folds, seed)
    return np.where(labelled, by_line[:, None], 0)


def _drug_folds(substances: Sequence[str]) -> NDArray[np.int_]:
    names = list(dict.fromkeys(substances))
    if len(names) < 2:
        what = "one drug cannot be left out of one drug"
        raise InputError(what, expected="at least two drugs for the split drugs")
    return np.array([1 + names.index(name) for name in substances])


def parts(folds: Folds, drug: int) -> list[tuple[int, NDArray[np.intp], NDArray[np.intp]]]:
    """Number, training rows and rows to score of every fold of a drug; never of split `drugs`."""
    column = folds[:, drug]
    return [
        (int(number), np.flatnonzero((column > 0) & (column != number)), np.flatnonzero(own))
        for number in np.unique(column[column > 0])
        for own in [column == number]
    ]
