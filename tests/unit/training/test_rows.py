"""Rows in memory: shuffled all together, and the same whether they are copied or picked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scatd.data.lazy import LazyMatrix
from scatd.training.draws import SeededDraws
from scatd.training.rows import MemoryRows, gather

N_OBS, N_FEATURES = 1003, 4


@pytest.fixture
def X():
    """Rows whose values give their number."""
    return np.arange(N_OBS * N_FEATURES, dtype=np.float32).reshape(N_OBS, N_FEATURES)


@pytest.fixture(params=["map", "lazy"])
def stored(request, X, tmp_path):
    if request.param == "map":
        np.save(tmp_path / "X.npy", X)
        return np.load(tmp_path / "X.npy", mmap_mode="r")
    return LazyMatrix(lambda start, stop: X[start:stop], X.shape, block_rows=6)


def who(x):
    return (x[:, 0] / N_FEATURES).long().tolist()


def test_gather(stored, X):
    picks = np.sort(np.random.default_rng(0).choice(N_OBS, 100, replace=False))
    np.testing.assert_array_equal(gather(stored, picks), X[picks])
    np.testing.assert_array_equal(gather(stored, picks[:0]), X[:0])


def test_memory_rows_are_shuffled_all_together(X):
    rows = MemoryRows(torch.from_numpy(X))
    order = [row for x, _ in rows.batches(1, SeededDraws(0), 16) for row in who(x)]
    assert sorted(order) == list(range(N_OBS))
    assert abs(np.corrcoef(order, np.arange(N_OBS))[0, 1]) < 0.15
    assert rows.sample() is rows.sample()


def test_some_rows_of_a_matrix_give_the_batches_of_their_copy(X):
    train = np.setdiff1d(np.arange(N_OBS), np.arange(0, N_OBS, 7))
    z = -X[:, :1]
    picked = MemoryRows(torch.from_numpy(X), torch.from_numpy(z), train)
    copied = MemoryRows(torch.from_numpy(X[train]), torch.from_numpy(z[train]))
    assert len(picked) == len(copied)
    assert torch.equal(picked.sample(), copied.sample())
    ours = picked.batches(1, SeededDraws(3), 16)
    theirs = copied.batches(1, SeededDraws(3), 16)
    for (x, latent), (other, other_latent) in zip(ours, theirs, strict=True):
        assert torch.equal(x, other)
        assert torch.equal(latent, other_latent)
