"""Baselines on numbers that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from scatd.errors import InputError
from scatd.explanation.baselines import N_RANDOM, N_REFERENCE, baseline_pool

X = np.arange(40, dtype=np.float32).reshape(20, 2)
USABLE = np.arange(20) != 19
SENSITIVE = np.arange(20) < 3


def pool(name, seed=0, sensitive=SENSITIVE):
    return baseline_pool(name, X, USABLE, sensitive, seed)


def test_one_row_baselines():
    np.testing.assert_array_equal(pool("zero"), [[0, 0]])
    np.testing.assert_array_equal(pool("mean"), X[:19].mean(axis=0, keepdims=True))


def test_random_rows_are_usable_rows_and_follow_the_seed():
    drawn = pool("random")
    assert drawn.shape == (N_RANDOM, 2)
    assert set(drawn[:, 0]) <= set(X[:19, 0])
    np.testing.assert_array_equal(drawn, pool("random"))
    assert (drawn != pool("random", seed=1)).any()
    expected = 0.5 * pool("mean")[0] + 0.5 * drawn.mean(axis=0)
    np.testing.assert_allclose(pool("mix")[0], expected)


def test_reference_cells_are_those_called_sensitive():
    np.testing.assert_array_equal(pool("reference"), X[:3])
    many = baseline_pool("reference", np.ones((500, 1)), np.ones(500, bool), np.ones(500, bool), 0)
    assert len(many) == N_REFERENCE
    with pytest.raises(InputError, match="no cell of this cohort sensitive"):
        pool("reference", sensitive=np.zeros(20, bool))
