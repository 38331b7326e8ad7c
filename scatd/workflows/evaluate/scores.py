"""Scores of labelled cells: by a registered version, and by the baselines kept with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from scatd import console
from scatd.cards.card import About, SeenCells
from scatd.decision import Decision
from scatd.evaluation.ledger import cell_ledger, seen_cells
from scatd.nn.alignment import Alignment
from scatd.registry import ModelRef
from scatd.scoring import Scorer
from scatd.workflows.evaluate.inputs import LabelledCells, Version
from scatd.workflows.models.baselines import baseline_scores


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
    def simulated(self) -> bool:
        """Whether simulated data took part."""
        return self.ref.simulated or self.cells.features.simulated

    @property
    def n_seen(self) -> int:
        """Number of cells that the version has learned from, in any way."""
        if not self.seen:
            return 0
        return int(np.any(list(self.seen.values()), axis=0).sum())


def score_labelled(version: Version, cells: LabelledCells, device: torch.device) -> ScoredCells:
    """Score labelled cells with a version and its baselines."""
    features, rows = cells.features, cells.rows
    scorer = Scorer(version.stored, str(device))
    with console.progress(features.n_obs, f"Scoring {version.ref.drug}", "cell") as bar:
        scores = scorer.score(features.X, progress=bar.update)
    baselines: dict[str, NDArray[np.float64]] = {}
    if version.baselines is not None:
        alignment = version.stored.alignment or Alignment("none")
        found = baseline_scores(version.baselines, features.X, alignment, cells.baseline_groups)
        baselines = {name: prob[rows] for name, prob in found.items()}
    ledger = cell_ledger(features, rows)
    return ScoredCells(
        version=version,
        cells=cells,
        decision=scorer.decision,
        own=scores.own[rows],
        prob=scores.prob_resistant[rows],
        responses=scores.responses[rows],
        baselines=baselines,
        seen=seen_cells(version.stored.about, ledger, features.sha256()),
        ledger=ledger,
    )
