"""The output of an explanation: a tracked run, tables, an AnnData, the published files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from scatd import keys, tracking
from scatd.data import results
from scatd.data.files import atomic_path, check_writable
from scatd.data.storable import write_h5ad
from scatd.data.text.spreadsheets import to_csv
from scatd.errors import InputError
from scatd.keys import artifact_paths, metric_names
from scatd.wording import any_of
from scatd.workflows.explain.explanation import Explanation
from scatd.workflows.explain.report import figures_of
from scatd.workflows.explain.request import ExplainRequest
from scatd.workflows.explain.store import AttributionStore, Block
from scatd.workflows.explain.subject import Subject

OUTPUT_SUFFIXES = (".csv", ".parquet", ".h5ad")
STRONGEST = 200
"""Features a cell in the sparse table: those with the largest attributions."""
_PUBLISHED_OPTION = "--published-csv"
_PUBLISHED_NAMES = {"ig": "integrated_gradients_value", "gradshap": "shap_values"}


def require_writable(request: ExplainRequest) -> None:
    """Refuse files that cannot be written.

    Raises
    ------
    InputError
        For an unknown kind of file, or a place that cannot be written to.
    """
    if request.output is not None:
        if request.output.suffix not in OUTPUT_SUFFIXES:
            what = f"unknown kind of output '{request.output.suffix}'"
            expected = any_of(OUTPUT_SUFFIXES)
            raise InputError(what, where=str(request.output), expected=expected)
        check_writable(request.output)
    if request.published_csv is not None and request.published_csv.is_file():
        raise InputError("... is a file", where=str(request.published_csv), expected="a folder")


def require_published(subject: Subject) -> None:
    """Refuse a folder for the published files that holds other results.

    Raises
    ------
    InputError
        As `scatd.data.results.require_own`.
    """
    folder = subject.request.published_csv
    if folder is not None and folder.exists():
        results.require_own(folder, _published_of(subject), option=_PUBLISHED_OPTION)


def log_explanation(run: tracking.Run, found: Explanation) -> None:
    """Store every number, table and figure of an explanation with its run."""
    tables = {
        artifact_paths.CONVERGENCE: found.convergence,
        **{
            artifact_paths.TABLE.format(name=name): table
            for name, table in found.control_tables.items()
        },
        artifact_paths.IMPORTANCE: found.importance,
        artifact_paths.CONTROLS: found.controls_table,
    }
    if found.by_group is not None:
        tables[artifact_paths.IMPORTANCE_BY_GROUP] = found.by_group
    metrics = {
        metric_names.DELTA.format(statistic=name): found.convergence[name].iloc[0]
        for name in ("max", "mean")
    }
    metrics |= {
        metric_names.CONTROL.format(name=one.name): one.value
        for one in found.controls
        if np.isfinite(one.value)
    }
    if found.genes is not None:
        tables[artifact_paths.GENES] = found.genes.importance
        reached = found.genes.convergence
        metrics |= {
            metric_names.GENES_DELTA.format(statistic=name): reached[name]
            for name in ("max", "mean")
        }
        metrics |= {
            metric_names.CONTROL.format(name=one.name): one.value for one in found.genes.controls
        }
    for path, table in tables.items():
        run.log_table(table, path)
    run.log_metrics(metrics)
    run.set_tags({keys.TAG_CONTROLS: found.label})
    run.describe(found.in_words())
    with tempfile.TemporaryDirectory() as scratch:
        _write_parquet(Path(scratch) / "cells.parquet", found.subject, found.store)
        run.log_files(Path(scratch), artifact_paths.ATTRIBUTIONS)
    run.log_figures(figures_of(found))


def write_output(found: Explanation, target: Path) -> Path:
    """Write an explanation to a file of one of the `OUTPUT_SUFFIXES`; returns it."""
    with atomic_path(target) as unfinished:
        if target.suffix == ".csv":
            to_csv(found.importance, unfinished)
        elif target.suffix == ".parquet":
            _write_parquet(unfinished, found.subject, found.store)
        else:
            write_h5ad(found.annotated(), unfinished)
    return target


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
    X = np.asarray(subject.cells.X[block.rows], np.float32)
    table = {
        "cell": subject.cells.ids(block.rows)[rows],
        "feature": np.asarray(subject.names, dtype=object)[columns],
        "value": X[rows, columns],
    }
    for word, one in zip(subject.classes, values, strict=True):
        table[f"attribution_{word}"] = one[rows, columns]
    return pd.DataFrame(table)


def write_published(found: Explanation) -> list[Path]:
    """Write the files of the published attribution scripts, if they were asked for.

    Exact attributions are Shapley values, and are named so. Prefix is the drug as it was given; the
    index is `sample_id`, counted from 0 over the cells that could be explained. Returns the files
    that were written.
    """
    folder = found.subject.request.published_csv
    if folder is None:
        return []
    folder.parent.mkdir(parents=True, exist_ok=True)
    about = _published_of(found.subject)
    with results.made_anew(folder, about, option=_PUBLISHED_OPTION):
        return _write_published(folder, found)


def _write_published(folder: Path, found: Explanation) -> list[Path]:
    subject, store, tally = found.subject, found.store, found.tally
    prefix = subject.request.drug
    method = "gradshap" if subject.explainer.is_exact else subject.request.settings.method
    kind = _PUBLISHED_NAMES[method]
    written = []

    def write(name: str, parts: Iterator[pd.DataFrame]) -> None:
        target = folder / f"{prefix}_{name}.csv"
        with atomic_path(target) as unfinished, unfinished.open("w", encoding="utf-8") as file:
            for number, part in enumerate(parts):
                to_csv(part, file, index=True, header=number == 0)
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


def _published_of(subject: Subject) -> dict[str, str]:
    """Command, model and input, for the mark of the folder with the published files."""
    return {
        "command": "explain",
        "model": f"{subject.ref.name}/{subject.ref.version}",
        "cells": str(subject.cells.given.path.absolute()),
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
