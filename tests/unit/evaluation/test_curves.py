"""Curve tables against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from scatd.errors import InputError
from scatd.evaluation.curves import (
    mean_roc_table,
    pr_table,
    reliability_table,
    roc_table,
    threshold_table,
)
from scatd.evaluation.metrics import CONFUSION_METRICS, response_metrics


@pytest.fixture
def scored() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    codes = (rng.random(250) < 0.4).astype(int)
    return codes, np.clip(np.round(rng.normal(0.4 + 0.2 * codes, 0.2), 2), 0, 1)


def test_roc_equals_scikit_learn(scored: tuple[np.ndarray, np.ndarray]) -> None:
    table = roc_table(*scored)
    fpr, tpr, thresholds = sk.roc_curve(*scored, drop_intermediate=False)
    np.testing.assert_allclose(table["fpr"], fpr, atol=1e-12)
    np.testing.assert_allclose(table["tpr"], tpr, atol=1e-12)
    np.testing.assert_allclose(table["threshold"], thresholds)


def test_a_mean_roc_curve_is_the_mean_of_its_curves_everywhere() -> None:
    rng = np.random.default_rng(3)
    folds = []
    for n in (17, 40, 90):
        codes = rng.permutation(np.arange(n) % 3 == 0).astype(int)
        folds.append((codes, np.round(rng.random(n) + 0.3 * codes, 1) / 2))  # with ties
    mean = mean_roc_table([roc_table(*fold) for fold in folds])
    area = np.mean([sk.roc_auc_score(*fold) for fold in folds])
    assert np.trapezoid(mean["tpr"], mean["fpr"]) == pytest.approx(area, abs=1e-12)
    at = (np.arange(1000) + 0.5) / 1000
    own = [np.interp(at, *sk.roc_curve(*fold, drop_intermediate=False)[:2]) for fold in folds]
    np.testing.assert_allclose(np.interp(at, mean["fpr"], mean["tpr"]), np.mean(own, axis=0))
    assert mean.iloc[0].tolist() == [0, 0]
    assert mean.iloc[-1].tolist() == [1, 1]


def test_the_mean_of_one_roc_curve_is_the_curve(scored: tuple[np.ndarray, np.ndarray]) -> None:
    table = roc_table(*scored)
    mean = mean_roc_table([table])
    corners = set(zip(mean["fpr"], mean["tpr"], strict=True))
    assert corners <= set(zip(table["fpr"], table["tpr"], strict=True))
    np.testing.assert_allclose(mean["tpr"][::2], table.groupby("fpr")["tpr"].min())
    np.testing.assert_allclose(mean["tpr"][1::2], table.groupby("fpr")["tpr"].max())


def test_pr_equals_scikit_learn(scored: tuple[np.ndarray, np.ndarray]) -> None:
    table = pr_table(*scored)
    precision, recall, thresholds = sk.precision_recall_curve(*scored)
    # scikit-learn runs the other way and ends at a made-up point (recall 0, precision 1).
    np.testing.assert_allclose(table["precision"], precision[-2::-1], atol=1e-12)
    np.testing.assert_allclose(table["recall"], recall[-2::-1], atol=1e-12)
    np.testing.assert_allclose(table["threshold"], thresholds[::-1])


def test_reliability_equals_scikit_learn(scored: tuple[np.ndarray, np.ndarray]) -> None:
    codes, prob = scored
    prob = np.clip(prob + 0.001, 0, 1)  # off the edges, where the two conventions differ
    table = reliability_table(codes, prob, n_bins=8)
    assert len(table) == 8
    assert table["n"].sum() == len(codes)
    filled = table[table["n"] > 0]
    observed, predicted = calibration_curve(codes, prob, n_bins=8)
    np.testing.assert_allclose(filled["observed"], observed, atol=1e-12)
    np.testing.assert_allclose(filled["mean_predicted"], predicted, atol=1e-12)
    row = filled.iloc[2]
    wilson = binomtest(round(row["observed"] * row["n"]), int(row["n"]))
    low, high = wilson.proportion_ci(0.95, method="wilson")
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high), abs=1e-12)


def test_empty_bins_are_kept_and_marked_and_one_falls_into_the_last() -> None:
    table = reliability_table([0, 1], [0.05, 1.0])
    assert list(table["n"]) == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert table.loc[1:8, ["mean_predicted", "observed", "ci_low", "ci_high"]].isna().all(None)
    assert table.loc[9, "observed"] == 1


def test_expected_calibration_error_is_the_tables_weighted_gap(
    scored: tuple[np.ndarray, np.ndarray],
) -> None:
    table = reliability_table(*scored).query("n > 0")
    gap = np.average(np.abs(table["observed"] - table["mean_predicted"]), weights=table["n"])
    assert response_metrics(*scored)["ece"] == pytest.approx(gap, abs=1e-12)


def test_threshold_table_equals_metrics_at_each_threshold(
    scored: tuple[np.ndarray, np.ndarray],
) -> None:
    codes, prob = scored
    table = threshold_table(codes, prob)
    assert list(table["threshold"][[0, 1, 50, 100]]) == [0, 0.01, 0.5, 1]
    for row in table.iloc[::10].to_dict("records"):
        called = (prob > row["threshold"]).astype(int)
        assert row["called_resistant"] == pytest.approx(called.mean(), abs=1e-12)
        expected = {
            "recall": sk.recall_score(codes, called),
            "precision": sk.precision_score(codes, called, zero_division=np.nan),
            "mcc": sk.matthews_corrcoef(codes, called),
            "f1": sk.f1_score(codes, called),
            "accuracy": sk.accuracy_score(codes, called),
            "balanced_accuracy": sk.balanced_accuracy_score(codes, called),
        }
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, abs=1e-12, nan_ok=True), name
    assert set(CONFUSION_METRICS) < set(table.columns)


def test_given_thresholds_are_kept_in_order(scored: tuple[np.ndarray, np.ndarray]) -> None:
    table = threshold_table(*scored, thresholds=[0.9, 0.05])
    assert list(table["threshold"]) == [0.9, 0.05]
    assert table["called_resistant"].is_monotonic_increasing


def test_one_class_has_no_rate_for_the_other() -> None:
    table = roc_table([0, 0], [0.2, 0.3])
    assert table["tpr"].isna().all()
    assert list(table["fpr"]) == [0, 0.5, 1]
    assert pr_table([0, 0], [0.2, 0.3])["recall"].isna().all()


@pytest.mark.parametrize("table", [roc_table, pr_table, reliability_table, threshold_table])
def test_unscored_samples_are_refused(table) -> None:
    with pytest.raises(InputError, match="1 of 2 probabilities"):
        table([0, 1], [0.5, np.nan])
