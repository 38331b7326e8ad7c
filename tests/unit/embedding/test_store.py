"""The store of embeddings: what was put in comes out, from any writer and after any kill."""

from __future__ import annotations

import os
import shutil
import tracemalloc

import filelock
import numpy as np
import pytest

from scatd.embedding import compaction, store
from scatd.embedding.index import Index
from scatd.embedding.store import EmbeddingStore
from scatd.errors import InputError
from tests import forked


def names_of(numbers):
    return np.array([bytes([number]) * 16 for number in numbers], "S16")


def many(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.bytes(16 * n), rng.normal(size=(n, 3)).astype(np.float32)


def put(folder, numbers, width=2, value=None):
    """One finished writer."""
    writer = EmbeddingStore(folder, width)
    rows = np.repeat(np.array(numbers, np.float32)[:, None], width, axis=1)
    writer.append(names_of(numbers), rows if value is None else np.full_like(rows, value))
    return writer


def known(folder, numbers, width=2):
    values, found = EmbeddingStore(folder, width).get(names_of(numbers))
    np.testing.assert_array_equal(values[found][:, 0], np.array(numbers)[found])
    return found.tolist()


def shards(folder):
    return sorted((folder / "shards").glob("*"))


def test_what_was_put_in_comes_out(tmp_path):
    rows = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    one = EmbeddingStore(tmp_path, 3)
    assert not one.get(names_of([1, 2]))[1].any()
    one.append(names_of([9, 2]), rows[:2])
    EmbeddingStore(tmp_path, 3).append(names_of([7, 1]), rows[2:])  # another process
    assert one.get(names_of([1, 5, 9, 7, 2]))[1].tolist() == [False, False, True, False, True]
    again = EmbeddingStore(tmp_path, 3)
    values, found = again.get(names_of([1, 5, 9, 7, 2]))
    assert found.tolist() == [True, False, True, True, True]
    np.testing.assert_array_equal(values[found], rows[[3, 0, 2, 1]])
    assert len(again) == 4
    assert (one.n_added, again.n_added) == (2, 0)


def test_a_name_may_end_in_zero_bytes_and_begin_like_another(tmp_path):
    names = np.array([b"a" * 15 + b"\0", b"a" * 14 + b"\0\0", b"a" * 16], "S16")
    EmbeddingStore(tmp_path, 1).append(names, np.array([[1.0], [2.0], [3.0]], np.float32))
    values, found = EmbeddingStore(tmp_path, 1).get(names[::-1])
    assert found.all()
    np.testing.assert_array_equal(values, [[3.0], [2.0], [1.0]])


@pytest.mark.parametrize("n_appends", [1, 7, 50])
def test_many_rows_in_any_order_of_appending(tmp_path, n_appends):
    content, rows = many(1000)
    names = np.frombuffer(content, "S16")
    writer = EmbeddingStore(tmp_path, 3)
    for part in np.array_split(np.arange(1000), n_appends):
        writer.append(names[part], rows[part])
    order = np.random.default_rng(1).permutation(1000)
    for one in (writer, EmbeddingStore(tmp_path, 3)):
        values, found = one.get(names[order])
        assert found.all()
        np.testing.assert_array_equal(values, rows[order])


@pytest.mark.parametrize("torn", ["embeddings.f32", "checks.bin", "digests.bin"])
def test_the_torn_end_of_a_killed_writer_is_passed_over(tmp_path, torn):
    put(tmp_path, [1])
    (shard,) = shards(tmp_path)
    with (shard / torn).open("ab") as file:
        file.write(b"part of the next row, and more than one of them")
    assert known(tmp_path, [1, 2]) == [True, False]
    put(tmp_path, [2])
    assert known(tmp_path, [1, 2]) == [True, True]


def test_a_failed_write_is_written_over_by_the_next(tmp_path):
    writer = put(tmp_path, [1])
    (shard,) = shards(tmp_path)
    with (shard / "embeddings.f32").open("ab") as file:
        file.write(b"part of a row")  # the disk was full
    writer.append(names_of([2]), np.full((1, 2), 2, np.float32))
    assert known(tmp_path, [1, 2]) == [True, True]


def test_the_three_files_of_an_older_store_are_a_shard_and_stay(tmp_path):
    put(tmp_path / "new", [1, 2])
    (shard,) = shards(tmp_path / "new")
    old = tmp_path / "old"
    shutil.copytree(shard, old, ignore=shutil.ignore_patterns(".lock"))
    before = {path.name: path.read_bytes() for path in old.iterdir()}
    put(old, [3])
    assert known(old, [1, 2, 3, 4]) == [True, True, True, False]
    assert {name: (old / name).read_bytes() for name in before} == before


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="SCATD_CACHE"):
        put(tmp_path / "sub", [1])


def test_a_store_in_the_place_of_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="SCATD_CACHE"):
        put(tmp_path / "file", [1])


def test_a_full_disk_is_an_error_that_names_the_folder(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("scatd.embedding.shard._write_at", full)
    with pytest.raises(InputError, match="No space left"):
        put(tmp_path, [1])


def test_a_damaged_row_is_replaced_by_a_later_one_of_any_shard(tmp_path):
    put(tmp_path, [1, 2])
    (shard,) = shards(tmp_path)
    content = bytearray((shard / "embeddings.f32").read_bytes())
    content[0] ^= 1
    (shard / "embeddings.f32").write_bytes(content)
    assert known(tmp_path, [1, 2]) == [False, True]
    put(tmp_path, [1])
    assert known(tmp_path, [1, 2]) == [True, True]


# Compaction --------------------------------------------------------------------------------------


def filled(folder, n=20):
    """A store of n shards with three rows each, of which one is in all of them."""
    for number in range(n):
        put(folder, [2 * number + 1, 2 * number + 2, 255])
    return [*range(1, 2 * n + 1), 255]


def test_many_small_shards_become_one(tmp_path):
    numbers = filled(tmp_path)
    assert all(known(tmp_path, numbers))
    assert len(shards(tmp_path)) <= 4
    assert all(known(tmp_path, numbers))
    assert len(EmbeddingStore(tmp_path, 2)) < 60


def test_damaged_rows_are_not_taken_over(tmp_path, monkeypatch):
    filled(tmp_path, 3)
    first = shards(tmp_path)[0]
    (first / "embeddings.f32").write_bytes(b"\0" * 24)
    monkeypatch.setattr(compaction, "_MOST", 1)
    assert sum(known(tmp_path, range(1, 7))) == 4
    assert len(shards(tmp_path)) == 1


def test_nothing_is_joined_while_another_process_writes(tmp_path, monkeypatch):
    numbers = filled(tmp_path, 3)
    monkeypatch.setattr(compaction, "_MOST", 1)
    with filelock.FileLock(shards(tmp_path)[1] / ".lock"):
        assert all(known(tmp_path, numbers))
        assert len(shards(tmp_path)) == 3
    writer = put(tmp_path, [100])  # it joins the three, before it has a shard of its own
    assert all(known(tmp_path, numbers))
    assert len(shards(tmp_path)) == 2
    del writer
    assert all(known(tmp_path, [*numbers, 100]))
    assert len(shards(tmp_path)) == 1


def test_a_reader_whose_shards_were_joined_finds_them_again(tmp_path, monkeypatch):
    numbers = filled(tmp_path, 3)
    reader = EmbeddingStore(tmp_path, 2)
    assert reader.get(names_of([1]))[1].all()
    monkeypatch.setattr(compaction, "_MOST", 1)
    assert all(known(tmp_path, numbers))
    assert len(shards(tmp_path)) == 1
    assert reader.get(names_of(numbers))[1].all()


DIE = """
import os, sys
from pathlib import Path
from scatd.embedding import compaction, store

calls = 0

def counted(name, function):
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == {number}:
            os._exit(9)
        return function(*args, **kwargs)
    return call

compaction._MOST = 1
os.fsync = counted("fsync", os.fsync)
Path.rename = counted("rename", Path.rename)
compaction.shutil.rmtree = counted("rmtree", compaction.shutil.rmtree)
len(store.EmbeddingStore(Path({folder!r}), 2))
"""


def test_a_compaction_that_is_killed_at_any_point_loses_nothing(tmp_path):
    died = 0
    for number in range(1, 40):
        folder = tmp_path / str(number)
        numbers = filled(folder, 3)
        program = DIE.format(number=number, folder=str(folder))
        done = forked.run(program)
        assert all(known(folder, numbers)), number
        if done.returncode == 0:
            break
        died += 1
        # The next process finishes it, and nothing is left behind.
        died_over = DIE.format(number=10_000, folder=str(folder))
        assert forked.run(died_over).returncode == 0
        assert all(known(folder, numbers)), number
        assert len(shards(folder)) == 1, number
    assert died >= 9


WRITER = """
import sys
from pathlib import Path
import numpy as np
from scatd.embedding.store import EmbeddingStore

writer = EmbeddingStore(Path(sys.argv[1]), 2)
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    names = np.array([bytes([number]) * 16], "S16")
    writer.append(names, np.full((1, 2), number, np.float32))
    assert writer.get(names)[1].all()
"""


def test_many_processes_write_at_once(tmp_path):
    ranges = [(1, 30), (30, 60), (50, 80), (80, 100)]
    processes = [forked.Process(WRITER, tmp_path, low, high) for low, high in ranges]
    assert [process.wait() for process in processes] == [0] * 4
    assert len(shards(tmp_path)) == 4
    assert all(known(tmp_path, range(1, 100)))


# The index ---------------------------------------------------------------------------------------


def test_the_index_needs_at_most_24_bytes_a_cell_and_few_parts():
    n = 1 << 16
    digests = np.frombuffer(np.random.default_rng(0).bytes(16 * n), "S16")
    tracemalloc.start()
    index = Index()
    for start in range(0, n, 512):
        index.add(digests[start : start + 512], 0, start)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 24 * n
    assert len(index) == n
    assert len(index._parts) <= 8
    found = np.full(n, -1)
    for places, _, rows in index.candidates(digests):
        found[places] = rows
    np.testing.assert_array_equal(found, np.arange(n))


def test_the_index_is_made_once_a_run(tmp_path, monkeypatch):
    put(tmp_path, [1, 2, 3])
    made = []

    class Counted(Index):
        def __init__(self):
            made.append(1)
            super().__init__()

    monkeypatch.setattr(store, "Index", Counted)
    reader = EmbeddingStore(tmp_path, 2)
    for number in (1, 2, 3, 4):
        reader.get(names_of([number]))
    reader.append(names_of([4]), np.ones((1, 2), np.float32))
    assert len(reader) == 4
    assert made == [1]
