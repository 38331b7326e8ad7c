"""The request of a suggestion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scatd.data.given import GivenCohort
from scatd.data.scoring_request import ScoringRequest
from scatd.keys import SuggestedUnit
from scatd.ranges import Count, DrugsInSet, Seed


@dataclass(frozen=True)
class SuggestRequest(ScoringRequest):
    """The choice of drugs that labels should make surer.

    Parameters
    ----------
    cohort
        Cells of the tumour.
    output
        Table to write; None writes none.
    drugs
        In any spelling; None takes every drug with a model at `stage`.
    group_by
        Column of obs with the clone, or another group whose cells are alike; None takes all cells
        as one group.
    reference_group
        Group that is no part of the tumour, such as normal cells.
    combinations
        Number of drugs that are given together: the choice is between sets of this size.
    n
        Number of labels.
    per
        "cell": every label names its cell. "group": the groups, and how many cells of each.
    results
        Earlier suggestions with what was found, in the column `response`.
    seed
        Of the cells that are looked at, where there are very many.
    """

    cohort: GivenCohort
    output: Path | None = None
    drugs: tuple[str, ...] | None = None
    group_by: str | None = None
    reference_group: str | None = None
    combinations: DrugsInSet = 1
    n: Count = 20
    per: SuggestedUnit = "cell"
    results: Path | None = None
    seed: Seed = 0
