"""The request of a screen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from scatd.data.given import GivenCohort
from scatd.data.scoring_request import ScoringRequest
from scatd.keys import Clustering
from scatd.ranges import DrugsInSet, Seed
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
    clusters
        How cells are grouped where no column is named; None makes no clusters.
    combinations
        Most drugs of the sets whose share of cells left is reported; with 1 there is no such
        report.
    patients
        Column of obs with the patient of each cell, whom intervals of sets of drugs resample.
    reference_group
        Group of `group_by` that the drugs should spare, such as normal cells. It is no part of the
        tumour.
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
    clusters: Clustering | None = None
    combinations: DrugsInSet = 3
    patients: str | None = None
    reference_group: str | None = None
    seed: Seed = 0
    machines: Machines = field(default_factory=Machines)

    @property
    def groups_are(self) -> str | None:
        """What the groups are: the name of a column, or of clusters; None without groups."""
        return self.group_by or self.clusters

    @property
    def combines(self) -> bool:
        """Whether sets of drugs are reported."""
        return self.combinations > 1
