"""A forest has the same trees on one core and on several, and votes in the same order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from scatd.training.forests import grown


@pytest.mark.parametrize("kind", [ExtraTreesClassifier, RandomForestClassifier])
def test_cores_change_nothing(kind, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 6)).astype(np.float32)
    codes = (X[:, 0] + rng.normal(size=80) > 0).astype(int)
    weights = rng.uniform(0.5, 2, 80)
    new = rng.normal(size=(80, 6)).astype(np.float32)
    plain = kind(20, random_state=3).fit(X, codes, weights)
    for n_threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda n=n_threads: n)
        found = grown(kind(20, random_state=3), X, codes, weights)
        assert found.n_jobs is None
        np.testing.assert_array_equal(found.predict_proba(new), plain.predict_proba(new))
    other = grown(kind(20, random_state=4), X, codes, weights)
    assert not np.array_equal(other.predict_proba(new), plain.predict_proba(new))
