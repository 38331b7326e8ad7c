"""The output of an evaluation: a tracked run, a folder of results, and perhaps a new version."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from scatd import keys, registry, tracking
from scatd.data import results
from scatd.data.files import copy_files
from scatd.data.given import path_of
from scatd.data.text.spreadsheets import to_csv
from scatd.evaluation import label_kinds
from scatd.evaluation.labelled import evaluation_metrics
from scatd.keys import artifact_paths
from scatd.registry import ModelRef
from scatd.report import write_report
from scatd.wording import counted
from scatd.workflows.evaluate.calibrate import Calibration, in_words
from scatd.workflows.evaluate.report import Evaluation, draw, page
from scatd.workflows.evaluate.request import EvaluateRequest
from scatd.workflows.evaluate.scores import ScoredCells

REPORT = "report.html"


@dataclass(frozen=True)
class Place:
    """The folder of the results, and the model and cells that they are of."""

    folder: Path
    about: dict[str, str]

    def require_own(self) -> None:
        """Refuse a folder that holds other results.

        Raises
        ------
        InputError
            As `scatd.data.results.require_own`.
        """
        results.require_own(self.folder, self.about)


def place_of(request: EvaluateRequest, ref: ModelRef) -> Place | None:
    """The folder that was asked for, or one named after version and cells; None to write none."""
    if not request.writes:
        return None
    cells = path_of(request.target)
    of_version = f"evaluation-{ref.drug}-{ref.family}-v{ref.version}"
    folder = request.output or Path(f"{of_version}-{cells.name.partition('.')[0]}")
    about = {
        "command": "evaluate",
        "model": f"{ref.name}/{ref.version}",
        "cells": str(cells.absolute()),
    }
    return Place(folder, about)


def record(
    request: EvaluateRequest, found: Evaluation, place: Place | None
) -> tuple[str, int | None]:
    """Track an evaluation, write its folder, and register the calibrated version, if any.

    Returns
    -------
    The run, and the number of the new version.
    """
    cells, made = found.cells, found.calibration
    with tracking.parent_run(
        "evaluate",
        name=f"evaluate {cells.ref.drug} {cells.ref.family} v{cells.ref.version}",
        tags=_tags(cells),
        settings=_settings(request, cells),
    ) as run:
        _log_numbers(run, found)
        run.describe("\n\n".join([*found.words, *found.cautions]))
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            _write_tables(folder / "tables", found)
            pictures = draw(found, folder / artifact_paths.FIGURES)
            write_report(folder / REPORT, page(found, pictures))
            run.log_files(folder, "")
            if place is not None:
                with results.made_anew(place.folder, place.about):
                    copy_files(folder, place.folder)
        version = None if made is None else _register(run, cells, made)
    return run.run_id, version


def _tags(cells: ScoredCells) -> dict[str, str]:
    ref = cells.ref
    return {
        keys.TAG_LEVEL: keys.LEVEL_EVALUATION,
        keys.TAG_DRUG: ref.drug,
        keys.TAG_FAMILY: ref.family,
        keys.TAG_MODEL: f"{ref.name}/{ref.version}",
        keys.TAG_MODEL_RUN: cells.version.training_run,
        keys.TAG_SIMULATED: str(cells.simulated).lower(),
        keys.TAG_TRAINING_CELLS: str(cells.n_seen),
        keys.TAG_LABEL_KIND: cells.cells.label_kind,
    }


def _settings(request: EvaluateRequest, cells: ScoredCells) -> dict[str, object]:
    return {
        "stage": request.stage,
        "labels": request.labels,
        "label_map": request.label_map,
        "label_kind": cells.cells.label_kind,
        "groups": request.group_by,
        "threshold": cells.decision.threshold,
        "calibrate": ",".join(map(str, request.calibrate)),
        "calibrate_probability": request.calibrate_probability,
        "abstain": None if request.abstain is None else str(request.abstain),
        "seed": request.seed,
        "target": cells.cells.path.name,
        "target_sha256": cells.cells.sha256,
    }


def _log_numbers(run: tracking.Run, found: Evaluation) -> None:
    """Metrics, the data, and the version that they belong to."""
    cells, cohort = found.cells, found.cells.cells
    model_id = registry.logged_model(cells.ref)
    run.log_model_input(model_id)
    values = evaluation_metrics(found.tables, cells.codes)
    data = run.log_cohort(cohort, cohort.sha256, "evaluation")
    run.log_metrics(values, model_id=model_id, data=dict.fromkeys(values, data))


def _write_tables(folder: Path, found: Evaluation) -> None:
    folder.mkdir()
    cells = found.cells
    by_cell = {
        "barcode": cells.cells.ids,
        "truth": np.array(keys.RESPONSES)[cells.codes],
        "prob_resistant": cells.prob,
        "response": cells.responses,
    }
    if cells.cells.groups is not None:
        by_cell["group"] = cells.cells.groups
    by_cell |= {f"baseline_{name}": prob for name, prob in cells.baselines.items()}
    by_cell |= {f"seen_{use}": seen for use, seen in cells.seen.items()}
    for name, table in {"cells": pd.DataFrame(by_cell), **found.tables}.items():
        to_csv(table, folder / f"{name}.csv")


def _register(run: tracking.Run, cells: ScoredCells, made: Calibration) -> int:
    """Register the calibrated version at staging; returns its number."""
    stored, ref = cells.version.stored, cells.ref
    about = replace(
        stored.about,
        threshold_origin=made.origin,
        calibration=replace(made.entry, run_id=run.run_id),
    )
    return registry.register_artifact(
        replace(stored, threshold=made.decision.threshold, about=about),
        ref.name,
        run.run_id,
        metrics={},
        description=f"Version {ref.version}, calibrated on "
        f"{counted(len(cells.codes), 'labelled cell')} "
        f"of {cells.cells.path.name}. {in_words(made)}\n\n"
        f"{label_kinds.in_words(about.label_kinds)}\n\n{keys.CAVEAT}",
        tags={
            keys.TAG_DRUG: ref.drug,
            keys.TAG_TRAINING_RUN: cells.version.training_run,
            keys.TAG_CALIBRATED_FROM: str(ref.version),
        },
    )
