"""A cohort in a new file with columns and embeddings added: as anndata writes the same cohort."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import zarr
from scipy import sparse

from scatd.data import copies
from scatd.data.annotating import annotating
from scatd.data.opened import open_input
from scatd.errors import InputError
from tests.containers import WRITERS, twenty_cells
from tests.products import each, pairs

pytestmark = pytest.mark.filterwarnings("ignore")

N = 20
RNG = np.random.default_rng(3)
PROB = RNG.random(N)
CODES = np.arange(N) % 3 - 1
KNOWN = pd.array([True, False, None, True] * 5, dtype="boolean")
WORDS = np.array([f"word {number}" for number in range(N)], object)
LATENT = RNG.normal(size=(N, 4)).astype(np.float32)
CALLS = ("sensitive", "resistant")
BLOCKS = (slice(0, 7), slice(7, 8), slice(8, 20))


def rich() -> ad.AnnData:
    """A cohort with every kind of element."""
    X = np.random.default_rng(0).poisson(0.7, (N, 6)).astype(np.float32)
    cells = ad.AnnData(sparse.csr_matrix(X), obs=pd.DataFrame(index=[f"cell{i}" for i in range(N)]))
    cells.raw = ad.AnnData(sparse.csr_matrix(np.hstack([X, X])), obs=cells.obs.copy())
    cells.var_names = [f"GENE{number}" for number in range(6)]
    cells.var["length"] = np.arange(6)
    cells.obs["site"] = pd.Categorical(["lung", "breast"] * 10)
    cells.obs["age"] = pd.array([1, None] * 10, dtype="Int64")
    cells.obs["smokes"] = KNOWN
    cells.obs["score"] = PROB
    cells.obs["note"] = pd.Series(WORDS, cells.obs_names, dtype=object)
    cells.layers["dense"] = X * 2
    cells.layers["columns"] = sparse.csc_matrix(X)
    cells.obsm["X_pca"] = LATENT.astype(np.float64)
    cells.obsm["table"] = pd.DataFrame({"a": PROB, "b": CODES}, index=cells.obs_names)
    cells.obsm["sparse"] = sparse.csr_matrix(X)
    near = sparse.random(N, N, 0.2, random_state=0)
    cells.obsp["rows"], cells.obsp["columns"] = near.tocsr(), near.tocsc()
    cells.obsp["dense"] = near.toarray()
    cells.varm["PCs"] = np.ones((6, 2))
    cells.varp["genes"] = sparse.csr_matrix(np.eye(6))
    cells.uns = {"scatd": {"docetaxel": {"threshold": 0.4}}, "colours": np.array(["red", "blue"])}
    return cells


def small() -> ad.AnnData:
    """A cohort with a sparse and a dense matrix, where the kinds of elements do not matter."""
    X = np.random.default_rng(0).poisson(0.7, (N, 6)).astype(np.float32)
    names = pd.DataFrame(index=[f"cell{number}" for number in range(N)])
    return ad.AnnData(sparse.csr_matrix(X), obs=names, layers={"dense": X * 2})


def written(cells: ad.AnnData, path: Path, zarr_format: int = 2) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".h5ad":
            cells.write_h5ad(path)
        else:
            with ad.settings.override(zarr_write_format=zarr_format):
                cells.write_zarr(path)
    return path


def read(path: Path) -> ad.AnnData:
    return ad.read_h5ad(path) if path.suffix == ".h5ad" else ad.read_zarr(path)


def annotated(source: Path, target: Path, rows: slice | None = None) -> ad.AnnData:
    """Add one of each kind, in blocks, and read the result."""
    within = rows or slice(0, N)
    with open_input(source) as opened, annotating(opened, target, rows) as cohort:
        assert cohort.n_obs == within.stop - within.start
        columns = {
            "prob": (cohort.column("prob", "float64"), PROB),
            "half": (cohort.column("half", "float32"), PROB),
            "call": (cohort.column("call", "categorical", CALLS), CODES),
            "known": (cohort.column("known", "boolean"), KNOWN),
            "word": (cohort.column("word", "string"), WORDS),
        }
        latent = cohort.matrix("X_latent", 4, np.float32)
        for block in BLOCKS:
            some = range(N)[within][slice(*block.indices(cohort.n_obs))]
            for column, values in columns.values():
                column.add(values[some.start : some.stop])
            latent.add(LATENT[some.start : some.stop])
        about = cohort.uns("scatd")
        cohort.set_uns("scatd", {**about, "drug": {"alignment": "none"}})
    if "half floats" in str(source.parent):  # anndata cannot read them
        with open_input(target) as opened:
            return opened.whole()
    return read(target)


def expected(cells: ad.AnnData) -> ad.AnnData:
    """The same additions, by anndata and pandas."""
    cells.obs["prob"], cells.obs["half"] = PROB, PROB.astype(np.float32)
    cells.obs["call"] = pd.Categorical.from_codes(CODES, list(CALLS))
    cells.obs["known"] = KNOWN
    cells.obs["word"] = pd.Series(WORDS, cells.obs_names, dtype=object)
    cells.obsm["X_latent"] = LATENT
    cells.uns["scatd"] = {**cells.uns.get("scatd", {}), "drug": {"alignment": "none"}}
    return cells


def assert_equal(found: ad.AnnData, wanted: ad.AnnData) -> None:
    pd.testing.assert_frame_equal(found.obs, wanted.obs)
    pd.testing.assert_frame_equal(found.var, wanted.var)
    assert (found.X is None) == (wanted.X is None)
    for slot in ("layers", "obsm", "obsp", "varm", "varp"):
        assert getattr(found, slot).keys() == getattr(wanted, slot).keys()
        for name, element in getattr(wanted, slot).items():
            same(getattr(found, slot)[name], element)
    if wanted.X is not None:
        same(found.X, wanted.X)
    assert (found.raw is None) == (wanted.raw is None)
    if wanted.raw is not None:
        same(found.raw.X, wanted.raw.X)
        pd.testing.assert_frame_equal(found.raw.var, wanted.raw.var)
    assert found.uns.keys() == wanted.uns.keys()
    assert found.uns["scatd"] == wanted.uns["scatd"]
    assert list(found.uns["colours"]) == list(wanted.uns["colours"])


def same(found, wanted) -> None:
    assert type(found) is type(wanted)
    if isinstance(wanted, pd.DataFrame):
        pd.testing.assert_frame_equal(found, wanted)
        return
    assert found.dtype == wanted.dtype
    if sparse.issparse(wanted):
        assert found.format == wanted.format
        found, wanted = found.toarray(), wanted.toarray()
    np.testing.assert_array_equal(found, wanted)


SOURCES = {"h5ad": ("cells.h5ad", 2), "zarr 2": ("cells.zarr", 2), "zarr 3": ("cells.zarr", 3)}


TARGETS = ("out.h5ad", "out.zarr")
ROWS = (None, slice(0, 9), slice(9, 20), slice(5, 6))


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> dict[str, Path]:
    """The cohort with every kind of element, in each kind of file; they are only read."""
    return {
        source: written(rich(), tmp_path_factory.mktemp("rich") / name, zarr_format)
        for source, (name, zarr_format) in SOURCES.items()
    }


@pytest.fixture(scope="module")
def read_back(tmp_path_factory):
    """Some rows of the cohort with the additions, as anndata writes and reads them; each once."""
    found = {}

    def read_back(target: str, rows: slice | None) -> ad.AnnData:
        place = f"{target} {rows}"
        if place not in found:
            kept = rows_of(expected(rich()), rows)
            found[place] = read(written(kept, tmp_path_factory.mktemp("own") / target))
        return found[place]

    return read_back


def rows_of(cells: ad.AnnData, rows: slice | None) -> ad.AnnData:
    with ad.settings.override(remove_unused_categories=False):
        return cells if rows is None else cells[rows].copy()


@pytest.mark.parametrize(("source", "target", "rows"), pairs(SOURCES, TARGETS, ROWS), ids=str)
def test_the_file_equals_what_anndata_writes(tmp_path, sources, read_back, source, target, rows):
    path = sources[source]
    found = annotated(path, tmp_path / target, rows)
    assert_equal(found, read_back(target, rows))
    assert_equal(found, rows_of(expected(read(path)), rows))


def is_store(name: str) -> bool:
    return name.startswith(("h5ad", "zarr"))


@pytest.mark.parametrize(("name", "target"), each(sorted(filter(is_store, WRITERS)), TARGETS))
def test_files_of_other_programs_and_versions(tmp_path, name, target):
    (tmp_path / name).mkdir()
    path = WRITERS[name](tmp_path / name, twenty_cells())
    found = annotated(path, tmp_path / target)
    with open_input(path) as opened:
        wanted = opened.whole()
    np.testing.assert_array_equal(found.obs["prob"], PROB)
    assert list(found.obs_names) == list(wanted.obs_names)
    assert list(found.var_names) == list(wanted.var_names)
    assert (found.X is None) == (wanted.X is None)
    if wanted.X is not None:
        np.testing.assert_array_equal(dense(found.X), dense(wanted.X))
    for layer in wanted.layers:
        np.testing.assert_array_equal(dense(found.layers[layer]), dense(wanted.layers[layer]))


def dense(matrix) -> np.ndarray:
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


NO_STORES = ("loom", "10x h5 of Cell Ranger 3", "mtx by gene")


@pytest.mark.parametrize(
    ("name", "rows", "target"), pairs(NO_STORES, (None, slice(4, 12)), TARGETS), ids=str
)
def test_cohorts_that_are_no_stores(tmp_path, name, rows, target):
    path = WRITERS[name](tmp_path, twenty_cells())
    found = annotated(path, tmp_path / target, rows)
    with open_input(path) as opened:
        wanted = opened.whole()[rows or slice(None)]
    assert list(found.obs_names) == list(wanted.obs_names)
    np.testing.assert_array_equal(dense(found.X), dense(wanted.X))
    assert found.layers.keys() == wanted.layers.keys()
    for layer in wanted.layers:
        np.testing.assert_array_equal(dense(found.layers[layer]), dense(wanted.layers[layer]))


@pytest.mark.parametrize("target", TARGETS)
def test_a_plain_matrix_becomes_its_ids(tmp_path, target):
    np.save(tmp_path / "X.npy", LATENT)
    ids = np.array([f"cell{number}" for number in range(N)])
    with (
        open_input(tmp_path / "X.npy") as opened,
        annotating(opened, tmp_path / target, slice(4, 10), ids) as cohort,
    ):
        cohort.column("prob", "float64").add(PROB[4:10])
    found = read(tmp_path / target)
    assert found.shape == (6, 0)
    assert list(found.obs_names) == list(ids[4:10])
    np.testing.assert_array_equal(found.obs["prob"], PROB[4:10])


@pytest.mark.parametrize("target", TARGETS)
def test_an_anndata_in_memory_is_written_and_not_changed(tmp_path, target):
    cells = rich()
    with open_input(cells) as opened, annotating(opened, tmp_path / target) as cohort:
        cohort.column("prob", "float64").add(PROB)
    assert "prob" not in cells.obs
    np.testing.assert_array_equal(read(tmp_path / target).obs["prob"], PROB)


@pytest.mark.parametrize("target", TARGETS)
def test_columns_and_matrices_of_the_same_name_are_replaced(tmp_path, target):
    path = written(rich(), tmp_path / "cells.h5ad")
    with open_input(path) as opened, annotating(opened, tmp_path / target) as cohort:
        cohort.column("site", "float32").add(np.arange(N))
        cohort.remove_column("age")
        cohort.remove_column("never there")
        cohort.matrix("X_pca", 1, np.float32).add(np.ones((N, 1)))
    found = read(tmp_path / target)
    assert list(found.obs) == ["smokes", "score", "note", "site"]
    assert found.obs["site"].tolist() == list(range(N))
    assert found.obsm["X_pca"].shape == (N, 1)


def test_categories_may_be_known_last_and_be_many(tmp_path):
    path = written(rich(), tmp_path / "cells.h5ad")
    kinds = [f"kind {number}" for number in range(300)]
    codes = np.arange(N) * 15
    with open_input(path) as opened, annotating(opened, tmp_path / "out.h5ad") as cohort:
        column = cohort.column("kind", "categorical")
        column.add(codes)
        column.categories = kinds
    found = ad.read_h5ad(tmp_path / "out.h5ad").obs["kind"]
    assert found.tolist() == [kinds[code] for code in codes]


@pytest.mark.parametrize("fault", ["too few", "too many", "no category"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_wrong_number_of_rows_leaves_no_file(tmp_path, target, fault):
    path = written(small(), tmp_path / "cells.h5ad")
    before = sorted(tmp_path.iterdir())
    with (  # noqa: PT012
        pytest.raises(ValueError, match=r"rows of 20|categories"),
        open_input(path) as opened,
        annotating(opened, tmp_path / target) as cohort,
    ):
        if fault == "no category":
            cohort.column("call", "categorical", CALLS).add(np.full(N, 2))
        else:
            cohort.column("prob", "float64").add(np.zeros(N - 1 if fault == "too few" else N + 1))
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_is_annotated_in_its_own_place(tmp_path):
    path = written(rich(), tmp_path / "cells.h5ad")
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    with (  # noqa: PT012
        pytest.raises(KeyboardInterrupt),
        open_input(path) as opened,
        annotating(opened, path) as cohort,
    ):
        cohort.column("prob", "float64").add(PROB[:3])
        raise KeyboardInterrupt
    assert hashlib.sha256(path.read_bytes()).hexdigest() == content
    wanted = expected(ad.read_h5ad(path))
    assert_equal(annotated(path, path), wanted)


def test_the_ids_of_the_rows_are_not_written_over(tmp_path):
    cells = small()
    cells.obs.index.name = "barcode"
    path = written(cells, tmp_path / "cells.h5ad")
    with (
        pytest.raises(InputError, match="ids of its rows under the name 'barcode'"),
        open_input(path) as opened,
        annotating(opened, tmp_path / "out.h5ad") as cohort,
    ):
        cohort.column("barcode", "string")


def test_another_ending_is_refused(tmp_path):
    path = written(small(), tmp_path / "cells.h5ad")
    with (
        open_input(path) as opened,
        pytest.raises(InputError, match=r"\.h5ad or \.zarr"),
        annotating(opened, tmp_path / "out.csv"),
    ):
        pass


@pytest.mark.parametrize("source", SOURCES)
def test_small_blocks_give_the_same(tmp_path, monkeypatch, source):
    monkeypatch.setattr(copies, "_BLOCK_BYTES", 64)
    monkeypatch.setattr(copies, "BLOCK_VALUES", 5)
    name, zarr_format = SOURCES[source]
    path = written(rich(), tmp_path / name, zarr_format)
    found = annotated(path, tmp_path / "out.h5ad", slice(3, 17))
    assert_equal(found, expected(read(path))[3:17].copy())


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_the_list_of_all_parts_of_a_zarr_names_the_new_ones(tmp_path, zarr_format):
    path = written(small(), tmp_path / "cells.zarr", zarr_format)
    with open_input(path) as opened, annotating(opened, tmp_path / "out.zarr") as cohort:
        cohort.column("prob", "float64").add(PROB)
    root = zarr.open_consolidated(tmp_path / "out.zarr")
    assert root["obs/prob"].shape == (N,)
    assert root.metadata.zarr_format == zarr_format


def test_a_damaged_part_is_one_message_and_no_file(tmp_path):
    path = written(small(), tmp_path / "cells.zarr")
    (chunk,) = (path / "layers" / "dense").glob("0.0")
    chunk.write_bytes(b"no chunk")
    with (
        open_input(path) as opened,
        pytest.raises(InputError, match=r"cannot be read as a \.zarr store"),
        annotating(opened, tmp_path / "out.h5ad"),
    ):
        pass
    assert not (tmp_path / "out.h5ad").exists()
