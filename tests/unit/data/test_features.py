from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scatd.data import files
from scatd.data.features import CheckedRows, read_features
from scatd.data.given import CohortInMemory
from scatd.errors import InputError

N_OBS, N_FEATURES = 12, 5
IDS = [f"cell{row}" for row in range(N_OBS)]


@pytest.fixture
def X() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N_OBS, N_FEATURES)).astype(np.float32)


def cohort(X: np.ndarray, ids: list[str] = IDS, **uns: object) -> anndata.AnnData:
    obs = pd.DataFrame({"patient": [f"p{row % 3}" for row in range(len(ids))]}, index=ids)
    return anndata.AnnData(
        scipy.sparse.csr_matrix(np.ones((len(ids), 2), dtype=np.float32)),
        obs,
        obsm={"X_scfoundation": X, "X_pca": X[:, :2]},
        uns=dict(uns),
    )


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
@pytest.mark.parametrize("mmap", [False, True])
def test_embeddings_come_from_obsm(X: np.ndarray, tmp_path: Path, kind: str, mmap: bool) -> None:
    path = tmp_path / f"a.{kind}"
    getattr(cohort(X, simulated=True), f"write_{kind}")(path)
    features = read_features(path, "sf", n_features=N_FEATURES, mmap=mmap)
    np.testing.assert_array_equal(features.X, X)
    assert features.X.dtype == np.float32
    assert (features.n_obs, features.n_features) == X.shape
    assert features.ids.tolist() == IDS
    assert features.has_ids
    assert features.obs["patient"].tolist()[:4] == ["p0", "p1", "p2", "p0"]
    assert features.obs.index.tolist() == IDS
    assert features.key == 'obsm["X_scfoundation"]'
    assert features.simulated
    assert features.names is None


def test_an_uncompressed_h5ad_embedding_can_stay_on_disk(X: np.ndarray, tmp_path: Path) -> None:
    cohort(X).write_h5ad(tmp_path / "plain.h5ad")
    cohort(X).write_h5ad(tmp_path / "packed.h5ad", compression="gzip")
    mapped = read_features(tmp_path / "plain.h5ad", "sf", mmap=True)
    assert isinstance(mapped.X, CheckedRows)
    assert not mapped.simulated
    packed = read_features(tmp_path / "packed.h5ad", "sf", mmap=True)
    assert mapped.sha256() == packed.sha256()


def test_dist_reads_expression_with_gene_names(tmp_path: Path) -> None:
    adata = anndata.AnnData(
        scipy.sparse.csr_matrix([[0, 2.0], [1, 0]]), var=pd.DataFrame(index=["TP53", "MYC"])
    )
    adata.write_h5ad(tmp_path / "a.h5ad")
    features = read_features(tmp_path / "a.h5ad", "dist")
    assert features.X.tolist() == [[0, 2], [1, 0]]
    assert features.X.dtype == np.float32
    assert features.names == ("TP53", "MYC")
    (tmp_path / "a.csv").write_text(",TP53,MYC\nc1,0,2\nc2,1,0\n")
    table = read_features(tmp_path / "a.csv", "dist")
    assert table.names == features.names
    np.testing.assert_array_equal(table.X, features.X)


@pytest.mark.parametrize("mmap", [False, True])
def test_npy_without_ids_has_row_numbers(X: np.ndarray, tmp_path: Path, mmap: bool) -> None:
    np.save(tmp_path / "a.npy", X)
    features = read_features(tmp_path / "a.npy", "gf", mmap=mmap)
    assert isinstance(features.X, CheckedRows) == mmap
    np.testing.assert_array_equal(features.X, X)
    assert not features.has_ids
    assert features.ids.tolist() == [str(row) for row in range(N_OBS)]
    assert features.obs.shape == (N_OBS, 0)


@pytest.mark.parametrize("sidecar", ["a.ids.txt", "a.ids.csv"])
def test_arrays_take_ids_from_a_sidecar(X: np.ndarray, tmp_path: Path, sidecar: str) -> None:
    np.save(tmp_path / "a.npy", X)
    np.savez(tmp_path / "a.npz", X=X, other=X[:1])
    (tmp_path / sidecar).write_text("\n".join(IDS) + "\n\n")
    for name in ("a.npy", "a.npz"):
        features = read_features(tmp_path / name, "sf")
        assert features.has_ids
        assert features.ids.tolist() == IDS
        np.testing.assert_array_equal(features.X, X)


def test_a_sidecar_of_another_length_is_refused(X: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X)
    (tmp_path / "a.ids.txt").write_text("\n".join(["barcode", *IDS]))
    with pytest.raises(InputError, match=r"13 ids for 12 rows.*header"):
        read_features(tmp_path / "a.npy", "sf")


@pytest.mark.parametrize("kind", ["csv", "tsv", "csv.gz", "parquet", "named.parquet", "r.tsv"])
def test_tables_carry_their_ids(X: np.ndarray, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    frame = pd.DataFrame(X, index=IDS, columns=[f"f{i}" for i in range(N_FEATURES)])
    if kind == "parquet":
        frame.to_parquet(path)
    elif kind == "named.parquet":
        frame.rename_axis("barcode").reset_index().to_parquet(path, index=False)
    else:
        frame.to_csv(path, sep="\t" if "tsv" in kind else ",")
    if kind == "r.tsv":  # R's write.table puts no header above the row names
        path.write_text(path.read_text().removeprefix("\t"))
    features = read_features(path, "sf", n_features=N_FEATURES)
    assert features.ids.tolist() == IDS
    assert features.has_ids
    np.testing.assert_allclose(features.X, X, rtol=1e-6)


@pytest.mark.parametrize("header", ["", "sample_id", "Cell"])
def test_numbers_are_ids_when_the_column_is_named_so(tmp_path: Path, header: str) -> None:
    (tmp_path / "a.csv").write_text(f"{header},f0,f1\n007,1,2\n905975,3,4\n")
    features = read_features(tmp_path / "a.csv", "sf", n_features=2)
    assert features.ids.tolist() == ["007", "905975"]


def test_a_table_of_numbers_only_has_no_ids(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("f0,f1\n1,2\n3,4\n")
    (tmp_path / "b.csv").write_text(",f0,f1\n0,1,2\n1,3,4\n")  # pandas' row numbers
    for name in ("a.csv", "b.csv"):
        features = read_features(tmp_path / name, "sf")
        assert not features.has_ids
        assert features.X.tolist() == [[1, 2], [3, 4]]


def test_a_later_column_of_words_holds_the_ids(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("f0,who,f1\n1,ann,2\n3,bob,4\n")
    features = read_features(tmp_path / "a.csv", "sf")
    assert features.ids.tolist() == ["ann", "bob"]
    assert features.X.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("column", ["f0", "f1"])
def test_a_misprint_is_a_fault_and_makes_no_id_column(tmp_path: Path, column: str) -> None:
    cells = {"f0": "1", "f1": "2"} | {column: "1O"}
    (tmp_path / "a.csv").write_text(f"f0,f1\n{cells['f0']},{cells['f1']}\n3,4\n")
    with pytest.raises(InputError, match=f"'{column}' has '1O' in row 0"):
        read_features(tmp_path / "a.csv", "sf")


def test_ids_of_an_unnamed_cohort_are_only_row_numbers(X: np.ndarray, tmp_path: Path) -> None:
    adata = anndata.AnnData(obsm={"X_scfoundation": X}, shape=(N_OBS, 0))
    adata.write_h5ad(tmp_path / "a.h5ad")
    assert not read_features(tmp_path / "a.h5ad", "sf").has_ids


def test_a_missing_embedding_names_what_there_is_and_the_command(
    X: np.ndarray, tmp_path: Path
) -> None:
    cohort(X).write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(InputError) as error:
        read_features(tmp_path / "a.h5ad", "gf")
    assert "obsm holds X_pca, X_scfoundation" in str(error.value)
    assert f"scatd embed {tmp_path / 'a.h5ad'} --backend geneformer" in str(error.value)


def test_a_10x_file_has_no_embedding(tmp_path: Path) -> None:
    (tmp_path / "a.h5").touch()
    with pytest.raises(InputError, match="--backend scfoundation"):
        read_features(tmp_path / "a.h5", "sf")


def test_a_wrong_number_of_features(X: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X)
    with pytest.raises(InputError, match=r"has 5 features a row\. Expected 3072"):
        read_features(tmp_path / "a.npy", "sf", n_features=3072)


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_that_are_not_finite_are_counted_and_located(
    X: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mmap: bool, dtype: type
) -> None:
    monkeypatch.setattr(files, "_BLOCK_BYTES", 50)  # several blocks
    X[4, 3] = np.nan
    X[9, :2] = np.inf, -np.inf
    np.save(tmp_path / "a.npy", X.astype(dtype))
    with pytest.raises(InputError, match=r"1 NaN, 2 infinite; the first is nan in row 4.*column 3"):
        np.asarray(read_features(tmp_path / "a.npy", "sf", mmap=mmap).X)


def test_an_empty_cell_of_a_table_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("cell,f0,f1\na,1,2\nb,3,\n")
    with pytest.raises(InputError, match=r"1 NaN.*row 1 \(id 'b'\), column 1"):
        read_features(tmp_path / "a.csv", "sf")


def test_a_line_that_is_too_short_is_no_row_with_a_gap(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("cell,f0,f1\na,1,2\nb,3\n")
    with pytest.raises(InputError, match=r"line 3 has 2 fields\. Expected 3"):
        read_features(tmp_path / "a.csv", "sf")


def test_overflow_of_float32_is_refused(X: np.ndarray, tmp_path: Path) -> None:
    wide = X.astype(np.float64)
    wide[2, 1] = 1e39
    np.save(tmp_path / "a.npy", wide)
    with pytest.raises(InputError, match=r"1 too large for float32; the first is 1e\+39 in row 2"):
        read_features(tmp_path / "a.npy", "sf")


def test_repeated_ids_are_named(X: np.ndarray, tmp_path: Path) -> None:
    ids = [*IDS[:-2], "cell0", "cell1"]
    np.save(tmp_path / "a.npy", X)
    (tmp_path / "a.ids.txt").write_text("\n".join(ids))
    with pytest.raises(InputError, match="2 ids occur more than once, such as 'cell0', 'cell1'"):
        read_features(tmp_path / "a.npy", "sf")


def test_all_faults_are_found_together(X: np.ndarray, tmp_path: Path) -> None:
    X[0, 0] = np.nan
    frame = pd.DataFrame(X, index=["a", *IDS[1:-1], "a"], columns=list("vwxyz"))
    frame.assign(batch="one").to_csv(tmp_path / "a.csv")
    with pytest.raises(InputError) as error:
        read_features(tmp_path / "a.csv", "sf", n_features=3072)
    message = str(error.value)
    assert error.value.exit_code == 2
    assert message.startswith(f"{tmp_path / 'a.csv'}: 4 faults")
    for part in ("6 features", "1 NaN", "'a'", "'batch' has 'one' in row 0"):
        assert part in message


@pytest.mark.parametrize("shape", [(0, 5), (5, 0)])
def test_an_empty_matrix_is_refused(tmp_path: Path, shape: tuple[int, int]) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape, np.float32))
    with pytest.raises(InputError, match=f"{shape[0]} rows and {shape[1]} features"):
        read_features(tmp_path / "a.npy", "sf")


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("cell,f0,f1\n")
    with pytest.raises(InputError, match="0 rows and 2 features"):
        read_features(tmp_path / "a.csv", "sf")
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(InputError, match="is empty"):
        read_features(tmp_path / "a.csv", "sf")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5, np.float32), "has 1 dimension "),
        (np.float32(3), "has 0 dimensions"),
        (np.zeros((2, 2, 2), np.float32), r"has 3 dimensions \(2 x 2 x 2\)"),
        (np.array([["a", "b"]]), "values of type <U1"),
        (np.array([[1, None]], dtype=object), "cannot be read.*numpy"),
        (np.zeros((2, 2), complex), "values of type complex128"),
        (np.zeros((2, 2), bool), "values of type bool"),
    ],
)
def test_arrays_that_are_no_matrix_of_numbers(
    tmp_path: Path, array: np.ndarray, message: str
) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=message):
        read_features(tmp_path / "a.npy", "sf")


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.csv.gz", "a.parquet", "a.h5ad"])
def test_truncated_files_are_one_message(
    X: np.ndarray, tmp_path: Path, name: str, mmap: bool
) -> None:
    path = tmp_path / name
    frame = pd.DataFrame(X, index=IDS, columns=list("vwxyz"))
    {
        "a.npy": lambda: np.save(path, X),
        "a.npz": lambda: np.savez(path, X=X),
        "a.csv.gz": lambda: frame.to_csv(path),
        "a.parquet": lambda: frame.to_parquet(path),
        "a.h5ad": lambda: cohort(X).write_h5ad(path),
    }[name]()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot be read") as error:
        read_features(path, "sf", mmap=mmap)
    assert "\n" not in str(error.value)


def test_an_archive_of_several_arrays_needs_one_named_X(X: np.ndarray, tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", embedding=X)
    assert read_features(tmp_path / "one.npz", "sf").key == 'array "embedding"'
    np.savez(tmp_path / "two.npz", first=X, second=X)
    with pytest.raises(InputError, match=r"2 arrays \(first, second\).*named X"):
        read_features(tmp_path / "two.npz", "sf")


def test_repeated_columns_unknown_kinds_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("cell,f0,f0\na,1,2\n")
    with pytest.raises(InputError, match="occurs more than once: 'f0'"):
        read_features(tmp_path / "a.csv", "sf")
    (tmp_path / "a.pkl").touch()
    with pytest.raises(InputError, match=r"does not read '\.pkl' as features"):
        read_features(tmp_path / "a.pkl", "sf")
    with pytest.raises(InputError, match="no such file"):
        read_features(tmp_path / "none.npy", "sf")
    with pytest.raises(InputError, match=r"unknown family 'xy'.*sf, gf, dist"):
        read_features(tmp_path / "a.csv", "xy")


def test_the_hash_follows_the_values(X: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X)
    np.save(tmp_path / "b.npy", X.astype(np.float64))
    first = read_features(tmp_path / "a.npy", "sf", mmap=True).sha256()
    assert read_features(tmp_path / "b.npy", "sf").sha256() == first
    np.save(tmp_path / "c.npy", X + 1)
    assert read_features(tmp_path / "c.npy", "sf").sha256() != first


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    X=hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.dtype(">f4"), np.int16]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
        elements=st.integers(-1000, 1000),
    ),
    order=st.sampled_from("CF"),
)
def test_any_numeric_matrix_survives(tmp_path: Path, X: np.ndarray, order: str) -> None:
    np.save(tmp_path / "a.npy", np.asarray(X, order=order))
    read = read_features(tmp_path / "a.npy", "sf", mmap=True).X
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, X)


def test_real_embeddings_and_tables(real_data: Path) -> None:
    for name, shape in {"scc47": (120, 3072), "lu451": (155, 3072)}.items():
        path = real_data / name / "scfoundation_embedding.npy"
        assert read_features(path, "sf", n_features=3072).X.shape == shape
    table = read_features(real_data / "scc47/expression_z.csv.gz", "dist")
    assert table.X.shape == (120, 2876)
    assert table.ids[0] == "c3930"
    bulk = read_features(real_data / "counts/bulk_gdsc_10x19264.csv.gz", "dist", n_features=19264)
    assert bulk.ids[0] == "905975"


def numbered(X: np.ndarray, order: list[int]) -> pd.DataFrame:
    names = [f"f{number}" for number in range(X.shape[1])]
    index = [f"c{row}" for row in range(len(X))]
    return pd.DataFrame(X, index=index, columns=names).iloc[:, order]


@pytest.mark.parametrize("kind", ["memory", "h5ad", "csv"])
def test_numbered_columns_of_an_embedding_in_another_order_are_refused(
    tmp_path: Path, kind: str
) -> None:
    X = np.arange(36, dtype=np.float32).reshape(3, 12)
    order = sorted(range(12), key=str)  # f0, f1, f10, f11, f2: as words are sorted

    def given(order: list[int]) -> Path | CohortInMemory:
        frame, path = numbered(X, order), tmp_path / f"cells.{kind}"
        if kind == "csv":
            frame.to_csv(path)
            return path
        cells = anndata.AnnData(obs=pd.DataFrame(index=frame.index), obsm={"X_scfoundation": frame})
        if kind == "memory":
            return CohortInMemory(cells)
        cells.write_h5ad(path)
        return path

    assert np.array_equal(read_features(given(list(range(12))), "sf").X, X)
    with pytest.raises(InputError, match="column 2, counted from 0, is 'f10'"):
        read_features(given(order), "sf")


@pytest.mark.parametrize("kind", ["csv", "npy"])
def test_counts_of_genes_are_no_embedding(tmp_path: Path, kind: str) -> None:
    counts = np.random.default_rng(0).poisson(1.0, (80, 120))
    path = tmp_path / f"counts.{kind}"
    pd.DataFrame(counts).to_csv(path) if kind == "csv" else np.save(path, counts)
    with pytest.raises(InputError, match=r"holds whole numbers.*(scatd embed|as a table)"):
        read_features(path, "sf")
    moved = counts + 0.5
    pd.DataFrame(moved).to_csv(path) if kind == "csv" else np.save(path, moved)
    assert read_features(path, "sf").n_features == 120
