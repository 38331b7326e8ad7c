"""Tables of every kind of column are written, and come back with the same words and numbers."""

from __future__ import annotations

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest

from scatd.data.storable import write_h5ad
from scatd.data.writing import writing_cohort
from scatd.workflows.predict.request import PredictRequest
from scatd.workflows.predict.run import predict
from tests.containers import WRITERS
from tests.frozen import DATA

IDS = ["a", "b", "c"]
COLUMNS = {
    "words": (pd.array(["x", "y", "x"], dtype="string"), ["x", "y", "x"]),
    "words apart": (pd.array(["x", "y", "z"], dtype="string"), ["x", "y", "z"]),
    "missing words": (pd.array(["x", None, "y"], dtype="string"), ["x", None, "y"]),
    "words of pandas 3": (
        pd.array(["x", None, "y"], pd.StringDtype(na_value=np.nan)),
        ["x", None, "y"],
    ),
    "objects": (np.array(["x", None, "y"], object), ["x", None, "y"]),
    "nothing": (np.array([None] * 3, object), [None] * 3),
    "bytes": (np.array([b"x", b"y", b"y"], object), ["x", "y", "y"]),
    "mixed": (np.array(["x", 1, 2.5], object), ["x", "1", "2.5"]),
    "kinds": (pd.Categorical(pd.array(["x", None, "y"], dtype="string")), ["x", None, "y"]),
    "kinds mixed": (pd.Categorical(["x", 1, None]), ["x", "1", None]),
    "kinds alike": (pd.Categorical(["1", 1, None]), ["1", "1", None]),
    "kinds of numbers": (pd.Categorical([3, 4, None]), [3, 4, None]),
    "whole numbers": (pd.array([1, None, 3], dtype="Int64"), [1, None, 3]),
    "numbers": (pd.array([1.5, None, 3], dtype="Float64"), [1.5, None, 3]),
    "truths": (pd.array([True, None, False], dtype="boolean"), [True, None, False]),
    "half floats": (np.array([1, 2, 3], "f2"), [1, 2, 3]),
    "days": (
        pd.to_datetime(["2024-01-02", None, "2024-01-03"]),
        ["2024-01-02 00:00:00", None, "2024-01-03 00:00:00"],
    ),
    "intervals": (pd.cut([1, 5, 9], [0, 4, 10]), ["(0, 4]", "(4, 10]", "(4, 10]"]),
}


def values(column):
    held = column.astype(object)
    return [None if gone else value for value, gone in zip(held, held.isna(), strict=True)]


@pytest.mark.parametrize("infer", [False, True])
@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_every_kind(tmp_path, name, infer):
    given, expected = COLUMNS[name]
    with pd.option_context("future.infer_string", infer):
        table = pd.DataFrame({"column": given}, index=pd.Index(IDS, dtype="string"))
        cells = ad.AnnData(np.ones((3, 2), np.float32), obs=table)
        write_h5ad(cells, tmp_path / "a.h5ad")
        with writing_cohort(tmp_path / "b.h5ad", 2) as writer:
            writer.finish(table.iloc[:0], table.iloc[:2], {"table": table})
    whole, by_rows = ad.read_h5ad(tmp_path / "a.h5ad"), ad.read_h5ad(tmp_path / "b.h5ad")
    assert values(whole.obs["column"]) == expected
    assert values(by_rows.var["column"]) == expected[:2]
    assert values(by_rows.uns["table"]["column"]) == expected
    assert list(whole.obs_names) == IDS


def test_names_that_the_format_keeps_or_has_twice(tmp_path):
    obs = pd.DataFrame([[1, 2, 3, 4]] * 3, IDS, ["_index", "index", 5, "5"])
    obs.index.name = "index"
    cells = ad.AnnData(np.ones((3, 2), np.float32), obs=obs)
    cells.raw = cells.copy()
    cells.raw.var["_index"] = ["g", "h"]
    cells.uns = {"note": pd.array(["x", None], dtype="string"), "deep": {1: pd.Index(["x"])}}
    cells.obsm["table"] = pd.DataFrame({"w": pd.array(["x", None, "y"], dtype="string")}, IDS)
    write_h5ad(cells, tmp_path / "a.h5ad")
    found = ad.read_h5ad(tmp_path / "a.h5ad")
    assert list(found.obs.columns) == ["index", "index_2", "5", "5_2"]
    assert found.obs.iloc[0].tolist() == [1, 2, 3, 4]
    assert found.raw.var["index"].tolist() == ["g", "h"]
    assert list(found.uns["deep"]["1"]) == ["x"]
    assert values(found.obsm["table"]["w"]) == ["x", None, "y"]


@pytest.mark.parametrize(
    "name", ["h5ad with words that may be missing", "h5ad half floats", "h5ad of anndata 0.6"]
)
def test_predict_writes_such_files_back(copied_registry, tmp_path, name):
    counts = _counts()
    (tmp_path / "given").mkdir()
    path = WRITERS[name](tmp_path / "given", counts)
    given = _with_embedding(path)
    scored = predict(PredictRequest("docetaxel", given, tmp_path / "scored.h5ad", device="cpu"))
    found = ad.read_h5ad(scored.output)
    X = found.X.toarray()
    np.testing.assert_array_equal(X, counts.to_numpy())
    assert list(found.obs_names) == list(counts.index)
    assert found.obs["scatd_docetaxel_prob_resistant"].notna().all()
    if "missing" in name:
        assert values(found.obs["note"]) == ["one", None] * 6
        assert values(found.obs["stage"]) == [1, None] * 6


def test_predict_reads_what_anndata_0_13_and_pandas_3_wrote(copied_registry, tmp_path):
    given = DATA / "anndata-0.13.h5ad"
    scored = predict(PredictRequest("docetaxel", given, tmp_path / "scored.h5ad", device="cpu"))
    found = ad.read_h5ad(scored.output)
    np.testing.assert_array_equal(found.X.toarray(), _counts().to_numpy())
    np.testing.assert_array_equal(found.layers["counts"].toarray(), _counts().to_numpy())
    assert list(found.obs_names) == list(_counts().index)
    assert values(found.obs["note"]) == ["one", None] * 6
    assert values(found.obs["stage"]) == [1, None] * 6
    assert list(found.obs["line"]) == ["a", "b", "c"] * 4
    assert list(found.obs["patient"]) == ["p0", "p1", "p2", "p3"] * 3
    assert values(found.var["symbol"]) == ["A", "B", None, "D", "E"]
    assert found.uns["title"] == "twelve cells"
    assert list(found.uns["names"]) == ["x", "y"]
    assert found.obs["scatd_docetaxel_prob_resistant"].notna().all()


def _with_embedding(path):
    embedding = np.random.default_rng(0).normal(size=(12, 12)).astype(np.float32)
    with h5py.File(path, "r+") as file:
        if hasattr(file["obs"], "shape"):  # anndata 0.6 keeps obsm in one table, too
            table = np.zeros(12, dtype=[("X_scfoundation", "f4", (12,))])
            table["X_scfoundation"] = embedding
            file["obsm"] = table
        else:
            file["obsm/X_scfoundation"] = embedding
    return path


@pytest.mark.parametrize("said", ["a word", np.arange(3), {"docetaxel": "a word"}])
def test_predict_writes_beside_what_others_said(copied_registry, tmp_path, said):
    """`uns` may hold anything under any name, also what cannot be copied to another file."""
    path = _with_embedding(WRITERS["h5ad rows"](tmp_path, _counts()))
    with h5py.File(path, "r+") as file:
        ad.io.write_elem(file.require_group("uns"), "scatd", said)
        file.create_dataset("uns/places", data=[file["X"].ref], dtype=h5py.ref_dtype)
        file.create_dataset("uns/mixed", data=["x", "y"], dtype=h5py.string_dtype())
    scored = predict(PredictRequest("docetaxel", path, tmp_path / "scored.h5ad", device="cpu"))
    found = ad.read_h5ad(scored.output)
    assert found.uns["scatd"]["docetaxel"]["family"] == "sf"
    assert list(found.uns["mixed"]) == ["x", "y"]


def _counts():
    return pd.DataFrame(
        np.arange(60).reshape(12, 5) % 4,
        [f"cell{number}" for number in range(12)],
        [f"GENE{number}" for number in range(5)],
    )
