"""The patients of a study as a model of family dist reads them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from scatd.cards.card import Card
from scatd.data.expression import LOG1P, as_log1p
from scatd.data.genes import Panel
from scatd.data.limits import MIN_GENES
from scatd.data.scale import Diagnosis
from scatd.data.tables import read_table
from scatd.evaluation.survival import survival_columns
from scatd.workflows.prepare.request import PrepareRequest
from scatd.workflows.prepare.run import prepare_in_memory
from scatd.workflows.tcga.patients import require_survival
from scatd.workflows.tcga.request import TcgaRequest

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

PREPARED = "patients.h5ad"
"""File of the prepared patients; the report on their genes lies beside it."""
AS_GIVEN = "as_given"
"""Layer that keeps the values of the table, in the order of the model's genes."""


def read_patients(request: TcgaRequest, card: Card, folder: Path) -> AnnData:
    """Read the patients in the order of the model's genes and on its scale, survival in `obs`.

    Ensembl ids lose version and suffix, become symbols where the map has one, and are averaged
    where they share it; genes that are missing are zero (`workflows.prepare`). A model that reads
    log(1 + counts scaled to 10,000) gets TPM on that scale too, whatever logarithm they came in;
    another one gets them as they are, as published.

    Parameters
    ----------
    card
        Of the model.
    folder
        For the report on their genes.

    Raises
    ------
    InputError
        For tables that cannot be used, or of other patients.
    """
    survival, genes = request.survival, card.about.genes
    # The columns are checked before anything is written.
    table = read_table(survival.table, as_text=False)
    survival_columns(table, survival.time, survival.event, str(survival.table))
    prepared = prepare_in_memory(
        PrepareRequest(
            input=request.expression,
            output=folder / PREPARED,
            gene_map=request.gene_map,
            scale=request.scale,
            layer=request.layer,
            min_genes=min(MIN_GENES, max(card.sizes.n_features // 10, 1)),
            survival=survival.table,
        ),
        Panel(tuple(genes), "the model's genes") if genes else None,
    )
    patients = prepared.adata
    assert patients is not None
    require_survival(patients.obs, survival)
    if card.about.input_scale == LOG1P:
        report = prepared.report
        _rescale(patients, report.diagnoses[report.layer])
    return patients


def _rescale(patients: AnnData, held: Diagnosis) -> None:
    X = patients.X.toarray() if sparse.issparse(patients.X) else np.asarray(patients.X)
    on_scale = as_log1p(X, held)
    if on_scale is None:
        logger.warning("The patients are taken as they are: %s cannot be undone.", held.words)
        return
    patients.layers[AS_GIVEN] = patients.X
    patients.X = sparse.csr_matrix(on_scale.astype(np.float32))
    logger.info("%s: brought to log(1 + 10,000 a patient), which the model reads.", held.words)
