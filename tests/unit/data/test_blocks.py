"""A chunk of a file is read once when rows are asked for in order, and alone when picked."""

from __future__ import annotations

import collections
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr
from scipy import sparse
from zarr.storage import LocalStore, WrapperStore

from scatd.data import blocks, lazy
from scatd.data.blocks import Blocks, stored_blocks
from scatd.data.cohort import csr_rows
from scatd.data.lazy import LazyMatrix, file_rows, lazy_element
from scatd.data.readers.arrays import read_npy
from scatd.errors import InputError


def counted(values, block_rows, ahead=0):
    reads = []

    def read(start, stop):
        reads.append((start, stop))
        return values[start:stop]

    return Blocks(read, len(values), block_rows, ahead), reads


class CountedStore(WrapperStore):
    """A local store that counts how often each part of each file is read."""

    def __init__(self, store):
        super().__init__(store)
        self.reads = collections.Counter()

    async def get(self, key, prototype, byte_range=None):
        self.reads[(key, byte_range)] += 1
        return await super().get(key, prototype, byte_range)

    def of(self, name):
        """Reads of an array's chunks; not of its metadata, nor of the index of a shard."""
        return {
            (key, part): n
            for (key, part), n in self.reads.items()
            if name in key
            and not key.endswith((".json", ".zarray", ".zattrs"))
            and not isinstance(part, zarr.abc.store.SuffixByteRequest)
        }


@pytest.mark.parametrize("ahead", [0, 1, 12])
@pytest.mark.parametrize("block_rows", [1, 4, 7, 1000])
def test_any_pieces_hold_the_rows_of_the_file(block_rows, ahead):
    values = np.arange(90).reshape(30, 3)
    found, _ = counted(values, block_rows, ahead)
    rng = np.random.default_rng(0)
    pieces = [(start, min(start + 4, 30)) for start in range(0, 30, 4)]
    pieces += [tuple(sorted(rng.integers(0, 31, 2))) for _ in range(50)]
    for start, stop in pieces:
        np.testing.assert_array_equal(found(start, stop), values[start:stop])


def test_pieces_in_order_read_every_block_once():
    found, reads = counted(np.arange(100), 10)
    for start in range(0, 100, 7):
        found(start, min(start + 7, 100))
    rows = [row for start, stop in reads for row in range(start, stop)]
    assert rows == list(range(100))


def test_what_follows_is_read_ahead_and_what_is_picked_is_not():
    found, reads = counted(np.arange(100), 5, ahead=20)
    for start in (0, 5, 10, 80, 40):
        found(start, start + 5)
    assert reads == [(0, 5), (5, 25), (80, 85), (40, 45)]


@pytest.mark.parametrize("block_rows", [1, 10])
def test_a_caller_may_change_what_it_was_given(block_rows):
    values = np.arange(40)
    found = Blocks(lambda start, stop: values[start:stop].copy(), 40, block_rows)
    for start in (0, 3, 6, 9, 12):
        piece = found(start, start + 3)
        assert piece.tolist() == list(range(start, start + 3))
        piece[:] = -1
    assert found(2, 5).tolist() == [2, 3, 4]


@pytest.mark.parametrize("shards", [None, (40, 6)])
def test_rows_of_a_zarr_array_read_each_chunk_once(tmp_path, shards):
    values = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)
    made = zarr.create_array(tmp_path / "a.zarr", data=values, chunks=(8, 6), shards=shards)
    assert made.shards == shards
    store = CountedStore(LocalStore(tmp_path / "a.zarr", read_only=True))
    found = stored_blocks(zarr.open_array(store, mode="r"))
    for start in range(0, 80, 5):
        np.testing.assert_array_equal(found(start, start + 5), values[start : start + 5])
    assert len(store.of("c/")) == 10
    assert set(store.of("c/").values()) == {1}


def test_a_picked_row_of_a_sharded_array_reads_one_chunk(tmp_path, monkeypatch):
    monkeypatch.setattr(lazy, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(lazy, "_GAP_BYTES", 0)
    values = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)
    zarr.create_array(tmp_path / "a.zarr", data=values, chunks=(8, 6), shards=(40, 6))
    store = CountedStore(LocalStore(tmp_path / "a.zarr", read_only=True))
    found = lazy_element(tmp_path / "a.zarr", zarr.open_array(store, mode="r"))
    assert found.block_rows == 8
    np.testing.assert_array_equal(found[[3, 70]], values[[3, 70]])
    assert len(store.of("c/")) == 2


@pytest.mark.parametrize("shards", [None, (800,)])
def test_rows_of_a_sparse_zarr_matrix_read_each_chunk_once(tmp_path, shards):
    X = sparse.random(100, 30, 0.4, "csr", np.float32, rng=0)
    root = zarr.open_group(tmp_path / "a.zarr", mode="w")
    for name in ("data", "indices"):
        root.create_array(name, data=getattr(X, name), chunks=(200,), shards=shards)
    store = CountedStore(LocalStore(tmp_path / "a.zarr", read_only=True))
    root = zarr.open_group(store, mode="r")
    rows = csr_rows(root["data"], root["indices"], X.indptr.astype(np.int64), 30)
    for start in range(0, 100, 10):
        found = rows(start, start + 10)
        np.testing.assert_array_equal(found.toarray(), X[start : start + 10].toarray())
        found.data[:] = 0  # must not change what is read next
    for name in ("data", "indices"):
        assert len(store.of(f"{name}/c")) == X.nnz // 200
        assert set(store.of(f"{name}/c").values()) == {1}


def test_large_chunks_of_hdf5_are_decompressed_once(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=np.arange(100), chunks=(25,), compression="gzip")
    with h5py.File(tmp_path / "a.h5") as file:
        assert stored_blocks(file["a"])._block_rows == 1  # HDF5 keeps such small chunks itself
        monkeypatch.setattr(blocks, "_CACHE_OF_HDF5", 100)
        found = stored_blocks(file["a"])
        assert found._block_rows == 25
        assert found(20, 60).tolist() == list(range(20, 60))


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2", "<i4", "|u1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_on_disk_is_read_as_float32(tmp_path, dtype, order):
    values = np.random.default_rng(0).integers(0, 200, (50, 6)).astype(dtype, order=order)
    np.save(tmp_path / "a.npy", values)
    found = read_npy(tmp_path / "a.npy", on_disk=True)
    assert isinstance(found, LazyMatrix)
    assert found[3:9].dtype == np.float32
    for rows in (slice(3, 9), slice(40, 90), [0, 7, 49], []):
        np.testing.assert_array_equal(
            found[rows], values[np.asarray(rows, int)] if isinstance(rows, list) else values[rows]
        )


def test_picked_rows_do_not_read_the_rows_between(monkeypatch):
    monkeypatch.setattr(lazy, "_GAP_BYTES", 3 * 16)
    values = np.random.default_rng(0).normal(size=(1000, 4)).astype(np.float32)
    reads = []

    def read(start, stop):
        reads.append((start, stop))
        return values[start:stop]

    picks = np.array([0, 2, 500, 503, 999])
    np.testing.assert_array_equal(LazyMatrix(read, (1000, 4))[picks], values[picks])
    assert reads == [(0, 3), (500, 504), (999, 1000)]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc on this system")
def test_memory_stays_flat_while_an_array_is_read(tmp_path):
    def resident():
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096

    for order in ("C", "F"):
        path = tmp_path / f"{order}.npy"
        np.save(path, np.ones((20_000, 800), np.float32, order=order))  # 64 MB
        found = read_npy(path, on_disk=True)
        found[:512]
        before = resident()
        for start in range(0, 20_000, 512):
            found[start : start + 512]
        assert resident() - before < 16e6


def test_a_file_that_became_shorter_is_one_message(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((50, 6), np.float32))
    found = read_npy(tmp_path / "a.npy", on_disk=True)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-100])
    assert found[:10].sum() == 60
    with pytest.raises(InputError, match="it ends before row 50"):
        found[40:]
    with pytest.raises(InputError, match="cannot be read"):
        file_rows(tmp_path / "none", 0, (5, 5), np.float32)[:2]
