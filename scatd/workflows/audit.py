"""Use case: look for faults of labels and samples, and change nothing."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scatd.data import groups
from scatd.data.features import Features, read_features
from scatd.data.label_words import MISSING
from scatd.data.labels import LabelTable, read_label_table
from scatd.data.tables import read_table
from scatd.data.text.values import require_numbers
from scatd.errors import InputError
from scatd.evaluation import integrity
from scatd.evaluation.integrity import Finding
from scatd.evaluation.intervals import bootstrap_interval, fold_mean_interval
from scatd.evaluation.metrics import response_metrics
from scatd.ranges import Folds, check_fields
from scatd.wording import counted

_PROBABILITIES = ("prob_resistant", "prob_response_model")
_IDS = ("id", "barcode")


@dataclass(frozen=True)
class AuditRequest:
    """Which labels and samples to check.

    Parameters
    ----------
    source
        Cohort or matrix; without it, or where it is a label table itself, only labels and ids are
        checked.
    labels, label_map
        As in `scatd.data.labels.read_label_table`: all drugs, unless one column is named.
    family
        Family whose features of the source are read.
    group_by
        Column of the source's obs or of the label table: batch, tissue, patient.
    predictions
        Scores of one drug by sample: a file of `predict`, or a run's `out_of_fold.csv`.
    folds
        Number of folds that a training will use.
    """

    source: Path | None = None
    labels: str | None = None
    label_map: str | None = None
    family: str = "sf"
    group_by: str | None = None
    predictions: Path | None = None
    folds: Folds = 5

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)


@dataclass(frozen=True, eq=False)
class Audited:
    """The inputs of an audit, opened.

    Parameters
    ----------
    features
        Of the source; None where only labels are checked.
    table, paired
        The labels as the file holds them, and in the order of the source.
    groups
        Group of each labelled sample of the source, empty for the others; None without a column.
    auroc
        Mean, low and high by drug, where there are predictions.
    """

    features: Features | None
    table: LabelTable
    paired: LabelTable
    groups: pd.Series | None
    auroc: dict[str, tuple[float, float, float]] | None


@dataclass(frozen=True, eq=False)
class AuditResult:
    """Origin and size of the checked data, and the findings, worst first."""

    origin: str
    n_samples: int
    drugs: tuple[str, ...]
    findings: list[Finding]


def audit(request: AuditRequest) -> AuditResult:
    """Run every check that the given files allow; nothing is changed.

    Raises
    ------
    InputError
        When a file, a column or a combination cannot be used.
    """
    given = read_inputs(request)
    table = given.table
    return AuditResult(
        origin=table.origin if given.features is None else f"{request.source} with {table.origin}",
        n_samples=len(given.paired.codes),
        drugs=tuple(map(str, given.paired.codes.columns)),
        findings=find_faults(given, request.folds),
    )


def find_faults(given: Audited, n_folds: int) -> list[Finding]:
    """The findings of every check, worst first."""
    features, table, paired = given.features, given.table, given.paired
    found = integrity.findings(
        paired.codes,
        paired.ids,
        profiles=None if features is None else integrity.Profiles(features.X, given.groups),
        auroc=given.auroc,
        n_folds=n_folds,
    )
    if features is not None and table.file is not None and table.ids is not None:
        # Faults of the label file that pairing has hidden.
        known = {(finding.check, finding.samples) for finding in found}
        found += [
            finding
            for finding in integrity.id_findings(table.ids)
            if (finding.check, finding.samples) not in known
        ]
    return integrity.by_severity(found)


def read_inputs(request: AuditRequest) -> Audited:
    """Read the cohort, its labels, their groups and the predictions.

    Raises
    ------
    InputError
        As `audit`.
    """
    features, table = _read(request)
    if features is None and request.group_by is not None:
        what = "groups are compared with profiles, and there are none"
        raise InputError(what, where=groups.OPTION, remedy="Name the SOURCE as well.")
    paired = table if features is None else table.of(features)
    auroc = None if request.predictions is None else _auroc(request.predictions, table)
    named = None
    if features is not None and request.group_by is not None:
        named = _groups(request.group_by, features, paired)
    return Audited(features, table, paired, named, auroc)


def _read(request: AuditRequest) -> tuple[Features | None, LabelTable]:
    """The cohort, if there is one, and its labels."""
    source, labels, label_map = request.source, request.labels, request.label_map
    if source is None:
        return None, read_label_table(labels, label_map)
    try:
        features = read_features(source, request.family, unique_ids=False)
    except InputError:
        if labels is None:
            with contextlib.suppress(InputError):
                return None, read_label_table(str(source), label_map)
        raise
    return features, read_label_table(labels, label_map, features)


def _groups(column: str, features: Features, paired: LabelTable) -> pd.Series:
    rows = np.flatnonzero((paired.codes != MISSING).any(axis=1))
    names = np.full(features.n_obs, "", dtype=object)
    names[rows] = groups.group_column(column, features.obs, paired.others, rows=rows)
    return pd.Series(names, name=column)


def _auroc(path: Path, table: LabelTable) -> dict[str, tuple[float, float, float]]:
    """AUROC of one drug's predictions; the mean over folds, if the table has a column `fold`."""
    if len(table.codes.columns) != 1:
        what = f"predictions are of one drug, and the labels of {len(table.codes.columns)}"
        remedy = "Name its column: --labels FILE:COLUMN"
        raise InputError(what, where="--predictions", remedy=remedy)
    scores = read_table(path, as_text=False)
    prob, ids = (_column(scores, names, path) for names in (_PROBABILITIES, _IDS))
    prob = require_numbers(prob, f"{path}: column '{prob.name}'")
    if table.ids is None:
        raise InputError(
            "... has no id column", where=table.origin, expected="ids of the predictions"
        )
    first = ~pd.Index(table.ids).duplicated()
    rows = pd.Index(table.ids[first]).get_indexer(pd.Index(ids.astype(str)))
    codes = np.where(rows >= 0, table.codes.iloc[:, 0].to_numpy()[first][rows], -1)
    scored = (codes >= 0) & prob.notna().to_numpy()
    if len(np.unique(codes[scored])) < 2:
        what = (
            f"{counted(int(scored.sum()), 'prediction', 'has', of=len(ids))} a label, not of both "
            "classes"
        )
        raise InputError(what, where=str(path), expected=f"ids as in {table.origin}")
    codes, values = codes[scored], prob.to_numpy(dtype=float)[scored]
    if "fold" in scores:
        fold = scores["fold"].to_numpy()[scored]
        pairs = [(codes[fold == one], values[fold == one]) for one in np.unique(fold)]
        mean = float(np.nanmean([response_metrics(*pair)["auroc"] for pair in pairs]))
        low, high = fold_mean_interval(pairs)
    else:
        mean = response_metrics(codes, values)["auroc"]
        low, high = bootstrap_interval(codes, values)
    return {str(table.codes.columns[0]): (mean, low, high)}


def _column(frame: pd.DataFrame, names: tuple[str, ...], path: Path) -> pd.Series:
    for name in names:
        if name in frame:
            return frame[name]
    what = f"... has no column {' or '.join(names)}"
    raise InputError(what, where=str(path), expected="a table of predict or transfer")
