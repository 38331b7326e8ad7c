"""Shapley values of trees against their definition: every coalition of features is asked."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.ensemble import ExtraTreesClassifier

from scatd.candidates.trees import Trees
from scatd.explanation import shapley
from scatd.explanation.shapley import ShapleyTrees
from tests.random_trees import random_trees


def odds(trees, x):
    rows = torch.from_numpy(np.atleast_2d(x))
    return trees.log_odds(rows, rows[:, :0])


def by_definition(trees, x, baseline):
    """Shapley values (n_features,) of one cell."""
    n = len(x)
    sets = [np.array(chosen, bool) for chosen in itertools.product([False, True], repeat=n)]
    worth = dict(
        zip(
            [tuple(chosen) for chosen in sets],
            odds(trees, np.stack([np.where(chosen, x, baseline) for chosen in sets])),
            strict=True,
        )
    )
    found = np.zeros(n)
    for feature in range(n):
        for chosen in sets:
            if not chosen[feature]:
                with_it = chosen.copy()
                with_it[feature] = True
                size = int(chosen.sum())
                weight = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
                found[feature] += weight * (worth[tuple(with_it)] - worth[tuple(chosen)])
    return found


@pytest.mark.parametrize(("n_features", "depth"), [(2, 5), (6, 4), (8, 7)])
def test_they_are_the_shapley_values(n_features, depth):
    trees = random_trees(depth, 6, n_features, depth)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(5, n_features)).astype(np.float32)
    pool = rng.normal(size=(3, n_features)).astype(np.float32)
    pool[1] = x[0]  # a cell that is a baseline
    expected = np.mean([[by_definition(trees, one, b) for one in x] for b in pool], axis=0)
    np.testing.assert_allclose(ShapleyTrees(trees).values(x, pool), expected, atol=1e-12)


def test_a_forest_of_scikit_learn_adds_up_however_cells_are_cut(monkeypatch):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(200, 40)).astype(np.float32)
    codes = (X[:, 0] + X[:, 1] > 0).astype(int)
    forest = ExtraTreesClassifier(25, min_samples_leaf=2, random_state=0).fit(X, codes)
    trees = _stored(forest)
    share = forest.predict_proba(X)[:, 1]
    np.testing.assert_allclose(odds(trees, X), share, atol=1e-12)
    baseline = X.mean(axis=0, keepdims=True)
    found = ShapleyTrees(trees).values(X, baseline)
    change = odds(trees, X) - odds(trees, baseline)
    np.testing.assert_allclose(found.sum(axis=1), change, atol=1e-12)
    unused = np.setdiff1d(np.arange(40), trees.feature[~trees.is_leaf])
    assert (found[:, unused] == 0).all()
    assert (found[baseline == X] == 0).all()
    importance = np.abs(found).mean(axis=0)
    assert set(np.argsort(-importance)[:2]) == {0, 1}
    monkeypatch.setattr(shapley, "_PATHS_AT_ONCE", 60)
    np.testing.assert_allclose(ShapleyTrees(trees).values(X, baseline), found, atol=1e-14)


def test_trees_that_are_leaves_give_nothing():
    one = np.zeros(1, np.int32)
    trees = Trees(one, one, one, one, np.zeros(1, np.float32), np.array([2.0]), 0.5)
    found = ShapleyTrees(trees).values(np.ones((3, 4), np.float32), np.zeros((1, 4), np.float32))
    np.testing.assert_array_equal(found, np.zeros((3, 4)))


def _stored(forest):
    """The votes of a forest as additive trees."""
    trees = [member.tree_ for member in forest.estimators_]
    first = np.cumsum([0, *(tree.node_count for tree in trees)])
    columns: dict[str, list] = {name: [] for name in ("left", "right", "feature", "at", "value")}
    for start, tree in zip(first, trees, strict=False):
        own, is_leaf = np.arange(tree.node_count), tree.children_left < 0
        columns["left"].append(start + np.where(is_leaf, own, tree.children_left))
        columns["right"].append(start + np.where(is_leaf, own, tree.children_right))
        columns["feature"].append(np.where(is_leaf, 0, tree.feature))
        columns["at"].append(np.where(is_leaf, 0, tree.threshold))
        columns["value"].append(np.where(is_leaf, tree.value[:, 0, 1], 0) / len(trees))
    left, right, feature, at, value = map(np.concatenate, columns.values())
    rounded = at.astype(np.float32)
    down = np.where(rounded > at, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    places = [array.astype(np.int32) for array in (first[:-1], left, right, feature)]
    return Trees(*places, threshold=down, value=value, bias=0.0)
