"""Scores beside true responses: from a result, a table or an AnnData, model by model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import keys
from scatd.data.label_words import CODES, MISSING, encode, read_label_map
from scatd.data.storable import mapping
from scatd.errors import InputError
from scatd.evaluation.evidence import MODEL, auroc_bounds, in_legend
from scatd.pl.scored import WHERE, column, scored
from scatd.wording import counted

Scores = tuple[NDArray[np.float64], NDArray[np.float64]]
"""True codes, 0 sensitive or 1 resistant, and P(resistant), each (n_obs,)."""

_COLUMNS = ("truth", "prob_resistant")
_CONSTANT = "prevalence"
"""A baseline that gives every sample the same score: it has no curve."""


@dataclass(frozen=True, eq=False)
class Judged:
    """Scores of models on labelled samples.

    Parameters
    ----------
    subject
        Drug and samples, for a title.
    folds
        Codes and P(resistant) of each fold, or of all samples, by model; the judged model first,
        then its baselines.
    bounds
        Of the 95% interval of each AUROC, by model, where a result has them: a picture and a report
        of the same result then say the same.
    ece
        Expected calibration error of the judged model with its bounds, where a result has them.
    """

    subject: str
    folds: Mapping[str, list[Scores]]
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    ece: tuple[float, float, float] | None = None

    def pooled(self, model: str) -> Scores:
        """Codes and P(resistant) of all folds together."""
        codes, prob = zip(*self.folds[model], strict=True)
        return np.concatenate(codes), np.concatenate(prob)


def judged(data: Any, drug: str | None, labels: str | None, label_map: str | None) -> Judged:
    """Find scores and true responses; parameters are those of `scatd.pl.roc`.

    Raises
    ------
    InputError
        When there are no scores or labels, or one class only.
    """
    if isinstance(data, pd.DataFrame):
        return _of_table(data, drug or "scores")
    predictions = getattr(data, "predictions", None)
    if isinstance(predictions, pd.DataFrame):
        found = _of_table(predictions, _subject(data) or drug or "scores")
        return replace(found, bounds=_bounds(data), ece=_ece(data))
    cells = scored(data, drug)
    if labels is None:
        what, where = "... is scored, but no labels are named", WHERE
        raise InputError(what, where=where, expected="labels= a column of obs with the truth")
    meanings = CODES | read_label_map(label_map)
    codes = encode(column(data, labels), meanings, f"{WHERE}: obs column '{labels}'")
    return _one(cells.subject, codes, cells.prob)


def _one(subject: str, codes: np.ndarray, prob: np.ndarray) -> Judged:
    """A model on some samples; those without a label or a score are left out."""
    known = (codes != MISSING) & np.isfinite(prob)
    _require_both(codes[known], "the labelled cells with a score")
    fold = codes[known].astype(np.float64), prob[known]
    return Judged(f"{subject}, n = {known.sum():,}", {in_legend(MODEL): [fold]})


def _of_table(table: pd.DataFrame, subject: str) -> Judged:
    """Every model of a table of predictions."""
    missing = [name for name in _COLUMNS if name not in table]
    if missing:
        what = f"... has no column {' and '.join(missing)}"
        expected = f"columns {', '.join(_COLUMNS)}, and model and fold where there are several"
        raise InputError(what, where="the predictions", expected=expected)
    codes = encode(table["truth"], CODES, "the predictions: column 'truth'")
    prob = table["prob_resistant"].to_numpy(dtype=float)
    if "model" not in table and "fold" not in table:
        return _one(subject, codes, prob)
    rows = pd.DataFrame({"code": codes, "prob": prob})
    rows["model"] = table["model"].to_numpy() if "model" in table else MODEL
    rows["fold"] = table["fold"].to_numpy() if "fold" in table else 0
    rows = rows[(rows["code"] != MISSING) & rows["prob"].notna() & (rows["model"] != _CONSTANT)]
    models = {
        in_legend(str(name)): _folds(own, in_legend(str(name)))
        for name, own in rows.groupby("model", sort=False)
    }
    if not models:
        raise InputError("have no row with truth and score", where="the predictions")
    ours = in_legend(MODEL)
    first = ours if ours in models else next(iter(models))
    ordered = {first: models[first], **models}
    n_folds = len(ordered[first])
    n = sum(len(codes) for codes, _ in ordered[first])
    of_folds = f", {counted(n_folds, 'fold')}" if n_folds > 1 else ""
    return Judged(f"{subject}, n = {n:,}{of_folds}", ordered)


def _folds(rows: pd.DataFrame, model: str) -> list[Scores]:
    found = []
    by_fold = rows.groupby("fold", sort=True)
    for number, own in by_fold:
        codes = own["code"].to_numpy(dtype=np.float64)
        _require_both(codes, f"{model}: fold {number}" if len(by_fold) > 1 else model)
        found.append((codes, own["prob"].to_numpy(dtype=np.float64)))
    return found


def _require_both(codes: np.ndarray, where: str) -> None:
    counts = {word: int((codes == code).sum()) for word, code in keys.POLARITY.items()}
    if not all(counts.values()):
        said = ", ".join(f"{n} {word}" for word, n in counts.items())
        raise InputError(f"have only one class ({said})", where=where, expected="both")


def _subject(result: Any) -> str:
    """Drug and family of a result that names its model."""
    ref = getattr(result, "ref", None)
    return f"{ref.drug} ({ref.family})" if ref is not None else ""


def _bounds(result: Any) -> dict[str, tuple[float, float]]:
    """Bounds of the AUROC of each model, from the table of models of a result."""
    models = mapping(getattr(result, "tables", None)).get("models", getattr(result, "models", None))
    if not isinstance(models, pd.DataFrame) or "auroc_ci_low" not in models:
        return {}
    return auroc_bounds(models)


def _ece(result: Any) -> tuple[float, float, float] | None:
    """Expected calibration error and its bounds, from the table of metrics of an evaluation."""
    metrics = mapping(getattr(result, "tables", None)).get("metrics")
    if not isinstance(metrics, pd.DataFrame):
        return None
    row = metrics[metrics["metric"] == "ece"][["value", "ci_low", "ci_high"]]
    value, low, high = row.to_numpy(dtype=float)[0]
    return float(value), float(low), float(high)
