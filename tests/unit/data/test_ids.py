"""Ids are read in blocks, and are the ids that pandas and anndata read whole."""

from __future__ import annotations

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr

from scatd.data import ids as module
from scatd.data.ids import Ids, check_ids, held_ids, row_numbers, stored_ids
from scatd.errors import Faults, InputError

NAMES = ["ä-1", "b", "", "d", "e", "f", "g", "h", "i", "j"]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 4)


def stored(tmp_path, index, suffix):
    path = tmp_path / f"cells{suffix}"
    adata = anndata.AnnData(np.zeros((len(index), 1), np.float32), pd.DataFrame(index=index))
    if suffix == ".zarr":
        adata.write_zarr(path)
        return stored_ids(path, zarr.open_group(path, mode="r")["obs"])
    adata.write_h5ad(path)
    return stored_ids(path, h5py.File(path)["obs"])


def counted(values):
    """Ids that count how often each block is read."""
    reads = []

    def read(start, stop):
        reads.append((start, stop))
        return values[start:stop]

    return Ids(read, len(values)), reads


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_a_store_gives_the_ids_that_anndata_reads(tmp_path, suffix):
    found = stored(tmp_path, pd.Index(NAMES), suffix)
    assert len(found) == len(NAMES)
    assert np.asarray(found).tolist() == list(found) == NAMES
    assert np.asarray(found).dtype.kind == "U"


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_categories_as_index_are_read_as_their_words(tmp_path, suffix):
    path = tmp_path / f"cells{suffix}"
    root = h5py.File(path, "w") if suffix == ".h5ad" else zarr.open_group(path, mode="w")
    words = pd.Categorical(["b", "a", "c"])
    anndata.io.write_elem(root, "obs", pd.DataFrame({"name": words, "n": [1, 2, 3]}))
    root["obs"].attrs["_index"] = "name"
    assert np.asarray(stored_ids(path, root["obs"])).tolist() == ["b", "a", "c"]


def test_numbers_and_fixed_width_text_in_a_store_become_text(tmp_path):
    with h5py.File(tmp_path / "cells.h5ad", "w") as root:
        obs = root.create_group("obs")
        obs.attrs["_index"] = "n"
        obs["n"] = np.array([7, 8, 9])
        assert stored_ids(tmp_path / "cells.h5ad", obs)[1:].tolist() == ["8", "9"]
        obs["b"] = np.array([b"x1", b"x2", b"x3"])
        obs.attrs["_index"] = "b"
        assert stored_ids(tmp_path / "cells.h5ad", obs)[1:].tolist() == ["x2", "x3"]


def test_missing_ids_are_empty():
    assert np.asarray(held_ids(pd.Index(["a", None, np.nan]))).tolist() == ["a", "", ""]


@pytest.mark.parametrize(
    "rows",
    [
        slice(2, 9),
        slice(None, None, 3),
        slice(8, 2),
        slice(-3, None),
        [9, 0, 0, 5, -1],
        np.arange(10) % 3 == 0,
        np.empty(0, int),
    ],
)
@pytest.mark.parametrize("make", [held_ids, lambda names: counted(np.array(names))[0]])
def test_rows_are_picked_as_numpy_picks_them(make, rows):
    assert make(NAMES)[rows].tolist() == np.array(NAMES)[rows].tolist()


def test_one_row_is_one_text():
    assert row_numbers(10)[3] == "3"
    assert row_numbers(10)[np.int64(-1)] == "9"
    with pytest.raises(IndexError):
        row_numbers(10)[10]
    with pytest.raises(IndexError):
        row_numbers(10)[[2, 10]]


def test_rows_in_order_read_every_block_once():
    found, reads = counted(np.array(NAMES))
    for start in range(0, 10, 3):
        found[start : start + 3]
    assert reads == [(0, 4), (4, 8), (8, 10)]


def test_a_picked_row_reads_its_own_block_only():
    found, reads = counted(np.array(NAMES))
    assert found[[9, 1]].tolist() == ["j", "b"]
    assert reads == [(0, 4), (8, 10)]


def test_row_numbers_are_no_ids():
    assert not check_ids(row_numbers(9), Faults())
    assert check_ids(held_ids(NAMES[3:]), Faults())
    assert check_ids(held_ids(["0", "1", "3"]), Faults())


def test_repeated_and_empty_ids_are_named_across_blocks():
    names = ["a", "b", "", "c", "b", "d", "a", "", "b", "e"]
    faults = Faults("cells.h5ad")
    assert check_ids(held_ids(names), faults)
    with pytest.raises(InputError) as error:
        faults.raise_if_any()
    assert "2 ids are empty. Give every row its own id." in str(error.value)
    assert "2 ids occur more than once, such as 'b', 'a'" in str(error.value)


def test_repeated_ids_may_be_allowed():
    faults = Faults()
    check_ids(held_ids(["a", "a"]), faults, unique=False)
    assert not faults


def test_equal_hashes_alone_are_no_repeated_ids(monkeypatch):
    monkeypatch.setattr(
        module, "_hashed", lambda texts: np.array([len(text) for text in texts], np.uint64)
    )
    faults = Faults()
    check_ids(held_ids(["ab", "cd", "efg", "cd"]), faults)
    assert [str(fault) for fault in faults] == [
        "1 id occurs more than once, such as 'cd'. Expected one row an id. Make them unique "
        "(adata.obs_names_make_unique()) or remove the copies."
    ]


def test_damaged_ids_give_one_message(tmp_path):
    found = stored(tmp_path, pd.Index([f"cell{i}" for i in range(9)]), ".zarr")
    for chunk in (tmp_path / "cells.zarr" / "obs" / "_index").rglob("*"):
        if chunk.is_file() and not chunk.name.startswith((".", "zarr.json")):
            chunk.write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"cannot be read as a \.zarr store"):
        found[2:3]
