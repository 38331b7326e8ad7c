"""Baselines are scikit-learn's, found from the products of rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from scatd.training.baselines import LOGISTIC_C, N_COMPONENTS, Baselines, LinearBaseline
from scatd.training.standardised import Standardised


@pytest.fixture(params=[(60, 200), (40, 200), (300, 12)], ids=["wide", "few", "tall"])
def rows(request):
    """Training rows with their classes, and others."""
    rng = np.random.default_rng(0)
    n_obs, n_features = request.param
    scale = rng.uniform(0.1, 9, n_features)
    X = rng.normal(3, 2, size=(n_obs + 80, n_features)) * scale
    X[:, 5] = 7  # constant
    codes = (X[:, 0] > np.median(X[:, 0])).astype(int)
    X = X.astype(np.float32)
    return X[:n_obs], codes[:n_obs], X[n_obs:], codes[n_obs:]


def test_logistic_regression_is_that_of_all_standardised_features(rows):
    X, codes, others, _ = rows
    scaler = StandardScaler().fit(X.astype(np.float64))
    train, test = (scaler.transform(part.astype(np.float64)) for part in (X, others))
    model = LogisticRegression(C=LOGISTIC_C, solver="newton-cholesky", tol=1e-8)
    expected = model.fit(train, codes).predict_proba(test)[:, 1]
    fold = Baselines.fit(Standardised(X), codes, seed=0).probabilities(others)
    np.testing.assert_allclose(fold["logistic_regression"], expected, atol=1e-5)
    np.testing.assert_allclose(fold["prevalence"], codes.mean())


def test_boosting_sees_the_first_principal_components(rows):
    X, codes, others, truth = rows
    scaler = StandardScaler().fit(X.astype(np.float64))
    pca = PCA(min(N_COMPONENTS, len(X) - 1, X.shape[1] - 1), svd_solver="full")
    expected = pca.fit_transform(scaler.transform(X))
    baselines = Baselines.fit(Standardised(X), codes, seed=0)
    for theirs, ours in ((expected, X), (pca.transform(scaler.transform(others)), others)):
        found = ours @ baselines.axes - baselines.offset
        assert found.shape == theirs.shape
        # The sign of a component is nobody's to say.
        np.testing.assert_allclose(np.abs(found), np.abs(theirs), rtol=1e-3, atol=1e-3)
    boosting = HistGradientBoostingClassifier(random_state=0).fit(expected, codes)
    theirs = boosting.predict_proba(pca.transform(scaler.transform(others)))[:, 1]
    ours = baselines.probabilities(others)["gradient_boosting"]
    assert roc_auc_score(truth, ours) == pytest.approx(roc_auc_score(truth, theirs), abs=0.05)


def test_a_kept_baseline_says_what_that_of_a_fold_says(rows, tmp_path):
    X, codes, others, _ = rows
    fold = Baselines.fit(Standardised(X), codes, seed=0)
    fold.linear.write(tmp_path)
    for kept in (LinearBaseline.fit(X, codes), LinearBaseline.read(tmp_path)):
        prob = kept.probabilities(others)
        assert set(prob) == {"prevalence", "logistic_regression"}
        for name, values in prob.items():
            np.testing.assert_allclose(values, fold.probabilities(others)[name], atol=1e-9)
