"""The request of an explanation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from scatd.data.given import GivenCohort, GivenLabels
from scatd.data.scoring_request import ScoringRequest
from scatd.explanation.settings import ExplainSettings
from scatd.keys import AlignmentMethod, StatsSource
from scatd.ranges import CountOrNone, Permutations


@dataclass(frozen=True)
class ExplainRequest(ScoringRequest):
    """Which scores to explain. Without an input, the demo target is explained.

    Parameters
    ----------
    drug
        In any spelling.
    input
        Cohort or feature matrix.
    output
        `.csv` (importance), `.parquet` (cells x features, sparse) or `.h5ad` (everything); None
        keeps the results in the tracked run only.
    published_csv
        Folder for the files that the published scripts write.
    settings
        How to attribute.
    group_by
        Column of obs: importance within each of its groups, too, and intervals by group.
    controls
        Whether the list is tested.
    source, labels, label_map
        The bulk cohort that the model was trained on, for the control with permuted labels.
    permutations
        Heads trained on permuted labels.
    gene_cells
        Families sf and gf: number of cells of raw counts whose attribution is carried on to
        genes; 0 for none.
    alignment, stats
        As in `PredictRequest`.
    keeps_cells
        Keep the attribution of every cell in the result: 8 bytes for each cell and feature.
    """

    drug: str
    input: GivenCohort | None = None
    output: Path | None = None
    published_csv: Path | None = None
    settings: ExplainSettings = field(default_factory=ExplainSettings)
    group_by: str | None = None
    controls: bool = True
    source: GivenCohort | None = None
    labels: GivenLabels | None = None
    label_map: str | None = None
    permutations: Permutations = 20
    gene_cells: CountOrNone = 0
    alignment: AlignmentMethod | None = None
    stats: StatsSource = "reference"
    keeps_cells: bool = False
