"""Score the labelled cells of a cohort, which is read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scatd import console, keys
from scatd.cards.card import SeenCells
from scatd.data.cell_findings import CellCounts
from scatd.data.files import ArrayDigest
from scatd.evaluation.domain import cohort_shift
from scatd.evaluation.ledger import row_prints, seen_cells
from scatd.nn.alignment import Alignment
from scatd.scoring import BLOCK, Scorer
from scatd.workflows.cohorts.scoring_input import FeatureRows, ScoringInput
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


@dataclass(eq=False)
class Read:
    """What is kept of a cohort that is read once.

    Parameters
    ----------
    has_features
        (n_obs,) which cells have features.
    sha256
        Hash of all features.
    counts
        Numbers of cells to warn of.
    scores, baselines
        Of the labelled cells, in consecutive parts.
    """

    has_features: NDArray[np.bool_]
    sha256: str
    counts: CellCounts
    scores: list[Found]
    baselines: list[Found]


class Reading:
    """Takes the rows of a cohort in their order, and makes the features' hash and counts."""

    def __init__(self, given: ScoringInput) -> None:
        self._has_features = np.zeros(given.n_obs, dtype=bool)
        self._digest = ArrayDigest(np.dtype(np.float32), (given.n_obs, given.n_features))
        self._counts = CellCounts()

    def add(self, rows: FeatureRows) -> None:
        """Take the next rows."""
        self._has_features[rows.start : rows.stop] = rows.reasons == ""
        self._digest.add(rows.X)
        self._counts += rows.counts or CellCounts(len(rows.X))

    def read(self, scores: list[Found], baselines: list[Found]) -> Read:
        """What was read, with the scores of the labelled cells."""
        digest = self._digest.hexdigest()
        return Read(self._has_features, digest, self._counts, scores, baselines)


@dataclass(frozen=True, eq=False)
class LabelledScoring:
    """What scores the labelled cells of a cohort. It travels to workers.

    Parameters
    ----------
    version
        The version, with its baselines.
    is_labelled
        (n_obs,) which cells have a label.
    groups
        (n_obs,) groups for the baseline `group_mean`; None where there are none.
    """

    version: Version
    is_labelled: NDArray[np.bool_]
    groups: NDArray[np.str_] | None

    @classmethod
    def of(cls, version: Version, cohort: LabelledCohort) -> LabelledScoring:
        """For an opened cohort."""
        return cls(version, cohort.labelled, baseline_groups_of(version, cohort))


def read_labelled(version: Version, cohort: LabelledCohort, device: torch.device) -> Read:
    """Read a cohort once in this process, and score its labelled cells.

    Raises
    ------
    InputError
        When a value cannot be read by the model.
    """
    given = cohort.given
    blocks = Blocks(LabelledScoring.of(version, cohort), device)
    reading = Reading(given)
    with console.progress(given.n_obs, f"Scoring {version.ref.drug}", "cell") as bar:
        for block in given.blocks(range(given.n_obs)):
            reading.add(block)
            blocks.add(block)
            bar.update(len(block.X))
    return reading.read(blocks.scores, blocks.baselines)


def scored_cells(
    request: EvaluateRequest, version: Version, cohort: LabelledCohort, read: Read
) -> ScoredCells:
    """The labelled cells that have features, with their scores.

    Raises
    ------
    InputError
        When no labelled cell can be scored.
    """
    given, has_features = cohort.given, read.has_features
    notes = [*given.warnings(read.counts), *given.notes]
    rows = cohort.usable(has_features)
    is_usable = has_features[cohort.labelled]
    found, baselines = _joined(read.scores, is_usable), _joined(read.baselines, is_usable)
    cells = LabelledCells(
        path=given.path,
        n_obs=given.n_obs,
        n_features=given.n_features,
        simulated=given.simulated,
        missing=given.missing,
        sha256=read.sha256,
        labels=cohort.labels,
        rows=rows,
        ids=cohort.about.ids[rows],
        groups=groups_of(request, cohort, rows),
        notes=notes,
        label_kind=request.label_kind or keys.UNSAID,
    )
    ids = tuple(cells.ids.tolist()) if given.has_ids else ()
    ledger = SeenCells(ids, tuple(found["prints"].tolist()))
    domain = version.stored.domain
    return ScoredCells(
        version=version,
        cells=cells,
        decision=version.stored.card().decision,
        own=found["own"],
        prob=found["prob"],
        responses=found["responses"],
        baselines=baselines,
        seen=seen_cells(version.stored.about, ledger, cells.sha256),
        ledger=ledger,
        shift=None if domain is None else cohort_shift(found["ood_p"], domain.role),
    )


class Blocks:
    """What is kept of the labelled cells, block by block; blocks without one are not scored."""

    def __init__(self, by: LabelledScoring, device: torch.device) -> None:
        version = by.version
        self._rows = Scorer(version.stored, str(device)).by_rows()
        self._is_labelled, self._groups = by.is_labelled, by.groups
        self._kept = version.baselines
        self._alignment = version.stored.alignment or Alignment("none")
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
