"""Matrices that stay on disk: the same numbers as when read whole."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scatd.data import feature_files, features, lazy
from scatd.data.expression import AS_GIVEN, LOG1P, log_normalised
from scatd.data.features import CheckedRows, read_features
from scatd.data.files import sha256_array
from scatd.data.lazy import LazyMatrix
from scatd.errors import InputError


@pytest.fixture
def counts():
    return np.random.default_rng(0).poisson(0.7, (300, 40)).astype(np.float32)


@pytest.fixture
def everything_is_large(monkeypatch):
    """No file needs to be of 2 GB to be too large for memory."""
    for module in (lazy, features, feature_files):
        if hasattr(module, "IN_MEMORY_BYTES"):
            monkeypatch.setattr(module, "IN_MEMORY_BYTES", 0)


def write(cohort, path):
    compression = {"compression": "gzip"} if path.suffix == ".h5ad" else {}
    getattr(cohort, f"write_{path.suffix[1:]}")(path, **compression)
    return path


@pytest.mark.parametrize("block_rows", [1, 7, 64, 1000])
def test_rows_of_a_lazy_matrix(counts, block_rows):
    reads = []

    def read(start, stop):
        reads.append((start, stop))
        return counts[start:stop]

    X = LazyMatrix(read, counts.shape, block_rows)
    assert (len(X), X.shape, X.ndim, X.dtype) == (300, (300, 40), 2, np.float32)
    for rows in (slice(0, 3), slice(2, 5), slice(295, 400), slice(None, None, 17), slice(5, 5)):
        np.testing.assert_array_equal(X[rows], counts[rows])
    picks = np.array([0, 8, 9, 150, 299])
    np.testing.assert_array_equal(X[picks], counts[picks])
    np.testing.assert_array_equal(np.asarray(X), counts)
    assert sha256_array(X) == sha256_array(counts)
    assert all(start % block_rows == 0 for start, _ in reads)
    assert all(stop % block_rows == 0 or stop == 300 for _, stop in reads)


def test_small_slices_do_not_read_a_block_twice(counts):
    reads = []

    def read(start, stop):
        reads.append((start, stop))
        return counts[start:stop]

    X = LazyMatrix(read, counts.shape, block_rows=100)
    for start in range(0, 300, 10):
        np.testing.assert_array_equal(X[start : start + 10], counts[start : start + 10])
    assert reads == [(0, 100), (100, 200), (200, 300)]


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.usefixtures("everything_is_large")
@pytest.mark.filterwarnings("ignore:Writing zarr v2")
def test_expression_stays_on_disk(tmp_path, counts, suffix, kind):
    stored = sparse.csr_matrix(counts) if kind == "csr" else counts
    cells = pd.DataFrame({"kind": "a"}, index=[f"cell{row}" for row in range(300)])
    genes = pd.DataFrame(index=[f"gene{column}" for column in range(40)])
    cohort = ad.AnnData(stored, obs=cells, var=genes, uns={"simulated": True})
    found = read_features(write(cohort, tmp_path / f"c{suffix}"), "dist", mmap=True)
    assert isinstance(found.X, CheckedRows)
    np.testing.assert_array_equal(np.asarray(found.X), counts)
    assert found.names == tuple(genes.index)
    assert found.ids.tolist() == cells.index.tolist()
    assert found.obs["kind"].tolist() == ["a"] * 300
    assert found.simulated


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
@pytest.mark.usefixtures("everything_is_large")
@pytest.mark.filterwarnings("ignore:Writing zarr v2")
def test_an_embedding_stays_on_disk_and_is_checked(tmp_path, counts, suffix):
    cohort = ad.AnnData(obs=pd.DataFrame(index=[f"c{row}" for row in range(300)]))
    cohort.obsm["X_scfoundation"] = counts
    path = write(cohort, tmp_path / f"c{suffix}")
    found = read_features(path, "sf", mmap=True)
    assert isinstance(found.X, CheckedRows)
    assert found.sha256() == read_features(path, "sf").sha256()
    cohort.obsm["X_scfoundation"][150, 3] = np.nan
    path = write(cohort, tmp_path / f"nan{suffix}")
    with pytest.raises(InputError, match="1 NaN; the first is nan in row 150"):
        np.asarray(read_features(path, "sf", mmap=True).X)


@pytest.mark.usefixtures("everything_is_large")
def test_a_large_array_of_doubles_is_converted_as_it_is_read(tmp_path, counts):
    np.save(tmp_path / "X.npy", counts.astype(np.float64))
    found = read_features(tmp_path / "X.npy", "sf", mmap=True)
    assert isinstance(found.X, CheckedRows)
    np.testing.assert_array_equal(np.asarray(found.X), counts)


def test_a_small_compressed_matrix_is_read_at_once(tmp_path, counts):
    cohort = ad.AnnData(obs=pd.DataFrame(index=[f"c{row}" for row in range(300)]))
    cohort.obsm["X_scfoundation"] = counts
    found = read_features(write(cohort, tmp_path / "c.h5ad"), "sf", mmap=True)
    assert isinstance(found.X, np.ndarray)


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_counts_are_normalised_as_scanpy_does(tmp_path, counts, where):
    import scanpy as sc

    expected = ad.AnnData(counts.copy())
    sc.pp.normalize_total(expected, target_sum=1e4)
    sc.pp.log1p(expected)
    np.save(tmp_path / "X.npy", counts)
    found = read_features(tmp_path / "X.npy", "dist", mmap=where == "disk")
    done, scale = log_normalised(found)
    assert scale == LOG1P
    np.testing.assert_allclose(np.asarray(done.X), expected.X, rtol=1e-5)
    assert log_normalised(done) == (done, AS_GIVEN)


def test_rows_that_were_normalised_are_released(tmp_path, counts):
    """Pages of a memory map count as memory of the process."""
    np.save(tmp_path / "X.npy", counts)
    done, _ = log_normalised(read_features(tmp_path / "X.npy", "dist", mmap=True))
    released = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scatd.data.expression.release", released.append)
        assert isinstance(done.X[5:9], np.ndarray)
    assert [getattr(X, "shape", None) for X in released] == [counts.shape]


def test_an_empty_cell_stays_empty(tmp_path, counts):
    counts[3] = 0
    np.save(tmp_path / "X.npy", counts)
    done, _ = log_normalised(read_features(tmp_path / "X.npy", "dist"))
    assert not done.X[3].any()


@pytest.mark.parametrize("change", [-1.0, 0.5])
def test_what_is_no_count_is_left_alone(tmp_path, counts, change):
    counts[7, 2] = change
    np.save(tmp_path / "X.npy", counts)
    found = read_features(tmp_path / "X.npy", "dist")
    assert log_normalised(found) == (found, AS_GIVEN)
