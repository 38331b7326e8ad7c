"""C of the baseline logistic regression: the best of inner folds, and what a fixed one loses."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

import scatd.training.logistic
from scatd.training.logistic import FALLBACK_C, GRID, chosen_C, fit_logistic, inner_folds
from scatd.training.standardised import Standardised


def difference(n, rng):
    """Two features whose small difference is the signal: a strong penalty never finds it."""
    common, signal = rng.normal(size=(2, n))
    X = np.column_stack([common + 0.2 * signal, common]).astype(np.float32)
    return X, (signal + 0.3 * rng.normal(size=n) > 0).astype(int)


def test_the_fixed_C_of_before_loses_where_the_tuned_one_does_not():
    rng = np.random.default_rng(0)
    X, codes = difference(200, rng)
    others, truth = difference(2000, rng)
    mean, std = X.mean(axis=0), X.std(axis=0)
    fixed = LogisticRegression(C=0.01).fit((X - mean) / std, codes)
    before = roc_auc_score(truth, fixed.decision_function((others - mean) / std))
    found = fit_logistic(Standardised(X), codes, seed=0)
    now = roc_auc_score(truth, others @ found.weights + found.bias)
    assert before < 0.75
    assert now > 0.9


def test_the_best_mean_of_a_plain_loop():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(120, 300))
    codes = (X[:, :5].sum(axis=1) + rng.normal(0, 2, 120) > 0).astype(int)
    means = []
    splits = list(StratifiedKFold(3, shuffle=True, random_state=7).split(X, codes))
    for C in GRID:
        found = []
        for train, val in splits:
            model = LogisticRegression(C=C, max_iter=5000, tol=1e-8).fit(X[train], codes[train])
            found.append(roc_auc_score(codes[val], model.decision_function(X[val])))
        means.append(np.mean(found))
    assert chosen_C(X, codes, inner_folds(codes, 7)) == GRID[int(np.argmax(means))]


def test_too_few_rows_of_a_class_choose_nothing():
    codes = np.repeat([0, 1], [40, 4])
    assert inner_folds(codes, 0) == []
    X = np.random.default_rng(0).normal(size=(44, 6)).astype(np.float32)
    assert fit_logistic(Standardised(X), codes, seed=0).C == FALLBACK_C == 0.01
    assert len(inner_folds(np.repeat([0, 1], [40, 5]), 0)) == 3


def test_groups_are_not_split_and_few_of_them_give_fewer_folds():
    codes = np.tile([0, 1], 30)
    groups = np.repeat([f"patient {n}" for n in range(12)], 5)
    for train, val in inner_folds(codes, 0, groups):
        assert not set(groups[train]) & set(groups[val])
    assert len(inner_folds(codes, 0, np.repeat(["a", "b"], 30))) == 2
    assert inner_folds(codes, 0, np.repeat(["a"], 60)) == []


@pytest.mark.parametrize(("n", "judged"), [(6, "cells"), (3, "samples")])
def test_enough_few_shot_cells_choose_alone(n, judged):
    source, few = np.tile([0, 1], 30), np.repeat([0, 1], n)
    for train, val in inner_folds(source, 0, None, few):
        assert not set(train) & set(val)
        if judged == "cells":
            assert val.min() >= 60
            assert set(range(60)) <= set(train)
        else:
            assert val.max() < 60
            assert set(range(60, 60 + 2 * n)) <= set(train)


def test_it_is_no_candidate_in_disguise():
    """It shares no code with the candidates, so that a fault of theirs is not its own."""
    tree = ast.parse(Path(scatd.training.logistic.__file__).read_text(encoding="utf-8"))
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert modules
    assert not [name for name in modules if name and "candidates" in name]


def test_rows_of_one_profile_get_their_share():
    """Few-shot cells may all look the same; a regression on no feature would be refused."""
    codes = np.array([0, 1, 1, 1])
    found = fit_logistic(Standardised(np.ones((4, 3), dtype=np.float32)), codes, seed=0)
    assert found.bias == pytest.approx(np.log(3))
    assert found.weights.tolist() == [0, 0, 0]


def test_a_rough_search_that_stops_early_is_not_said(recwarn):
    """float32 ends some searches before the tolerance is reached, such as that of these rows."""
    rng = np.random.default_rng(134)
    X = rng.normal(size=(40, 30)).astype(np.float32)
    codes = (2 * X[:, 0] + rng.normal(size=40) > 0).astype(int)
    chosen_C(Standardised(X).span, codes, inner_folds(codes, 134))
    assert not [one for one in recwarn if "failed to converge" in str(one.message)]
