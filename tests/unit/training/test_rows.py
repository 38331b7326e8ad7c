"""Rows from a file: every row once an epoch, mixed, the same for the same seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from scatd.data.lazy import LazyMatrix
from scatd.training import rows as training_rows
from scatd.training.draws import SeededDraws
from scatd.training.rows import MemoryRows, StoredRows, gather

N_OBS, N_FEATURES = 1003, 4
BATCH = 16
ROW_BYTES = 4 * N_FEATURES


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


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Chunks of 10 rows (12 where the file has blocks of 6), buffers of 10 chunks."""
    monkeypatch.setattr(training_rows, "CHUNK_BYTES", 10 * ROW_BYTES)
    monkeypatch.setattr(training_rows, "BUFFER_BYTES", 120 * ROW_BYTES)


def rows_of(X, rows, **more):
    return StoredRows(X, rows, "cpu", **more)


def who(x):
    return (x[:, 0] / N_FEATURES).long().tolist()


def test_every_training_row_once_and_no_other(stored):
    train = np.setdiff1d(np.arange(N_OBS), np.arange(0, N_OBS, 7))
    rows = rows_of(stored, train)
    assert len(rows) == len(train)
    draws = SeededDraws(0)
    for _ in range(2):
        batches = [x for x, _ in rows.batches(draws, BATCH)]
        seen = Counter(row for x in batches for row in who(x))
        assert seen == Counter(train.tolist())
        # Few batches but the last ones of a buffer are longer, and none shorter than half.
        assert {len(x) for x in batches[:-1]} <= set(range(BATCH // 2, BATCH + BATCH // 2))
        assert sum(len(x) == BATCH for x in batches) > 0.8 * len(batches)


def test_the_values_are_those_of_the_rows(stored, X):
    for x, _ in rows_of(stored, np.arange(N_OBS)).batches(SeededDraws(0), BATCH):
        torch.testing.assert_close(x, torch.from_numpy(X[who(x)]), rtol=0, atol=0)


def test_order_depends_on_the_seed_alone_and_changes_between_epochs(stored):
    def order(seed):
        draws = SeededDraws(seed)
        rows = rows_of(stored, np.arange(N_OBS))
        return [[who(x) for x, _ in rows.batches(draws, BATCH)] for _ in range(2)]

    assert order(1) == order(1)
    assert order(1) != order(2)
    first, second = order(1)
    assert first != second


def test_a_batch_comes_from_all_over_the_file(stored):
    spans = [
        max(who(x)) - min(who(x))
        for x, _ in rows_of(stored, np.arange(N_OBS)).batches(SeededDraws(0), BATCH)
    ]
    assert np.median(spans) > 0.5 * N_OBS


def test_a_sorted_file_gives_mixed_batches(stored):
    """Rows of the first and second half: contiguous batches would have one kind only."""
    shares = [
        np.mean(np.array(who(x)) < N_OBS / 2)
        for x, _ in rows_of(stored, np.arange(N_OBS)).batches(SeededDraws(0), BATCH)
    ]
    assert np.mean((np.array(shares) > 0.1) & (np.array(shares) < 0.9)) > 0.8


def test_teacher_rows_stay_with_their_cells(stored):
    z = np.arange(N_OBS, dtype=np.float32)[:, None] * 3
    rows = rows_of(stored, np.arange(0, N_OBS, 2), teacher_z=z)
    seen = 0
    for x, teacher_z in rows.batches(SeededDraws(0), BATCH):
        np.testing.assert_array_equal(teacher_z[:, 0] / 3, who(x))
        seen += len(x)
    assert seen == len(rows)


@pytest.mark.parametrize("n_rows", [2, 16, 17, 121, 129])
def test_few_rows_and_one_over_a_multiple(stored, n_rows):
    """A batch of one row would stop BatchNorm (defect D25)."""
    rows = rows_of(stored, np.arange(n_rows))
    sizes = [len(x) for x, _ in rows.batches(SeededDraws(3), BATCH)]
    assert sum(sizes) == n_rows
    assert min(sizes) > 1


def test_sample_is_random_rows_and_repeats(stored):
    rows = rows_of(stored, np.arange(0, N_OBS, 3), seed=5)
    sample = rows.sample()
    assert 20 < len(sample) < N_OBS / 3
    assert set(who(sample)) <= set(range(0, N_OBS, 3))
    torch.testing.assert_close(sample, rows.sample(), rtol=0, atol=0)


def test_gather(stored, X):
    picks = np.sort(np.random.default_rng(0).choice(N_OBS, 100, replace=False))
    np.testing.assert_array_equal(gather(stored, picks), X[picks])
    np.testing.assert_array_equal(gather(stored, picks[:0]), X[:0])


def test_memory_rows_are_shuffled_all_together(X):
    rows = MemoryRows(torch.from_numpy(X))
    order = [row for x, _ in rows.batches(SeededDraws(0), BATCH) for row in who(x)]
    assert sorted(order) == list(range(N_OBS))
    assert abs(np.corrcoef(order, np.arange(N_OBS))[0, 1]) < 0.15
    assert rows.sample() is rows.sample()
