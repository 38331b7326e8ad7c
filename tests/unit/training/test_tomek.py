"""Tomek links are those of imbalanced-learn, and of the definition where rows are copies."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scatd.training import tomek


@pytest.mark.parametrize("seed", range(4))
def test_tomek_links_are_those_of_imbalanced_learn(seed):
    from imblearn.under_sampling import TomekLinks

    rng = np.random.default_rng(seed)
    n_features = (2, 3, 40, 300)[seed]
    X = rng.normal(size=(400, n_features)).astype(np.float32) + 100 * (seed % 2)
    codes = (rng.random(400) < (0.5, 0.2, 0.8, 0.4)[seed]).astype(np.int64)
    links = TomekLinks()
    links.fit_resample(X.astype(np.float64), codes)
    kept = tomek.without_tomek_links(torch.from_numpy(X), codes)
    assert len(kept) < len(X)
    np.testing.assert_array_equal(kept, np.sort(links.sample_indices_))


def by_definition(X, codes):
    """Rows that stay, from all distances in double precision; of copies the first is nearest."""
    apart = np.square(X.astype(np.float64)[:, None] - X.astype(np.float64)[None]).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    nearest = apart.argmin(axis=1)
    linked = (nearest[nearest] == np.arange(len(X))) & (codes != codes[nearest])
    return np.flatnonzero(~(linked & (codes == (codes.mean() >= 0.5))))


@pytest.mark.parametrize("seed", range(6))
def test_copies_and_rows_far_from_zero(seed, monkeypatch):
    monkeypatch.setattr(tomek, "BLOCK", 16)
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(90, 5)).astype(np.float32) * 1e-3 + 50
    X[10:30] = X[5]  # of both classes
    X[40:45] = X[60:65] + rng.normal(size=(5, 5)).astype(np.float32) * 1e-5
    codes = (rng.random(90) < 0.4).astype(np.int64)
    kept = tomek.without_tomek_links(torch.from_numpy(X), codes)
    assert len(kept) < len(X)
    np.testing.assert_array_equal(kept, by_definition(X, codes))


@pytest.mark.parametrize("codes", [np.zeros(4, int), np.ones(1, int), np.zeros(0, int)])
def test_one_class_has_no_links(codes):
    X = torch.zeros(len(codes), 3)
    np.testing.assert_array_equal(tomek.without_tomek_links(X, codes), np.arange(len(codes)))
