"""Score the labelled cells of a cohort, which is read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scatd import console, keys
from scatd.cards.card import SeenCells
from scatd.data.files import ArrayDigest
from scatd.data.preflight import CellCounts
from scatd.evaluation.domain import cohort_shift
from scatd.evaluation.ledger import row_prints, seen_cells
from scatd.nn.alignment import Alignment
from scatd.scoring import BLOCK, Scorer
from scatd.workflows.cohorts.scoring_input import FeatureRows
from scatd.workflows.evaluate.inputs import (
    LabelledCells,
    LabelledCohort,
    Version,
    baseline_groups_of,
    groups_of,
)
from scatd.workflows.evaluate.request import EvaluateRequest
from scatd.workflows.evaluate.scores import ScoredCells
from scatd.workflows.models.baselines import baseline_scores

Found = Mapping[str, Any]


def score_labelled(
    request: EvaluateRequest, version: Version, cohort: LabelledCohort, device: torch.device
) -> ScoredCells:
    """Read a cohort once, and score its labelled cells with a version and its baselines.

    Raises
    ------
    InputError
        When a value cannot be read by the model, or no labelled cell can be scored.
    """
    given = cohort.given
    scorer = Scorer(version.stored, str(device))
    blocks = _Blocks(version, cohort, scorer)
    has_features = np.zeros(given.n_obs, dtype=bool)
    digest = ArrayDigest(np.dtype(np.float32), (given.n_obs, given.n_features))
    counts = CellCounts()
    with console.progress(given.n_obs, f"Scoring {version.ref.drug}", "cell") as bar:
        for block in given.blocks(range(given.n_obs)):
            has_features[block.start : block.stop] = block.reasons == ""
            digest.add(block.X)
            counts += block.counts or CellCounts(len(block.X))
            blocks.add(block)
            bar.update(len(block.X))
    notes = [*given.warnings(counts), *given.notes]
    rows = cohort.usable(has_features)
    is_usable = has_features[cohort.labelled]
    found, baselines = _joined(blocks.scores, is_usable), _joined(blocks.baselines, is_usable)
    cells = LabelledCells(
        path=given.path,
        n_obs=given.n_obs,
        n_features=given.n_features,
        simulated=given.simulated,
        missing=given.missing,
        sha256=digest.hexdigest(),
        labels=cohort.labels,
        rows=rows,
        ids=cohort.about.ids[rows],
        groups=groups_of(request, cohort, rows),
        notes=notes,
        label_kind=request.label_kind or keys.UNSAID,
    )
    ids = tuple(cells.ids.tolist()) if given.has_ids else ()
    ledger = SeenCells(ids, tuple(found["prints"].tolist()))
    return ScoredCells(
        version=version,
        cells=cells,
        decision=scorer.decision,
        own=found["own"],
        prob=found["prob"],
        responses=found["responses"],
        baselines=baselines,
        seen=seen_cells(version.stored.about, ledger, cells.sha256),
        ledger=ledger,
        shift=None if scorer.domain is None else cohort_shift(found["ood_p"], scorer.domain.role),
    )


class _Blocks:
    """What is kept of the labelled cells, block by block; blocks without one are not scored."""

    def __init__(self, version: Version, cohort: LabelledCohort, scorer: Scorer) -> None:
        self._is_labelled, self._rows = cohort.labelled, scorer.by_rows()
        self._kept = version.baselines
        self._alignment = version.stored.alignment or Alignment("none")
        self._groups = baseline_groups_of(version, cohort)
        self.scores: list[Found] = []
        self.baselines: list[Found] = []

    def add(self, rows: FeatureRows) -> None:
        """Score the labelled cells of some blocks."""
        for at in range(0, len(rows.X), BLOCK):
            X, start = rows.X[at : at + BLOCK], rows.start + at
            some = np.flatnonzero(self._is_labelled[start : start + len(X)])
            if len(some):
                self.scores.append(self._scores(start, X, some))
                self.baselines.append(self._of_baselines(X[some], start + some))

    def _scores(self, start: int, X: NDArray[np.float32], some: NDArray[np.intp]) -> Found:
        scores = self._rows.score(start, X)
        found: dict[str, Any] = {
            "own": scores.own[some],
            "prob": scores.prob_resistant[some],
            "responses": scores.responses[some],
            "prints": np.array(row_prints(X[some])),
        }
        return found if scores.ood_p is None else found | {"ood_p": scores.ood_p[some]}

    def _of_baselines(self, X: NDArray[np.float32], rows: NDArray[np.intp]) -> Found:
        if self._kept is None:
            return {}
        groups = None if self._groups is None else self._groups[rows]
        return baseline_scores(self._kept, X, self._alignment, groups)


def _joined(parts: Sequence[Found], is_usable: NDArray[np.bool_]) -> dict[str, Any]:
    """What was kept of the labelled cells, (n_labelled,), of those that have features."""
    return {name: np.concatenate([one[name] for one in parts])[is_usable] for name in parts[0]}
