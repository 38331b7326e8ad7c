"""Scores of labelled cells: by a registered version, and by the baselines kept with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scatd.cards.card import About, SeenCells
from scatd.decision import Decision
from scatd.evaluation.domain import CohortShift, not_assessed_sentence
from scatd.registry import ModelRef
from scatd.workflows.evaluate.inputs import LabelledCells, Version


@dataclass(frozen=True, eq=False)
class ScoredCells:
    """Labelled cells and their scores, in the order of their file.

    Parameters
    ----------
    version, cells
        The version that scored, and the cells.
    decision
        How the version turns probabilities into words.
    own, prob, responses
        (n_cells,) the model's own P(resistant), the reported one, and the word.
    baselines
        P(resistant) by baseline, (n_cells,); empty where none was kept.
    seen
        By use, which of the cells the version has learned from.
    ledger
        Ids and fingerprints of the cells.
    shift
        Position of the cells relative to the training domain; None where the version does not know
        its domain.
    """

    version: Version
    cells: LabelledCells
    decision: Decision
    own: NDArray[np.float64]
    prob: NDArray[np.float64]
    responses: NDArray[np.str_]
    baselines: Mapping[str, NDArray[np.float64]]
    seen: Mapping[str, NDArray[np.bool_]]
    ledger: SeenCells
    shift: CohortShift | None = None

    @property
    def ref(self) -> ModelRef:
        """The version in the registry."""
        return self.version.ref

    @property
    def about(self) -> About:
        """The version's card."""
        return self.version.stored.about

    @property
    def codes(self) -> NDArray[np.int_]:
        """(n_cells,) 0 sensitive or 1 resistant."""
        return self.cells.codes

    @property
    def domain_in_words(self) -> str:
        """How many of the cells lie outside the training domain, or why nobody can say."""
        if self.shift is None:
            return not_assessed_sentence(self.about.too_few_for_domain)
        return self.shift.sentence

    @property
    def simulated(self) -> bool:
        """Whether simulated data took part."""
        return self.ref.simulated or self.cells.simulated

    @property
    def n_seen(self) -> int:
        """Number of cells that the version has learned from, in any way."""
        if not self.seen:
            return 0
        return int(np.any(list(self.seen.values()), axis=0).sum())
