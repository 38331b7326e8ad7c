"""Use case: measure a registered version on labelled cells, and calibrate it on them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from scatd.evaluation.labelled import Truths, evaluation_tables
from scatd.nn.devices import pick_device
from scatd.registry import ModelRef
from scatd.registry.by_drug import find_model
from scatd.workflows.evaluate.calibrate import calibrate, in_words
from scatd.workflows.evaluate.inputs import LabelledCells, Version, labelled_cells, read_version
from scatd.workflows.evaluate.output import place_of, record
from scatd.workflows.evaluate.report import Evaluation, cautions, summary
from scatd.workflows.evaluate.request import EvaluateRequest
from scatd.workflows.evaluate.scores import score_labelled

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class EvaluateResult:
    """The result of an evaluation.

    Parameters
    ----------
    ref
        The version that was evaluated.
    run_id
        The run that holds the evaluation.
    output
        Folder with the report, tables and figures.
    metrics
        One row a metric: metric, value, ci_low, ci_high (and the group bounds).
    words, cautions
        The finding, and reasons to trust it less, in sentences.
    calibrated
        The new version, where something was calibrated, and its decision in words.
    """

    ref: ModelRef
    run_id: str
    output: Path
    metrics: pd.DataFrame
    words: list[str]
    cautions: list[str]
    calibrated: tuple[int, str] | None = None


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
    place.require_own()  # before any compute is spent
    version = read_version(ref)
    with labelled_cells(request, version, device) as cells:
        found = evaluate_cells(request, version, cells, device)
    for doubt in found.cautions:
        logger.warning("%s", doubt)
    run_id, number = record(request, found, place)
    made = found.calibration
    calibrated = None if made is None or number is None else (number, in_words(made))
    return EvaluateResult(
        *(ref, run_id, place.folder, found.tables["metrics"], found.words, found.cautions),
        calibrated,
    )


def evaluate_cells(
    request: EvaluateRequest, version: Version, cells: LabelledCells, device: torch.device
) -> Evaluation:
    """Evaluate a version on opened cells; nothing is written.

    Raises
    ------
    InputError
        When the goals of the calibration cannot be reached.
    """
    scored = score_labelled(version, cells, device)
    made = calibrate(request, scored)
    truths = Truths(
        *(scored.codes, scored.prob, scored.responses, scored.decision),
        cells.groups,
        scored.baselines,
    )
    tables = evaluation_tables(truths, seed=request.seed)
    return Evaluation(scored, made, tables, summary(scored, tables), cautions(scored, tables))
