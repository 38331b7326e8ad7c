"""Use case: look for what is wrong with labels and samples, and change nothing."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scatd.data.features import Features, read_features
from scatd.data.labels import LabelTable, read_label_table
from scatd.data.tables import read_table
from scatd.data.text.values import require_numbers
from scatd.errors import InputError, nearest
from scatd.evaluation import integrity
from scatd.evaluation.integrity import Finding
from scatd.evaluation.intervals import bootstrap_interval, fold_mean_interval
from scatd.evaluation.metrics import response_metrics

_PROBABILITIES = ("prob_resistant", "prob_response_model")
_IDS = ("id", "barcode")


@dataclass(frozen=True, eq=False)
class AuditResult:
    """What was looked at, and what was found, worst first."""

    origin: str
    n_samples: int
    drugs: tuple[str, ...]
    findings: list[Finding]


def audit(
    source: Path | None,
    labels: str | None,
    *,
    label_map: str | None = None,
    family: str = "sf",
    group_by: str | None = None,
    predictions: Path | None = None,
    folds: int = 5,
) -> AuditResult:
    """Run every check that the given files allow.

    Parameters
    ----------
    source
        Cohort or matrix; without it, or where it is a label table itself, only labels and ids are
        checked.
    labels, label_map
        As in `scatd.data.labels.read_label_table`: all drugs, unless one column is named.
    family
        Which features of the source.
    group_by
        Column of the source's obs or of the label table: batch, tissue, patient.
    predictions
        Scores of one drug by sample: what `predict` writes, or a run's `out_of_fold.csv`.
    folds
        Folds that the labels will be split into.

    Raises
    ------
    InputError
        When a file, a column or a combination cannot be used.
    """
    features, table = _read(source, labels, label_map, family)
    if features is None and group_by is not None:
        what = "groups are compared with profiles, and there are none"
        raise InputError(what, where="--group-by", remedy="Name the SOURCE as well.")
    paired = table if features is None else table.of(features)
    auroc = None if predictions is None else _auroc(predictions, table)
    found = integrity.findings(
        paired.codes,
        paired.ids,
        profiles=None if features is None else _profiles(features, group_by, paired),
        auroc=auroc,
        n_folds=folds,
    )
    if features is not None and table.file is not None and table.ids is not None:
        # Of the label file, what pairing has hidden.
        known = {(finding.check, finding.samples) for finding in found}
        found += [
            finding
            for finding in integrity.id_findings(table.ids)
            if (finding.check, finding.samples) not in known
        ]
    return AuditResult(
        origin=table.origin if features is None else f"{source} with {table.origin}",
        n_samples=len(paired.codes),
        drugs=tuple(map(str, paired.codes.columns)),
        findings=integrity.by_severity(found),
    )


def _read(
    source: Path | None, labels: str | None, label_map: str | None, family: str
) -> tuple[Features | None, LabelTable]:
    """The cohort, if there is one, and its labels."""
    if source is None:
        return None, read_label_table(labels, label_map)
    try:
        features = read_features(source, family, unique_ids=False)
    except InputError:
        if labels is None:
            with contextlib.suppress(InputError):
                return None, read_label_table(str(source), label_map)
        raise
    return features, read_label_table(labels, label_map, features)


def _profiles(features: Features, groups: str | None, table: LabelTable) -> integrity.Profiles:
    column = None if groups is None else _groups(groups, features, table)
    return integrity.Profiles(features.X, column)


def _groups(name: str, features: Features, table: LabelTable) -> pd.Series:
    for frame in (features.obs, table.others):
        if name in frame:
            return frame[name].reset_index(drop=True)
    known = [*map(str, features.obs.columns), *map(str, table.others.columns)]
    expected = f"one of {', '.join(nearest(name, known) or known[:10])}" if known else ""
    raise InputError(
        f"there is no column '{name}'",
        where="--group-by",
        expected=expected or "a column of the source's obs or of the label table",
    )


def _auroc(path: Path, table: LabelTable) -> dict[str, tuple[float, float, float]]:
    """AUROC of one drug's predictions: mean over folds where they name folds."""
    if len(table.codes.columns) != 1:
        what = f"predictions are of one drug, and the labels of {len(table.codes.columns)}"
        remedy = "Name its column: --labels FILE:COLUMN"
        raise InputError(what, where="--predictions", remedy=remedy)
    scores = read_table(path, as_text=False)
    prob, ids = (_column(scores, names, path) for names in (_PROBABILITIES, _IDS))
    prob = require_numbers(prob, f"{path}: column '{prob.name}'")
    if table.ids is None:
        raise InputError("has no id column", where=table.origin, expected="ids of the predictions")
    first = ~pd.Index(table.ids).duplicated()
    rows = pd.Index(table.ids[first]).get_indexer(pd.Index(ids.astype(str)))
    codes = np.where(rows >= 0, table.codes.iloc[:, 0].to_numpy()[first][rows], -1)
    scored = (codes >= 0) & prob.notna().to_numpy()
    if len(np.unique(codes[scored])) < 2:
        what = f"{int(scored.sum())} of {len(ids)} predictions have a label, not of both classes"
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
    what = f"has no column {' or '.join(names)}"
    raise InputError(what, where=str(path), expected="what predict or transfer wrote")
