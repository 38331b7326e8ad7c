"""A drug by its structure, and how cells respond to it: from a model folder to numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scatd.artifact import Artifact
from scatd.candidates.anydrug import AnyDrug
from scatd.data.structures import Bits, fingerprint
from scatd.errors import InputError
from scatd.wording import counted

N_NEAREST = 3
"""Known drugs that are named beside one that was asked for."""
_SAME = 1 - 1e-12


@dataclass(frozen=True, eq=False)
class Asked:
    """A drug that a model may answer for.

    Parameters
    ----------
    model
        What scores.
    bits
        (n_bits,) fingerprint of the drug.
    nearest
        The nearest drugs of the training with their similarity, the nearest first.
    """

    model: AnyDrug
    bits: Bits
    nearest: tuple[tuple[str, float], ...]

    @property
    def is_known(self) -> bool:
        """Whether the model was trained on a drug with this fingerprint."""
        return self.nearest[0][1] >= _SAME

    @property
    def nearest_in_words(self) -> str:
        """The nearest drugs, such as `Erlotinib (0.52) and Gefitinib (0.41)`."""
        return in_words(self.nearest)

    def relative_response(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """As `AnyDrug.relative_response`."""
        return self.model.relative_response(X, self.bits)


def in_words(nearest: tuple[tuple[str, float], ...]) -> str:
    """Drugs with their similarity."""
    *most, last = (f"{name} ({similarity:.2f})" for name, similarity in nearest)
    return f"{', '.join(most)} and {last}" if most else last


def asked(stored: Artifact, smiles: str, where: str) -> Asked:
    """A drug by its structure.

    Parameters
    ----------
    stored
        A model of drugs never seen.
    smiles
        The structure.
    where
        Where it was given, for error messages.

    Raises
    ------
    InputError
        When the structure cannot be read, or is too unlike those of the training.
    """
    assert stored.anydrug is not None
    model, names = stored.anydrug, list(stored.structures)
    bits = fingerprint(smiles, where)
    alike = model.similarities(bits)
    order = np.argsort(-alike, kind="stable")[:N_NEAREST]
    nearest = tuple((names[place], float(alike[place])) for place in order)
    if nearest[0][1] < min(model.threshold, _SAME):
        what = (
            f"this drug is too unlike the {counted(len(names), 'drug')} that the model learned "
            f"from: the nearest are {in_words(nearest)}"
        )
        expected = f"a similarity (Tanimoto) of at least {model.threshold:.2f} to one of them"
        remedy = "Measure the response to this drug, and train a model of it: scatd transfer"
        raise InputError(what, where=where, expected=expected, remedy=remedy)
    return Asked(model, bits, nearest)
