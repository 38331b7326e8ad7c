"""Columns of a store, read one by one or in parts, are those that anndata reads whole."""

from __future__ import annotations

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr

from scatd.data.annotations import Annotations
from scatd.errors import InputError

N = 7


def cells():
    """A column of each kind that anndata writes."""
    return pd.DataFrame(
        {
            "tissue": pd.Categorical(["skin", "lung", None, "skin", "lung", "skin", "skin"]),
            "grade": pd.Categorical(list("abacaba"), categories=list("cba"), ordered=True),
            "n": np.arange(N),
            "score": np.linspace(0, 1, N),
            "is_in": np.arange(N) % 2 == 0,
            "note": [f"ä{i}" for i in range(N)],
            "count": pd.array([1, None, 3, 4, 5, 6, None], dtype="Int64"),
            "flag": pd.array([True, None, False, True, True, None, False], dtype="boolean"),
        },
        index=[f"cell{i}" for i in range(N)],
    )


@pytest.fixture(params=[".h5ad", ".zarr"])
def store(request, tmp_path):
    path = tmp_path / f"cells{request.param}"
    adata = anndata.AnnData(np.zeros((N, 1), np.float32), cells())
    if request.param == ".zarr":
        adata.write_zarr(path)
        yield path, zarr.open_group(path, mode="r")["obs"]
    else:
        adata.write_h5ad(path)
        with h5py.File(path) as root:
            yield path, root["obs"]


def test_parts_hold_what_anndata_reads(store):
    path, obs = store
    whole = anndata.io.read_elem(obs).reset_index(drop=True)
    found = Annotations(path, obs, N)
    assert found.columns == list(whole.columns)
    for start, stop in ((0, 3), (3, N), (2, 2), (0, N)):
        pd.testing.assert_frame_equal(found.rows(start, stop), whole.iloc[start:stop])


def test_a_column_is_read_alone(store):
    path, obs = store
    found = Annotations(path, obs, N)
    assert len(found) == N
    assert "tissue" in found
    assert "colour" not in found
    pd.testing.assert_series_equal(found["tissue"], cells()["tissue"].reset_index(drop=True))
    with pytest.raises(KeyError):
        found["colour"]


def test_a_damaged_column_gives_one_message(tmp_path):
    path = tmp_path / "cells.zarr"
    anndata.AnnData(np.zeros((N, 1), np.float32), cells()).write_zarr(path)
    found = Annotations(path, zarr.open_group(path, mode="r")["obs"], N)
    for chunk in (path / "obs" / "score").rglob("*"):
        if chunk.is_file() and not chunk.name.startswith((".", "zarr.json")):
            chunk.write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"cannot be read as a \.zarr store"):
        found.rows(0, 2)
    assert found["n"].tolist() == list(range(N))
