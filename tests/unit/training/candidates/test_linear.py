"""Linear models of components are scikit-learn's on standardised features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from scatd.training.candidates.linear import (
    FEW_COMPONENTS,
    GRIDS,
    LOGISTIC,
    ON_COMPONENTS,
    ON_LATENT,
    RIDGE,
    TARGET_ONLY,
    LinearRecipe,
    TargetOnlyRecipe,
    logistic_path,
    ridge_path,
)
from scatd.training.candidates.recipe import Setting, TrainingRows
from scatd.training.standardised import Standardised

RECIPE = LinearRecipe()


def training_rows(n_obs=50, n_features=80, n_few=0, inner=()):
    """Rows, of which the latent is one of the first six features."""
    rng = np.random.default_rng(2)
    X = (rng.normal(2, 3, size=(n_obs, n_features)) * rng.uniform(0.2, 4, n_features)).astype(
        np.float32
    )
    codes = (X[:, :4].sum(axis=1) > np.median(X[:, :4].sum(axis=1)) + 2).astype(np.int64)
    return TrainingRows(X, codes, Standardised(X), Standardised(X[:, :6]), inner, 0, n_few)


def theirs(variant, strength, X, codes, weights):
    """Weights and bias of scikit-learn."""
    if variant == RIDGE:
        model = Ridge(strength, solver="svd").fit(X, 2 * codes - 1, sample_weight=weights)
        return model.coef_, model.intercept_
    model = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-7, max_iter=1000)
    model.fit(X, codes, sample_weight=weights)
    return model.coef_[0], model.intercept_[0]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(60, 5), (40, 39), (25, 60)], ids=["tall", "square", "wide"])
def test_paths_are_those_of_scikit_learn(shape, weighted):
    rng = np.random.default_rng(0)
    T = rng.normal(1, 2, size=shape)
    codes = (T[:, 0] + rng.normal(size=len(T)) > 0.5).astype(np.int64)
    weights = rng.uniform(0.1, 5, len(T)) if weighted else np.ones(len(T))
    for path, variant, grid in (
        (logistic_path, "", (1e-5, 1e-3, 1e-1, 10.0)),
        (ridge_path, RIDGE, (1e5, 1e2, 1.0)),
    ):
        for strength, (coef, bias) in zip(grid, path(T, codes, weights, grid), strict=True):
            expected, level = theirs(variant, strength, T, codes, weights)
            np.testing.assert_allclose(coef, expected, rtol=1e-4, atol=1e-6)
            assert bias == pytest.approx(level, abs=1e-5)


def test_a_path_does_not_depend_on_where_it_starts():
    rows = training_rows()
    T, weights = rows.standardised.components(20), np.ones(50)
    (alone,) = logistic_path(T, rows.codes, weights, [0.05])
    *_, last = logistic_path(T, rows.codes, weights, [1e-5, 1e-4, 1e-3, 0.05])
    np.testing.assert_allclose(last[0], alone[0], atol=1e-7)


def test_classes_that_a_line_separates():
    T = np.array([[-3.0], [-2.0], [2.0], [3.0]])
    codes, grid = np.array([0, 0, 1, 1]), GRIDS[LOGISTIC]
    for strength, (coef, bias) in zip(grid, logistic_path(T, codes, np.ones(4), grid), strict=True):
        expected, level = theirs("", strength, T, codes, np.ones(4))
        assert (coef[0], bias) == pytest.approx((expected[0], level), abs=1e-5)


@pytest.mark.parametrize(
    ("variant", "strength"), [(LOGISTIC, 1e-3), (LOGISTIC, 0.03), (RIDGE, 1e4), (RIDGE, 100.0)]
)
@pytest.mark.parametrize("n_few", [0, 8])
def test_a_fit_is_that_of_all_standardised_features(variant, strength, n_few):
    """With fewer rows than `MOST_COMPONENTS`, the components hold all of the rows."""
    rows = training_rows(n_few=n_few)
    scaler = StandardScaler().fit(rows.X.astype(np.float64))
    coef, bias = theirs(variant, strength, scaler.transform(rows.X), rows.codes, rows.weights)
    own = RECIPE.fit(rows, Setting(variant, strength))
    others = training_rows(n_obs=30).X[::-1] + 1
    expected = scaler.transform(others.astype(np.float64)) @ coef + bias
    np.testing.assert_allclose(others @ own.weights + own.bias, expected, atol=1e-4)
    assert np.ptp(expected) > 0.05


def test_a_fit_on_a_few_components():
    rows = training_rows(n_obs=90)
    scaler = StandardScaler().fit(rows.X.astype(np.float64))
    pca = PCA(FEW_COMPONENTS, svd_solver="full").fit(scaler.transform(rows.X))
    T = pca.transform(scaler.transform(rows.X))
    coef, bias = theirs("", 0.1, T, rows.codes, None)
    own = RECIPE.fit(rows, Setting(ON_COMPONENTS, 0.1))
    others = training_rows(n_obs=30).X[::-1] + 1
    expected = pca.transform(scaler.transform(others.astype(np.float64))) @ coef + bias
    np.testing.assert_allclose(others @ own.weights + own.bias, expected, atol=1e-3)
    assert own.latent_weights is None


def test_a_fit_on_the_latent():
    rows = training_rows()
    latent = rows.X[:, :6]
    scaler = StandardScaler().fit(latent.astype(np.float64))
    coef, bias = theirs("", 0.1, scaler.transform(latent), rows.codes, None)
    own = RECIPE.fit(rows, Setting(ON_LATENT, 0.1))
    assert not own.weights.any()
    assert own.reads_latent
    odds = own.log_odds(torch.from_numpy(rows.X), torch.from_numpy(latent))
    np.testing.assert_allclose(odds, scaler.transform(latent) @ coef + bias, atol=1e-4)


def test_target_cells_weigh_as_much_as_the_source():
    rows = training_rows(n_few=10)
    assert rows.weights[rows.is_few].sum() == pytest.approx(rows.weights[~rows.is_few].sum())
    assert rows.is_few.sum() == 10
    assert not rows.is_few[:40].any()
    own = RECIPE.fit(rows, Setting(LOGISTIC, 0.03))
    assert (own.weights != RECIPE.fit(training_rows(), Setting(LOGISTIC, 0.03)).weights).any()


def test_a_model_of_the_target_cells_alone():
    rows = training_rows(n_few=16)
    scaler = StandardScaler().fit(rows.X.astype(np.float64))
    few = scaler.transform(rows.X[-16:].astype(np.float64))
    recipe = TargetOnlyRecipe()
    (setting,) = recipe.settings(rows)
    assert setting.variant == TARGET_ONLY
    coef, bias = theirs("", setting.strength, few, rows.codes[-16:], None)
    own = recipe.fit(rows, setting)
    expected = scaler.transform(rows.X.astype(np.float64)) @ coef + bias
    np.testing.assert_allclose(rows.X @ own.weights + own.bias, expected, atol=1e-4)


def test_settings_stand_from_the_strongest_penalty_on():
    for variant, grid in GRIDS.items():
        weakest_last = [1 / strength if variant == RIDGE else strength for strength in grid]
        assert weakest_last == sorted(weakest_last)
    listed = [(one.variant, one.strength) for one in RECIPE.settings(training_rows())]
    assert listed == [(variant, strength) for variant in GRIDS for strength in GRIDS[variant]]


def test_inner_scores_are_of_models_that_did_not_see_the_row():
    places = np.arange(50)
    inner = [(places[places % 3 != fold], places[places % 3 == fold]) for fold in range(2)]
    rows = training_rows(inner=inner)
    found = RECIPE.inner_scores(rows)
    scored = np.concatenate([val for _, val in inner])
    assert len(found) == sum(map(len, GRIDS.values()))
    Z = StandardScaler().fit_transform(rows.X.astype(np.float64))
    # Of 50 rows, there are no more than 49 components.
    columns = {LOGISTIC: Z, RIDGE: Z, ON_COMPONENTS: Z, ON_LATENT: Z[:, :6]}
    for setting, scores in found.items():
        assert np.isnan(np.delete(scores, scored)).all()
        T = columns[setting.variant]
        for train, val in inner:
            coef, bias = theirs(
                setting.variant, setting.strength, T[train], rows.codes[train], None
            )
            np.testing.assert_allclose(scores[val], T[val] @ coef + bias, atol=1e-4)
