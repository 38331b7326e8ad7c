"""Standardised rows keep the lengths and angles that linear models need."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from scatd.training.standardised import Standardised


@pytest.fixture(params=[(30, 80), (120, 9)], ids=["wide", "tall"])
def rows(request):
    """Training rows on unlike scales with a constant feature, and what is to be found of them."""
    rng = np.random.default_rng(0)
    n_obs, n_features = request.param
    X = rng.normal(5, 2, size=(n_obs, n_features)) * rng.uniform(0.1, 9, n_features)
    X[:, 4] = 7.25  # constant
    X = X.astype(np.float32)
    return X, StandardScaler().fit_transform(X.astype(np.float64))


def test_components_are_principal_components(rows):
    X, expected = rows
    own = Standardised(X)
    rank = min(len(X) - 1, X.shape[1] - 1)
    found = own.components(1000)
    assert found.shape == (len(X), rank)
    lengths = np.linalg.svd(expected, compute_uv=False)[:rank]
    np.testing.assert_allclose(np.linalg.norm(found, axis=0), lengths, rtol=1e-5)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-3)
    theirs = PCA(3, svd_solver="full").fit_transform(expected)
    few = own.components(3)
    np.testing.assert_allclose(np.abs(few), np.abs(theirs), atol=1e-3)
    np.testing.assert_array_equal(few, found[:, :3])


@pytest.mark.parametrize("n", [2, 5, 1000])
def test_weights_of_components_in_the_terms_of_features(rows, n):
    X, _ = rows
    own = Standardised(X)
    components = own.components(n)
    coef = np.random.default_rng(1).normal(size=components.shape[1])
    weights, offset = own.of_components(coef)
    np.testing.assert_allclose(X @ weights + offset, components @ coef, atol=1e-4)
    assert weights[4] == 0


def test_more_components_than_before(rows):
    X, _ = rows
    own = Standardised(X)
    few = own.components(2)
    np.testing.assert_allclose(np.abs(own.components(6)[:, :2]), np.abs(few), atol=1e-6)


def test_components_are_computed_once(rows, monkeypatch):
    own, asked, eigh = Standardised(rows[0]), [], torch.linalg.eigh

    def counted(*arguments, **options):
        asked.append(options)
        return eigh(*arguments, **options)

    monkeypatch.setattr(torch.linalg, "eigh", counted)
    for _ in range(3):
        coef = own.components(256)[0]  # more than there are
        own.of_components(coef)
    assert len(asked) == 1


def test_a_root_has_the_products_of_the_rows(rows):
    X, expected = rows
    own = Standardised(X)
    np.testing.assert_allclose(own.root @ own.root.T, expected @ expected.T, atol=1e-3)


def test_a_span_has_them_in_few_columns(rows):
    X, expected = rows
    own = Standardised(X)
    span = own.span
    assert span.shape == (len(X), min(len(X), int((expected.std(axis=0) > 0).sum())))
    np.testing.assert_allclose(span @ span.T, expected @ expected.T, atol=1e-3)
    # Coefficients in the span of the rows' columns, as a penalised model has them.
    coef = (
        span.T
        @ np.linalg.pinv(expected @ expected.T)
        @ np.random.default_rng(1).normal(size=len(X))
    )
    weights, offset = own.of_span(coef)
    np.testing.assert_allclose(X @ weights + offset, span @ coef, atol=1e-3)
    assert weights.shape == (X.shape[1],)


def test_rounding_is_no_feature():
    X = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    X[:, 2] = 1e4
    X[::2, 2] = np.nextafter(np.float32(1e4), np.float32(2e4))
    weights, _ = Standardised(X).of_components(np.ones(3))
    assert weights[2] == 0
    assert (weights[[0, 1, 3]] != 0).all()
