"""Leaving out drugs with analogues: no leak, the threshold, and the means with intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from scatd.data.structures import tanimoto
from scatd.evaluation.resampling import Bootstrap
from scatd.training.anydrug import judging
from scatd.training.anydrug.judging import (
    Table,
    beyond,
    choose,
    families,
    folds_of,
    judge,
    line_means,
    nearest_outside,
    summarised,
    threshold_of,
    within_drug,
)
from scatd.training.anydrug.model import GRID, Lines, Strengths, fit, relative


def bits_of(n_families, size, seed=0):
    """Families of alike fingerprints: each drug differs from its family's by few bits."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n_families):
        core = rng.random(400) < 0.1
        found += [core ^ (rng.random(400) < 0.01) for _ in range(size)]
    return np.array(found)


@pytest.fixture(scope="module")
def table():
    """30 lines and 24 drugs of 12 families, with blanks."""
    rng = np.random.default_rng(1)
    bits = bits_of(12, 2)
    X = rng.normal(size=(30, 6))
    common, own = rng.normal(size=(6, 1)), rng.normal(size=(6, 12))
    y = X @ common + X @ np.repeat(own, 2, axis=1) + 0.5 * rng.normal(size=(30, 24))
    y[rng.random(y.shape) < 0.16] = np.nan
    return Table(X, y, bits)


def test_analogues_are_never_in_two_folds():
    alike = np.eye(7)
    for one, other in ((0, 3), (3, 5), (1, 2)):  # 0 and 5 are joined by 3 alone
        alike[one, other] = alike[other, one] = 0.6
    groups = families(alike)
    assert len(set(groups[[0, 3, 5]])) == 1
    assert groups[1] == groups[2] != groups[0]
    assert len(set(groups)) == 4
    for seed in range(5):
        fold = folds_of(groups, 3, seed)
        assert len(set(fold[[0, 3, 5]])) == len(set(fold[[1, 2]])) == 1
        assert set(fold) == {0, 1, 2}
    assert (folds_of(groups, 3, 0) == folds_of(groups, 3, 0)).all()


def test_no_fold_has_a_close_analogue_outside(table):
    alike = tanimoto(table.bits, table.bits)
    assert len(np.unique(families(alike))) == 12
    fold = folds_of(families(alike), 4, 0)
    assert nearest_outside(alike, fold).max() < judging.CLOSE


def test_what_is_left_out_is_not_seen(table):
    """Predictions and thresholds of a fold stay as they are when its responses change."""
    before = judge(table, 4, 0)
    fold = before.drugs["fold"].to_numpy()
    changed = np.where(fold[None] == 2, -table.responses, table.responses)
    after = judge(Table(table.X, changed, table.bits), 4, 0)
    left = before.drugs["fold"] == 2
    for column in ("within_drug", "line_mean", "within_drug_new", "line_mean_new"):
        np.testing.assert_allclose(after.drugs[column][left], -before.drugs[column][left])
    assert (after.drugs["threshold"][left] == before.drugs["threshold"][left]).all()
    assert set(before.drugs["fold"]) == {0, 1, 2, 3}


def test_correlations_are_those_of_scipy(table):
    rng = np.random.default_rng(0)
    predicted = table.responses + rng.normal(size=table.responses.shape)
    predicted = np.where(np.isfinite(predicted), predicted, 0.0)
    found = within_drug(predicted, table.responses)
    for drug, own in enumerate(table.responses.T):
        seen = np.isfinite(own)
        expected = spearmanr(predicted[seen, drug], own[seen]).statistic
        assert found[drug] == pytest.approx(expected)
    assert np.isnan(within_drug(np.zeros((30, 24)), table.responses)).all()


def test_what_the_baseline_explains_is_taken_out():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(4000, 1))
    truth = base + rng.normal(size=(4000, 1))
    blind = base + rng.normal(size=(4000, 1))
    assert beyond(blind, base, truth)[0] == pytest.approx(0, abs=0.05)
    assert beyond(truth + 0.1 * blind, base, truth)[0] > 0.8
    assert np.isnan(beyond(base, base, truth)[0])  # nothing is left of the prediction


def test_the_line_mean_is_over_what_is_there():
    y = np.array([[1.0, 10.0], [3.0, np.nan], [5.0, 30.0], [np.nan, np.nan]])
    z = relative(y)
    np.testing.assert_allclose(np.nanmean(z, axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.nanstd(z, axis=0), 1)
    np.testing.assert_allclose(line_means(y), [(z[0, 0] + z[0, 1]) / 2, 0, (z[2, 0] + 1) / 2, 0])


def test_the_threshold_tells_apart_where_structures_helped():
    rng = np.random.default_rng(0)
    near = np.linspace(0.1, 0.5, 100)
    lead = np.where(near >= 0.3, 0.05, 0.0) + 0.02 * rng.normal(size=100)
    assert threshold_of(near, lead) == pytest.approx(0.3, abs=0.02)
    assert threshold_of(near, -np.abs(lead)) == 1.0  # it never helped: only known drugs
    assert threshold_of(near, np.full(100, np.nan)) == 1.0


def test_choices_are_from_the_grid_and_repeatable(table):
    alike = Lines.of(table.X).kernel
    one, other = choose(table, alike, 0), choose(table, alike, 0)
    assert one.strengths in GRID
    assert one.strengths == other.strengths
    assert one.threshold == other.threshold
    best = one.scores["within_drug"].idxmax()
    assert GRID[best] == one.strengths
    assert np.isfinite(one.scores["within_drug"]).all()


def test_means_and_intervals_are_over_families():
    drugs = pd.DataFrame({"family": [0, 0, 1, 2], "refused": [False, False, True, True]})
    for name in ("within_drug", "line_mean", "lead", "beyond"):
        drugs[name] = drugs[f"{name}_new"] = [0.2, 0.4, 0.6, np.nan]
    found = summarised(drugs, Bootstrap(n_boot=500, seed=0))
    assert found["n_drugs"] == 4
    assert found["n_refused"] == 2
    assert found["lead_mean"] == pytest.approx(0.4)
    assert found["lead_answered_mean"] == pytest.approx(0.3)
    assert found["lead_refused_mean"] == pytest.approx(0.6)
    # One family is drawn whole: its mean cannot vary.
    assert found["lead_answered_ci_low"] == found["lead_answered_ci_high"] == pytest.approx(0.3)
    assert found["lead_ci_low"] < 0.4 < found["lead_ci_high"]


def test_the_stored_model_predicts_as_the_kernels_do(table):
    """Against ridge regression written out: kernels of all pairs, over observed entries."""
    strengths = Strengths(0.3, 0.6, 1.0)
    lines = Lines.of(table.X)
    model = fit(lines, table.bits, table.responses, strengths, 0.2)
    standard = (table.X - table.X.mean(axis=0)) / table.X.std(axis=0)
    scale = np.mean((standard**2).sum(axis=1))
    drugs = 0.3 + 0.7 * tanimoto(table.bits, table.bits)
    own = 0.4 * standard @ standard.T / scale + 0.6 * np.eye(30)
    i, j = np.nonzero(np.isfinite(table.responses))
    K = own[np.ix_(i, i)] * drugs[np.ix_(j, j)]
    a = np.linalg.solve(K + np.eye(len(i)), relative(table.responses)[i, j])
    rng = np.random.default_rng(5)
    cells, bits = rng.normal(size=(9, 6)), bits_of(1, 1, seed=9)[0]
    to = 0.4 * ((cells - table.X.mean(axis=0)) / table.X.std(axis=0)) @ standard.T / scale
    of_drug = 0.3 + 0.7 * tanimoto(bits[None], table.bits)[0]
    expected = (to[:, i] * of_drug[j]) @ a
    found = model.relative_response(cells, bits)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    # A cell's number does not depend on the cells beside it.
    assert model.relative_response(cells[4:5], bits)[0] == found[4]
