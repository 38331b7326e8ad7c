"""Baselines are scikit-learn's, on standardised features."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

from scatd.training import baselines
from scatd.training.baselines import Baselines
from scatd.training.standardised import Standardised

CS = [1e-4, 10**-3.5, 1e-3, 10**-2.5, 1e-2, 10**-1.5, 1e-1, 1.0]


@pytest.fixture(
    scope="module", params=[(60, 200), (40, 200), (300, 12)], ids=["wide", "few", "tall"]
)
def rows(request):
    """Training rows with their classes, and others."""
    rng = np.random.default_rng(0)
    n_obs, n_features = request.param
    scale = rng.uniform(0.1, 9, n_features)
    X = rng.normal(3, 2, size=(n_obs + 80, n_features)) * scale
    X[:, 5] = 7  # constant
    score = X[:, 0] / scale[0] + rng.normal(0, 1, len(X))
    codes = (score > np.median(score)).astype(int)
    X = X.astype(np.float32)
    return X[:n_obs], codes[:n_obs], X[n_obs:]


@pytest.fixture(scope="module")
def scaled(rows):
    """The same, standardised by scikit-learn; the constant feature is left out."""
    X, codes, others = rows
    kept = np.arange(X.shape[1]) != 5
    scaler = StandardScaler().fit(X[:, kept].astype(np.float64))
    return scaler.transform(X[:, kept]), codes, scaler.transform(others[:, kept])


def answers(rows, seed=4):
    X, codes, others = rows
    return Baselines.fit(Standardised(X), codes, seed=seed).probabilities(others)


@pytest.fixture(scope="module")
def found(rows):
    """Probabilities of the others by every baseline."""
    return answers(rows)


def test_prevalence(rows, found):
    np.testing.assert_allclose(found["prevalence"], rows[1].mean())


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_logistic_regression_is_the_best_of_inner_folds(found, scaled):
    train, codes, test = scaled
    model = LogisticRegressionCV(
        Cs=CS,
        cv=StratifiedKFold(3, shuffle=True, random_state=4),
        scoring="roc_auc",
        tol=1e-8,
        max_iter=5000,
    )
    expected = model.fit(train, codes).predict_proba(test)[:, 1]
    np.testing.assert_allclose(found["logistic_regression"], expected, atol=1e-4)


def test_boosting_is_shallow_and_reads_few_features_a_node(found, scaled):
    train, codes, test = scaled
    model = HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=100,
        max_depth=3,
        l2_regularization=1,
        max_bins=32,
        max_features=train.shape[1] ** -0.5,
        min_samples_leaf=min(20, max(2, len(train) // 8)),
        early_stopping=False,
        random_state=4,
    )
    expected = model.fit(train, codes).predict_proba(test)[:, 1]
    # Rounding of a feature may move a cut.
    np.testing.assert_allclose(found["gradient_boosting"], expected, atol=0.05)


def test_the_forest_is_balanced(found, scaled):
    train, codes, test = scaled
    model = RandomForestClassifier(
        200,
        max_features="sqrt",
        min_samples_leaf=3,
        max_samples=0.5,
        class_weight="balanced",
        random_state=4,
    )
    expected = model.fit(train, codes).predict_proba(test)[:, 1]
    ours = found["random_forest"]
    assert np.corrcoef(ours, expected)[0, 1] > 0.99
    np.testing.assert_allclose(ours, expected, atol=0.03)


@pytest.mark.parametrize(("n_rows", "n_trees"), [(40, 200), (1024, 58), (1600, 50)])
def test_few_rows_get_many_trees(n_rows, n_trees):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 3)).astype(np.float32)
    codes = (X[:, 0] > 0).astype(int)
    fitted = Baselines.fit(Standardised(X), codes, seed=0)
    assert len(fitted.forest.estimators_) == n_trees


def test_boosting_reads_the_features_that_tell_the_classes_apart(monkeypatch):
    monkeypatch.setattr(baselines, "BOOSTED_FEATURES", 10)
    rng = np.random.default_rng(2)
    X = rng.normal(size=(300, 50)).astype(np.float32)
    codes = (X[:, :3].sum(axis=1) + rng.normal(0, 1, 300) > 0).astype(int)
    fitted = Baselines.fit(Standardised(X), codes, seed=0)
    apart = np.abs(ttest_ind(X[codes == 1], X[codes == 0]).statistic)
    assert fitted.picked.tolist() == sorted(np.argsort(-apart)[:10].tolist())
    noise = X.copy()
    noise[:, np.setdiff1d(np.arange(50), fitted.picked)] = 9.0
    same = fitted.probabilities(X)["gradient_boosting"]
    np.testing.assert_array_equal(fitted.probabilities(noise)["gradient_boosting"], same)


def test_the_same_seed_gives_the_same_answers(rows):
    first, again = answers(rows, seed=1), answers(rows, seed=1)
    assert set(first) == {
        "prevalence",
        "logistic_regression",
        "gradient_boosting",
        "random_forest",
    }
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name])
