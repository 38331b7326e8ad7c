"""Cells in batches, the store of what was computed, and both together after a kill."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scatd.embedding.cells import Cells, batches, fitting_tokens
from scatd.embedding.runner import embed
from scatd.embedding.store import EmbeddingStore
from scatd.errors import InputError, ScatdError
from tests import forked


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


@pytest.mark.parametrize(
    ("free", "expected"),
    [(0, 1024), (2 * 96 * 768 * 5000, 4096), (2 * 96 * 768 * 8191, 4096), (1 << 37, 1 << 18)],
)
def test_a_batch_of_a_gpu_is_a_power_of_two_that_fits(free, expected):
    assert fitting_tokens(free, 768, 1024) == expected


def test_a_cell_longer_than_the_bound_goes_alone():
    assert [rows.tolist() for rows in batches(np.array([3, 50, 2]), 10)] == [[1], [0, 2]]


def test_embeddings_are_in_the_order_of_the_cells_and_equal_cells_are_computed_once(sum_encoder):
    encoder, seen = sum_encoder(), []
    np.testing.assert_array_equal(embed(cells_of(LISTS), encoder, progress=seen.append), EXPECTED)
    assert sorted(length for batch in encoder.batches for length in batch) == [1, 2, 2, 3, 4]
    assert sum(seen) == 6


def test_a_batch_that_does_not_fit_is_embedded_in_pieces(sum_encoder, caplog):
    class Small(sum_encoder):
        def encode(self, cells):
            if len(cells) > 1:
                raise torch.cuda.OutOfMemoryError
            return super().encode(cells)

    encoder = Small()
    np.testing.assert_array_equal(embed(cells_of(LISTS), encoder), EXPECTED)
    assert sorted(encoder.batches) == [[1], [2], [2], [3], [4]]
    assert "The memory of the device is full: 2 cells at once are too many." in caplog.text


def test_a_cell_that_does_not_fit_names_the_remedy(sum_encoder):
    class Smaller(sum_encoder):
        def encode(self, cells):
            raise torch.cuda.OutOfMemoryError

    with pytest.raises(InputError, match="too small for one of the cells"):
        embed(cells_of(LISTS), Smaller())


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
    # The missing cells have 3 and 2 tokens. Their batches are those of all five cells.
    assert again.batches == [[4, 3], [2, 2, 1]]
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
    assert not store.get(cells_of(LISTS).digests())[1].any()


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
    done = forked.run(program)
    assert done.returncode == -9, done.stderr
    encoder = sum_encoder(tokens_per_batch=4)
    found = embed(cells_of(LISTS), encoder, EmbeddingStore(tmp_path, 2))
    np.testing.assert_array_equal(found, EXPECTED)
    # Batches of [4], [3], [2, 2] were kept; the single token was left.
    assert encoder.batches == [[1]]


class Neighbours:
    """An encoder whose values depend on the other cells of a batch, as rounding does."""

    width, tokens_per_batch = 1, 6

    def __init__(self):
        self.n_batches = 0

    def encode(self, cells):
        self.n_batches += 1
        own = np.add.reduceat(cells.ids, cells.indptr[:-1])
        return (own + cells.ids.sum() * 1e-3).astype(np.float32)[:, None]


@pytest.mark.parametrize("n_known", range(5))
def test_what_is_in_the_store_does_not_change_the_bits_of_the_others(tmp_path, n_known):
    cells = cells_of(LISTS)
    alone = embed(cells, Neighbours())
    names, first = np.unique(cells.digests(), return_index=True)
    some = np.random.default_rng(n_known).permutation(len(names))[:n_known]
    store = EmbeddingStore(tmp_path, 1)
    if n_known:
        store.append(names[some], alone[first[some]])
    np.testing.assert_array_equal(embed(cells, Neighbours(), store), alone)
    assert store.n_added == len(names)
    nothing = Neighbours()
    np.testing.assert_array_equal(embed(cells, nothing, EmbeddingStore(tmp_path, 1)), alone)
    assert nothing.n_batches == 0
