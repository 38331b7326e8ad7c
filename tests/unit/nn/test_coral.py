"""Correlation alignment against the covariance that it promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scatd.nn.alignment import feature_stats
from scatd.nn.coral import RIDGE, Recolouring


@pytest.fixture
def cohorts():
    generator = np.random.default_rng(0)
    mix = generator.normal(size=(2, 6, 6))
    source = generator.normal(size=(400, 6)) @ mix[0] + 3
    reference = generator.normal(size=(900, 6)) @ mix[1] - 1
    return torch.from_numpy(source), torch.from_numpy(reference)


def _matrix_power(matrix, exponent):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * values**exponent) @ vectors.T


def test_it_is_the_formula(cohorts):
    source, reference = cohorts
    style = feature_stats([reference])
    moved = Recolouring(source, reference, style)(source).numpy()
    scaled = [(x - x.mean(0)) / x.std(0) for x in (source.numpy(), reference.numpy())]
    ridge = RIDGE * np.eye(6)
    root = [
        _matrix_power(x.T @ x / len(x) + ridge, power)
        for x, power in zip(scaled, (-0.5, 0.5), strict=True)
    ]
    expected = scaled[0] @ root[0] @ root[1]
    expected = expected * reference.numpy().std(0) + reference.numpy().mean(0)
    np.testing.assert_allclose(moved, expected, atol=1e-6)


def test_correlations_come_closer(cohorts):
    source, reference = cohorts
    moved = Recolouring(source, reference, feature_stats([reference]))(source)
    wanted = np.corrcoef(reference.numpy().T)
    before = np.abs(np.corrcoef(source.numpy().T) - wanted).mean()
    after = np.abs(np.corrcoef(moved.numpy().T) - wanted).mean()
    assert after < before


def test_fewer_rows_than_features(cohorts):
    source, reference = cohorts
    few = source[:4]
    moved = Recolouring(few, reference, feature_stats([reference]))(few)
    assert torch.isfinite(moved).all()
    np.testing.assert_allclose(moved.mean(0), reference.mean(0), atol=1e-8)
