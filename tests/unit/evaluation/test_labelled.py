"""Tables of an evaluation: intervals that hold the truth, groups, calls, baselines."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from scatd.decision import Decision
from scatd.evaluation.intervals import Bootstrap, bootstrap_interval, intervals_table
from scatd.evaluation.labelled import (
    Truths,
    answers_table,
    confusion_table,
    evaluation_metrics,
    evaluation_tables,
    models_table,
)

LEAD, PREVALENCE = 1.4, 0.4


def drawn(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells of a population in which everything is known: two normals, LEAD s.d. apart."""
    codes = (rng.random(n) < PREVALENCE).astype(int)
    return codes, norm.cdf(rng.normal(size=n) + LEAD * (codes - 0.5))


def population() -> dict[str, float]:
    """Metrics of that population at a threshold of 0.5."""
    right = norm.cdf(LEAD / 2)
    tp, fp = PREVALENCE * right, (1 - PREVALENCE) * (1 - right)
    fn, tn = PREVALENCE * (1 - right), (1 - PREVALENCE) * right
    grid = np.linspace(-8, 8, 20001)
    step = grid[1] - grid[0]
    brier = sum(
        share * np.sum((norm.cdf(grid) - code) ** 2 * norm.pdf(grid - LEAD * (code - 0.5))) * step
        for code, share in ((0, 1 - PREVALENCE), (1, PREVALENCE))
    )
    spread = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return {
        "auroc": norm.cdf(LEAD / math.sqrt(2)),
        "recall": right,
        "specificity": right,
        "precision": tp / (tp + fp),
        "f1": 2 * tp / (2 * tp + fp + fn),
        "mcc": (tp * tn - fp * fn) / spread,
        "balanced_accuracy": right,
        "brier": brier,
    }


def test_intervals_hold_the_truth_of_a_simulation():
    """Of 100 evaluations of 250 cells, 90 to 98 hold the population's value, metric by metric."""
    truth = population()
    rng = np.random.default_rng(3)
    hits = dict.fromkeys(truth, 0)
    for seed in range(100):
        table = intervals_table(
            *drawn(rng, 250), bootstrap=Bootstrap(n_boot=400, seed=seed)
        ).set_index("metric")
        for name, value in truth.items():
            hits[name] += table.loc[name, "ci_low"] <= value <= table.loc[name, "ci_high"]
    assert all(90 <= count <= 98 for count in hits.values()), hits


def test_cells_of_a_patient_are_alike_which_only_group_intervals_know():
    rng = np.random.default_rng(5)
    patients = np.repeat(np.arange(40), 10)

    def evaluated() -> tuple[np.ndarray, np.ndarray]:
        codes = np.repeat(np.arange(40) % 2, 10)
        odds = codes - 0.5 + np.repeat(rng.normal(size=40), 10) + 0.5 * rng.normal(size=400)
        return codes, norm.cdf(odds)

    truth = norm.cdf(1 / math.sqrt(2 * 1.25))
    by_cell, by_patient = 0, 0
    for seed in range(100):
        codes, prob = evaluated()
        low, high = bootstrap_interval(codes, prob, bootstrap=Bootstrap(n_boot=200, seed=seed))
        by_cell += low <= truth <= high
        low, high = bootstrap_interval(
            codes, prob, groups=patients, bootstrap=Bootstrap(n_boot=200, seed=seed)
        )
        by_patient += low <= truth <= high
    assert 88 <= by_patient <= 98
    assert by_cell < 75


@pytest.fixture
def cells() -> Truths:
    rng = np.random.default_rng(1)
    codes, prob = drawn(rng, 300)
    decision = Decision(0.45, abstain=(0.4, 0.5))
    groups = np.repeat(["a", "b", "only sensitive"], 100)
    codes[200:] = 0
    baselines = {"prevalence": np.full(300, 0.4), "logistic_regression": rng.random(300)}
    return Truths(codes, prob, decision.responses(prob), decision, groups, baselines)


def test_groups_without_both_responses_keep_their_row(cells):
    groups = evaluation_tables(cells, seed=0)["groups"].set_index("group")
    assert groups["n"].tolist() == [100, 100, 100]
    first = cells.groups == "a"
    expected = roc_auc_score(cells.codes[first], cells.prob[first])
    assert groups.loc["a", "auroc"] == pytest.approx(expected)
    assert groups.loc["a", "auroc_ci_low"] < expected < groups.loc["a", "auroc_ci_high"]
    assert np.isnan(groups.loc["only sensitive", "auroc"])
    words = cells.responses[first]
    assert groups.loc["a", "called_resistant"] == (words == "resistant").mean()
    assert groups.loc["a", "abstained"] == (words == "abstain").mean()


def test_cells_without_an_answer_are_a_column_and_no_error(cells):
    table = confusion_table(cells.codes, cells.responses)
    assert list(table) == ["truth", "sensitive", "resistant", "abstain"]
    assert table[["sensitive", "resistant", "abstain"]].to_numpy().sum() == 300
    (row,) = answers_table(cells.codes, cells.responses).itertuples()
    wrong = table.loc[0, "resistant"] + table.loc[1, "sensitive"]
    assert row.n_answered == 300 - table["abstain"].sum()
    assert row.error == pytest.approx(wrong / row.n_answered)
    assert row.error_ci_low < row.error < row.error_ci_high
    assert "abstain" not in confusion_table(cells.codes, Decision(0.5).responses(cells.prob))


def test_every_number_reaches_the_tracking_store_under_its_name(cells):
    tables = evaluation_tables(cells, seed=0)
    logged = evaluation_metrics(tables, cells.codes)
    assert logged["auroc"] == pytest.approx(roc_auc_score(cells.codes, cells.prob))
    assert logged["auroc_ci_low"] < logged["auroc"] < logged["auroc_ci_high"]
    assert logged["baseline/prevalence/auroc"] == 0.5
    assert logged["n_sensitive"] + logged["n_resistant"] == 300
    assert logged["coverage"] == tables["answers"]["coverage"].item()
    assert all(math.isfinite(value) for value in logged.values())


def test_a_lead_over_few_patients_is_as_uncertain_as_they_are():
    """In each patient one of the two models is right in all cells, by a coin."""
    rng = np.random.default_rng(2)
    patients = np.repeat(np.arange(12), 20)
    codes = np.tile([0, 1], 120)
    favoured = np.repeat(rng.permutation(np.arange(12) < 8), 20)
    noise = rng.normal(size=(2, 240))
    ours = norm.cdf(np.where(favoured, 3, 0) * (codes - 0.5) + noise[0])
    theirs = norm.cdf(np.where(favoured, 0, 3) * (codes - 0.5) + noise[1])
    decision = Decision(0.5)

    def lead(groups: np.ndarray | None) -> pd.Series:
        truths = Truths(
            codes, ours, decision.responses(ours), decision, groups, {"logistic_regression": theirs}
        )
        return models_table(truths, seed=0).set_index("model").loc["logistic_regression"]

    by_cell, by_patient = lead(None), lead(patients)
    assert by_patient["lead"] == by_cell["lead"]
    width = by_patient["lead_ci_high"] - by_patient["lead_ci_low"]
    assert width > 1.3 * (by_cell["lead_ci_high"] - by_cell["lead_ci_low"])


def test_a_number_has_one_interval_which_holds_those_of_cells_and_of_groups(cells):
    tables = evaluation_tables(cells, seed=3)
    metrics = tables["metrics"].set_index("metric")
    assert list(metrics) == ["value", "ci_low", "ci_high"]
    for groups in (None, cells.groups):
        own = intervals_table(
            cells.codes, cells.prob, 0.45, groups=groups, bootstrap=Bootstrap(seed=3)
        ).set_index("metric")
        known = own["ci_low"].notna()
        assert (metrics["ci_low"] <= own["ci_low"])[known].all()
        assert (metrics["ci_high"] >= own["ci_high"])[known].all()
    models = tables["models"].set_index("model").loc["response_model"]
    assert models["auroc_ci_low"] == metrics.loc["auroc", "ci_low"]
    assert models["auroc_ci_high"] == metrics.loc["auroc", "ci_high"]
    logged = evaluation_metrics(tables, cells.codes)
    assert logged["auroc_ci_low"] == metrics.loc["auroc", "ci_low"]
    assert [name for name in logged if "group" in name] == []
