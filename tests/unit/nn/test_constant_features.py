"""Features that are constant but for rounding move no row a million s.d. away."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from scatd.nn.alignment import FeatureStats, adain, feature_stats
from scatd.training.kept_baselines import LinearBaseline
from scatd.training.logistic import FALLBACK_C
from scatd.training.standardised import Standardised


def _rows(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 20)).astype(np.float32)
    codes = (X[:, 0] > 0).astype(int)
    X[:, 5] = np.float32(0.1)
    X[:40:7, 5] = np.nextafter(np.float32(0.1), np.float32(1))  # rounding in the training rows
    X[40:, 5] = 3.0  # and true variation elsewhere
    return X, codes


def test_adain_gives_a_constant_feature_the_mean_of_the_style():
    X, _ = _rows()
    style = FeatureStats(torch.full((20,), 2.0), torch.full((20,), 0.5), 10)
    content = feature_stats([torch.from_numpy(X[:40])])
    assert 0 < content.std[5] < 1e-7
    moved = adain(torch.from_numpy(X[40:]), content, style)
    assert torch.equal(moved[:, 5], torch.full((20,), 2.0))
    assert moved.abs().max() < 10


def test_logistic_regression_is_that_of_the_features_that_vary():
    X, codes = _rows()
    found = LinearBaseline.fit(Standardised(X[:40]), codes[:40], seed=0, inner=[])
    ours = found.probability(X[40:])
    kept = np.delete(X, 5, axis=1).astype(np.float64)
    scaler = StandardScaler().fit(kept[:40])
    theirs = LogisticRegression(C=FALLBACK_C, max_iter=2000)
    theirs.fit(scaler.transform(kept[:40]), codes[:40])
    expected = theirs.predict_proba(scaler.transform(kept[40:]))[:, 1]
    np.testing.assert_allclose(ours, expected, atol=1e-4)
