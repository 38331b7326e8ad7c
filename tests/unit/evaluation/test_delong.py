"""The variance of an AUROC is DeLong's, and near what resampling finds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from scatd.evaluation.delong import auroc_interval, auroc_variance


def by_hand(codes, scores):
    """DeLong et al. 1988, from all pairs of a resistant and a sensitive sample."""
    resistant, sensitive = scores[codes == 1], scores[codes == 0]
    pairs = np.array([[(r > s) + 0.5 * (r == s) for s in sensitive] for r in resistant])
    own, other = pairs.mean(axis=1), pairs.mean(axis=0)
    return pairs.mean(), own.var(ddof=1) / len(own) + other.var(ddof=1) / len(other)


@pytest.mark.parametrize("decimals", [8, 0], ids=["no ties", "ties"])
@pytest.mark.parametrize("n", [8, 60])
def test_it_is_the_published_formula(n, decimals):
    rng = np.random.default_rng(n)
    codes = np.arange(n) % 3 == 0
    scores = np.round(rng.normal(size=n) + codes, decimals)
    auroc, variance = auroc_variance(codes.astype(int), scores)
    assert (auroc, variance) == pytest.approx(by_hand(codes, scores), abs=1e-12)
    assert auroc == pytest.approx(roc_auc_score(codes, scores), abs=1e-12)


def test_it_is_near_the_variance_of_a_bootstrap():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], 100)
    scores = rng.normal(size=200) + 0.7 * codes
    draws = []
    for _ in range(1000):
        drawn = np.concatenate([rng.integers(100, size=100), 100 + rng.integers(100, size=100)])
        draws.append(roc_auc_score(codes, scores[drawn]))
    assert auroc_variance(codes, scores)[1] == pytest.approx(np.var(draws), rel=0.15)


def test_reversed_scores():
    codes, scores = np.array([0, 0, 1, 1, 1]), np.array([0.1, 0.7, 0.3, 0.8, 0.9])
    auroc, variance = auroc_variance(codes, scores)
    assert auroc_variance(codes, -scores) == pytest.approx((1 - auroc, variance))
    assert auroc_variance(codes, scores * 7 - 3) == pytest.approx((auroc, variance))


def test_too_few_samples_of_a_class():
    assert auroc_variance([0, 0, 1], [0.1, 0.2, 0.3]) == (1.0, 0.25)
    auroc, variance = auroc_variance([0, 0], [0.1, 0.2])
    assert np.isnan(auroc)
    assert variance == 0.25
    assert auroc_variance([0, 0, 1, 1], [1, 1, 1, 1]) == (0.5, 0.0)


@pytest.mark.parametrize(("shift", "n"), [(0.0, 40), (1.0, 40), (1.8, 150)])
def test_intervals_hold_the_true_value_as_often_as_they_say(shift, n):
    truth = norm.cdf(shift / np.sqrt(2))
    rng = np.random.default_rng(int(10 * shift))
    codes = np.repeat([0, 1], n)
    found = [auroc_interval(codes, rng.normal(size=2 * n) + shift * codes) for _ in range(600)]
    assert 0.93 <= np.mean([low <= truth <= high for low, high in found]) <= 0.97


def test_an_interval_stays_inside_the_scale():
    assert auroc_interval([0, 0, 1, 1], [1.0, 2.0, 3.0, 4.0]) == (0.0, 1.0)
    low, high = auroc_interval([0, 0, 0, 1, 1, 1], [1.0, 2.0, 4.0, 3.0, 5.0, 6.0])
    assert 0 < low < 8 / 9 < high < 1
