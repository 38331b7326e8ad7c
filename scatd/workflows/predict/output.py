"""Files of a prediction: a table of scores, or the cohort with the scores added."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import anndata as ad
import pandas as pd

from scatd import keys
from scatd.data.files import atomic_path, check_writable
from scatd.data.opened import OpenedInput, copied
from scatd.data.storable import mapping, write_h5ad
from scatd.errors import InputError
from scatd.workflows.predict.request import ANNOTATED, PredictResult

OUTPUT_SUFFIXES = (ANNOTATED, ".csv", ".parquet", ".json")


def require_output(path: Path) -> None:
    """Refuse an output before anything is computed for it.

    Raises
    ------
    InputError
        When its kind is unknown, or it cannot be written.
    """
    if path.suffix not in OUTPUT_SUFFIXES:
        what = f"unknown kind of output '{path.suffix}'"
        raise InputError(what, where=str(path), expected=" or ".join(OUTPUT_SUFFIXES))
    check_writable(path)


def write_prediction(results: Sequence[PredictResult], opened: OpenedInput, path: Path) -> None:
    """Write a prediction, whole or not at all.

    Parameters
    ----------
    results
        Of one drug; of several drugs for `.h5ad` only.
    opened
        The input that was scored. It is read again, from the file that is open, for `.h5ad` only.
    path
        Ends in one of `OUTPUT_SUFFIXES`.
    """
    with atomic_path(path) as temporary:
        if path.suffix == ANNOTATED:
            write_h5ad(scored_cohort(results, opened), temporary)
        else:
            (result,) = results
            write_table(temporary, result)


def scored_cohort(results: Sequence[PredictResult], opened: OpenedInput) -> ad.AnnData:
    """The input, read again, with the scores of each result added."""
    cohort = opened.whole() if opened.is_cohort else _without_expression(results[0])
    for result in results:
        annotate(cohort, result)
    return cohort


def write_table(path: Path, result: PredictResult) -> None:
    """Write scores as `.csv`, `.parquet` (provenance in its metadata) or `.json` (model, cells)."""
    table, about = result.table, json.dumps(result.about)
    if path.suffix == ".csv":
        result.table_in_words.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        whole = pa.Table.from_pandas(table, preserve_index=False)
        metadata = {**(whole.schema.metadata or {}), b"scatd": about.encode()}
        pq.write_table(whole.replace_schema_metadata(metadata), path)
    else:
        cells = table.to_json(orient="records", double_precision=15)
        path.write_text(f'{{"model": {about}, "cells": {cells}}}\n', encoding="utf-8")


def annotate(cohort: ad.AnnData, result: PredictResult) -> None:
    """Add the scores, the latent and their provenance to a cohort in memory."""
    if cohort.is_view:
        cohort._init_as_actual(copied(cohort))
    table, key = result.table, result.ref.drug
    call = table["response"].where(result.is_scored)
    cohort.obs[keys.prob_column(key)] = table["prob_resistant"].to_numpy()
    cohort.obs[keys.response_column(key)] = pd.Categorical(call, categories=list(keys.CALLS))
    cohort.obs[keys.reason_column(key)] = table["reason"].to_numpy().astype(str)
    columns = {
        "ood": keys.ood_column(key),
        "ood_p": keys.ood_p_column(key),
        "prob_sd": keys.prob_sd_column(key),
        "prob_sd_folds": keys.prob_sd_folds_column(key),
    }
    # A column of an earlier prediction would be taken for one of this.
    for column in cohort.obs.columns.intersection(list(columns.values())):
        del cohort.obs[column]
    if result.not_assessed:
        del columns["ood"]
    for name, column in columns.items():
        if name in table:
            cohort.obs[column] = table[name].array if name == "ood" else table[name].to_numpy()
    if result.latent is not None:
        cohort.obsm[keys.latent_key(result.ref.family)] = result.latent
    cohort.uns[keys.UNS_SCATD] = {
        **mapping(cohort.uns.get(keys.UNS_SCATD)),
        key: dict(result.about),
    }


def _without_expression(result: PredictResult) -> ad.AnnData:
    """A cohort of the same cells, for an input that is a matrix of features."""
    return ad.AnnData(obs=pd.DataFrame(index=pd.Index(result.table["barcode"].to_numpy())))
