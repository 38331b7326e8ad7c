"""The request of a screen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from scatd.data.given import GivenCohort
from scatd.data.scoring_request import ScoringRequest
from scatd.ranges import Seed
from scatd.scheduling.address import Machines


@dataclass(frozen=True)
class ScreenRequest(ScoringRequest):
    """Which drugs to score in which cohort.

    Parameters
    ----------
    cohort
        Cells to score.
    output
        Folder for report, tables and figures; None names it after the cohort.
    writes
        False writes no folder: tables and figures are kept in the run.
    drugs
        In any spelling; None takes every drug with a model at `stage`.
    group_by
        Column of obs, such as the patient; None takes all cells as one group.
    seed
        Of resamples, and of the cells in pictures.
    machines
        Where cells are scored; without a scheduler, in this process.
    """

    cohort: GivenCohort
    output: Path | None = None
    writes: bool = True
    drugs: tuple[str, ...] | None = None
    group_by: str | None = None
    seed: Seed = 0
    machines: Machines = field(default_factory=Machines)
