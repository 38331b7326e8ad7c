"""Labelled cells, scored by a registered version and by the baseline that was kept with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scatd import artifact, console, keys, registry, tracking
from scatd.cards.card import About, SeenCells
from scatd.data.groups import read_groups
from scatd.data.labels import MISSING, Labels, read_labels, require_two_classes
from scatd.data.simulated import refuse_mixing
from scatd.decision import Decision
from scatd.errors import InputError
from scatd.evaluation.calibration import CalibrationMethod
from scatd.evaluation.ledger import cell_ledger, seen_cells
from scatd.evaluation.selective import BandGoal
from scatd.evaluation.thresholds import Goal
from scatd.nn.devices import pick_device
from scatd.ranges import Seed, check_fields
from scatd.registry import ModelRef
from scatd.scoring import Scorer
from scatd.workflows.cohorts.features import Preparation, ScoringInput, scoring_input
from scatd.workflows.models.baselines import baseline_scores, kept_baseline
from scatd.workflows.models.find import find_model


@dataclass(frozen=True)
class EvaluateRequest:
    """Which version to evaluate on which labelled cells, and what to calibrate on them.

    Parameters
    ----------
    drug, family, stage
        Which version, as `scatd predict` finds it.
    target
        Cohort or feature matrix.
    labels, label_map
        Responses of its cells; see `scatd.data.labels`. None takes the column that names the drug.
    output
        Folder for tables, figures and the report; None names one after the version.
    group_by
        Column (of obs, or of the label table) with the patient or sample of each cell.
    calibrate
        What the threshold is to be; `fixed` keeps the stored one.
    calibrate_probability
        How probabilities are calibrated; None leaves them.
    abstain
        What answers are to keep to; None leaves the version's band, if it has one.
    seed
        Of the resamples.
    preparation, device, allow_simulated
        As in `scatd predict`.
    """

    drug: str
    target: Path
    labels: str | None = None
    label_map: str | None = None
    output: Path | None = None
    family: str | None = None
    stage: str = keys.PRODUCTION
    group_by: str | None = None
    calibrate: Sequence[Goal] = (Goal("fixed"),)
    calibrate_probability: CalibrationMethod | None = None
    abstain: BandGoal | None = None
    seed: Seed = 0
    preparation: Preparation = field(default_factory=Preparation)
    device: str = "auto"
    allow_simulated: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)


@dataclass(frozen=True, eq=False)
class LabelledCells:
    """Cells with a label and a score, in the order of their file.

    Parameters
    ----------
    ref, folder, card
        The version that scored them, and its model folder.
    decision
        How it turns probabilities into words.
    labels
        Of every cell of the file.
    path, sha256, n_obs, n_features, simulated
        The file, whole.
    ids, codes
        (n_cells,) names, and 0 sensitive or 1 resistant.
    groups
        (n_cells,) patient or sample, where that was asked for.
    own, prob, responses
        (n_cells,) the model's own P(resistant), the one it reports, and the word.
    baselines
        P(resistant) by baseline, (n_cells,); empty where none was kept.
    seen
        By use, which cells the version has learned from.
    ledger
        Ids and fingerprints of the cells.
    notes
        What a reader should know before the numbers.
    """

    ref: ModelRef
    folder: Path
    about: About
    decision: Decision
    labels: Labels
    path: Path
    sha256: str
    n_obs: int
    n_features: int
    simulated: bool
    ids: NDArray[np.str_]
    codes: NDArray[np.int_]
    groups: NDArray[np.str_] | None
    own: NDArray[np.float64]
    prob: NDArray[np.float64]
    responses: NDArray[np.str_]
    baselines: Mapping[str, NDArray[np.float64]]
    seen: Mapping[str, NDArray[np.bool_]]
    ledger: SeenCells
    notes: list[str]

    @property
    def n_seen(self) -> int:
        """How many cells the version has learned from, in whatever way."""
        if not self.seen:
            return 0
        return int(np.any(list(self.seen.values()), axis=0).sum())


def score_labelled(request: EvaluateRequest) -> LabelledCells:
    """Score the labelled cells of a cohort with a registered version.

    Raises
    ------
    InputError
        When there is no such version, the cohort or its labels cannot be used, or the labels have
        one class only.
    """
    device = pick_device(request.device)
    ref = find_model(request.drug, request.family, request.stage)
    folder = registry.fetch(ref)
    card = artifact.read_card(folder)
    with scoring_input(request.target, ref.family, card, request.preparation, device) as given:
        features = given.features
        refuse_mixing(
            {f"model {ref.name}": ref.simulated, str(features.path): features.simulated},
            allowed=request.allow_simulated,
        )
        labels = read_labels(features, request.drug, request.labels, request.label_map)
        rows = _usable(labels, given)
        groups = None
        if (column := request.group_by) is not None:
            groups = read_groups(features, rows, column, request.labels, request.label_map)
        scorer = Scorer(folder, str(device))
        with console.progress(features.n_obs, f"Scoring {ref.drug}", "cell") as bar:
            scores = scorer.score(features.X, progress=bar.update)
        baseline = kept_baseline(tracking.Run(tracking.connect(), registry.training_run(ref)))
        baselines = {}
        if baseline is not None:
            alignment = artifact.read(folder).alignment
            assert alignment is not None
            found = baseline_scores(baseline, features.X, alignment)
            baselines = {name: prob[rows] for name, prob in found.items()}
        ledger = cell_ledger(features, rows)
        return LabelledCells(
            ref=ref,
            folder=folder,
            about=card.about,
            decision=scorer.decision,
            labels=labels,
            path=features.path,
            sha256=features.sha256(),
            n_obs=features.n_obs,
            n_features=features.n_features,
            simulated=features.simulated,
            ids=features.ids[rows],
            codes=labels.codes[rows].astype(np.int64),
            groups=groups,
            own=scores.own[rows],
            prob=scores.prob_resistant[rows],
            responses=scores.responses[rows],
            baselines=baselines,
            seen=seen_cells(card.about, ledger, features.sha256()),
            ledger=ledger,
            notes=list(given.notes),
        )


def _usable(labels: Labels, given: ScoringInput) -> NDArray[np.intp]:
    """Rows with a label and features."""
    where = f"{labels.origin}: {labels.column}"
    rows = np.flatnonzero((labels.codes != MISSING) & (given.reasons == ""))
    if not len(rows):
        raise InputError("no labelled cell can be scored", where=where)
    require_two_classes(labels.codes[rows], 2, where)
    return rows
