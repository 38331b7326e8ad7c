"""Metrics against scikit-learn, and what is undefined."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from scatd.errors import InputError
from scatd.evaluation.metrics import METRICS, response_metrics, weighted_metrics


def scored_samples(seed: int, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Imbalanced codes and probabilities with many ties, 0 and 1 among them."""
    rng = np.random.default_rng(seed)
    codes = (rng.random(n) < 0.3).astype(int)
    prob = np.clip(np.round(rng.normal(0.4 + 0.2 * codes, 0.25), 2), 0, 1)
    return codes, prob


def by_scikit_learn(codes: np.ndarray, prob: np.ndarray, threshold: float) -> dict[str, float]:
    called = (prob > threshold).astype(int)
    return {
        "auroc": sk.roc_auc_score(codes, prob),
        "auprc": sk.average_precision_score(codes, prob),
        "auprc_sensitive": sk.average_precision_score(1 - codes, -prob),
        "prevalence": codes.mean(),
        "mcc": sk.matthews_corrcoef(codes, called),
        "f1": sk.f1_score(codes, called),
        "recall": sk.recall_score(codes, called),
        "precision": sk.precision_score(codes, called, zero_division=np.nan),
        "specificity": sk.recall_score(1 - codes, 1 - called),
        "accuracy": sk.accuracy_score(codes, called),
        "balanced_accuracy": sk.balanced_accuracy_score(codes, called),
        "brier": sk.brier_score_loss(codes, prob),
        "loss": sk.log_loss(codes, prob),
    }


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("threshold", [0.05, 0.4, 0.5, 0.9])
def test_equal_to_scikit_learn(seed: int, threshold: float) -> None:
    codes, prob = scored_samples(seed)
    ours = response_metrics(codes, prob, threshold)
    expected = by_scikit_learn(codes, prob, threshold)
    assert set(ours) == set(expected) | {"ece"} == set(METRICS)
    for name, value in expected.items():
        assert ours[name] == pytest.approx(value, abs=1e-12, nan_ok=True), name


def test_expected_calibration_error_by_hand() -> None:
    # Bins 0.1-0.2 (two samples, mean 0.15, observed 0.5) and 0.8-0.9 (one, 0.8, observed 1).
    value = response_metrics([0, 1, 1], [0.1, 0.2 - 1e-9, 0.8])["ece"]
    assert value == pytest.approx((2 * 0.35 + 1 * 0.2) / 3, abs=1e-8)


def test_calibrated_probabilities_have_no_calibration_error() -> None:
    codes = np.repeat([0, 1, 0, 1], [8, 2, 3, 7])
    prob = np.repeat([0.2, 0.7], [10, 10])
    assert response_metrics(codes, prob)["ece"] == pytest.approx(0, abs=1e-12)


def test_flipped_labels_give_one_minus_the_auroc() -> None:
    codes, prob = scored_samples(5)
    assert response_metrics(1 - codes, prob)["auroc"] == pytest.approx(
        1 - response_metrics(codes, prob)["auroc"]
    )


@pytest.mark.parametrize("code", [0, 1])
def test_a_single_class_leaves_rankings_undefined_not_at_chance(code: int) -> None:
    ours = response_metrics(np.full(10, code), np.linspace(0.1, 0.9, 10))
    for name in ("auroc", "auprc", "auprc_sensitive", "mcc", "f1", "balanced_accuracy"):
        assert math.isnan(ours[name]), name
    assert math.isnan(ours["recall"]) == (code == 0)
    assert math.isnan(ours["specificity"]) == (code == 1)
    assert ours["accuracy"] == 0.5
    assert math.isfinite(ours["brier"])


def test_without_resistant_calls_precision_is_undefined_and_mcc_zero() -> None:
    ours = response_metrics([0, 1, 1, 0], [0.1, 0.2, 0.3, 0.4])
    assert math.isnan(ours["precision"])
    assert (ours["mcc"], ours["f1"], ours["recall"]) == (0, 0, 0)


def test_loss_of_a_certain_and_wrong_probability_is_finite() -> None:
    assert 30 < response_metrics([1], [0.0])["loss"] < 40


def test_weights_count_rows() -> None:
    """A row of weight 3 is the same as three rows."""
    codes, prob = scored_samples(7, n=60)
    weights = np.random.default_rng(0).integers(0, 4, size=(5, 60)).astype(float)
    drawn = weighted_metrics(codes, prob, weights, METRICS)
    for row, counts in enumerate(weights.astype(int)):
        expected = by_scikit_learn(np.repeat(codes, counts), np.repeat(prob, counts), 0.5)
        for name, value in expected.items():
            assert drawn[name][row] == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize(
    ("codes", "prob", "message"),
    [
        ([0, 1, 1], [0.1, 0.2], "shape"),
        ([], [], "no samples"),
        ([0, 2], [0.1, 0.2], "1 label is no response code"),
        ([0, np.nan], [0.1, 0.2], "1 label is no response code"),
        ([0, 1], [0.1, np.nan], "1 of 2 probabilities"),
        ([0, 1], [-0.1, 1.2], "2 of 2 probabilities"),
    ],
)
def test_what_cannot_be_scored_is_refused(codes: list, prob: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        response_metrics(codes, prob)


def test_unknown_metric_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'auc'.*auroc"):
        weighted_metrics([0, 1], [0.1, 0.2], np.ones((1, 2)), ["auc"])
