"""The fast fits agree with scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

from scatd.evaluation.confounding import (
    LOGISTIC_C,
    confounding,
    dual_logistic,
    gram_matrix,
    group_rates,
    sample_rows,
)


@pytest.fixture
def task():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(150, 400)).astype(np.float32) * rng.uniform(0.1, 10, 400)
    X[:, 7] = 2.0
    codes = (X[:, 0] / X[:, 0].std() + rng.normal(size=150) > 0).astype(int)
    groups = np.where(rng.random(150) < 0.5, codes, rng.integers(0, 5, 150))
    return X.astype(np.float32), codes, groups


@pytest.mark.parametrize("C", [LOGISTIC_C, 1.0])
def test_logistic_regression_from_inner_products(task, C):
    X, codes, _ = task
    # The Gram matrix holds a constant feature for the intercept, which is penalised.
    features = np.column_stack([StandardScaler().fit_transform(X), np.ones(len(X))])
    wanted = LogisticRegression(C=C, fit_intercept=False, max_iter=5000, tol=1e-8)
    wanted.fit(features[:100], codes[:100])
    gram = gram_matrix(X)
    weights = dual_logistic(gram[:100, :100], codes[:100], C)
    prob = expit(gram[100:, :100] @ weights)
    np.testing.assert_allclose(prob, wanted.predict_proba(features[100:])[:, 1], atol=5e-3)


def test_group_rates_rank_as_regression_on_the_one_hot_column(task):
    _, codes, groups = task
    train, asked = np.arange(100), np.arange(100, 150)
    one_hot = np.eye(5)[groups]
    model = LogisticRegression(C=10).fit(one_hot[train], codes[train])
    rates = group_rates(codes[train], groups[train], groups[asked])
    assert roc_auc_score(codes[asked], rates) == pytest.approx(
        roc_auc_score(codes[asked], model.predict_proba(one_hot[asked])[:, 1]), abs=0.02
    )
    # One sample at the overall share is added: 2 of 2 resistant, 3 of 6 overall.
    assert group_rates(
        np.array([1, 1, 1, 0, 0, 0]), np.array([4, 4, 5, 5, 5, 5]), np.array([4, 5, 6, 0])
    ).tolist() == [2.5 / 3, 1.5 / 5, 0.5, 0.5]


def test_both_are_scored_on_the_same_folds(task):
    X, codes, groups = task
    found = confounding(codes, groups, gram_matrix(X), n_folds=5, seed=42)
    features = StandardScaler().fit_transform(X)
    scores = []
    for train, val in StratifiedKFold(5, shuffle=True, random_state=42).split(X, codes):
        model = LogisticRegression(C=LOGISTIC_C, max_iter=5000)
        model.fit(features[train], codes[train])
        scores.append(roc_auc_score(codes[val], model.decision_function(features[val])))
    assert found.profiles == pytest.approx(np.mean(scores), abs=0.02)
    assert found.ci_low < found.groups < found.ci_high


def test_groups_at_chance_are_not_compared(task):
    X, codes, _ = task
    noise = np.random.default_rng(0).integers(0, 3, len(codes))
    assert confounding(codes, noise, gram_matrix(X), n_folds=5, seed=42) is None


def test_many_rows_are_sampled():
    usable = np.arange(6000) % 2 == 0
    rows = sample_rows(usable, 0)
    assert len(rows) == 2000
    assert usable[rows].all()
    assert (np.diff(rows) > 0).all()
    assert sample_rows(usable[:100], 0).tolist() == list(range(0, 100, 2))
