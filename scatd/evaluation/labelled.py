"""All tables of an evaluation on labelled cells, from true responses and scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from scatd import keys
from scatd.decision import Decision
from scatd.evaluation import curves
from scatd.evaluation.evidence import MODEL, FoldPredictions, model_table
from scatd.evaluation.intervals import (
    Bootstrap,
    bootstrap_interval,
    intervals_table,
    wilson_interval,
)
from scatd.evaluation.metrics import response_metrics
from scatd.evaluation.resampling import resampled
from scatd.evaluation.selective import risk_coverage_table
from scatd.keys import metric_names

PUBLISHED = {
    "AUC": "auroc",
    "MCC": "mcc",
    "F1 Score": "f1",
    "Recall": "recall",
    "Accuracy": "accuracy",
    "Precision": "precision",
}
"""Columns of the published metrics table, and their names here."""

_GROUP_METRICS = ("prevalence", "auroc", "mcc", "recall", "specificity", "precision", "brier")


@dataclass(frozen=True, eq=False)
class Truths:
    """Labelled cells and their scores: true codes, P(resistant) and responses, each (n_cells,).

    Parameters
    ----------
    codes, prob, responses
        0 sensitive or 1 resistant; the reported P(resistant); sensitive, resistant or abstain.
    decision
        Threshold and interval of abstention that gave the responses.
    groups
        (n_cells,) patient or sample of each cell, if known.
    baselines
        P(resistant) of the same cells by each baseline.
    """

    codes: npt.NDArray[np.int_]
    prob: npt.NDArray[np.float64]
    responses: npt.NDArray[np.str_]
    decision: Decision
    groups: npt.NDArray[np.str_] | None
    baselines: Mapping[str, npt.NDArray[np.float64]]


def evaluation_tables(cells: Truths, *, seed: int) -> dict[str, pd.DataFrame]:
    """Compute every table, by file name.

    Returns
    -------
    `metrics` (each metric with its one interval: see `widest`), `published_metrics`, `models`
    (baselines on the same cells), `confusion`,
    `answers` (coverage and error), `roc`, `precision_recall`, `reliability`, `thresholds`,
    `risk_coverage`, and `groups` if groups are known.
    """
    codes, prob, cut = cells.codes, cells.prob, cells.decision.threshold
    bootstrap = Bootstrap(seed=seed)
    metrics = intervals_table(codes, prob, cut, bootstrap=bootstrap)
    if cells.groups is not None:
        by_group = intervals_table(codes, prob, cut, groups=cells.groups, bootstrap=bootstrap)
        metrics = widest(metrics, by_group, "ci_low", "ci_high")
    value = metrics.set_index("metric")["value"]
    tables = {
        "metrics": metrics,
        "published_metrics": pd.DataFrame(
            {name: [value[metric]] for name, metric in PUBLISHED.items()}
        ),
        "models": models_table(cells, seed=seed),
        "confusion": confusion_table(codes, cells.responses),
        "answers": answers_table(codes, cells.responses),
        "roc": curves.roc_table(codes, prob),
        "precision_recall": curves.pr_table(codes, prob),
        "reliability": curves.reliability_table(codes, prob),
        "thresholds": curves.threshold_table(codes, prob),
        "risk_coverage": risk_coverage_table(codes, prob, cut),
    }
    if cells.groups is not None:
        tables["groups"] = groups_table(cells, seed=seed)
    return tables


def models_table(cells: Truths, *, seed: int) -> pd.DataFrame:
    """Compare the version with its baselines: one row a model.

    Columns: model, auroc, auroc_ci_low, auroc_ci_high, lead, lead_ci_low, lead_ci_high (as
    `evidence.model_table` has them), auprc, auprc_sensitive, brier. Where groups are known, AUROC
    and lead have the wider interval: see `widest`. That of the version is the one of `metrics`.
    """
    prob = {MODEL: cells.prob, **cells.baselines}
    whole = FoldPredictions(0, np.arange(len(cells.codes)), cells.codes, prob)
    table = model_table([whole], seed=seed).drop(columns="auroc_sd")
    table = table.rename(columns={"auroc_mean": "auroc"})
    if "lead" not in table:
        table = table.assign(lead=np.nan, lead_ci_low=np.nan, lead_ci_high=np.nan)
    if cells.groups is not None:
        table = _widened(table, cells, prob, Bootstrap(seed=seed))
    others = [response_metrics(cells.codes, prob[model]) for model in table["model"]]
    for name in ("auprc", "auprc_sensitive", "brier"):
        table[name] = [values[name] for values in others]
    return table


def _widened(
    table: pd.DataFrame,
    cells: Truths,
    prob: Mapping[str, npt.NDArray[np.float64]],
    bootstrap: Bootstrap,
) -> pd.DataFrame:
    """The table with intervals that reach as far as those of resampled groups."""
    drawn = {
        model: resampled(
            cells.codes, own, ["auroc"], 0.5, bootstrap.weights(len(cells.codes), cells.groups)
        )["auroc"]
        for model, own in prob.items()
    }
    names = list(table["model"])
    leads = [bootstrap.bounds(drawn[MODEL] - drawn[model]) for model in names]
    own = [
        bootstrap_interval(cells.codes, prob[model], groups=cells.groups, bootstrap=bootstrap)
        for model in names
    ]
    by_group = pd.DataFrame(leads, columns=["lead_ci_low", "lead_ci_high"])
    by_group = by_group.where(table["lead"].notna())
    by_group[["auroc_ci_low", "auroc_ci_high"]] = own
    table = widest(table, by_group, "lead_ci_low", "lead_ci_high")
    return widest(table, by_group, "auroc_ci_low", "auroc_ci_high")


def widest(by_cell: pd.DataFrame, by_group: pd.DataFrame, low: str, high: str) -> pd.DataFrame:
    """The first table with one interval a row, which holds the intervals of both.

    Cells of a group are not independent, so the interval of cells is often too narrow; that of few
    groups may be too narrow as well.

    Parameters
    ----------
    by_cell, by_group
        The same rows, with intervals of resampled cells (or by formula) and of resampled groups.
    low, high
        Columns of the bounds.
    """
    return by_cell.assign(
        **{
            low: np.fmin(by_cell[low], by_group[low]),
            high: np.fmax(by_cell[high], by_group[high]),
        }
    )


def confusion_table(codes: npt.NDArray[np.int_], responses: npt.NDArray[np.str_]) -> pd.DataFrame:
    """Counts: one row a true response, one column a call; `abstain` only if a cell has it."""
    words = np.array(keys.RESPONSES)[codes]
    calls = [word for word in keys.CALLS if word != keys.ABSTAIN or (responses == word).any()]
    return pd.DataFrame(
        {"truth": keys.RESPONSES}
        | {
            call: [int(((words == truth) & (responses == call)).sum()) for truth in keys.RESPONSES]
            for call in calls
        }
    )


def answers_table(codes: npt.NDArray[np.int_], responses: npt.NDArray[np.str_]) -> pd.DataFrame:
    """One row: how many cells get a response, and how many responses are wrong.

    Columns: n, n_answered, coverage, n_wrong, error, error_ci_low, error_ci_high (95% Wilson).
    """
    answered = responses != keys.ABSTAIN
    wrong = int((responses != np.array(keys.RESPONSES)[codes])[answered].sum())
    n = int(answered.sum())
    low, high = wilson_interval([wrong], [n])
    return pd.DataFrame(
        {
            "n": [len(codes)],
            "n_answered": [n],
            "coverage": [n / len(codes)],
            "n_wrong": [wrong],
            "error": [wrong / n if n else np.nan],
            "error_ci_low": low,
            "error_ci_high": high,
        }
    )


def groups_table(cells: Truths, *, seed: int) -> pd.DataFrame:
    """One row a group: number of cells, share called resistant, and metrics.

    Columns: group, n, n_sensitive, n_resistant, called_resistant (fraction), abstained (fraction),
    prevalence, auroc, auroc_ci_low, auroc_ci_high, mcc, recall, specificity, precision, brier.
    """
    assert cells.groups is not None
    rows = []
    for group in np.unique(cells.groups):
        some = cells.groups == group
        codes, prob, words = cells.codes[some], cells.prob[some], cells.responses[some]
        values = response_metrics(codes, prob, cells.decision.threshold)
        low, high = bootstrap_interval(codes, prob, bootstrap=Bootstrap(seed=seed))
        row = {
            "group": group,
            "n": len(codes),
            "n_sensitive": int((codes == 0).sum()),
            "n_resistant": int((codes == 1).sum()),
            "called_resistant": float((words == keys.RESISTANT).mean()),
            "abstained": float((words == keys.ABSTAIN).mean()),
        }
        for name in _GROUP_METRICS:
            row[name] = values[name]
            if name == "auroc":
                row |= {"auroc_ci_low": low, "auroc_ci_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


_BESIDE = {
    "auroc": metric_names.BASELINE,
    "lead": metric_names.BASELINE_LEAD,
    "lead_ci_low": metric_names.BASELINE_LEAD_LOW,
    "lead_ci_high": metric_names.BASELINE_LEAD_HIGH,
}
"""Metrics of a baseline, by the column of the table of models."""


def evaluation_metrics(
    tables: Mapping[str, pd.DataFrame], codes: npt.ArrayLike
) -> dict[str, float]:
    """Results of an evaluation as names and numbers, for the tracking store and the gate.

    Every metric, its interval (`auroc_ci_low`), baselines and the lead over each
    (`baseline/NAME/auroc`, `baseline/NAME/auroc_lead`), `coverage`, `error_answered`,
    `n_sensitive` and `n_resistant`. Undefined values are left out.
    """
    values: dict[str, float] = {}
    for row in tables["metrics"].to_dict(orient="records"):
        name = str(row.pop("metric"))
        values[metric_names.METRIC.format(metric=name)] = row.pop("value")
        if name == "auroc":  # the table has those of all
            values |= {
                metric_names.BOUND.format(metric=name, bound=bound): value
                for bound, value in row.items()
            }
    for row in tables["models"].to_dict(orient="records"):
        if row["model"] != MODEL:
            words = {"model": row["model"], "metric": "auroc"}
            values |= {name.format(**words): row[column] for column, name in _BESIDE.items()}
    answers = tables["answers"].iloc[0]
    truth = np.asarray(codes)
    values |= {
        metric_names.COVERAGE: answers["coverage"],
        metric_names.ERROR_ANSWERED: answers["error"],
    }
    values |= {
        metric_names.N_RESPONSE.format(response=word): float((truth == code).sum())
        for word, code in keys.POLARITY.items()
    }
    return {name: float(value) for name, value in values.items() if not np.isnan(value)}
