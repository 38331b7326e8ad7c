"""Use case: a model's scores of TCGA patients, what drives them, and how long patients live.

Source: the published patient figures (`golden/scatd` section 6); Kaplan-Meier, log-rank and Cox are
ours.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from scatd import keys, registry, tracking
from scatd.cards.card import Card
from scatd.data import results
from scatd.data.drugs import drug_key
from scatd.data.files import atomic_path, copy_files
from scatd.data.io import read_adata
from scatd.data.simulated import refuse_mixing
from scatd.errors import InputError
from scatd.explain.settings import ExplainSettings
from scatd.keys import InputScale, artifact_paths, metric_names
from scatd.plots.style import save_figure
from scatd.registry import ModelRef
from scatd.settings import to_mapping
from scatd.workflows.explain.run import ExplainRequest, ExplainResult, explain
from scatd.workflows.models.find import find_model
from scatd.workflows.tcga.patients import Survival, prepare_patients, scored_patients
from scatd.workflows.tcga.report import Patients, figures_of, tables_of

FAMILY = "dist"
CAVEAT = (
    "Scores were learned from cell lines in vitro. These patients were not treated with this drug "
    "alone, or at all: survival is no measure of response, and an association no prediction."
)
PREPARED, EXPLAINED, FIGURES = "patients.h5ad", "explained.h5ad", "figures"


@dataclass(frozen=True)
class TcgaRequest:
    """Which patients, with which model.

    Parameters
    ----------
    drug, stage
        Which model of family dist.
    expression
        STAR-TPM, genes x samples or samples x genes.
    survival
        Table of survival, and its columns.
    output
        Folder for tables and figures.
    scale, layer, gene_map
        What the values are, and which matrix of a file with several; what genes are called.
    settings, controls
        Of the attribution, as in `ExplainRequest`.
    device, allow_simulated
        Where to compute; whether simulated and real may mix.
    """

    drug: str
    expression: Path
    survival: Survival
    output: Path
    stage: str = keys.PRODUCTION
    scale: InputScale = "log1p"
    layer: str | None = None
    gene_map: Path | None = None
    settings: ExplainSettings = field(default_factory=ExplainSettings)
    controls: bool = True
    device: str = "auto"
    allow_simulated: bool = False


@dataclass(frozen=True, eq=False)
class TcgaResult:
    """The model, the tables by name, the explanation's label, where all is, and the run."""

    ref: ModelRef
    tables: dict[str, pd.DataFrame]
    label: str
    output: Path
    run_id: str


def tcga(request: TcgaRequest) -> TcgaResult:
    """Prepare, score, attribute, test and draw; everything goes into a folder and a tracked run.

    Raises
    ------
    InputError
        When there is no such model, or the tables cannot be used.
    """
    ref = find_model(request.drug, FAMILY, request.stage)
    card = registry.read_card(ref)
    simulated = {f"model {ref.name}": ref.simulated, str(request.expression): False}
    refuse_mixing(simulated, allowed=request.allow_simulated)
    output, about = _place(request, ref)
    results.require_own(output, about)
    with tempfile.TemporaryDirectory() as scratch:
        # Elsewhere: earlier results stay until it is known that there will be new ones.
        _prepare(request, card, Path(scratch))
        with results.made_anew(output, about):
            copy_files(Path(scratch), output)
            return _in_folder(request)


def _prepare(request: TcgaRequest, card: Card, folder: Path) -> None:
    prepare_patients(
        request.expression,
        request.survival,
        folder / PREPARED,
        card,
        request.scale,
        request.gene_map,
        request.layer,
    )


def _in_folder(request: TcgaRequest) -> TcgaResult:
    key = drug_key(request.drug)
    prepared = request.output / PREPARED
    explained = explain(
        ExplainRequest(
            drug=request.drug,
            input=prepared,
            output=request.output / EXPLAINED,
            family=FAMILY,
            stage=request.stage,
            settings=request.settings,
            controls=request.controls,
            device=request.device,
            allow_simulated=request.allow_simulated,
        )
    )
    cells = read_adata(request.output / EXPLAINED)
    table = scored_patients(cells.obs, request.survival, key)
    own = cells[table.index]
    genes = cells.var_names
    patients = Patients(
        subject=f"{key}, {request.expression.name.partition('.')[0]}",
        table=table,
        expression=pd.DataFrame(own.X, table.index, genes),
        attributions=pd.DataFrame(own.layers["attribution_resistant"], table.index, genes),
        leading=list(explained.importance["feature"]),
    )
    return _tracked(request, explained, patients)


def _place(request: TcgaRequest, ref: ModelRef) -> tuple[Path, dict[str, str]]:
    """The folder of the results, whose parents are made, and what they are of."""
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


def _tracked(request: TcgaRequest, explained: ExplainResult, patients: Patients) -> TcgaResult:
    ref, key = explained.ref, drug_key(request.drug)
    tables = tables_of(patients)
    settings = {
        "expression": str(request.expression),
        "survival": to_mapping(request.survival),
        "scale": request.scale,
        "attribution": to_mapping(request.settings),
        "explanation_run": explained.run_id,
    }
    with tracking.parent_run(
        "tcga",
        name=f"{key} patients",
        tags={
            keys.TAG_DRUG: key,
            keys.TAG_FAMILY: FAMILY,
            keys.TAG_SIMULATED: str(ref.simulated).lower(),
            keys.TAG_MODEL: f"{ref.name}/{ref.version}",
            keys.TAG_MODEL_RUN: ref.run_id,
            keys.TAG_CONTROLS: explained.label,
        },
        settings=settings,
    ) as run:
        for name, table in tables.items():
            run.log_table(table, artifact_paths.TABLE.format(name=name))
            with atomic_path(request.output / f"{name}.csv") as unfinished:
                table.to_csv(unfinished, index=False)
        run.log_metrics({metric_names.N_PATIENTS: len(patients.table), **_metrics(tables)})
        for name, figure in figures_of(patients, tables):
            save_figure(figure, request.output / FIGURES, name)
        run.log_files(request.output / FIGURES, artifact_paths.FIGURES)
        run.describe(f"{len(patients.table)} patients, {patients.subject}.\n\n**{CAVEAT}**")
    return TcgaResult(ref, tables, explained.label, request.output, run.run_id)


def _metrics(tables: dict[str, pd.DataFrame]) -> dict[str, float]:
    """What of the tables is a number to compare runs by; missing values are left out."""
    found = {metric_names.LOG_RANK_P: tables["log_rank"]["p"].iloc[0]}
    found[metric_names.HAZARD_RATIO] = tables["cox"]["hazard_ratio"].iloc[0]
    return {name: float(value) for name, value in found.items() if pd.notna(value)}
