"""Use case: measure a registered version on labelled cells, and calibrate it on them."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from scatd import keys, registry
from scatd.evaluation.evidence import MODEL, predictions
from scatd.evaluation.labelled import Truths, evaluation_tables
from scatd.evaluation.target_evidence import against
from scatd.nn.devices import pick_device
from scatd.registry import ModelRef
from scatd.registry.by_drug import find_model
from scatd.report import Page, ShownInNotebook
from scatd.scheduling import open_cluster
from scatd.workflows.cohorts.elsewhere import Elsewhere
from scatd.workflows.evaluate.calibrate import calibrate, in_words
from scatd.workflows.evaluate.inputs import (
    LabelledCohort,
    Version,
    labelled_cohort,
    read_version,
)
from scatd.workflows.evaluate.output import place_of, record
from scatd.workflows.evaluate.parts import read_elsewhere
from scatd.workflows.evaluate.report import Evaluation, cautions, draw, page, summary
from scatd.workflows.evaluate.request import EvaluateRequest
from scatd.workflows.evaluate.scoring import read_labelled, scored_cells
from scatd.workflows.models import stored_evidence
from scatd.workflows.models.promote import demote

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, repr=False)
class EvaluateResult(ShownInNotebook):
    """The result of an evaluation.

    Parameters
    ----------
    ref
        The version that was evaluated.
    run_id
        The run that holds the evaluation.
    output
        Folder with the report, tables and figures; None where none was written.
    found
        Scores, tables and words.
    calibrated
        The new version, where something was calibrated, and its decision in words.
    against
        What these cells show against the version where it is in production, and whether it was
        archived for it; empty where they show nothing.
    """

    ref: ModelRef
    run_id: str
    output: Path | None
    found: Evaluation
    calibrated: tuple[int, str] | None = None
    against: str = ""

    @property
    def words(self) -> list[str]:
        """The finding, in sentences."""
        return self.found.words

    @property
    def cautions(self) -> list[str]:
        """Reasons to trust the numbers less, in sentences."""
        return self.found.cautions

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by name: see `scatd.evaluation.labelled.evaluation_tables`."""
        return self.found.tables

    @property
    def metrics(self) -> pd.DataFrame:
        """One row a metric: metric, value, ci_low, ci_high (and the group bounds)."""
        return self.tables["metrics"]

    @property
    def predictions(self) -> pd.DataFrame:
        """Scores of every labelled cell, by the version and each baseline.

        Columns: model, id, truth (sensitive or resistant) and prob_resistant.
        """
        cells = self.found.cells
        prob = {MODEL: cells.prob, **cells.baselines}
        return predictions(cells.cells.ids, cells.codes, prob)

    @property
    def headline(self) -> str:
        """The result in a sentence or two."""
        return self.words[0]

    def page(self, folder: Path) -> Page:
        """The report, as the command writes it."""
        return page(self.found, draw(self.found, folder))


def evaluate(request: EvaluateRequest) -> EvaluateResult:
    """Score labelled cells with a version, measure it, and calibrate a new version if asked to.

    Raises
    ------
    InputError
        When there is no such version, the cells or labels cannot be used, or the goals of the
        calibration cannot be reached; nothing is then written, tracked or registered.
    """
    device = pick_device(request.device)
    ref = find_model(request.drug, request.family, request.stage)
    place = place_of(request, ref)
    if place is not None:
        place.require_own()  # before any compute is spent
    version = read_version(ref)
    with contextlib.ExitStack() as kept:  # a killed command goes on from the parts in it
        with (
            labelled_cohort(request, version, device) as cohort,
            open_cluster(request.machines) as cluster,
        ):
            elsewhere = None
            if cluster is not None:
                output = None if place is None else place.folder
                elsewhere = Elsewhere(cluster, kept, "evaluate", request.target, output)
            found = evaluate_cells(request, version, cohort, device, elsewhere)
        for doubt in found.cautions:
            logger.warning("%s", doubt)
        run_id, number = record(request, found, place)
    made = found.calibration
    calibrated = None if made is None or number is None else (number, in_words(made))
    return EvaluateResult(
        *(ref, run_id, None if place is None else place.folder),
        found,
        calibrated,
        _speaks_against(ref, run_id),
    )


def _speaks_against(ref: ModelRef, run_id: str) -> str:
    """What an evaluation shows against a version in production, and what was done."""
    if registry.get(ref.name, ref.version).stage != keys.PRODUCTION:
        return ""
    allowed = registry.load_config(ref.drug).allow_exposure_labels
    said = against(stored_evidence.of_run(ref, run_id), allow_exposure=allowed)
    if not said:
        return ""
    text = f"This is evidence against {ref.name} version {ref.version}, which is in production: "
    if demote(ref, said):
        return f"{text}{said}. It was archived (demote_on_evidence)."
    remedy = f"Take it out of service: scatd registry archive {ref.name} --version {ref.version}"
    return f"{text}{said}. {remedy}"


def evaluate_cells(
    request: EvaluateRequest,
    version: Version,
    cohort: LabelledCohort,
    device: torch.device,
    elsewhere: Elsewhere | None = None,
) -> Evaluation:
    """Evaluate a version on an opened cohort; no result is written.

    Parameters
    ----------
    elsewhere
        Scores the cells on workers; None scores them in this process.

    Raises
    ------
    InputError
        When the cells cannot be scored, or the goals of the calibration cannot be reached.
    """
    if elsewhere is None:
        read = read_labelled(version, cohort, device)
    else:
        read = read_elsewhere(request, version, cohort, device, elsewhere)
    scored = scored_cells(request, version, cohort, read)
    made = calibrate(request, scored)
    truths = Truths(
        *(scored.codes, scored.prob, scored.responses, scored.decision),
        scored.cells.groups,
        scored.baselines,
    )
    tables = evaluation_tables(truths, seed=request.seed)
    return Evaluation(scored, made, tables, summary(scored, tables), cautions(scored, tables))
