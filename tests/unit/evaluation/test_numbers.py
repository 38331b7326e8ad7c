"""Metrics of predicted numbers, and the means that they have to beat."""

from __future__ import annotations

import numpy as np
from scipy.stats import pearsonr, spearmanr

from scatd.evaluation.naive import DRUG_MEAN, LINE_MEAN, TISSUE_MEAN
from scatd.evaluation.numbers import coverage, models_table, naive_numbers, number_metrics


def test_metrics_are_those_of_scipy():
    rng = np.random.default_rng(0)
    true, made = rng.normal(size=40).round(1), rng.normal(size=40)
    found = number_metrics(np.append(true, np.nan), np.append(made, 1.0))
    assert np.isclose(found["spearman"], spearmanr(true, made).statistic)
    assert np.isclose(found["pearson"], pearsonr(true, made).statistic)
    assert np.isclose(found["rmse"], np.sqrt(np.mean((true - made) ** 2)))


def test_what_is_the_same_for_all_ranks_nothing():
    found = number_metrics(np.arange(9.0), np.full(9, 1 / 3))
    assert found["spearman"] == found["pearson"] == 0
    assert np.isnan(number_metrics(np.arange(2.0), np.arange(2.0))["rmse"])


def test_models_of_two_folds_are_not_compared():
    true, fold = np.arange(10.0), np.repeat([0, 1], 5)
    made = true - 5 * fold  # each fold is in order, and both lie at the same level
    table = models_table(true, {"a": made}, fold)
    assert table.loc[0, "spearman"] == 1
    assert table.loc[0, "rmse"] == 2.5


def test_naive_means_read_training_pairs_alone():
    rng = np.random.default_rng(1)
    values = rng.normal([0, 5, -5], size=(12, 3))
    values[3, 1] = np.nan
    tissues = np.array([*"aaaabbbb", "c", "c", "", ""])
    training = np.ones(values.shape, dtype=bool)
    training[8:, 0] = False
    substances = ["x", "y", "z"]
    found = naive_numbers(values, training, 0, substances, tissues)
    own = values[:8, 0]
    np.testing.assert_allclose(found[DRUG_MEAN], own.mean())
    expected = (own[:4].sum() + 2 * own.mean()) / 6
    np.testing.assert_allclose(found[TISSUE_MEAN][:4], expected)
    np.testing.assert_allclose(found[TISSUE_MEAN][8:], own.mean())
    z = [(values[0, d] - np.nanmean(values[:, d])) / np.nanstd(values[:, d]) for d in (1, 2)]
    np.testing.assert_allclose(found[LINE_MEAN][0], own.mean() + own.std() * sum(z) / 4)
    values[8:, 0] = 99
    again = naive_numbers(values, training, 0, substances, tissues)
    for name in found:
        np.testing.assert_array_equal(found[name], again[name])
    # Another column of the same substance would give the drug away.
    values[:, 1] = values[:, 0]
    alone = naive_numbers(values[:, :2], training[:, :2], 0, ["x", "x"])
    np.testing.assert_allclose(alone[LINE_MEAN], alone[DRUG_MEAN])


def test_coverage_of_censored_numbers():
    low, high = np.zeros(5), np.ones(5)
    numbers = np.array([0.5, 2.0, 0.5, 2.0, np.nan])
    is_least = np.array([False, False, True, True, False])
    # The third is at least 0.5, which the interval allows; the fourth lies above it.
    assert coverage(numbers, is_least, low, high) == (2, 4)
