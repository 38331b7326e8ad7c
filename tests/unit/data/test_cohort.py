"""Cohorts of every kind are read by rows: the same numbers as when read whole."""

from __future__ import annotations

import gzip

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scatd.data import cohort as cohort_module
from scatd.data.io import open_cohort
from scatd.data.writing import writing_cohort
from scatd.errors import InputError
from tests.products import pairs

RNG = np.random.default_rng(3)
COUNTS = RNG.poisson(0.6, (57, 31)).astype(np.float32)
COUNTS[4] = 0  # an empty cell must not shift the others
COUNTS[:, 7] = 0
CELLS = [f"cell{number}" for number in range(57)]
GENES = ["ACTB", "GAPDH", "TP53", *[f"GENE{number}" for number in range(28)]]
IDS = [f"ENSG{number:011d}" for number in range(31)]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Every matrix takes many blocks and many passes."""
    monkeypatch.setattr(cohort_module, "BLOCK_VALUES", 40)
    monkeypatch.setattr(cohort_module, "PASS_VALUES", 160)


def adata(X):
    return ad.AnnData(X, pd.DataFrame(index=CELLS), pd.DataFrame(index=GENES))


def check(path, *, genes=GENES, name="X", X=COUNTS):
    with open_cohort(path) as cohort:
        assert list(cohort.obs.index) == CELLS
        matrix = cohort.matrices[name]
        assert list(matrix.var.index) == genes
        blocks = dict(matrix.blocks())
        assert len(blocks) > 5
        np.testing.assert_array_equal(np.vstack([b.toarray() for b in blocks.values()]), X)
        np.testing.assert_array_equal(matrix.rows(10, 20).toarray(), X[10:20])
        return cohort


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_stores_by_row_by_column_and_dense(tmp_path, kind, suffix):
    path = tmp_path / f"a.{suffix}"
    whole = adata(kind(COUNTS))
    whole.layers["counts"] = kind(2 * COUNTS)
    whole.raw = whole[:, :20].copy()
    whole.uns["simulated"] = True
    getattr(whole, f"write_{suffix}")(path)
    cohort = check(path)
    assert cohort.simulated
    check(path, name="counts", X=2 * COUNTS)
    with open_cohort(path) as opened:
        assert list(opened.matrices["raw"].var.index) == GENES[:20]
        np.testing.assert_array_equal(opened.matrices["raw"].rows(0, 57).toarray(), COUNTS[:, :20])


def test_a_sample_comes_from_all_over(tmp_path):
    X = np.tile(np.arange(1, 2001, dtype=np.float32)[:, None], (1, 3))
    names = [str(number) for number in range(2000)]
    ad.AnnData(X, pd.DataFrame(index=names)).write_h5ad(tmp_path / "a.h5ad")
    with open_cohort(tmp_path / "a.h5ad") as cohort:
        rows = cohort.matrices["X"].sample(100).toarray()[:, 0]
    assert len(rows) == 100
    assert rows.min() == 1
    assert rows.max() == 2000
    assert np.histogram(rows, 10, (1, 2000))[0].min() > 0


def write_10x_h5(path):
    by_cell = sparse.csr_matrix(np.hstack([COUNTS, np.ones((57, 1), np.float32)]))
    with h5py.File(path, "w") as file:
        matrix = file.create_group("matrix")
        matrix["data"], matrix["indices"] = by_cell.data.astype(np.int32), by_cell.indices
        matrix["indptr"], matrix["shape"] = by_cell.indptr, np.array([32, 57])
        matrix["barcodes"] = np.array(CELLS, dtype="S")
        features = matrix.create_group("features")
        features["id"] = np.array([*IDS, "CD3_antibody"], dtype="S")
        features["name"] = np.array([*GENES, "CD3"], dtype="S")
        features["feature_type"] = np.array(
            ["Gene Expression"] * 31 + ["Antibody Capture"], dtype="S"
        )
        features["genome"] = np.array(["GRCh38"] * 31 + [""], dtype="S")


def test_10x_h5_without_its_antibodies(tmp_path):
    write_10x_h5(tmp_path / "a.h5")
    cohort = check(tmp_path / "a.h5", genes=IDS)
    assert cohort.notes == ("left out, because they are no genes: 1 feature (1 Antibody Capture)",)
    assert list(cohort.matrices["X"].var["gene_symbols"]) == GENES


def write_mtx(folder, order, prefix=""):
    folder.mkdir()
    entries = sparse.coo_matrix(COUNTS)
    by = (entries.col, entries.row) if order == "cell" else (entries.row, entries.col)
    if order == "neither":
        by = (RNG.permutation(entries.nnz),)
    lines = [
        f"{entries.col[entry] + 1} {entries.row[entry] + 1} {int(entries.data[entry])}"
        for entry in np.lexsort(by)
    ]
    head = ["%%MatrixMarket matrix coordinate integer general", "% a remark"]
    text = "\n".join([*head, f"31 57 {entries.nnz}", *lines]) + "\n"
    features = "".join(f"{i}\t{g}\tGene Expression\n" for i, g in zip(IDS, GENES, strict=True))
    for name, content in (
        ("matrix.mtx", text),
        ("features.tsv", features),
        ("barcodes.tsv", "\n".join(CELLS) + "\n"),
    ):
        (folder / f"{prefix}{name}.gz").write_bytes(gzip.compress(content.encode()))


@pytest.mark.parametrize(
    ("order", "chunk", "block"), pairs(("cell", "gene", "neither"), (1, 7, 1 << 20), (1, 1 << 20))
)
def test_mtx_folders_in_any_order(tmp_path, monkeypatch, order, chunk, block):
    """In one bucket on disk, and in one for each few cells."""
    monkeypatch.setattr("scatd.data.readers.matrix_market.PASS_VALUES", block)
    monkeypatch.setattr("scatd.data.readers.matrix_market._LINES", chunk)
    write_mtx(tmp_path / "a", order, "GSM1_")
    check(tmp_path / "a", genes=IDS)


def test_an_mtx_folder_that_does_not_fit(tmp_path):
    write_mtx(tmp_path / "short", "cell")
    (tmp_path / "short" / "barcodes.tsv.gz").write_bytes(gzip.compress(b"one\n"))
    with pytest.raises(InputError, match="31 genes and 57 cells"), open_cohort(tmp_path / "short"):
        pytest.fail("must not open")


def test_loom(tmp_path):
    with h5py.File(tmp_path / "a.loom", "w") as file:
        file["matrix"] = COUNTS.T
        file["row_attrs/Gene"] = np.array(GENES, dtype="S")
        file["col_attrs/CellID"] = np.array(CELLS, dtype="S")
    check(tmp_path / "a.loom")


@pytest.fixture
def table():
    return pd.DataFrame(COUNTS, index=CELLS, columns=GENES)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv.gz", "a.parquet"])
@pytest.mark.parametrize("chunk", [31 * 5, 1 << 20])
def test_tables_of_cells_by_genes(tmp_path, monkeypatch, table, name, chunk):
    monkeypatch.setattr("scatd.data.readers.tables._CHUNK_VALUES", chunk)
    if name == "a.parquet":
        table.to_parquet(tmp_path / name)
    else:
        table.to_csv(tmp_path / name, sep="\t" if "tsv" in name else ",")
    assert check(tmp_path / name).notes == ()


def test_columns_of_words_describe_the_cells(tmp_path, table):
    table.insert(0, "cell_type", "T cell")
    table.to_csv(tmp_path / "a.csv")
    assert list(check(tmp_path / "a.csv").obs["cell_type"]) == ["T cell"] * 57


@pytest.mark.parametrize("names", [GENES, IDS], ids=["symbols", "ids"])
def test_genes_in_rows_are_turned_with_a_notice(tmp_path, table, names):
    table.set_axis(names, axis=1).T.to_csv(tmp_path / "a.tsv", sep="\t")
    cohort = check(tmp_path / "a.tsv", genes=names)
    assert cohort.notes == ("genes x samples (31 x 57): turned",)


def test_repeated_genes_are_all_read(tmp_path, table):
    names = [*GENES[:-1], "TP53"]
    table.set_axis(names, axis=1).to_csv(tmp_path / "a.csv")
    check(tmp_path / "a.csv", genes=names)


def test_a_table_without_ids_or_numbers(tmp_path):
    (tmp_path / "a.csv").write_text("TP53,EGFR\n1,2\n")
    (tmp_path / "b.csv").write_text("cell,type\na,T\n")
    for name, message in (("a.csv", "the first column, 'TP53'"), ("b.csv", "holds no numbers")):
        with pytest.raises(InputError, match=message), open_cohort(tmp_path / name):
            pytest.fail("must not open")


def test_star_tables_of_the_gdc(tmp_path):
    tpm = RNG.random((57, 31)).astype(np.float32)
    for sample, row in zip(CELLS, tpm, strict=True):
        folder = tmp_path / "gdc" / f"folder of {sample}"
        folder.mkdir(parents=True)
        lines = ["# gene-model: GENCODE v36", "gene_id\tgene_name\tunstranded\ttpm_unstranded"]
        lines += ["N_unmapped\t\t5\t"]
        lines += [f"{i}.4\t{g}\t3\t{v}" for i, g, v in zip(IDS, GENES, row, strict=True)]
        (folder / f"{sample}.rna_seq.augmented_star_gene_counts.tsv").write_text("\n".join(lines))
    with open_cohort(tmp_path / "gdc") as cohort:
        assert sorted(cohort.obs.index) == sorted(CELLS)
        matrix = cohort.matrices["X"]
        assert list(matrix.var["gene_name"]) == GENES
        order = [CELLS.index(name) for name in cohort.obs.index]
        np.testing.assert_allclose(matrix.rows(0, 57).toarray(), tpm[order], rtol=1e-6)


def test_a_file_from_before_anndata_0_7():
    import importlib.util
    from pathlib import Path

    found = importlib.util.find_spec("scanpy")
    assert found is not None
    assert found.origin is not None
    path = Path(found.origin).parent / "datasets" / "10x_pbmc68k_reduced.h5ad"
    with open_cohort(path) as cohort:
        assert cohort.n_obs == 700
        assert {name: matrix.shape for name, matrix in cohort.matrices.items()} == {
            "X": (700, 765),
            "raw": (700, 765),
        }


# Writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_what_is_written_in_blocks_is_read_whole(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    obs = pd.DataFrame({"word": ["a", None, *["b"] * 55], "n": np.arange(57)}, index=CELLS)
    with writing_cohort(path, 31) as writer:
        for rows in (slice(0, 10), slice(10, 40)):
            writer.add(sparse.csr_matrix(COUNTS[rows]))
        writer.add(sparse.csr_matrix((0, 31), dtype=np.float32))
        writer.add(sparse.csr_matrix(COUNTS[40:]))
        writer.finish(obs, pd.DataFrame(index=GENES), {"scatd": {"n": 3}})
    read = ad.read_h5ad(path) if suffix == "h5ad" else ad.read_zarr(path)
    np.testing.assert_array_equal(read.X.toarray(), COUNTS)
    assert list(read.obs_names) == CELLS
    assert list(read.var_names) == GENES
    assert list(read.obs["word"].isna()) == [False, True, *[False] * 55]
    assert read.uns["scatd"]["n"] == 3


def test_a_file_that_was_not_finished_is_not_there(tmp_path):
    def interrupted():
        with writing_cohort(tmp_path / "a.h5ad", 31) as writer:
            writer.add(sparse.csr_matrix(COUNTS))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_row_pointers_have_room_for_billions_of_values(tmp_path):
    path = tmp_path / "a.h5ad"
    with writing_cohort(path, 31) as writer:
        writer.add(sparse.csr_matrix(COUNTS))
        writer.finish(pd.DataFrame(index=CELLS), pd.DataFrame(index=GENES), {})
    with h5py.File(path) as file:
        assert file["X/indptr"].dtype == np.int64
