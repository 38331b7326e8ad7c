"""Response labels: one grammar to name them, words outside, 0 / 1 / -1 inside."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from scatd import keys
from scatd.data.drugs import find_drug, resolve_drug
from scatd.data.features import Features
from scatd.data.given import GivenLabels, TableInMemory
from scatd.data.label_words import CODES, MISSING, drug_columns, encode, read_label_map, word_of
from scatd.data.pairing import pair_rows
from scatd.data.tables import TABLE_SUFFIXES, has_suffix, read_table
from scatd.errors import InputError
from scatd.spelling import nearest
from scatd.wording import LISTED, counted, some_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Labels:
    """Response of each row of a cohort.

    Parameters
    ----------
    codes
        (n_obs,) int8: 0 sensitive, 1 resistant, -1 unknown.
    column
        Name of the column as the file has it.
    origin
        The label file, or the cohort file when the column is in its `obs`.
    matched_by
        "id" or, without ids, "position": how rows of cohort and table were paired.
    n_missing
        Number of rows without a label.
    """

    codes: np.ndarray
    column: str
    origin: str
    matched_by: Literal["id", "position"]
    n_missing: int


@dataclass(frozen=True, eq=False)
class LabelTable:
    """Responses of samples to many drugs.

    Parameters
    ----------
    codes
        (n_samples, n_drugs) int8, one column a drug: 0 sensitive, 1 resistant, -1 unknown.
    ids
        (n_samples,) text, perhaps repeated; None where the table has no ids.
    others
        Columns without responses, same rows.
    origin
        The source, for messages.
    file
        The file; None when the labels are in the obs of a cohort.
    """

    codes: pd.DataFrame
    ids: np.ndarray | None
    others: pd.DataFrame
    origin: str
    file: Path | None = None

    def of(self, features: Features) -> LabelTable:
        """The rows of a cohort, in its order, paired as in `read_labels`.

        A sample without a row has no labels. If an id is repeated, its first row counts.

        Raises
        ------
        InputError
            When no row belongs to the cohort.
        """
        if self.file is None:
            return self
        ids = None if self.ids is None else pd.Series(self.ids)
        kept = np.arange(len(self.codes))
        if ids is not None and ids.duplicated().any():
            if features.has_ids:
                kept = np.flatnonzero(~ids.duplicated())
                ids = ids.iloc[kept].reset_index(drop=True)
            else:
                ids = None
        rows, _ = pair_rows(features, ids, len(kept), self.file)
        codes = self.codes.iloc[kept[rows]].reset_index(drop=True)
        others = self.others.iloc[kept[rows]].reset_index(drop=True)
        codes.loc[rows < 0] = MISSING
        others.loc[rows < 0] = None
        return LabelTable(codes, features.ids, others, self.origin)


@dataclass(frozen=True, eq=False)
class LabelSource:
    """The place of a cohort's responses: a table that is read once, or the cohort's obs.

    Parameters
    ----------
    features
        The labelled cohort.
    frame
        The table as text, or obs.
    file
        The file of the table; None when the labels are in obs.
    column
        The column that the user named, if any.
    meanings
        Code of each word of response.
    """

    features: Features
    frame: pd.DataFrame
    file: Path | None
    column: str | None
    meanings: Mapping[str, int]

    def of(self, drug: str) -> Labels:
        """The response of each row of the cohort to one drug, compared by drug key.

        Raises
        ------
        InputError
            When the column or the drug is missing (with the nearest names), words are unknown, or
            no row of the table belongs to the cohort.
        """
        features, frame, file = self.features, self.frame, self.file
        if file is None:
            where = f"{features.path}, obs"
            if not len(frame.columns):
                asked = f"'{self.column}' is no label file, and the" if self.column else "the"
                raise InputError(
                    f"{asked} features have no obs columns with labels for '{drug}'",
                    where=str(features.path),
                    remedy="Name a table: --labels FILE or --labels FILE:COLUMN",
                )
            name = _find_column(frame, self.column, drug, where)
            codes = encode(frame[name], self.meanings, f"{where} column '{name}'")
            return _labels(codes, name, str(features.path), "id")
        name, first = _find_column(frame, self.column, drug, str(file)), frame.columns[0]
        given = encode(frame[name], self.meanings, f"{file} column '{name}'")
        is_id = first != name and first not in drug_columns(frame.iloc[:, :1])
        rows, matched_by = pair_rows(features, frame[first] if is_id else None, len(frame), file)
        codes = np.where(rows >= 0, given[rows], np.int8(MISSING))
        return _labels(codes, name, str(file), matched_by)

    @cached_property
    def table(self) -> LabelTable:
        """The responses to all drugs.

        Raises
        ------
        InputError
            As `read_label_table`.
        """
        return _table(self.frame, self.file, self.column, self.meanings, self.features)


def open_labels(
    features: Features, spec: GivenLabels | None = None, label_map: str | None = None
) -> LabelSource:
    """Read the labels of a cohort once, for one drug or for many.

    Parameters
    ----------
    features
        The labelled cohort.
    spec
        `COLUMN` of obs, `FILE` (the column that names the drug), `FILE:COLUMN`, or a table in
        memory. None looks in obs for the column that names the drug.
    label_map
        Meaning of other words, such as `S=sensitive,R=resistant` or `0=sensitive,1=resistant`.

    Raises
    ------
    InputError
        When the file cannot be read, or its header holds labels.
    """
    meanings = CODES | read_label_map(label_map)
    if isinstance(spec, TableInMemory):
        return LabelSource(features, _as_text(spec), Path(spec.name), None, meanings)
    file, column = _parse_spec(spec, features.obs)
    return LabelSource(
        features, features.obs if file is None else _read(file), file, column, meanings
    )


def read_labels(
    features: Features,
    drug: str,
    spec: GivenLabels | None = None,
    label_map: str | None = None,
) -> Labels:
    """Read the response to one drug for the rows of `features`: see `open_labels`.

    Raises
    ------
    InputError
        As `open_labels` and `LabelSource.of`.
    """
    return open_labels(features, spec, label_map).of(drug)


def read_label_table(
    spec: str | None, label_map: str | None = None, features: Features | None = None
) -> LabelTable:
    """Read the responses to all drugs; refuse only what cannot be reported as a finding.

    Parameters
    ----------
    spec, label_map
        As in `read_labels`. Without a column, every column that holds nothing but responses.
    features
        The cohort with the labels in its obs, if `spec` is not a file.

    Raises
    ------
    InputError
        When there is no table, no such column or no column of responses, or words are unknown.
    """
    meanings = CODES | read_label_map(label_map)
    obs = pd.DataFrame() if features is None else features.obs
    file, column = _parse_spec(spec, obs)
    if file is None and features is None:
        what = f"'{spec}' is no label table" if spec else "there is no label table"
        raise InputError(what, where="--labels", expected="FILE or FILE:COLUMN")
    return _table(obs if file is None else _read(file), file, column, meanings, features)


def _table(
    frame: pd.DataFrame,
    file: Path | None,
    column: str | None,
    meanings: Mapping[str, int],
    features: Features | None,
) -> LabelTable:
    first, ids = None, None
    if file is not None:
        where, first = str(file), str(frame.columns[0])
    else:
        assert features is not None
        frame, where, ids = frame.reset_index(drop=True), f"{features.path}, obs", features.ids
    names = drug_columns(frame, meanings)
    if column is not None:
        names = [_find_column(frame, column, "", where)]
    if not names:
        expected = f"columns of {' and '.join(keys.RESPONSES)}"
        remedy = "Say what other words mean: --label-map S=sensitive,R=resistant"
        what = "no column holds responses"
        raise InputError(what, where=where, expected=expected, remedy=remedy)
    is_id = first is not None and first not in names
    if is_id:
        ids = frame.iloc[:, 0].to_numpy(dtype=str)
    codes = {name: encode(frame[name], meanings, f"{where} column '{name}'") for name in names}
    others = frame.drop(columns=[*names, *([first] if is_id else [])])
    return LabelTable(pd.DataFrame(codes), ids, others, where, file)


def _read(file: Path) -> pd.DataFrame:
    """Read a table of labels as text; refuse a row of labels instead of a header."""
    return _checked_table(read_table(file, as_text=True), str(file))


def _as_text(table: TableInMemory) -> pd.DataFrame:
    """A table in memory as `_read` gives one of a file: text, the ids first."""
    frame = table.frame
    if not frame.columns.is_unique:
        twice = ", ".join(sorted({str(name) for name in frame.columns[frame.columns.duplicated()]}))
        raise InputError(f"... has columns with the same name: {twice}", where=table.name)
    if frame.index.nlevels > 1:
        what = f"... has an index of {counted(frame.index.nlevels, 'level')}"
        raise InputError(what, where=table.name, expected="one id a row")
    ids = frame.index.astype(str).to_numpy(dtype=object)
    words = {str(name): _words(frame[name]) for name in frame.columns}
    return _checked_table(pd.DataFrame({"id": ids} | words), table.name)


def _words(values: pd.Series) -> np.ndarray:
    """Values as text; a missing one is empty, and 1.0 is written as 1."""
    if values.dtype.kind == "f" and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")
    return np.where(values.isna(), "", values.astype(object).map(str)).astype(object)


def _checked_table(table: pd.DataFrame, where: str) -> pd.DataFrame:
    if any(word_of(name) in CODES for name in table.columns):
        what = "the header holds words of response: it may be a row of labels"
        raise InputError(what, where=where, remedy="Write a first line with the drugs' names.")
    return table[(table != "").any(axis=1)].reset_index(drop=True)


def require_two_classes(codes: np.ndarray, n_folds: int, where: str) -> None:
    """Refuse labels that cannot be split into `n_folds` stratified folds.

    Parameters
    ----------
    codes
        (n_obs,) 0, 1 or -1 as in `Labels.codes`.
    n_folds
        Each class needs at least this many samples.
    where
        Source of the labels, for the message.

    Raises
    ------
    InputError
        For a single class, and for a class with fewer than `n_folds` samples.
    """
    n_sensitive, n_resistant = int((codes == 0).sum()), int((codes == 1).sum())
    counts = f"{n_sensitive} sensitive, {n_resistant} resistant"
    if not n_sensitive or not n_resistant:
        raise InputError(f"the labels have only one class ({counts})", where=where, expected="both")
    if min(n_sensitive, n_resistant) < n_folds:
        raise InputError(
            f"too few samples of a class for {counted(n_folds, 'fold')} ({counts})",
            where=where,
            expected=f"at least {n_folds} of each class",
            remedy="Use fewer folds or more samples.",
        )


def _parse_spec(spec: str | None, obs: pd.DataFrame) -> tuple[Path | None, str | None]:
    """File and column of a `COLUMN | FILE | FILE:COLUMN`."""
    if spec is None or spec in obs.columns:
        return None, spec
    if _is_file(spec):
        return Path(spec), None
    for colon in re.finditer(":", spec):
        if _is_file(spec[: colon.start()]):
            return Path(spec[: colon.start()]), spec[colon.end() :]
    return None, spec


def _is_file(text: str) -> bool:
    return has_suffix(text, TABLE_SUFFIXES) or Path(text).is_file()


def _find_column(frame: pd.DataFrame, column: str | None, drug: str, where: str) -> str:
    """Name of the requested column, or of the column for the drug."""
    names = list(map(str, frame.columns))
    if column is not None:
        if column in names:
            return column
        what = f"there is no column '{column}'"
        listed = some_of(nearest(column, names) or names, LISTED)
        raise InputError(what, where=where, expected=f"one of {listed}")
    if len(find_drug(drug, names)) == 1:
        return find_drug(drug, names)[0]
    try:
        return resolve_drug(drug, drug_columns(frame) or names, where=where)
    except InputError as error:
        what, remedy = error.what, "Name the column: --labels COLUMN or FILE:COLUMN"
        if error.remedy:
            remedy = f"{error.remedy} Or name the column: --labels COLUMN or FILE:COLUMN"
        elif error.expected:
            what = f"no column is named like drug '{drug}'"
        raise InputError(what, where=where, expected=error.expected, remedy=remedy) from error


def _labels(
    codes: np.ndarray, column: str, origin: str, matched_by: Literal["id", "position"]
) -> Labels:
    n_missing = int((codes == MISSING).sum())
    if n_missing:
        said = counted(n_missing, "sample", "has", of=len(codes))
        logger.warning("%s: %s no label.", origin, said)
    return Labels(codes, column, origin, matched_by, n_missing)
