"""The request of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scatd.data.given import GivenCohort, GivenLabels
from scatd.data.scoring_request import ScoringRequest
from scatd.evaluation.calibration import CalibrationMethod
from scatd.evaluation.selective import BandGoal
from scatd.evaluation.thresholds import Goal
from scatd.keys import LabelKind
from scatd.ranges import Seed
from scatd.scheduling.address import Machines


@dataclass(frozen=True)
class EvaluateRequest(ScoringRequest):
    """Which version to evaluate on which labelled cells, and what to calibrate on them.

    Parameters
    ----------
    drug
        In any spelling.
    target
        Cohort or feature matrix.
    labels, label_map
        Responses of its cells; see `scatd.data.labels`. None takes the column that names the drug.
    label_kind
        What the labels mean; None where the user does not say it.
    output
        Folder for tables, figures and the report; None names one after the version.
    writes
        False writes no folder: tables and figures are kept in the run.
    group_by
        Column (of obs, or of the label table) with the patient or sample of each cell.
    calibrate
        Goals that choose the threshold; `fixed` keeps the stored one.
    calibrate_probability
        How probabilities are calibrated; None leaves them.
    abstain
        Goal that the answers keep to; None leaves the version's band, if it has one.
    seed
        Of the resamples.
    machines
        Where cells are scored; without a scheduler, in this process.
    """

    drug: str
    target: GivenCohort
    labels: GivenLabels | None = None
    label_map: str | None = None
    label_kind: LabelKind | None = None
    output: Path | None = None
    writes: bool = True
    group_by: str | None = None
    calibrate: Sequence[Goal] = (Goal("fixed"),)
    calibrate_probability: CalibrationMethod | None = None
    abstain: BandGoal | None = None
    seed: Seed = 0
    machines: Machines = field(default_factory=Machines)
