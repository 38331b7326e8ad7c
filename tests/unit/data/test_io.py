from __future__ import annotations

import gzip
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse

from scatd.data.io import open_store
from scatd.errors import InputError
from tests.containers import read_whole

COUNTS = np.array([[1, 0, 3], [0, 5, 0]], dtype=np.float32)
GENES = ["ENSG1", "ENSG2", "ENSG3"]
SYMBOLS = ["A", "B", "A"]  # symbols do repeat
CELLS = ["AAA-1", "CCC-1"]


@pytest.fixture
def adata() -> anndata.AnnData:
    return anndata.AnnData(COUNTS, pd.DataFrame(index=CELLS), pd.DataFrame(index=GENES))


def _check(read: anndata.AnnData) -> None:
    X = read.X.toarray() if scipy.sparse.issparse(read.X) else read.X
    np.testing.assert_array_equal(X, COUNTS)
    assert list(read.obs_names) == CELLS
    assert list(read.var_names) == GENES


def test_h5ad(adata: anndata.AnnData, tmp_path: Path) -> None:
    adata.write_h5ad(tmp_path / "a.h5ad")
    _check(read_whole(tmp_path / "a.h5ad"))


def test_zarr(adata: anndata.AnnData, tmp_path: Path) -> None:
    adata.write_zarr(tmp_path / "a.zarr")
    _check(read_whole(tmp_path / "a.zarr"))


def test_10x_folder(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "matrix.mtx.gz", "wb") as file:
        scipy.io.mmwrite(file, scipy.sparse.csr_matrix(COUNTS.T))
    rows = zip(GENES, SYMBOLS, strict=True)
    features = "".join(f"{gene}\t{symbol}\tGene Expression\n" for gene, symbol in rows)
    (tmp_path / "features.tsv.gz").write_bytes(gzip.compress(features.encode()))
    (tmp_path / "barcodes.tsv.gz").write_bytes(gzip.compress("\n".join(CELLS).encode()))
    read = read_whole(tmp_path)
    _check(read)
    assert list(read.var["gene_symbols"]) == SYMBOLS


def test_10x_h5_has_the_same_names_as_the_folder(tmp_path: Path) -> None:
    by_cell = scipy.sparse.csr_matrix(COUNTS)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        matrix = file.create_group("matrix")
        matrix["data"], matrix["indices"] = by_cell.data.astype(np.int32), by_cell.indices
        matrix["indptr"], matrix["shape"] = by_cell.indptr, np.array([3, 2])
        matrix["barcodes"] = np.array(CELLS, dtype="S")
        features = matrix.create_group("features")
        features["id"], features["name"] = np.array(GENES, dtype="S"), np.array(SYMBOLS, dtype="S")
        features["feature_type"] = np.array(["Gene Expression"] * 3, dtype="S")
        features["genome"] = np.array(["GRCh38"] * 3, dtype="S")
    read = read_whole(tmp_path / "a.h5")
    _check(read)
    assert list(read.var["gene_symbols"]) == SYMBOLS


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "tumour.h5ad").touch()
    with pytest.raises(InputError, match=r"no such file.*tumour\.h5ad"):
        read_whole(tmp_path / "tumor.h5ad")


@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.95])
def test_a_truncated_h5ad_is_one_message(
    adata: anndata.AnnData, tmp_path: Path, kept: float
) -> None:
    path = tmp_path / "a.h5ad"
    adata.write_h5ad(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept if kept >= 1 else kept * len(content))])
    said = r"cannot be read as an .h5ad file" if kept else r"is empty \(0 bytes\)"
    with pytest.raises(InputError, match=said) as error:
        read_whole(path)
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2


@pytest.mark.parametrize("name", ["a.h5ad", "a.h5"])
def test_a_file_of_another_type_is_one_message(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("cell,gene\n" * 300)
    with pytest.raises(InputError, match="cannot be read"):
        read_whole(tmp_path / name)


def test_an_hdf5_file_that_is_no_cohort(tmp_path: Path) -> None:
    for name in ("a.h5ad", "a.h5"):
        with h5py.File(tmp_path / name, "w") as file:
            file["weights"] = COUNTS
    with pytest.raises(InputError, match="holds no AnnData"), open_store(tmp_path / "a.h5ad"):
        pytest.fail("must not open")
    with pytest.raises(InputError, match="10x"):
        read_whole(tmp_path / "a.h5")


def test_a_damaged_zarr_store(adata: anndata.AnnData, tmp_path: Path) -> None:
    adata.write_zarr(tmp_path / "a.zarr")
    for chunk in (tmp_path / "a.zarr" / "obs" / "_index").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(b"")
    with pytest.raises(InputError, match=r"cannot be read as a .zarr store"):
        read_whole(tmp_path / "a.zarr")


def test_unknown_kinds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.rds").touch()
    with pytest.raises(
        InputError, match=r"does not read '\.rds' as a cohort: it is an R object.*h5ad"
    ):
        read_whole(tmp_path / "a.rds")
    with pytest.raises(InputError, match=r"no matrix.mtx"):
        read_whole(tmp_path)


def _write_loom(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["matrix"] = COUNTS.T
        file["layers/spliced"] = 2 * COUNTS.T
        file["row_attrs/Accession"] = np.array(GENES, dtype="S")
        file["row_attrs/Gene"] = np.array(SYMBOLS, dtype="S")
        file["col_attrs/CellID"] = np.array(CELLS, dtype="S")


def test_loom(tmp_path: Path) -> None:
    _write_loom(tmp_path / "a.loom")
    read = read_whole(tmp_path / "a.loom")
    _check(read)
    assert list(read.var["Gene"]) == SYMBOLS
    np.testing.assert_array_equal(read.layers["spliced"].toarray(), 2 * COUNTS)


def test_a_damaged_loom_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "a.loom").write_bytes(b"no HDF5")
    with pytest.raises(InputError, match=r"cannot be read as a \.loom file"):
        read_whole(tmp_path / "a.loom")
