"""Cells in batches, the store of what was computed, and both together after a kill."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from scatd.embedding.cells import Cells, batches
from scatd.embedding.runner import embed
from scatd.embedding.store import EmbeddingStore
from scatd.errors import InputError, ScatdError


def cells_of(lists, reasons=None, values=None):
    indptr = np.cumsum([0, *map(len, lists)])
    flat = np.array([token for tokens in lists for token in tokens], np.int32)
    words = np.full(len(lists), "", object) if reasons is None else np.array(reasons, object)
    return Cells(flat, values, indptr, words)


LISTS = [[5, 7], [1], [2, 4, 6, 8], [9, 3], [1], [10, 11, 12]]
EXPECTED = [[len(tokens), sum(tokens)] for tokens in LISTS]


def test_taken_cells_keep_their_tokens():
    values = np.arange(13, dtype=np.float32)
    taken = cells_of(LISTS, values=values).take(np.array([2, 0, 2]))
    assert taken.ids.tolist() == [2, 4, 6, 8, 5, 7, 2, 4, 6, 8]
    assert taken.values.tolist() == [3, 4, 5, 6, 0, 1, 3, 4, 5, 6]
    assert taken.lengths.tolist() == [4, 2, 4]


def test_a_digest_names_the_content_and_nothing_else():
    values = np.ones(13, np.float32)
    names = cells_of(LISTS, values=values).digests()
    assert names[1] == names[4]
    assert len(set(names.tolist())) == 5
    values[0] = 1.5
    changed = cells_of(LISTS, values=values).digests()
    assert np.flatnonzero(changed != names).tolist() == [0]
    assert (cells_of(LISTS).digests() != names).all()


def test_batches_hold_similar_lengths_within_the_bound():
    lengths = np.random.default_rng(0).integers(1, 60, 200)
    found = list(batches(lengths, 100))
    assert sorted(np.concatenate(found).tolist()) == list(range(200))
    assert all(len(rows) * lengths[rows].max() <= 100 for rows in found)
    padded = sum(len(rows) * lengths[rows].max() for rows in found)
    assert padded < 1.05 * lengths.sum()
    assert lengths[found[0]].max() == lengths.max()


def test_a_cell_longer_than_the_bound_goes_alone():
    assert [rows.tolist() for rows in batches(np.array([3, 50, 2]), 10)] == [[1], [0, 2]]


def test_embeddings_are_in_the_order_of_the_cells_and_equal_cells_are_computed_once(sum_encoder):
    encoder, seen = sum_encoder(), []
    np.testing.assert_array_equal(embed(cells_of(LISTS), encoder, progress=seen.append), EXPECTED)
    assert sorted(length for batch in encoder.batches for length in batch) == [1, 2, 2, 3, 4]
    assert sum(seen) == 6


def test_cells_with_a_reason_are_nan_and_never_reach_the_encoder(sum_encoder):
    encoder = sum_encoder()
    found = embed(cells_of(LISTS, ["", "why", "", "", "", ""]), encoder)
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[[0, 2, 3, 4, 5]], np.array(EXPECTED)[[0, 2, 3, 4, 5]])


@pytest.mark.parametrize("lists", [[], [[]]])
def test_nothing_to_embed(sum_encoder, lists):
    assert embed(cells_of(lists, ["why"] * len(lists)), sum_encoder()).shape == (len(lists), 2)


def test_what_is_in_the_store_is_not_computed_again(sum_encoder, tmp_path):
    store = EmbeddingStore(tmp_path / "new", 2)
    embed(cells_of(LISTS[:3]), sum_encoder(), store)
    again, seen = sum_encoder(), []
    np.testing.assert_array_equal(embed(cells_of(LISTS), again, store, seen.append), EXPECTED)
    assert sorted(length for batch in again.batches for length in batch) == [2, 3]
    assert sum(seen) == 6
    nothing = sum_encoder()
    embed(cells_of(LISTS), nothing, EmbeddingStore(tmp_path / "new", 2))
    assert nothing.batches == []


def test_values_that_are_not_finite_are_an_error_and_are_not_kept(sum_encoder, tmp_path):
    class Broken(sum_encoder):
        def encode(self, cells):
            return super().encode(cells) * np.nan

    store = EmbeddingStore(tmp_path, 2)
    with pytest.raises(ScatdError, match="not finite"):
        embed(cells_of(LISTS), Broken(), store)
    assert (store.find(cells_of(LISTS).digests()) == -1).all()


def names_of(numbers):
    return np.array([bytes([number]) * 16 for number in numbers], "S16")


def test_store_gives_back_what_was_put_in(tmp_path):
    store = EmbeddingStore(tmp_path, 3)
    rows = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    assert store.find(names_of([1, 2])).tolist() == [-1, -1]
    store.append(names_of([9, 2]), rows[:2])
    EmbeddingStore(tmp_path, 3).append(names_of([7, 1]), rows[2:])  # another process
    found = store.find(names_of([1, 5, 9, 7, 2]))
    assert found[1] == -1
    np.testing.assert_array_equal(store.read(found[[0, 2, 3, 4]]), rows[[3, 0, 2, 1]])


def test_a_name_may_end_in_zero_bytes(tmp_path):
    store = EmbeddingStore(tmp_path, 1)
    names = np.array([b"a" * 15 + b"\0", b"a" * 14 + b"\0\0"], "S16")
    store.append(names, np.array([[1.0], [2.0]], np.float32))
    np.testing.assert_array_equal(store.read(store.find(names)), [[1.0], [2.0]])


@pytest.mark.parametrize("torn", ["rows", "names"])
def test_what_a_kill_tore_off_is_written_again(tmp_path, torn):
    store = EmbeddingStore(tmp_path, 2)
    store.append(names_of([1]), np.array([[1, 2]], np.float32))
    name = {"rows": "embeddings.f32", "names": "digests.bin"}[torn]
    with (tmp_path / name).open("ab") as file:
        file.write(b"part of one")
    assert store.find(names_of([1, 2])).tolist() == [0, -1]
    store.append(names_of([2]), np.array([[3, 4]], np.float32))
    np.testing.assert_array_equal(store.read(store.find(names_of([1, 2]))), [[1, 2], [3, 4]])


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="SCATD_CACHE"):
        EmbeddingStore(tmp_path / "sub", 1).append(names_of([1]), np.ones((1, 1), np.float32))


def test_a_store_in_the_place_of_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="SCATD_CACHE"):
        EmbeddingStore(tmp_path / "file", 1).append(names_of([1]), np.ones((1, 1), np.float32))


KILLED = """
import os, signal
from pathlib import Path
import numpy as np
from scatd.embedding import runner
from scatd.embedding.cells import Cells
from scatd.embedding.store import EmbeddingStore

runner.KEEP_EVERY_SECONDS = 0.0

class Encoder:
    width, tokens_per_batch, done = 2, 4, 0

    def encode(self, cells):
        if self.done == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        self.done += 1
        sums = np.add.reduceat(cells.ids, cells.indptr[:-1])
        return np.stack([cells.lengths, sums], axis=1).astype(np.float32)

lists = {lists!r}
indptr = np.cumsum([0, *map(len, lists)])
flat = np.array([token for tokens in lists for token in tokens], np.int32)
cells = Cells(flat, None, indptr, np.full(len(lists), "", object))
runner.embed(cells, Encoder(), EmbeddingStore(Path({folder!r}), 2))
"""


def test_a_killed_run_goes_on_where_it_was(sum_encoder, tmp_path):
    program = KILLED.format(lists=LISTS, folder=tmp_path).replace(
        "PosixPath", "__import__('pathlib').Path"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert done.returncode == -9, done.stderr
    encoder = sum_encoder(tokens_per_batch=4)
    found = embed(cells_of(LISTS), encoder, EmbeddingStore(tmp_path, 2))
    np.testing.assert_array_equal(found, EXPECTED)
    # Batches of [4], [3], [2, 2] were kept; the single token was left.
    assert encoder.batches == [[1]]
