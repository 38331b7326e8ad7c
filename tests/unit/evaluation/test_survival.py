"""Survival tables against the plain formulas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from scatd.evaluation.survival import at_risk, cox, kaplan_meier, log_rank, rank_tests, time_bins


@pytest.fixture(scope="module")
def patients() -> pd.DataFrame:
    """Two groups with ties and censoring; the second dies about twice as fast."""
    rng = np.random.default_rng(4)
    group = np.repeat(["resistant", "sensitive"], [70, 50])
    lives = np.ceil(rng.exponential(np.where(group == "resistant", 20, 40))) + 1
    seen = np.ceil(rng.exponential(50, 120)) + 1
    table = pd.DataFrame({"time": np.minimum(lives, seen), "event": (lives <= seen).astype(int)})
    return table.assign(group=group)


def product_limit(part: pd.DataFrame, time: float) -> tuple[float, float]:
    """S(t) as the product of 1 - d / n over death times, and Greenwood's sum, written out."""
    survival, greenwood = 1.0, 0.0
    for death in sorted(part.loc[part["event"] == 1, "time"].unique()):
        if death <= time:
            n, d = (part["time"] >= death).sum(), ((part["time"] == death) & part["event"]).sum()
            survival *= 1 - d / n
            greenwood += d / (n * (n - d)) if n > d else np.inf
    return survival, greenwood


def test_kaplan_meier_is_the_product_limit_with_log_log_intervals(patients):
    table = kaplan_meier(patients)
    assert list(table["group"].unique()) == ["resistant", "sensitive"]
    for row in table[table["survival"].between(1e-9, 1 - 1e-9)].itertuples():
        part = patients[patients["group"] == row.group]
        survival, greenwood = product_limit(part, row.time)
        assert row.survival == pytest.approx(survival, rel=1e-12)
        width = 1.959964 * np.sqrt(greenwood) / np.log(survival)
        low, high = survival ** np.exp(-width), survival ** np.exp(width)
        assert (row.ci_low, row.ci_high) == pytest.approx((low, high), rel=1e-6)
        assert row.n_at_risk == (part["time"] >= row.time).sum()


def test_log_rank_is_the_hypergeometric_sum(patients):
    observed = expected = variance = 0.0
    for death in patients.loc[patients["event"] == 1, "time"].unique():
        risk = patients[patients["time"] >= death]
        dies = (risk["time"] == death) & (risk["event"] == 1)
        n, d, own = len(risk), dies.sum(), (risk["group"] == "resistant").sum()
        observed += (dies & (risk["group"] == "resistant")).sum()
        expected += d * own / n
        if n > 1:
            variance += d * (own / n) * (1 - own / n) * (n - d) / (n - 1)
    statistic = (observed - expected) ** 2 / variance
    (row,) = log_rank(patients).itertuples()
    assert row.statistic == pytest.approx(statistic, rel=1e-9)
    assert row.p == pytest.approx(stats.chi2.sf(statistic, 1), rel=1e-9)
    assert (row.n, row.n_events, row.df) == (120, patients["event"].sum(), 1)


def test_one_group_has_no_log_rank(patients):
    (row,) = log_rank(patients.assign(group="sensitive")).itertuples()
    assert np.isnan(row.p)
    assert row.df == 0


def test_cox_maximises_efron_s_partial_likelihood(patients):
    x = (patients["group"] == "resistant").astype(float).rename("resistant")
    (row,) = cox(patients, x.to_frame()).itertuples()

    def minus_log_likelihood(beta):
        total = 0.0
        for death in patients.loc[patients["event"] == 1, "time"].unique():
            risk = np.exp(beta * x[patients["time"] >= death]).sum()
            dies = x[(patients["time"] == death) & (patients["event"] == 1)]
            tied = np.exp(beta * dies).sum()
            shares = np.arange(len(dies)) / len(dies)
            total += beta * dies.sum() - np.log(risk - shares * tied).sum()
        return -total

    best = optimize.minimize_scalar(minus_log_likelihood, bounds=(-4, 4), method="bounded").x
    step = 1e-3
    curvature = (
        minus_log_likelihood(best + step)
        - 2 * minus_log_likelihood(best)
        + minus_log_likelihood(best - step)
    ) / step**2
    sd = 1 / np.sqrt(curvature)
    assert row.hazard_ratio == pytest.approx(np.exp(best), rel=1e-3)
    bounds = np.exp(best - 1.96 * sd), np.exp(best + 1.96 * sd)
    assert (row.ci_low, row.ci_high) == pytest.approx(bounds, rel=2e-3)
    assert row.hazard_ratio > 1.2, "the resistant group was made to die sooner"


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda table: table.assign(group="sensitive"), "the same for every patient"),
        (lambda table: table.assign(event=0), "no patient died"),
        (
            lambda table: table.assign(event=table["event"] * (table["group"] == "resistant")),
            "nobody died in one of the two groups",
        ),
    ],
)
def test_what_has_no_ratio_says_why(patients, change, note):
    table = change(patients)
    x = (table["group"] == "resistant").astype(float).rename("resistant")
    (row,) = cox(table, x.to_frame()).itertuples()
    assert row.note == note
    assert np.isnan(row.hazard_ratio)


def test_at_risk_counts_those_still_followed(patients):
    table = at_risk(patients)
    assert table.columns[0] == 0
    assert 3 <= table.shape[1] <= 7
    for time in table:
        for group in table.index:
            own = patients.loc[patients["group"] == group, "time"]
            assert table.loc[group, time] == sum(value >= time for value in own)


def test_bins_are_ten_of_equal_width():
    time = pd.Series([0.0, 10.0, 11.0, 50.0, 99.0, 100.0])
    bins = time_bins(time)
    assert bins.tolist() == ["0-10", "0-10", "10-20", "40-50", "90-100", "90-100"]
    assert len(bins.cat.categories) == 10


def test_rank_tests_are_scipy_s_with_benjamini_and_hochberg_s_rate():
    rng = np.random.default_rng(0)
    values = pd.DataFrame(rng.normal(size=(40, 5)), columns=list("abcde"))
    groups = pd.Series(np.arange(40) % 2)
    values.loc[groups == 1, "b"] += 3
    table = rank_tests(values, groups).set_index("feature")
    for name in values:
        one = stats.mannwhitneyu(values.loc[groups == 0, name], values.loc[groups == 1, name])
        assert table.loc[name, ["U", "p"]].tolist() == pytest.approx([one.statistic, one.pvalue])
    ordered = np.sort(table["p"])
    rate = np.minimum.accumulate((ordered * 5 / np.arange(1, 6))[::-1])[::-1]
    np.testing.assert_allclose(np.sort(table["fdr"]), rate)
    assert table["p"].idxmin() == "b"
    assert table.loc["b", "median_1"] == values.loc[groups == 1, "b"].median()
