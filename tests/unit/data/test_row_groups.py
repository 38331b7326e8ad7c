"""A large parquet table is read by its row groups, and holds what pandas reads whole."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from scatd.data import tables
from scatd.data.features import read_features
from scatd.data.lazy import LazyMatrix
from scatd.data.row_groups import RowGroups
from scatd.data.tables import open_table
from scatd.errors import InputError

N = 23
IDS = [f"cell{row}" for row in range(N)]


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)


@pytest.fixture
def large(monkeypatch):
    """No table needs to be of 2 GB to be too large for memory."""
    monkeypatch.setattr(tables, "IN_MEMORY_BYTES", 0)


def written(path, frame, rows=5, **options):
    frame.to_parquet(path, row_group_size=rows, **options)
    return path


def frames(X):
    """Tables as users write them, by name."""
    frame = pd.DataFrame(X, columns=list("vwxy"))
    return {
        "ids as index": frame.set_axis(IDS, axis=0),
        "named index": frame.set_axis(pd.Index(IDS, name="barcode"), axis=0),
        "row numbers": frame,
        "ids first": frame.assign(id=IDS)[["id", *"vwxy"]],
        "ids last": frame.assign(id=IDS),
        "doubles": frame.astype(np.float64).set_axis(IDS, axis=0),
        "integers": (frame * 10).astype(int).set_axis(IDS, axis=0),
    }


NAMES = list(frames(np.zeros((N, 4))))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [5, 23, 100])
def test_features_are_those_of_the_table_in_memory(X, tmp_path, monkeypatch, name, rows):
    path = written(tmp_path / "a.parquet", frames(X)[name], rows)
    expected = read_features(path, "sf")
    assert isinstance(expected.X, np.ndarray)
    monkeypatch.setattr(tables, "IN_MEMORY_BYTES", 0)
    found = read_features(path, "sf", mmap=True)
    np.testing.assert_array_equal(np.asarray(found.X), expected.X)
    np.testing.assert_array_equal(found.X[3:12], expected.X[3:12])
    np.testing.assert_array_equal(found.X[[0, 7, 22]], expected.X[[0, 7, 22]])
    assert found.ids.tolist() == expected.ids.tolist()
    assert found.has_ids == expected.has_ids


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("large")
def test_parts_are_those_of_the_table_in_memory(X, tmp_path, name):
    path = written(tmp_path / "a.parquet", frames(X)[name])
    table = open_table(path)
    in_memory = pd.read_parquet(path)
    if in_memory.index[0] == "cell0":
        in_memory = in_memory.reset_index(names=in_memory.index.name or "")
    assert table.header == list(in_memory.columns)
    assert table.n_rows == N
    assert list(table.row_names) == list(map(str, in_memory.iloc[:, 0].tolist()))
    text = [table.header.index(title) for title in ("", "id", "barcode") if title in table.header]
    found = pd.concat(table.chunks(3, text))
    for place, title in enumerate(table.header):
        assert found[place].tolist() == in_memory[title].tolist()


def test_only_the_groups_that_are_asked_for_are_read(X, tmp_path, monkeypatch):
    path = written(tmp_path / "a.parquet", pd.DataFrame(X, columns=list("vwxy")))
    groups = RowGroups(path)
    reads = []
    read = parquet.ParquetFile.read_row_group

    def counted(file, group, **options):
        reads.append(group)
        return read(file, group, **options)

    monkeypatch.setattr(parquet.ParquetFile, "read_row_group", counted)
    rows = LazyMatrix(lambda a, b: groups.values([0, 1, 2, 3], a, b), (N, 4), groups.block_rows)
    assert groups.block_rows == 5
    np.testing.assert_array_equal(rows[11:13], X[11:13])
    assert reads == [2]
    reads.clear()
    for start in range(0, N, 2):
        np.testing.assert_array_equal(rows[start : start + 2], X[start : start + 2])
    assert reads == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("large")
def test_groups_of_unequal_size_are_read_too(X, tmp_path):
    frame = pd.DataFrame(X, columns=list("vwxy"))
    import pyarrow as pa

    table = pa.Table.from_pandas(frame)
    with parquet.ParquetWriter(tmp_path / "a.parquet", table.schema) as writer:
        for start, stop in ((0, 2), (2, 11), (11, 12), (12, N)):
            writer.write_table(table.slice(start, stop - start))
    found = read_features(tmp_path / "a.parquet", "sf", mmap=True)
    assert found.X.block_rows == 1
    for start in range(0, N, 4):
        np.testing.assert_array_equal(found.X[start : start + 4], X[start : start + 4])


@pytest.mark.usefixtures("large")
def test_a_word_among_the_numbers_is_named(X, tmp_path):
    frame = pd.DataFrame(X, columns=list("vwxy"), index=IDS).astype({"w": object})
    frame["w"] = [f"{value}" for value in frame["w"]]
    frame.loc["cell17", "w"] = "high"
    path = written(tmp_path / "a.parquet", frame)
    with pytest.raises(InputError, match="'w' has 'high' in row 17"):
        read_features(path, "sf", mmap=True)


@pytest.mark.usefixtures("large")
def test_gaps_are_found(X, tmp_path):
    frame = pd.DataFrame(X, columns=list("vwxy"), index=IDS)
    frame["y"] = pd.array([1] * 9 + [None] + [2] * 13, dtype="Int64")
    path = written(tmp_path / "a.parquet", frame)
    with pytest.raises(InputError, match=r"1 NaN.*row 9 \(id 'cell9'\), column 3"):
        np.asarray(read_features(path, "sf", mmap=True).X)


@pytest.mark.usefixtures("large")
def test_a_table_without_rows_or_numbers_is_refused(X, tmp_path):
    path = written(tmp_path / "a.parquet", pd.DataFrame(X[:0], columns=list("vwxy")))
    with pytest.raises(InputError, match="0 rows"):
        read_features(path, "sf", mmap=True)


@pytest.mark.parametrize("n_bytes", [100, 2000])
@pytest.mark.usefixtures("large")
def test_a_damaged_table_is_one_message(X, tmp_path, n_bytes):
    path = written(tmp_path / "a.parquet", pd.DataFrame(X, columns=list("vwxy")))
    path.write_bytes(path.read_bytes()[:-n_bytes])
    with pytest.raises(InputError, match="cannot be read as a parquet table"):
        read_features(path, "sf", mmap=True)
