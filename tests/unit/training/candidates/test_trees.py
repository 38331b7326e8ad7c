"""The trees that are stored are those of scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.ensemble import ExtraTreesClassifier

from scatd.training.candidates.recipe import TrainingRows
from scatd.training.candidates.trees import (
    FEATURE_SHARE,
    INNER_SHARE,
    MOST_FEATURES,
    TreesRecipe,
)
from scatd.training.standardised import Standardised

RECIPE = TreesRecipe()


def training_rows(n_obs=60, n_features=120, n_few=0, seed=4):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n_obs, n_features)).astype(np.float32)
    codes = (X[:, 0] + X[:, 1] > 0.7).astype(np.int64)
    places = np.arange(n_obs)
    inner = [(places[places % 2 != fold], places[places % 2 == fold]) for fold in range(2)]
    rows = Standardised(X)
    return TrainingRows(X, codes, rows, rows, inner, seed=seed, n_few=n_few)


def theirs(rows, n_trees, leaf):
    return ExtraTreesClassifier(
        n_trees,
        max_features=min(math.ceil(FEATURE_SHARE * rows.X.shape[1]), MOST_FEATURES),
        min_samples_leaf=leaf,
        class_weight="balanced",
        random_state=rows.seed,
    )


def test_a_fit_votes_as_scikit_learn():
    for rows in (training_rows(), training_rows(n_few=12), training_rows(n_features=15)):
        (setting,) = RECIPE.settings(rows)
        own = RECIPE.fit(rows, setting)
        forest = theirs(rows, 300, int(setting.strength))
        forest.fit(rows.X, rows.codes, rows.weights)
        X = np.random.default_rng(9).normal(size=(70, rows.X.shape[1])).astype(np.float32)
        votes = own.log_odds(torch.from_numpy(X), None)
        np.testing.assert_allclose(votes, forest.predict_proba(X)[:, 1], atol=1e-12)
        assert own.bias == 0


def test_a_seed_draws_the_trees():
    (setting,) = RECIPE.settings(training_rows())
    first, again, other = (
        RECIPE.fit(training_rows(seed=seed), setting).tensors() for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["threshold"], other["threshold"][: len(first["threshold"])])


def test_inner_scores_are_of_trees_that_did_not_see_the_row():
    rows = training_rows()
    ((setting, votes),) = RECIPE.inner_scores(rows).items()
    for train, val in rows.inner:
        forest = theirs(rows, round(300 * INNER_SHARE), int(setting.strength))
        forest.fit(rows.X[train], rows.codes[train])
        np.testing.assert_allclose(votes[val], forest.predict_proba(rows.X[val])[:, 1], atol=1e-12)


@pytest.mark.parametrize(("n_obs", "n_trees"), [(40, 300), (600, 181), (2000, 100)])
def test_few_rows_get_many_trees(n_obs, n_trees):
    rows = training_rows(n_obs, 5)
    (setting,) = RECIPE.settings(rows)
    assert len(RECIPE.fit(rows, setting).roots) == n_trees
