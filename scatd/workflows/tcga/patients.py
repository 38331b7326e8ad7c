"""Patients of a cohort as a model of family dist reads them, with their survival."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scatd import keys
from scatd.cards.card import Card
from scatd.data.expression import LOG1P, as_log1p
from scatd.data.files import atomic_path
from scatd.data.io import read_adata
from scatd.data.limits import MIN_GENES
from scatd.data.patients import one_tumour_each
from scatd.data.scale import Diagnosis
from scatd.data.storable import write_h5ad
from scatd.data.tables import read_table
from scatd.data.text.values import require_numbers
from scatd.errors import InputError
from scatd.evaluation.survival import EVENT, TIME
from scatd.keys import InputScale
from scatd.workflows.prepare.request import PrepareRequest
from scatd.workflows.prepare.run import prepare

logger = logging.getLogger(__name__)

AS_GIVEN = "as_given"
"""Layer that keeps what the table held, in the order of the model's genes."""
FEWEST = 10
"""Patients with known survival, under which nothing is estimated."""


@dataclass(frozen=True)
class Survival:
    """Which columns of the survival table hold the time and the event (1 died, 0 alive)."""

    table: Path
    time: str = "OS.time"
    event: str = "OS"


def prepare_patients(
    expression: Path,
    survival: Survival,
    output: Path,
    card: Card,
    scale: InputScale,
    gene_map: Path | None,
    layer: str | None = None,
) -> Path:
    """Write the patients in the order of the model's genes and on its scale, survival in `obs`.

    Ensembl ids lose version and suffix, become symbols where the map has one, and are averaged
    where they share it; genes that are missing are zero (`workflows.prepare.run`). A model
    that reads log(1 + counts scaled to 10,000) gets TPM on that scale too, whatever logarithm they
    came in; another one gets them as they are, as published.

    Parameters
    ----------
    card
        Of the model.

    Raises
    ------
    InputError
        For tables that cannot be used, or of other patients.
    """
    genes = card.about.genes
    with tempfile.TemporaryDirectory() as scratch:
        panel = Path(scratch) / "the model's genes.txt"
        if genes:
            panel.write_text("\n".join(genes) + "\n", encoding="utf-8")
        request = PrepareRequest(
            input=expression,
            output=output,
            panel=panel if genes else None,
            gene_map=gene_map,
            scale=scale,
            layer=layer,
            min_genes=min(MIN_GENES, max(card.sizes.n_features // 10, 1)),
            survival=survival.table,
        )
        # Before anything is written; whose rows they are is known afterwards.
        _columns(read_table(survival.table, as_text=False), survival)
        report = prepare(request).report
    held = report.diagnoses[report.layer]
    patients = read_adata(output)
    require_survival(patients.obs, survival)
    if card.about.input_scale == LOG1P:
        _rescale(patients, held)
        with atomic_path(output) as unfinished:
            write_h5ad(patients, unfinished)
    return output


def _rescale(patients: Any, held: Diagnosis) -> None:
    X = patients.X.toarray() if sparse.issparse(patients.X) else np.asarray(patients.X)
    on_scale = as_log1p(X, held)
    if on_scale is None:
        logger.warning("The patients are taken as they are: %s cannot be undone.", held.words)
        return
    patients.layers[AS_GIVEN] = patients.X
    patients.X = sparse.csr_matrix(on_scale.astype(np.float32))
    logger.info("%s: brought to log(1 + 10,000 a patient), which the model reads.", held.words)


def require_survival(obs: pd.DataFrame, survival: Survival) -> pd.DataFrame:
    """Patients whose survival is known (one tumour each): columns `time` and `event`.

    Raises
    ------
    InputError
        When a column is missing or holds something else, or there are fewer than `FEWEST`.
    """
    table = _columns(obs, survival)[one_tumour_each(obs.index).to_numpy()]
    table = table[table[TIME] >= 0].astype({EVENT: int})
    if len(table) < FEWEST:
        what = f"{len(table)} patients have a tumour and known survival"
        raise InputError(what, where=str(survival.table), expected=f"at least {FEWEST}")
    return table


def _columns(rows: pd.DataFrame, survival: Survival) -> pd.DataFrame:
    """`time` and `event` of each row; both are missing where one of them is."""
    where = str(survival.table)
    for option, name in (("--time", survival.time), ("--event", survival.event)):
        if name not in rows:
            held = ", ".join(map(str, rows.columns[:12]))
            raise InputError(f"has no column '{name}'", where=where, remedy=f"{option}: {held}")
    numbers = {
        name: require_numbers(rows[column], f"{where}: column '{column}'")
        for name, column in ((TIME, survival.time), (EVENT, survival.event))
    }
    table = pd.DataFrame(numbers)
    odd = table.loc[table[EVENT].notna() & ~table[EVENT].isin([0, 1]), EVENT]
    if len(odd):
        what = f"column '{survival.event}' holds {odd.iloc[0]:g}"
        raise InputError(what, where=where, expected="1 (died) and 0 (alive when last seen)")
    return table.where(table.notna().all(axis=1))


def scored_patients(obs: pd.DataFrame, survival: Survival, key: str) -> pd.DataFrame:
    """Patients with known survival and a score: `time`, `event`, `prob_resistant`, `response`.

    Raises
    ------
    InputError
        As `require_survival`, of those that could be scored.
    """
    scored = obs[obs["prob_resistant"].notna()]
    table = require_survival(scored, survival)
    table["prob_resistant"] = scored.loc[table.index, "prob_resistant"].astype(float)
    table["response"] = scored.loc[table.index, keys.response_column(key)].astype(str)
    return table
