"""The baseline that is kept is the one of the folds, in the terms of single features."""

from __future__ import annotations

import numpy as np
import pytest

from scatd.training.baselines import LinearBaseline, baseline_probabilities


@pytest.mark.parametrize("shape", [(60, 200), (300, 12)], ids=["wide", "tall"])
def test_a_kept_baseline_says_what_that_of_a_fold_says(shape):
    rng = np.random.default_rng(0)
    X = (rng.normal(3, 2, size=shape) * rng.uniform(0.1, 9, shape[1])).astype(np.float32)
    X[:, 5] = 7  # constant
    codes = (X[:, 0] > np.median(X[:, 0])).astype(int)
    others = rng.normal(3, 2, size=(40, shape[1])).astype(np.float32)
    fold = baseline_probabilities(X, codes, others, seed=0)
    kept = LinearBaseline.fit(X, codes).probabilities(others)
    assert set(kept) == {"prevalence", "logistic_regression"}
    for name, prob in kept.items():
        np.testing.assert_allclose(prob, fold[name], atol=1e-4)
