"""What a source tells of many drugs, and what a job may know of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scatd.candidates.candidate import Values
from scatd.data.drugs import substance_key
from scatd.wording import counted

_LEAST_KNOWN = 0.5
"""Share of the training samples that must have a number for the drug itself."""


@dataclass(frozen=True)
class Strength:
    """How strongly a ridge of many drugs is penalised.

    Parameters
    ----------
    penalty
        Weight of the squared weights beside the summed squared error, as a multiple of the mean
        squared length of a row. It then means the same for few features as for many.
    rank
        Patterns over the drugs that answers may be made of, at most.
    """

    penalty: float
    rank: int


OF_LABELS = Strength(penalty=2.5, rank=12)
OF_NUMBERS = Strength(penalty=1.4, rank=5)
"""Chosen on the development lines; neighbours of these do as well."""


@dataclass(frozen=True, eq=False)
class DrugValues:
    """What is known of the training rows of a job, for its own drug and for others.

    Parameters
    ----------
    values
        (n_obs, n_columns), high is resistant, NaN where nothing is known. The first column holds
        the classes of the job's own drug, -1 and 1.
    strength
        Of the ridge.
    has_numbers
        The second column holds numbers of the same drug.
    """

    values: Values
    strength: Strength
    has_numbers: bool


@dataclass(frozen=True, eq=False)
class ManyDrugs:
    """The responses of all samples of a source to many drugs, as they travel to a process.

    Parameters
    ----------
    values
        (n_obs, n_drugs) of the whole source, high is resistant, NaN where nothing is known.
    drugs
        (n_drugs,) name of each column, in any spelling.
    kind
        "labels" (-1 sensitive, 1 resistant) or "numbers" (such as ln IC50).
    """

    values: NDArray[np.float32]
    drugs: Sequence[str]
    kind: Literal["labels", "numbers"]

    @property
    def in_words(self) -> str:
        """What it holds: `labels of 82 drugs`."""
        return f"{self.kind} of {counted(len(self.drugs), 'drug')}"

    def sha256(self) -> str:
        """Hex SHA-256 of all of it."""
        names = "\n".join([self.kind, *self.drugs])
        return hashlib.sha256(names.encode() + self.values.tobytes()).hexdigest()

    def of(
        self, drug_key: str, rows: NDArray[np.intp], codes: NDArray[np.int_], *, is_permuted: bool
    ) -> DrugValues:
        """What training may know of some samples.

        The classes of the drug are those in `codes`, never those of the table. Other columns of the
        drug, by any of its names, are left out but for one with numbers. With permuted classes that
        one is left out too: it would give the true classes away.

        Parameters
        ----------
        drug_key
            The drug that is learned.
        rows
            Positions of the training samples in the source.
        codes
            Classes of the training rows; labelled target cells stand behind the samples.
        is_permuted
            Whether the classes are not the true ones.
        """
        own = substance_key(drug_key)
        is_own = np.array([substance_key(name) == own for name in self.drugs], dtype=bool)
        known = np.full((len(codes), len(self.drugs)), np.nan)
        known[: len(rows)] = self.values[rows]
        share = np.isfinite(known[: len(rows)]).mean(axis=0)
        usable = np.flatnonzero(is_own & (share >= _LEAST_KNOWN))
        has_numbers = self.kind == "numbers" and not is_permuted and len(usable) > 0
        numbers = known[:, usable[:1]] if has_numbers else known[:, :0]
        values = np.column_stack([2.0 * codes - 1, numbers, known[:, ~is_own]])
        strength = OF_LABELS if self.kind == "labels" else OF_NUMBERS
        return DrugValues(values, strength, has_numbers)
