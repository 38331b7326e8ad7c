"""Rows of a file: every row once an epoch, mixed, the same for the same seed, in bounded memory."""

from __future__ import annotations

import threading
from collections import Counter

import numpy as np
import pytest
import torch

from scatd.data.lazy import LazyMatrix
from scatd.training import stored_rows
from scatd.training.draws import SeededDraws, batch_sizes
from scatd.training.stored_rows import StoredRows

N_OBS, N_FEATURES = 1003, 4
BATCH = 16
ROW_BYTES = 4 * N_FEATURES
EVERY = np.arange(N_OBS)
SOME = np.setdiff1d(EVERY, np.arange(0, N_OBS, 7))


@pytest.fixture
def X():
    """Rows whose values give their number."""
    return np.arange(N_OBS * N_FEATURES, dtype=np.float32).reshape(N_OBS, N_FEATURES)


class CountingMatrix:
    """A matrix in blocks of six rows that notes which rows were read, and by which thread."""

    block_rows = 6

    def __init__(self, X):
        self.X, self.shape = X, X.shape
        self.read, self.threads = [], set()

    def __len__(self):
        return len(self.X)

    def __getitem__(self, rows):
        self.read.append((rows.start, rows.stop))
        self.threads.add(threading.current_thread().name)
        return self.X[rows]


@pytest.fixture(params=["map", "lazy"])
def stored(request, X, tmp_path):
    if request.param == "map":
        np.save(tmp_path / "X.npy", X)
        return np.load(tmp_path / "X.npy", mmap_mode="r")
    return LazyMatrix(lambda start, stop: X[start:stop], X.shape, block_rows=6)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Chunks of 10 rows (12 where the file has blocks of 6), buffers of 12 chunks (10)."""
    monkeypatch.setattr(stored_rows, "CHUNK_BYTES", 10 * ROW_BYTES)
    monkeypatch.setattr(stored_rows, "BUFFER_BYTES", 120 * ROW_BYTES)
    monkeypatch.setattr(stored_rows, "SAMPLE_BYTES", 120 * ROW_BYTES)


def who(x):
    return (x[:, 0] / N_FEATURES).long().tolist()


def batches(X, rows=EVERY, epoch=1, seed=0, draws=None):
    """Row numbers of the batches of an epoch."""
    source = StoredRows(X, rows, "cpu", seed=seed)
    return [who(x) for x, _ in source.batches(epoch, draws or SeededDraws(0), BATCH)]


@pytest.mark.parametrize("epoch", [1, 2])
def test_every_training_row_once_and_no_other(stored, epoch):
    found = batches(stored, SOME, epoch)
    assert len(StoredRows(stored, SOME, "cpu")) == len(SOME)
    assert Counter(row for batch in found for row in batch) == Counter(SOME.tolist())


def test_as_many_steps_as_from_memory(stored):
    found = [len(batch) for batch in batches(stored, SOME)]
    assert found == batch_sizes(len(SOME), BATCH, drop_last=False)


def test_the_values_are_those_of_the_rows(stored, X):
    for x, _ in StoredRows(stored, EVERY, "cpu").batches(1, SeededDraws(0), BATCH):
        assert torch.equal(x, torch.from_numpy(X[who(x)]))


def test_the_order_comes_from_seed_and_epoch_alone(stored):
    """A training that is continued in epoch 2 has not made the draws of epoch 1."""
    worn = SeededDraws(7)
    worn.normal(50, 3)
    assert batches(stored, seed=1, epoch=2) == batches(stored, seed=1, epoch=2, draws=worn)
    assert batches(stored, seed=1) != batches(stored, seed=2)
    assert batches(stored, seed=1, epoch=1) != batches(stored, seed=1, epoch=2)


def test_each_chunk_is_read_once_an_epoch_by_one_other_thread(X):
    matrix = CountingMatrix(X)
    batches(matrix)
    assert sorted(matrix.read) == [(at, min(at + 12, N_OBS)) for at in range(0, N_OBS, 12)]
    assert matrix.read != sorted(matrix.read), "chunks come in random order"
    assert len(matrix.threads) == 1
    assert threading.current_thread().name not in matrix.threads


def test_chunks_without_training_rows_are_not_read(X):
    matrix = CountingMatrix(X)
    batches(matrix, np.arange(100, 200))
    assert min(start for start, _ in matrix.read) == 96
    assert max(stop for _, stop in matrix.read) == 204


def test_no_more_is_read_than_two_buffers_hold(X):
    """While a batch is in use, its buffer and the next one are all that was read."""
    matrix = CountingMatrix(X)
    n_given = 0
    for x, _ in StoredRows(matrix, EVERY, "cpu").batches(1, SeededDraws(0), BATCH):
        n_given += len(x)
        n_read = sum(stop - start for start, stop in matrix.read)
        # The rest of the buffer before may wait for rows of this one.
        assert n_read - n_given <= 2 * 120 + BATCH


def test_the_buffers_have_their_size_however_long_the_file_is(X, monkeypatch):
    seen = []
    fill = stored_rows._fill

    def note(matrix, chunks, into):
        seen.append(into)
        fill(matrix, chunks, into)

    monkeypatch.setattr(stored_rows, "_fill", note)
    batches(CountingMatrix(X))
    assert len(seen) == 9
    assert len({id(block) for block in seen}) == 2
    assert max(block.nbytes for block in seen) <= stored_rows.BUFFER_BYTES


def test_freed_memory_is_given_back_until_the_end_of_an_epoch(X, monkeypatch):
    """Also while the last buffer is in use, when nothing is read any more."""
    trimmed = []
    monkeypatch.setattr(stored_rows, "TRIM_AFTER", 10)
    monkeypatch.setattr(stored_rows, "return_freed_memory", lambda: trimmed.append(1))
    found = batches(X)
    assert len(trimmed) == len(found) // 10


def test_a_file_in_larger_blocks_than_a_buffer_is_read_with_a_warning(X, caplog):
    matrix = CountingMatrix(X)
    matrix.block_rows = 500
    with caplog.at_level("WARNING"):
        found = batches(matrix)
    assert sorted(row for batch in found for row in batch) == EVERY.tolist()
    assert "The file stores 500 rows" in caplog.text
    assert sorted(matrix.read) == [(0, 500), (500, 1000), (1000, 1003)]


def test_an_error_of_the_reader_reaches_the_training(X):
    def broken(start, stop):
        if stop > 600:
            raise OSError("the disk is gone")
        return X[start:stop]

    with pytest.raises(OSError, match="the disk is gone"):
        batches(LazyMatrix(broken, X.shape, block_rows=6))


def test_a_training_that_stops_early_leaves_no_thread(X):
    source = StoredRows(CountingMatrix(X), EVERY, "cpu").batches(1, SeededDraws(0), BATCH)
    next(source)
    source.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("scatd-read-ahead")]


def test_a_batch_comes_from_all_over_the_file(stored):
    spans = [max(batch) - min(batch) for batch in batches(stored)]
    assert np.median(spans) > 0.5 * N_OBS


def test_a_sorted_file_gives_mixed_batches(stored):
    """Rows of the first and second half: contiguous batches would have one kind only."""
    shares = np.array([np.mean(np.array(batch) < N_OBS / 2) for batch in batches(stored)])
    assert np.mean((shares > 0.1) & (shares < 0.9)) > 0.8


def test_teacher_rows_stay_with_their_cells(stored):
    z = np.arange(N_OBS, dtype=np.float32)[:, None] * 3
    rows = StoredRows(stored, EVERY[::2], "cpu", teacher_z=z)
    seen = 0
    for x, teacher_z in rows.batches(1, SeededDraws(0), BATCH):
        np.testing.assert_array_equal(teacher_z[:, 0] / 3, who(x))
        seen += len(x)
    assert seen == len(rows)


def test_student_and_teacher_are_read_in_the_same_chunks(X):
    matrix, z = CountingMatrix(X), CountingMatrix(X[:, :2].copy())
    rows = StoredRows(matrix, EVERY, "cpu", teacher_z=z)
    for _ in rows.batches(1, SeededDraws(0), BATCH):
        pass
    assert z.read == matrix.read


@pytest.mark.parametrize("n_rows", [2, 16, 17, 121, 129])
def test_few_rows_and_one_over_a_multiple(stored, n_rows):
    """A batch of one row would stop BatchNorm (defect D25)."""
    sizes = [len(batch) for batch in batches(stored, np.arange(n_rows), seed=3)]
    assert sum(sizes) == n_rows
    assert min(sizes) > 1


def test_sample_is_random_rows_and_repeats(stored):
    rows = StoredRows(stored, EVERY[::3], "cpu", seed=5)
    sample = rows.sample()
    assert 20 < len(sample) < N_OBS / 3
    assert set(who(sample)) <= set(range(0, N_OBS, 3))
    assert torch.equal(sample, rows.sample())
