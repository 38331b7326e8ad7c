"""The output of a study of patients: a folder of tables and figures, and a tracked run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from scatd import keys, tracking
from scatd.data.files import atomic_path
from scatd.data.storable import write_h5ad
from scatd.data.text.spreadsheets import to_csv
from scatd.errors import InputError
from scatd.keys import artifact_paths, metric_names
from scatd.plots.style import save_figure
from scatd.registry import ModelRef
from scatd.settings import to_mapping
from scatd.wording import counted
from scatd.workflows.tcga.report import Study, figures_of
from scatd.workflows.tcga.request import FAMILY, TcgaRequest

if TYPE_CHECKING:
    from anndata import AnnData

CAVEAT = (
    "Scores were learned from cell lines in vitro. These patients received this drug with others, "
    "or not at all. Survival is no measure of response, and an association is no prediction."
)
EXPLAINED, FIGURES = "explained.h5ad", "figures"


def place_of(request: TcgaRequest, ref: ModelRef) -> tuple[Path, dict[str, str]]:
    """The folder of the results, whose parents are made, and the inputs that they are of.

    Raises
    ------
    InputError
        When its parents cannot be made.
    """
    folder = request.output
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"the folder cannot be made ({error.strerror})"
        raise InputError(what, where=str(folder), remedy="Choose another: --output") from error
    about = {
        "command": "tcga",
        "model": f"{ref.name}/{ref.version}",
        "expression": str(request.expression.absolute()),
        "survival": str(request.survival.table.absolute()),
    }
    return folder, about


def write_cells(cells: AnnData, path: Path) -> None:
    """Write patients with all that is known of them to an `.h5ad`."""
    with atomic_path(path) as unfinished:
        write_h5ad(cells, unfinished)


def record(request: TcgaRequest, study: Study) -> str:
    """Write tables and figures into the folder, and track them; returns the run."""
    ref, patients = study.ref, study.patients
    settings = {
        "expression": str(request.expression),
        "survival": to_mapping(request.survival),
        "scale": request.scale,
        "attribution": to_mapping(request.settings),
        "explanation_run": study.explanation_run,
    }
    with tracking.parent_run(
        "tcga",
        name=f"{ref.drug} patients",
        tags={
            keys.TAG_DRUG: ref.drug,
            keys.TAG_FAMILY: FAMILY,
            keys.TAG_SIMULATED: str(ref.simulated).lower(),
            keys.TAG_MODEL: f"{ref.name}/{ref.version}",
            keys.TAG_MODEL_RUN: ref.run_id,
            keys.TAG_CONTROLS: study.label,
        },
        settings=settings,
    ) as run:
        for name, table in study.tables.items():
            run.log_table(table, artifact_paths.TABLE.format(name=name))
            with atomic_path(request.output / f"{name}.csv") as unfinished:
                to_csv(table, unfinished)
        run.log_metrics({metric_names.N_PATIENTS: len(patients.table), **_metrics(study.tables)})
        for name, figure in figures_of(patients, study.tables):
            save_figure(figure, request.output / FIGURES, name)
        run.log_files(request.output / FIGURES, artifact_paths.FIGURES)
        run.describe(
            f"{counted(len(patients.table), 'patient')}, {patients.subject}.\n\n**{CAVEAT}**"
        )
    return run.run_id


def _metrics(tables: dict[str, pd.DataFrame]) -> dict[str, float]:
    """Numbers of the tables that compare runs; missing values are left out."""
    found = {metric_names.LOG_RANK_P: tables["log_rank"]["p"].iloc[0]}
    found[metric_names.HAZARD_RATIO] = tables["cox"]["hazard_ratio"].iloc[0]
    return {name: float(value) for name, value in found.items() if pd.notna(value)}
