"""Files of a prediction, written chunk by chunk: scores alone, or the cohort with scores added."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import keys
from scatd.data.annotating import AnnotatedCohort, annotating
from scatd.data.elements import ColumnKind
from scatd.data.files import check_writable
from scatd.data.opened import OpenedInput, copied
from scatd.data.storable import mapping
from scatd.data.text.spreadsheets import to_csv
from scatd.data.unfinished import long_written
from scatd.errors import InputError
from scatd.registry import ModelRef
from scatd.wording import any_of, counted
from scatd.workflows.predict.request import PredictedCells, in_words

if TYPE_CHECKING:
    from anndata import AnnData

_GROUP_ROWS = 1 << 16
"""Rows of a row group of `.parquet`."""
_KINDS: dict[str, ColumnKind] = {
    "response": "categorical",
    "reason": "categorical",
    "ood": "boolean",
}
"""Kinds of the columns of `obs` that are not numbers."""


def require_output(path: Path) -> None:
    """Refuse an output before anything is computed for it.

    Raises
    ------
    InputError
        When its kind is unknown, or it cannot be written.
    """
    if path.suffix not in keys.SCORE_SUFFIXES:
        what = f"unknown kind of output '{path.suffix}'"
        raise InputError(what, where=str(path), expected=any_of(keys.SCORE_SUFFIXES))
    check_writable(path)


def outputs_of(inputs: Sequence[Path | None], output: Path) -> list[Path]:
    """A file for each input: `output` itself, or, in a folder, a file with the name of the input.

    Parameters
    ----------
    inputs
        None is the demo.
    output
        A file for one input, or a folder.

    Raises
    ------
    InputError
        When several inputs would be one file, or an input would be overwritten.
    """
    # A store `.zarr` is a folder on disk, and one file to the user.
    is_file = output.suffix in keys.SCORE_SUFFIXES or not (output.is_dir() or not output.suffix)
    if is_file:
        if len(inputs) > 1:
            what, expected = f"{counted(len(inputs), 'input')} and one file", "a folder: -o FOLDER"
            raise InputError(what, where=f"--output {output}", expected=expected)
        return [output]
    names = ["demo" if path is None else path.name.partition(".")[0] for path in inputs]
    named = [output / f"{name}{keys.ANNOTATED_SUFFIXES[0]}" for name in names]
    for path, made in zip(inputs, named, strict=True):
        if named.count(made) > 1:
            what, remedy = f"several inputs would be {made}", "Score them into two folders."
            raise InputError(what, where=f"--output {output}", remedy=remedy)
        if path is not None and made.exists() and path.exists() and made.samefile(path):
            what, remedy = f"{path} would be overwritten", "Choose another folder."
            raise InputError(what, where=f"--output {output}", remedy=remedy)
    return named


class ScoreWriter(Protocol):
    """An unfinished output: `add` cells in their order, then `finish` it once."""

    def add(self, table: pd.DataFrame, latent: NDArray[np.float32] | None) -> None:
        """Append cells: their table of scores, and their posterior means (n_rows, n_latent)."""

    def finish(self, about: Mapping[str, Any]) -> None:
        """Add the provenance of the scores."""


@contextlib.contextmanager
def writing(
    path: Path,
    opened: OpenedInput | None,
    ref: ModelRef,
    ids: Any,
    *,
    not_assessed: str = "",
    rows: range | None = None,
) -> Iterator[ScoreWriter]:
    """Open an output of one model; it gets its name only when the block succeeds.

    Parameters
    ----------
    path
        Ends in one of `keys.SCORE_SUFFIXES`.
    opened
        The input that is scored; `.h5ad` and `.zarr`, which hold a copy of it, need it.
    ref
        The model.
    ids
        (n_obs,) names of the cells of the input.
    not_assessed
        Reason why the model does not know its training domain.
    rows
        Which cells the output holds; None for all.
    """
    if path.suffix in keys.ANNOTATED_SUFFIXES:
        assert opened is not None
        with annotating(opened, path, rows=_slice(rows), ids=ids) as cohort:
            yield _Annotated(cohort, ref, not_assessed)
        return
    with long_written(path) as temporary:
        if path.suffix == ".parquet":
            with contextlib.closing(_Parquet(temporary)) as writer:
                yield writer
            return
        with temporary.open("w", encoding="utf-8", newline="") as file:
            if path.suffix == ".csv":
                yield _Csv(file, not_assessed)
            elif path.suffix == ".jsonl":
                yield _JsonLines(file, not_assessed)
            else:
                yield _Json(file)


def write_prediction(results: Sequence[PredictedCells], opened: OpenedInput, path: Path) -> None:
    """Write predictions that are in memory, whole or not at all.

    Parameters
    ----------
    results
        Of one drug; of several drugs for `.h5ad` and `.zarr` only.
    opened
        The input that was scored. It is read again, from the file that is open, for these only.
    path
        Ends in one of `keys.SCORE_SUFFIXES`.
    """
    first = results[0]
    ids = first.table["barcode"].to_numpy()
    if path.suffix in keys.ANNOTATED_SUFFIXES:
        with annotating(opened, path, ids=ids) as cohort:
            for one in results:
                _write(one, _Annotated(cohort, one.ref, one.result.not_assessed))
        return
    with writing(path, opened, first.ref, ids, not_assessed=first.result.not_assessed) as writer:
        _write(first, writer)


def _write(cells: PredictedCells, writer: ScoreWriter) -> None:
    writer.add(cells.table, cells.latent)
    writer.finish(cells.result.about)


class _Csv:
    """Scores as text."""

    def __init__(self, file: IO[str], not_assessed: str) -> None:
        self._file, self._not_assessed, self._is_begun = file, not_assessed, False

    def add(self, table: pd.DataFrame, latent: NDArray[np.float32] | None) -> None:  # noqa: ARG002
        words = in_words(table, self._not_assessed)
        to_csv(words, self._file, header=not self._is_begun)
        self._is_begun = True

    def finish(self, about: Mapping[str, Any]) -> None:
        """A table of text has no place for it."""


class _JsonLines:
    """One object a cell and line. There is no place for the model, so `ood` says why not."""

    def __init__(self, file: IO[str], not_assessed: str) -> None:
        self._file, self._not_assessed = file, not_assessed

    def add(self, table: pd.DataFrame, latent: NDArray[np.float32] | None) -> None:  # noqa: ARG002
        words = in_words(table, self._not_assessed)
        self._file.writelines(f"{cell}\n" for cell in _objects(words))

    def finish(self, about: Mapping[str, Any]) -> None:
        """Lines of cells have no place for it."""


class _Json:
    """One object: the cells, then the model."""

    def __init__(self, file: IO[str]) -> None:
        self._file, self._before = file, '{"cells": ['

    def add(self, table: pd.DataFrame, latent: NDArray[np.float32] | None) -> None:  # noqa: ARG002
        for cell in _objects(table):
            self._file.write(f"{self._before}{cell}")
            self._before = ", "

    def finish(self, about: Mapping[str, Any]) -> None:
        self._file.write(f'], "model": {json.dumps(about)}}}\n')


def _objects(table: pd.DataFrame) -> Iterator[str]:
    """Each row as an object of JSON; numbers are exact, and what is missing or endless is null."""
    bounded = table.replace([np.inf, -np.inf], np.nan)
    plain = bounded.astype(object).where(bounded.notna(), None)
    for row in zip(*(plain[name].tolist() for name in plain), strict=True):
        yield json.dumps(dict(zip(plain.columns, row, strict=True)))


class _Parquet:
    """Scores in row groups, and their provenance in the metadata of the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None
        self._types = b""
        self._waiting: list[Any] = []
        self._n_waiting = 0

    def add(self, table: pd.DataFrame, latent: NDArray[np.float32] | None) -> None:  # noqa: ARG002
        import pyarrow as pa
        import pyarrow.parquet as pq

        made = pa.Table.from_pandas(table, preserve_index=False)
        if self._writer is None:
            # A schema of Arrow beside its own would hide what is said of the file at its end.
            self._writer = pq.ParquetWriter(self._path, made.schema, store_schema=False)
            self._types = made.schema.metadata[b"pandas"]
        self._waiting.append(made)
        self._n_waiting += len(table)
        if self._n_waiting >= _GROUP_ROWS:
            self._write()

    def finish(self, about: Mapping[str, Any]) -> None:
        self._write()
        said = {"pandas": self._types.decode(), "scatd": json.dumps(about)}
        self._writer.add_key_value_metadata(said)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _write(self) -> None:
        import pyarrow as pa

        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
            self._waiting, self._n_waiting = [], 0


class _Annotated:
    """A copy of the cohort, to which the scores of a drug are added."""

    def __init__(self, cohort: AnnotatedCohort, ref: ModelRef, not_assessed: str) -> None:
        self._cohort, self._ref, self._not_assessed = cohort, ref, not_assessed
        self._columns: dict[str, Any] = {}
        self._reasons: dict[str, int] = {}
        self._latent: Any = None

    def add(self, table: pd.DataFrame, latent: NDArray[np.float32] | None) -> None:
        if not self._columns:
            self._begin(table, latent)
        for name, column in self._columns.items():
            column.add(self._values(name, table))
        if latent is not None:
            self._latent.add(latent)

    def finish(self, about: Mapping[str, Any]) -> None:
        key = self._ref.drug
        self._columns["reason"].categories = list(self._reasons)
        held = mapping(self._cohort.uns(keys.UNS_SCATD))
        self._cohort.set_uns(keys.UNS_SCATD, {**held, key: dict(about)})

    def _begin(self, table: pd.DataFrame, latent: NDArray[np.float32] | None) -> None:
        cohort, names = self._cohort, column_names(self._ref.drug)
        # A column of an earlier prediction would be taken for one of this.
        for name in names.values():
            cohort.remove_column(name)
        for name, title in names.items():
            if name not in table or (name == "ood" and self._not_assessed):
                continue
            self._columns[name] = cohort.column(title, _KINDS.get(name, "float64"))
        if "response" in self._columns:
            self._columns["response"].categories = list(keys.CALLS)
        if latent is not None:
            slot = keys.latent_key(self._ref.family)
            self._latent = cohort.matrix(slot, latent.shape[1], np.float32)

    def _values(self, name: str, table: pd.DataFrame) -> Any:
        values = table[name]
        if name == "response":
            return pd.Categorical(values, categories=list(keys.CALLS)).codes
        if name == "reason":
            for word in values.unique():
                self._reasons.setdefault(word, len(self._reasons))
            return values.map(self._reasons).to_numpy()
        return values.array if name == "ood" else values.to_numpy()


def column_names(drug: str) -> dict[str, str]:
    """Columns of `obs` for the scores of a drug, by their names in the table of scores."""
    return {
        "prob_resistant": keys.prob_column(drug),
        "relative_response": keys.relative_column(drug),
        "response": keys.response_column(drug),
        "reason": keys.reason_column(drug),
        "ood": keys.ood_column(drug),
        "ood_p": keys.ood_p_column(drug),
        "prob_sd": keys.prob_sd_column(drug),
        "prob_sd_folds": keys.prob_sd_folds_column(drug),
        **{name: column(drug) for name, column in keys.number_columns.items()},
    }


def _slice(rows: range | None) -> slice | None:
    return None if rows is None else slice(rows.start, rows.stop)


def scored_cohort(results: Sequence[PredictedCells], opened: OpenedInput) -> AnnData:
    """The input, read again into memory, with the scores of each result added."""
    cohort = opened.whole() if opened.is_cohort else _without_expression(results[0])
    for result in results:
        annotate(cohort, result)
    return cohort


def annotate(cohort: AnnData, cells: PredictedCells) -> None:
    """Add the scores, the latent and their provenance to a cohort in memory."""
    if cohort.is_view:
        cohort._init_as_actual(copied(cohort))
    result, table, key = cells.result, cells.table, cells.ref.drug
    names = column_names(key)
    # A column of an earlier prediction would be taken for one of this.
    for column in cohort.obs.columns.intersection(list(names.values())):
        del cohort.obs[column]
    found: dict[str, Any] = {"reason": table["reason"].to_numpy().astype(str)}
    if "response" in table:
        call = table["response"].where(cells.is_scored)
        found["response"] = pd.Categorical(call, categories=list(keys.CALLS))
    if "ood" in table:
        found["ood"] = table["ood"].array
    for name, column in names.items():
        if name in table and not (name == "ood" and result.not_assessed):
            cohort.obs[column] = found.get(name, table[name].to_numpy())
    if cells.latent is not None:
        cohort.obsm[keys.latent_key(cells.ref.family)] = cells.latent
    cohort.uns[keys.UNS_SCATD] = {
        **mapping(cohort.uns.get(keys.UNS_SCATD)),
        key: dict(result.about),
    }


def _without_expression(cells: PredictedCells) -> AnnData:
    """A cohort of the same cells, for an input that is a matrix of features."""
    from anndata import AnnData

    return AnnData(obs=pd.DataFrame(index=pd.Index(cells.table["barcode"].to_numpy())))
