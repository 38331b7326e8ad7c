"""Regression of numbers: the ridges against formulas, censoring, and what inner folds choose."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import norm
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import Ridge

from scatd.data.splits import shuffled_folds
from scatd.training.candidates.trees import additive
from scatd.training.numbers.choosing import MEAN, choose
from scatd.training.numbers.filling import Numbers, Shrinkage
from scatd.training.numbers.recipes import LOW_RANK, ON_LATENT, RANK, RECIPES, RIDGE, TREES
from scatd.training.numbers.rows import NumberRows

N_OBS, N_FEATURES = 150, 8


def exact(values):
    return Numbers(values, np.zeros(values.shape, dtype=bool))


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_OBS, N_FEATURES))
    values = X @ rng.normal(size=(N_FEATURES, 3)) + rng.normal(size=(N_OBS, 3)) + [5, 0, -2]
    return X, values


def test_missing_numbers_have_no_part_in_a_ridge(drawn):
    X, values = drawn
    rng = np.random.default_rng(1)
    values = np.where(rng.random(values.shape) < [0, 0.2, 0.6], np.nan, values)
    found = Shrinkage(X).ridge(exact(values), 0.7)
    # The penalty is a multiple of the mean squared length of a row about its centre.
    alpha = 0.7 * ((X - X.mean(axis=0)) ** 2).sum() / N_OBS
    for drug in range(3):
        known = np.isfinite(values[:, drug])
        alone = Ridge(alpha=alpha).fit(X[known], values[known, drug])
        np.testing.assert_allclose(found.predict(X)[:, drug], alone.predict(X), atol=2e-3)


def test_a_reduced_rank_keeps_the_leading_patterns(drawn):
    X, values = drawn
    found = Shrinkage(X).ridge(exact(values), 0.3)
    np.testing.assert_allclose(found.of_rank(3, X).predict(X), found.predict(X), atol=1e-9)
    one = found.of_rank(1, X)
    answers = (found.predict(X) - found.predict(X).mean(axis=0)) / found.spread
    left, lengths, right = np.linalg.svd(answers, full_matrices=False)
    best = lengths[0] * np.outer(left[:, 0], right[0]) * found.spread
    np.testing.assert_allclose(one.predict(X) - found.predict(X).mean(axis=0), best, atol=1e-9)


def test_censored_numbers_are_those_of_a_tobit_model():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(1500, 2))
    true = x @ [1.5, -1.0] + 0.5 + rng.normal(size=1500)
    is_least = true > 1.0
    found = Shrinkage(x).ridge(Numbers(np.minimum(true, 1.0)[:, None], is_least[:, None]), 0.0)

    def loss(parameters):
        level, *coef, log_sd = parameters
        z = (np.minimum(true, 1.0) - level - x @ np.array(coef)) / np.exp(log_sd)
        return -np.where(is_least, norm.logsf(z), norm.logpdf(z) - log_sd).sum()

    level, *coef, _ = minimize(loss, [0.0, 0.0, 0.0, 0.0]).x
    np.testing.assert_allclose([found.level[0], *found.coef[:, 0]], [level, *coef], atol=0.01)
    np.testing.assert_allclose(found.coef[:, 0], [1.5, -1.0], atol=0.1)


def test_censored_numbers_are_not_taken_as_plain_ones():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(400, 5))
    true = 2 * x[:, 0] + rng.normal(size=400)
    bound = np.quantile(true, 0.6)
    known = np.minimum(true, bound)[:, None]
    new = rng.normal(size=(1000, 5))
    errors = {}
    for name, is_least in (("censored", true > bound), ("plain", np.zeros(400, dtype=bool))):
        found = Shrinkage(x).ridge(Numbers(known, is_least[:, None]), 0.01)
        errors[name] = np.sqrt(np.mean((found.predict(new)[:, 0] - 2 * new[:, 0]) ** 2))
    assert errors["censored"] < 0.2 < 0.5 < errors["plain"]


def test_trees_of_numbers_are_added():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(80, 5)).astype(np.float32)
    forest = ExtraTreesRegressor(7, random_state=0).fit(X, X[:, 0] * 3 - 1)
    x = torch.from_numpy(X)
    np.testing.assert_allclose(additive(forest).log_odds(x, x), forest.predict(X), atol=1e-9)


def rows_of(true, X, *, latent=None, others=0):
    values = np.column_stack([true, *(np.roll(true, n + 1) for n in range(others))])
    inner = shuffled_folds(len(X), 3, 0)
    return NumberRows(X.astype(np.float32), exact(values), inner, 0, latent)


def test_candidates_by_what_the_rows_hold(drawn):
    X, values = drawn
    plain = choose(rows_of(values[:, 0], X))
    assert {one.candidate for one in plain.tried} == {RIDGE, TREES, MEAN}
    more = choose(rows_of(values[:, 0], X, latent=X[:, :2].astype(np.float32), others=RANK))
    assert {one.candidate for one in more.tried} == {RIDGE, LOW_RANK, ON_LATENT, TREES, MEAN}
    assert sum(one.is_chosen for one in more.tried) == 1


def test_a_candidate_is_taken_where_it_is_surely_better_than_the_mean():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(N_OBS, 4))
    straight = choose(rows_of(5 * X[:, 0] - X[:, 1], X))
    assert straight.name == RIDGE
    bent = choose(rows_of(np.where(np.abs(X[:, 0]) > 0.7, 4.0, -4.0), X))
    assert bent.name == TREES
    noise = choose(rows_of(rng.normal(size=N_OBS), X))
    assert noise.name in (MEAN, RIDGE)


def test_without_inner_folds_it_is_the_usual_ridge(drawn):
    X, values = drawn
    rows = NumberRows(X.astype(np.float32), exact(values), [], 0)
    found = choose(rows)
    assert [one.candidate for one in found.tried] == [RIDGE]
    x = torch.from_numpy(rows.X)
    expected = RECIPES[0].fit(rows, 0).log_odds(x, x)
    np.testing.assert_array_equal(found.model.log_odds(x, x), expected)
