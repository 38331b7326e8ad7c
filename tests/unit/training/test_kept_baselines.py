"""Baselines that are kept with a version answer as those of its fold."""

from __future__ import annotations

import numpy as np
import pytest

from scatd.training.baselines import Baselines
from scatd.training.group_mean import GroupMean
from scatd.training.kept_baselines import TARGET_ONLY_FILE, KeptBaselines, LinearBaseline
from scatd.training.standardised import Standardised


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(3, 2, size=(140, 30)).astype(np.float32)
    return X[:60], (X[:60, 0] > 3).astype(int), X[60:]


def kept(rows):
    X, codes, _ = rows
    linear = LinearBaseline.fit(Standardised(X), codes, seed=1)
    alone = LinearBaseline(np.arange(30.0), -2.0, 0.5)
    groups = GroupMean("tissue", 0.5, {"skin": 0.9, "lung": 0.2})
    return KeptBaselines(linear, groups, alone)


def test_they_are_those_of_the_fold(rows, tmp_path):
    X, codes, others = rows
    fold = Baselines.fit(Standardised(X), codes, seed=1).probabilities(others)
    own = kept(rows)
    own.write(tmp_path)
    groups = np.tile(["skin", "bone"], 40)
    for found in (own, KeptBaselines.read(tmp_path)):
        prob = found.on_target(others, groups)
        assert list(prob) == ["prevalence", "logistic_regression", "group_mean", "target_only"]
        for name in ("prevalence", "logistic_regression"):
            np.testing.assert_allclose(prob[name], fold[name], atol=1e-9)
        np.testing.assert_allclose(prob["group_mean"], np.tile([0.9, 0.5], 40))
        odds = others.astype(float) @ np.arange(30.0) - 2
        np.testing.assert_allclose(prob["target_only"], 1 / (1 + np.exp(-odds)), atol=1e-12)
        assert "group_mean" not in found.on_target(others)  # a target without this column


def test_older_versions_kept_logistic_regression_alone(rows, tmp_path):
    own = kept(rows)
    own.linear.write(tmp_path)
    found = KeptBaselines.read(tmp_path)
    assert (found.group_mean, found.target_only) == (None, None)
    assert set(found.on_target(rows[2], np.tile(["a"], 80))) == {
        "prevalence",
        "logistic_regression",
    }


def test_there_is_no_pickle(rows, tmp_path):
    kept(rows).write(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors", ".json", ".sha256"}
    assert (tmp_path / TARGET_ONLY_FILE).is_file()
