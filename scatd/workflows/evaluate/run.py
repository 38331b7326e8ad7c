"""Use case: how good a registered version is on labelled cells, and what to calibrate on them."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scatd import keys, registry, tracking
from scatd.data import results
from scatd.data.files import copy_files
from scatd.evaluation.labelled import Truths, evaluation_metrics, evaluation_tables
from scatd.registry import ModelRef
from scatd.workflows.evaluate.calibrate import calibrate, in_words, register_calibrated
from scatd.workflows.evaluate.inputs import EvaluateRequest, LabelledCells, score_labelled
from scatd.workflows.evaluate.report import cautions, draw, summary, write_page
from scatd.workflows.models.find import find_model

logger = logging.getLogger(__name__)

REPORT = "report.html"


@dataclass(frozen=True, eq=False)
class EvaluateResult:
    """What an evaluation came to.

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
        The finding, and what to mind, in sentences.
    calibrated
        The new version, where something was calibrated, and what it holds, in words.
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
        When there is no such version, the cells or labels cannot be used, or what is to be
        calibrated cannot be reached; nothing is then written, tracked or registered.
    """
    # Before any compute is spent; the version may be another one by the time it scores.
    results.require_own(*_place(request, find_model(request.drug, request.family, request.stage)))
    cells = score_labelled(request)
    output, about = _place(request, cells.ref)
    results.require_own(output, about)
    made = calibrate(request, cells)
    truths = Truths(
        cells.codes, cells.prob, cells.responses, cells.decision, cells.groups, cells.baselines
    )
    tables = evaluation_tables(truths, seed=request.seed)
    words, doubts = summary(cells, tables), cautions(cells, tables)
    for doubt in doubts:
        logger.warning("%s", doubt)
    with tracking.parent_run(
        "evaluate",
        name=f"evaluate {cells.ref.drug} {cells.ref.family} v{cells.ref.version}",
        tags=_tags(cells),
        settings=_settings(request, cells),
    ) as run:
        _log_numbers(run, cells, tables)
        run.describe("\n\n".join([*words, *doubts]))
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            _write_tables(folder / "tables", cells, tables)
            subject = f"{cells.about.drug or cells.ref.drug} ({cells.ref.family})"
            pictures = draw(cells, tables, made, subject, folder / "figures")
            write_page(folder / REPORT, cells, tables, pictures, made, words)
            run.log_files(folder, "")
            with results.made_anew(output, about):
                copy_files(folder, output)
        calibrated = None
        if made is not None:
            calibrated = (register_calibrated(run, cells, made), in_words(made))
    return EvaluateResult(
        cells.ref, run.run_id, output, tables["metrics"], words, doubts, calibrated
    )


def _place(request: EvaluateRequest, ref: ModelRef) -> tuple[Path, dict[str, str]]:
    """The folder of the results, and what they are of."""
    output = request.output or Path(f"evaluation-{ref.drug}-{ref.family}-v{ref.version}")
    about = {
        "command": "evaluate",
        "model": f"{ref.name}/{ref.version}",
        "cells": str(request.target.absolute()),
    }
    return output, about


def _tags(cells: LabelledCells) -> dict[str, str]:
    ref = cells.ref
    return {
        keys.TAG_LEVEL: keys.LEVEL_EVALUATION,
        keys.TAG_DRUG: ref.drug,
        keys.TAG_FAMILY: ref.family,
        keys.TAG_MODEL: f"{ref.name}/{ref.version}",
        keys.TAG_MODEL_RUN: registry.training_run(ref),
        keys.TAG_SIMULATED: str(ref.simulated or cells.simulated).lower(),
        keys.TAG_TRAINING_CELLS: str(cells.n_seen),
    }


def _settings(request: EvaluateRequest, cells: LabelledCells) -> dict[str, object]:
    return {
        "stage": request.stage,
        "labels": request.labels,
        "label_map": request.label_map,
        "groups": request.group_by,
        "threshold": cells.decision.threshold,
        "calibrate": ",".join(map(str, request.calibrate)),
        "calibrate_probability": request.calibrate_probability,
        "abstain": None if request.abstain is None else str(request.abstain),
        "seed": request.seed,
        "target_sha256": cells.sha256,
    }


def _log_numbers(run: tracking.Run, cells: LabelledCells, tables: dict[str, pd.DataFrame]) -> None:
    """Metrics, the data, and the version that they belong to."""
    model_id = registry.logged_model(cells.ref)
    run.log_dataset(
        cells.path.stem,
        str(cells.path),
        digest=cells.sha256,
        n_rows=cells.n_obs,
        n_features=cells.n_features,
        context="evaluation",
    )
    run.log_model_input(model_id)
    run.log_metrics(evaluation_metrics(tables, cells.codes), model_id=model_id)


def _write_tables(folder: Path, cells: LabelledCells, tables: dict[str, pd.DataFrame]) -> None:
    folder.mkdir()
    by_cell = {
        "barcode": cells.ids,
        "truth": np.array(keys.RESPONSES)[cells.codes],
        "prob_resistant": cells.prob,
        "response": cells.responses,
    }
    if cells.groups is not None:
        by_cell["group"] = cells.groups
    by_cell |= {f"baseline_{name}": prob for name, prob in cells.baselines.items()}
    by_cell |= {f"seen_{use}": seen for use, seen in cells.seen.items()}
    for name, table in {"cells": pd.DataFrame(by_cell), **tables}.items():
        table.to_csv(folder / f"{name}.csv", index=False)
