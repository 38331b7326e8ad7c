"""What an explanation leaves behind: tables for people, an AnnData, the published files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

from scatd import artifact, keys, tracking
from scatd.data import results
from scatd.data.files import atomic_path
from scatd.data.storable import write_h5ad
from scatd.explain.controls import Control, controls_table
from scatd.explain.importance import Tally
from scatd.keys import artifact_paths
from scatd.settings import to_mapping
from scatd.workflows.explain.inputs import Subject
from scatd.workflows.explain.store import AttributionStore, Block

OUTPUT_SUFFIXES = (".csv", ".parquet", ".h5ad")
STRONGEST = 200
"""Features a cell in the sparse table: those with the largest attributions."""
_PUBLISHED_NAMES = {"ig": "integrated_gradients_value", "gradshap": "shap_values"}


def log_cells(run: tracking.Run, subject: Subject, store: AttributionStore) -> None:
    """Store the sparse table of cells x features with the run."""
    with tempfile.TemporaryDirectory() as scratch:
        _write_parquet(Path(scratch) / "cells.parquet", subject, store)
        run.log_files(Path(scratch), artifact_paths.ATTRIBUTIONS)


def write_output(
    subject: Subject,
    store: AttributionStore,
    importance: pd.DataFrame,
    controls: list[Control],
    verdict: str,
) -> list[Path]:
    """Write `--output`, if it was asked for; returns what was written."""
    target = subject.request.output
    if target is None:
        return []
    with atomic_path(target) as unfinished:
        if target.suffix == ".csv":
            importance.to_csv(unfinished, index=False)
        elif target.suffix == ".parquet":
            _write_parquet(unfinished, subject, store)
        else:
            cells = _annotated(subject, store, importance, controls, verdict)
            write_h5ad(cells, unfinished)
    return [target]


def _write_parquet(path: Path, subject: Subject, store: AttributionStore) -> None:
    """Columns cell, feature, value (as the cohort holds it) and attribution_CLASS.

    Each cell has its `STRONGEST` features, by the sum of absolute attributions over classes, and
    none whose attribution is zero.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: pq.ParquetWriter | None = None
    try:
        for block in store.blocks():
            table = pa.Table.from_pandas(_strongest(subject, block), preserve_index=False)
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _strongest(subject: Subject, block: Block) -> pd.DataFrame:
    values = [block.attributed[word].attributions for word in subject.classes]
    summed = np.sum([np.abs(one) for one in values], axis=0)
    n = min(STRONGEST, summed.shape[1])
    columns = np.sort(np.argpartition(-summed, n - 1, axis=1)[:, :n], axis=1)
    rows = np.repeat(np.arange(len(summed)), n)
    columns = columns.ravel()
    is_there = summed[rows, columns] > 0
    rows, columns = rows[is_there], columns[is_there]
    X = np.asarray(subject.features.X[block.rows], np.float32)
    table = {
        "cell": subject.features.ids[block.rows][rows],
        "feature": np.asarray(subject.names, dtype=object)[columns],
        "value": X[rows, columns],
    }
    for word, one in zip(subject.classes, values, strict=True):
        table[f"attribution_{word}"] = one[rows, columns]
    return pd.DataFrame(table)


def _annotated(
    subject: Subject,
    store: AttributionStore,
    importance: pd.DataFrame,
    controls: list[Control],
    verdict: str,
) -> ad.AnnData:
    """Cells x features: values in X, attributions in layers, importance in varm, the rest in uns.

    Rows of cells that could not be scored are NaN.
    """
    features, key = subject.features, subject.key
    shape = (features.n_obs, features.n_features)
    cells = ad.AnnData(
        np.full(shape, np.nan, np.float32),
        obs=features.obs.copy(),
        var=pd.DataFrame(index=pd.Index(subject.names)),
    )
    layers = {word: np.full(shape, np.nan, np.float32) for word in subject.classes}
    for block in store.blocks():
        cells.X[block.rows] = np.asarray(features.X[block.rows], np.float32)
        for word, found in block.attributed.items():
            layers[word][block.rows] = found.attributions
    for word, layer in layers.items():
        cells.layers[f"attribution_{word}"] = layer
    is_scored = subject.usable
    cells.obs["prob_resistant"] = np.where(is_scored, subject.scores.prob_resistant, np.nan)
    cells.obs[keys.prob_column(key)] = cells.obs["prob_resistant"]
    cells.obs[keys.response_column(key)] = pd.Categorical(
        pd.Series(subject.scores.responses).where(is_scored)
    )
    ranked = importance.drop(columns="controls").set_index("feature")
    cells.varm["importance"] = ranked.loc[list(subject.names)].set_axis(cells.var_names)
    cells.uns[keys.UNS_SCATD] = {
        key: {
            "model": subject.ref.name,
            "version": subject.ref.version,
            "settings": to_mapping(subject.request.settings),
            "controls": verdict,
            "controls_table": controls_table(controls).astype({"value": float, "bound": float}),
            "versions": artifact.versions(),
            "use": keys.CAVEAT,
        }
    }
    cells.uns[keys.UNS_SIMULATED] = bool(subject.ref.simulated or features.simulated)
    return cells


def write_published(subject: Subject, store: AttributionStore, tally: Tally) -> list[Path]:
    """Write the files of the published attribution scripts, if they were asked for.

    Prefix is the drug as it was given; the index is `sample_id`, counted from 0 over the cells that
    could be explained. Returns what was written.
    """
    folder = subject.request.published_csv
    if folder is None:
        return []
    folder.parent.mkdir(parents=True, exist_ok=True)
    with results.made_anew(folder, published_results(subject), option="--published-csv"):
        return _write_published(folder, subject, store, tally)


def _write_published(
    folder: Path, subject: Subject, store: AttributionStore, tally: Tally
) -> list[Path]:
    prefix, kind = subject.request.drug, _PUBLISHED_NAMES[subject.request.settings.method]
    written = []

    def write(name: str, parts: Iterator[pd.DataFrame]) -> None:
        target = folder / f"{prefix}_{name}.csv"
        with atomic_path(target) as unfinished, unfinished.open("w", encoding="utf-8") as file:
            for number, part in enumerate(parts):
                part.to_csv(file, header=number == 0)
        written.append(target)

    for word in keys.RESPONSES:
        if word in subject.classes:
            write(f"{word}_{kind}", _published(subject, store, word, "attributions"))
            write(f"{word}_approximation_error_value", _published(subject, store, word, "delta"))
    classes = [word for word in keys.RESPONSES if word in subject.classes]
    means = pd.DataFrame(
        {word: tally.importance(word) for word in classes},
        index=pd.Index(subject.names, name="feature_name"),
    )
    write("shap_feature_importance", iter([means]))
    summed = means.sum(axis=1)
    ranks = pd.DataFrame(
        {
            f"{prefix}_sum": summed,
            "Rank_Dense": summed.rank(method="dense", ascending=False),
            "Rank_Average": summed.rank(method="average", ascending=False),
        }
    )
    write("importance_Rank", iter([ranks.rename_axis(index=None)]))
    return written


def published_results(subject: Subject) -> dict[str, str]:
    """Command, model and input, for the mark of the folder with the published files."""
    return {
        "command": "explain",
        "model": f"{subject.ref.name}/{subject.ref.version}",
        "cells": str(subject.features.path.absolute()),
    }


def _published(
    subject: Subject, store: AttributionStore, word: str, what: str
) -> Iterator[pd.DataFrame]:
    first = 0
    for block in store.blocks():
        values = np.asarray(getattr(block.attributed[word], what), np.float32)
        index = pd.RangeIndex(first, first + len(values), name="sample_id")
        first += len(values)
        columns = list(subject.names) if what == "attributions" else ["approximation error"]
        yield pd.DataFrame(values.reshape(len(values), -1), index=index, columns=columns)
