"""Use case: a model's scores of TCGA patients, their genes, and the patients' survival.

Source: the published patient figures of scATD (bbaf268); Kaplan-Meier, log-rank and Cox are ours.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from scatd.data import results
from scatd.data.files import copy_files
from scatd.data.simulated import refuse_mixing
from scatd.nn.devices import pick_device
from scatd.registry import ModelRef
from scatd.registry.loaded import Loaded, load_model
from scatd.workflows.explain.request import ExplainRequest
from scatd.workflows.explain.run import explained
from scatd.workflows.tcga.inputs import PREPARED, read_patients
from scatd.workflows.tcga.output import EXPLAINED, place_of, record, write_cells
from scatd.workflows.tcga.patients import scored_patients
from scatd.workflows.tcga.report import Patients, Study, tables_of
from scatd.workflows.tcga.request import FAMILY, TcgaRequest

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True, eq=False)
class TcgaResult:
    """The model, the tables by name, the list's label, the folder of the results, and the run."""

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
    model = load_model(request.drug, FAMILY, request.stage, pick_device(request.device))
    ref = model.ref
    simulated = {f"model {ref.name}": ref.simulated, str(request.expression): False}
    refuse_mixing(simulated, allowed=request.allow_simulated)
    output, about = place_of(request, ref)
    results.require_own(output, about)
    with tempfile.TemporaryDirectory() as scratch:
        # Elsewhere: earlier results stay until there are new ones.
        patients = read_patients(request, model.scorer.card, Path(scratch))
        with results.made_anew(output, about):
            copy_files(Path(scratch), output)
            write_cells(patients, output / PREPARED)
            study = study_patients(request, model, patients)
            write_cells(study.cells, output / EXPLAINED)
            run_id = record(request, study)
    return TcgaResult(ref, study.tables, study.label, output, run_id)


def study_patients(request: TcgaRequest, model: Loaded, patients: AnnData) -> Study:
    """Score patients with a model, attribute their scores, and test both against survival.

    The explanation is a tracked run of its own.

    Parameters
    ----------
    patients
        In the order of the model's genes and on its scale, survival in `obs`.

    Raises
    ------
    InputError
        When too few patients can be scored.
    """
    asked = ExplainRequest(
        drug=request.drug,
        input=request.output / PREPARED,
        settings=request.settings,
        controls=request.controls,
        allow_simulated=request.allow_simulated,
    )
    with explained(asked, model, patients) as (explanation_run, explanation):
        cells = explanation.annotated()
    drug_key = model.ref.drug
    table = scored_patients(cells.obs, request.survival, drug_key)
    own, genes = cells[table.index], cells.var_names
    found = Patients(
        subject=f"{drug_key}, {request.expression.name.partition('.')[0]}",
        table=table,
        expression=pd.DataFrame(own.X, table.index, genes),
        attributions=pd.DataFrame(own.layers["attribution_resistant"], table.index, genes),
        leading=list(explanation.importance["feature"]),
    )
    return Study(model.ref, found, tables_of(found), cells, explanation.label, explanation_run)
