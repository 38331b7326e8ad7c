"""Damaged, hostile and foreign files: one message that says what is wrong, by every reader."""

from __future__ import annotations

import gzip
import io
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from scipy import sparse

from scatd.data.features import read_features
from scatd.data.io import open_cohort, open_store, read_adata
from scatd.errors import InputError
from tests.containers import WRITERS, cohort, folder_of, lines_of, mtx_text, put

RNG = np.random.default_rng(6)
COUNTS = pd.DataFrame(
    RNG.poisson(0.8, (20, 7)),
    index=[f"cell{number:02d}" for number in range(20)],
    columns=["ACTB", "TP53", *(f"GENE{number}" for number in range(5))],
)


def read(path):
    with open_cohort(path) as opened:
        for matrix in opened.matrices.values():
            for _ in matrix.blocks():
                pass


def replaced(file, name, values, **options):
    attributes = dict(file[name].attrs)
    del file[name]
    file.create_dataset(name, data=values, **options)
    file[name].attrs.update(attributes)


# .h5ad ------------------------------------------------------------------------------------------


@pytest.fixture
def h5ad(tmp_path):
    """A good file, which a test may damage."""
    cells = cohort(COUNTS)
    cells.obsm["X_scfoundation"] = RNG.normal(size=(20, 5)).astype(np.float32)
    cells.layers["counts"] = cells.X.copy()
    cells.layers["dense"] = COUNTS.to_numpy(np.float32)
    cells.raw = cells[:, :5].copy()
    cells.obs["age"] = np.arange(20.0)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def long_obsm(file):
    replaced(file, "obsm/X_scfoundation", np.zeros((23, 5), "f4"))


def short_column(file):
    replaced(file, "obs/age", np.zeros(19))


def missing_column(file):
    del file["obs/age"]


def short_codes(file):
    replaced(file, "obs/batch/codes", np.zeros(19, "i1"))


def short_layer(file):
    replaced(file, "layers/dense", np.zeros((19, 7), "f4"))


def wide_layer(file):
    file["layers/counts"].attrs["shape"] = (20, 8)


def huge_shape(file):
    file["X"].attrs["shape"] = (10**12, 10**9)


def negative_shape(file):
    file["X"].attrs["shape"] = (-20, 7)


def long_raw(file):
    file["raw/X"].attrs["shape"] = (21, 5)


def falling_indptr(file):
    indptr = file["X/indptr"][:]
    indptr[3], indptr[4] = indptr[4] + 1, indptr[3]
    replaced(file, "X/indptr", indptr)


def late_indptr(file):
    replaced(file, "X/indptr", file["X/indptr"][:] + 1)


def short_data(file):
    replaced(file, "X/data", file["X/data"][:-1])
    replaced(file, "X/indices", file["X/indices"][:-1])


def short_indices(file):
    replaced(file, "layers/counts/indices", file["layers/counts/indices"][:-1])


def huge_column(file):
    del file["obsm/X_scfoundation"]
    file.create_dataset("obsm/X_scfoundation", (20, 10**9), "f4", chunks=(1, 10**6))


def huge_index(file):
    del file["obs/_index"]
    file.create_dataset("obs/_index", (10**10,), h5py.string_dtype(), chunks=(10**4,))


def external_link(file):
    file["obsm/other"] = h5py.ExternalLink("/etc/secret.h5", "/X")


def soft_link(file):
    file["layers/again"] = h5py.SoftLink("/X")


def external_values(file):
    file.create_dataset("uns/values", (10,), "u1", external=[("/etc/hostname", 0, 10)])


def virtual_values(file):
    layout = h5py.VirtualLayout((20, 7), "f4")
    layout[:] = h5py.VirtualSource("/etc/secret.h5", "X", (20, 7))
    file.create_virtual_dataset("layers/virtual", layout)


WRONG = {
    long_obsm: r'obsm\["X_scfoundation"\] has 23 rows. Expected 20',
    short_column: r'obs\["age"\] has 19 rows. Expected 20',
    missing_column: "obs has no column 'age'",
    short_codes: r'obs\["batch"\] has 19 rows',
    short_layer: r'layers\["dense"\] is 19 x 7. Expected 20 x 7',
    wide_layer: r'layers\["counts"\] is 20 x 8',
    huge_shape: "X is 1000000000000 x 1000000000",
    negative_shape: "X is -20 x 7",
    long_raw: "raw/X is 21 x 5. Expected 20 x 5",
    falling_indptr: "X has row ends that do not ascend",
    late_indptr: "X has row ends that begin at 1",
    short_data: r"X has \d+ values, and row ends that promise",
    short_indices: r'layers\["counts"\] has \d+ values and \d+ column numbers',
    huge_column: "obsm/X_scfoundation claims 80,000,000,000 bytes",
    huge_index: r"obs/_index claims [\d,]+ bytes",
    external_link: "/obsm/other is a link",
    soft_link: "/layers/again is a link",
    external_values: "/uns/values takes its values from other files",
    virtual_values: "/layers/virtual takes its values from other files",
}


@pytest.mark.parametrize("damage", WRONG, ids=lambda damage: damage.__name__)
def test_what_does_not_fit_is_refused_by_every_reader(h5ad, damage):
    """At once, whatever part of the file a command wants."""
    with h5py.File(h5ad, "r+") as file:
        damage(file)
    readers = (
        read,
        read_adata,
        lambda path: read_features(path, "sf"),
        lambda path: read_features(path, "sf", mmap=True),
        lambda path: read_features(path, "dist"),
    )
    for reader in readers:
        with pytest.raises(InputError, match=WRONG[damage]) as caught:
            reader(h5ad)
        assert str(h5ad) in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError), open_store(h5ad):
        pytest.fail("must not open")


def test_all_that_does_not_fit_is_told_at_once(h5ad):
    with h5py.File(h5ad, "r+") as file:
        long_obsm(file)
        short_column(file)
        falling_indptr(file)
    with pytest.raises(InputError, match="3 faults"), open_store(h5ad):
        pytest.fail("must not open")


@pytest.mark.parametrize("column", [7, -1, 10**6])
@pytest.mark.parametrize("place", ["X", "raw/X", "layers/counts"])
def test_columns_that_are_not_there(h5ad, column, place):
    with h5py.File(h5ad, "r+") as file:
        indices = file[f"{place}/indices"][:]
        indices[len(indices) // 2] = column
        replaced(file, f"{place}/indices", indices)
    for reader in (read, read_adata):
        with pytest.raises(InputError, match=f"column number {column}, where columns are 0 to"):
            reader(h5ad)


def test_codes_that_are_not_there(h5ad):
    with h5py.File(h5ad, "r+") as file:
        replaced(file, "obs/batch/codes", np.full(20, 5, "i1"))
    for reader in (read, read_adata, lambda path: read_features(path, "sf")):
        with pytest.raises(InputError, match=r"cannot be read as an \.h5ad file.*codes"):
            reader(h5ad)


def test_an_embedding_of_unknown_kind_is_one_message(h5ad):
    with h5py.File(h5ad, "r+") as file:
        file["obsm/X_scfoundation"].attrs["encoding-type"] = "of the future"
    for reader in (read_adata, lambda path: read_features(path, "sf")):
        with pytest.raises(InputError, match=r"cannot be read as an \.h5ad file"):
            reader(h5ad)


def test_layers_of_zeros_are_no_bomb(h5ad, monkeypatch):
    """Velocity files have layers that are all but empty, however large."""
    monkeypatch.setattr("scatd.data.contents.ALWAYS_ALLOWED", 100)
    with h5py.File(h5ad, "r+") as file:
        file.create_dataset("layers/ambiguous", (20, 7), "f4", chunks=(1, 7))
        replaced(file, "obs/age", np.zeros(20), compression="gzip")
    read(h5ad)


# .zarr ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [2, 3])
def test_a_zarr_store_with_links_out_of_it(tmp_path, version):
    path = WRITERS[f"zarr {version} rows"](tmp_path, COUNTS)
    secret = tmp_path / "secret"
    chunk = next(file for file in (path / "X" / "data").rglob("*") if file.name.startswith("0"))
    shutil.move(chunk, secret)
    chunk.symlink_to(secret)
    for reader in (read, read_adata):
        with pytest.raises(InputError, match=r"X/data.* is a link to another place"):
            reader(path)


def test_a_zarr_store_that_does_not_fit(tmp_path):
    path = WRITERS["zarr 3 rows"](tmp_path, COUNTS)
    root = zarr.open_group(path, mode="r+")
    root.create_array("obsm/X_scfoundation", shape=(23, 5), dtype="f4")
    zarr.consolidate_metadata(path)
    with pytest.raises(InputError, match=r'obsm\["X_scfoundation"\] has 23 rows'):
        read_features(path, "sf")


def test_a_zarr_store_that_claims_what_it_has_not(tmp_path):
    path = WRITERS["zarr 3 rows"](tmp_path, COUNTS)
    root = zarr.open_group(path, mode="r+")
    root.create_array("obsm/X_scfoundation", shape=(20, 10**9), chunks=(1, 10**6), dtype="f4")
    zarr.consolidate_metadata(path)
    with pytest.raises(InputError, match=r"claims 80,000,000,000 bytes of values"):
        read_features(path, "sf")


def test_a_zarr_store_under_another_name(tmp_path):
    path = WRITERS["zarr 3 rows"](tmp_path, COUNTS)
    path.rename(tmp_path / "cells")
    with pytest.raises(InputError, match=r"Rename it: mv cells cells\.zarr"):
        read(tmp_path / "cells")


# 10x and loom -----------------------------------------------------------------------------------


def test_a_10x_file_of_several_genomes(tmp_path):
    path = WRITERS["10x h5 of Cell Ranger 2"](tmp_path, COUNTS)
    with h5py.File(path, "r+") as file:
        file.copy("GRCh38", "mm10")
    with pytest.raises(InputError, match=r"2 genomes: GRCh38, mm10.*genome='GRCh38'"):
        read(path)


def test_a_file_of_molecules(tmp_path):
    with h5py.File(tmp_path / "molecule_info.h5", "w") as file:
        for name in ("barcode_idx", "barcodes", "count", "feature_idx", "umi"):
            file[name] = np.zeros(3)
    with pytest.raises(InputError, match=r"molecule_info\.h5.*filtered_feature_bc_matrix\.h5"):
        read(tmp_path / "molecule_info.h5")


def test_a_10x_file_that_does_not_fit(tmp_path):
    path = WRITERS["10x h5 of Cell Ranger 3"](tmp_path, COUNTS)
    with h5py.File(path, "r+") as file:
        replaced(file, "matrix/barcodes", file["matrix/barcodes"][:-1])
    with pytest.raises(InputError, match="the matrix is 9 x 20, and lists 9 features and 19 barc"):
        read(path)


def test_a_10x_file_with_links(tmp_path):
    path = WRITERS["10x h5 of Cell Ranger 3"](tmp_path, COUNTS)
    with h5py.File(path, "r+") as file:
        del file["matrix/data"]
        file["matrix/data"] = h5py.ExternalLink("/etc/secret.h5", "/X")
    with pytest.raises(InputError, match="/matrix/data is a link"):
        read(path)


def test_a_10x_file_without_genes(tmp_path):
    path = WRITERS["10x h5 of Cell Ranger 3"](tmp_path, COUNTS)
    with h5py.File(path, "r+") as file:
        replaced(file, "matrix/features/feature_type", np.array(["Peaks"] * 9, dtype="S"))
    with pytest.raises(InputError, match="holds no genes, only 9 Peaks"):
        read(path)


@pytest.mark.parametrize("name", ["cells.h5", "cells.loom", "cells.h5ad"])
def test_what_another_container_is_called(tmp_path, name):
    """A file under the ending of another kind is named for what it is."""
    made = {
        "AnnData": WRITERS["h5ad rows"],
        "loom": WRITERS["loom"],
        "10x": WRITERS["10x h5 of Cell Ranger 3"],
    }
    for kind, write in made.items():
        folder = tmp_path / kind
        folder.mkdir()
        path = write(folder, COUNTS)
        if path.name == name:
            continue
        path.rename(folder / name)
        with pytest.raises(InputError, match=rf"it is an? {kind}.*Rename it"):
            read(folder / name)


def test_several_modalities(tmp_path):
    with h5py.File(tmp_path / "cells.h5ad", "w") as file:
        for name in ("obs", "var", "mod/rna", "mod/prot"):
            file.create_group(name)
    with pytest.raises(InputError, match=r"modalities prot, rna.*\.mod\['rna'\]"):
        read(tmp_path / "cells.h5ad")


@pytest.mark.parametrize(
    ("attribute", "match"),
    [("row_attrs/length", "unequal lengths"), ("matrix", "matrix is 7 x 19. Expected 7 x 20")],
)
def test_a_loom_file_that_does_not_fit(tmp_path, attribute, match):
    path = WRITERS["loom"](tmp_path, COUNTS)
    with h5py.File(path, "r+") as file:
        if attribute == "matrix":
            replaced(file, "matrix", file["matrix"][:, :-1])
        else:
            file[attribute] = np.zeros(3)
    with pytest.raises(InputError, match=match):
        read(path)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("cells.rds", "an R object.*write10xCounts"),
        ("cells.h5Seurat", "a Seurat file.*write10xCounts"),
        ("cells.h5mu", r"several modalities.*mudata\.read\('cells\.h5mu'\)"),
        ("cells.zarr.zip", r"unzip cells\.zarr\.zip -d cells\.zarr"),
        ("cells.loom.gz", "a packed file.*gunzip"),
        ("cells.h5ad.gz", "a packed file.*gunzip"),
        ("matrix.mtx", "without the names.*features.tsv"),
        ("matrix.mtx.gz", "without the names.*features.tsv"),
        ("cells.tar.gz", r"an archive.*tar -xf cells\.tar\.gz"),
        ("cells.zip", r"an archive.*unzip cells\.zip"),
        ("cells.xls", r"Save it as \.xlsx or \.csv"),
        ("cells.pkl", "may run code"),
        ("cells.bam", "reads, not counts"),
        ("cells.unheardof", "no known kind"),
        ("cells", "no known kind"),
    ],
)
def test_kinds_that_are_not_read_say_how_to_convert(tmp_path, name, says):
    (tmp_path / name).touch()
    for reader in (read, read_adata, lambda path: read_features(path, "dist")):
        with pytest.raises(InputError, match=says):
            reader(tmp_path / name)


# Matrix Market ----------------------------------------------------------------------------------

GOOD = mtx_text(COUNTS)
FIRST = GOOD.splitlines()[2]
LAST = GOOD.splitlines()[-1]


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(
    ("text", "match"),
    [
        (GOOD[: len(GOOD) // 2], "entries|incomplete"),
        (GOOD[: GOOD.rindex("\n", 0, -1) + 1], r"holds \d+ entries. Expected \d+, as its header"),
        (GOOD[: GOOD.rindex(" ")], "is incomplete"),
        (GOOD + "1 1 1\n", "holds more than"),
        (GOOD.replace(FIRST, LAST), "occurs more than once"),
        (GOOD.replace(FIRST, "0 1 5"), r"entry 1 \('0 1 5'\) has the row 0. .*counted from 0"),
        (GOOD.replace(FIRST, "1 0 5"), "has the column 0"),
        (GOOD.replace(FIRST, "8 1 5"), "has the row 8. Expected 1 to 7"),
        (GOOD.replace(FIRST, "1 21 5"), "has the column 21. Expected 1 to 20"),
        (GOOD.replace(FIRST, "1 1 5 5"), "is incomplete or too long"),
        (GOOD.replace(FIRST, "1 1 NA"), "has a value that is no number"),
        (GOOD.replace(FIRST, "1 1 inf"), "has a value that is no number"),
        (GOOD.replace(FIRST, "1 1 1,5"), "has a value that is no number"),
        (GOOD.replace(FIRST, "1.5 1 5"), "has a row that is no whole number"),
        (GOOD.replace("integer", "pattern"), "pattern.*not how large"),
        (GOOD.replace("integer", "complex"), "values of the kind 'complex'"),
        (GOOD.replace("general", "symmetric"), "'symmetric' matrix"),
        (GOOD.replace("coordinate", "array"), "form 'array'"),
        ("7 20\n", "line 1 is '7 20'"),
        ("", "line 1 is ''"),
    ],
)
def test_matrix_market_files_that_are_wrong(tmp_path, text, match, ending):
    folder_of(tmp_path, COUNTS, text, ending=ending)
    with pytest.raises(InputError, match=match) as caught:
        read(tmp_path)
    assert f"matrix.mtx{ending}" in str(caught.value)


def test_a_matrix_market_file_cut_anywhere_is_refused_or_the_same(tmp_path):
    folder_of(tmp_path, COUNTS, GOOD)
    for length in range(0, len(GOOD) - len(LAST), 7):
        (tmp_path / "matrix.mtx").write_text(GOOD[:length])
        with pytest.raises(InputError):
            read(tmp_path)
    (tmp_path / "matrix.mtx").write_text(GOOD[:-1])
    with open_cohort(tmp_path) as opened:
        assert "has no end" in opened.notes[0]
    packed = gzip.compress(GOOD.encode())
    (tmp_path / "matrix.mtx").write_bytes(packed[:-5])
    with pytest.raises(InputError, match="end-of-stream"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "lines", "match"),
    [
        ("features.tsv", [f"g{n}" for n in range(9)], r"features\.tsv has 9 lines and barcodes"),
        ("barcodes.tsv", ["a", "b"], "barcodes.tsv has 2. .*Find the barcodes.tsv"),
    ],
)
def test_lists_that_do_not_fit_are_named(tmp_path, name, lines, match):
    folder_of(tmp_path, COUNTS, GOOD)
    put(tmp_path / name, lines_of(lines))
    with pytest.raises(InputError, match=match):
        read(tmp_path)


@pytest.mark.parametrize(
    ("files", "match"),
    [
        (["Gene/filtered/matrix.mtx", "Gene/raw/matrix.mtx"], "STARsolo.*Gene/filtered"),
        (["filtered/matrix.mtx"], r"Give one of .*filtered"),
        (["Gene/filtered/matrix.mtx.gz"], "STARsolo.*Gene/filtered"),
        (["spliced.mtx", "barcodes.tsv", "features.tsv"], "STARsolo.*velocity"),
        (["cells_x_genes.mtx", "cells_x_genes.genes.txt"], r"kb \(kallisto.*--h5ad"),
        (["counts_unfiltered/cells_x_genes.mtx"], r"kb \(kallisto.*--h5ad"),
        (["alevin/quants_mat.gz"], r"alevin wrote.*pyroe"),
        (["quants_mat.mtx", "quants_mat_rows.txt"], r"alevin wrote.*pyroe"),
        (["count_matrix.mtx", "all_genes.csv"], "split-pipe"),
        (["filtered_feature_bc_matrix.h5"], r"Give one of the files filtered_feature_bc_matrix"),
        (["matrix.mtx"], "no features.tsv or genes.tsv"),
    ],
)
def test_folders_of_other_programs_are_named(tmp_path, files, match):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=match):
        read(tmp_path)


# Arrays -----------------------------------------------------------------------------------------


def npy(shape, kind="<f4", n_bytes=40):
    file = io.BytesIO()
    header = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + bytes(n_bytes)


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize(
    ("content", "match"),
    [
        (npy((-5, 2)), "claims the shape -5 x 2"),
        (npy((-5, -2)), "claims the shape -5 x -2"),
        (npy((10**12, 10)), "promises 40,000,000,000,000 bytes"),
        (npy((5, 3)), "promises 60 bytes, 5 x 3 of float32, and 40 follow"),
        (npy((4, 2)), "promises 32 bytes"),
        (npy((5, 1), "|O"), "Python objects"),
    ],
)
def test_arrays_that_are_not_what_they_say(tmp_path, content, match, mmap):
    (tmp_path / "X.npy").write_bytes(content)
    with pytest.raises(InputError, match=match):
        read_features(tmp_path / "X.npy", "sf", mmap=mmap)


def test_arrays_that_grow(tmp_path, monkeypatch):
    monkeypatch.setattr("scatd.data.contents.ALWAYS_ALLOWED", 100_000)
    np.savez_compressed(tmp_path / "X.npz", X=np.zeros((100, 1000)))
    with pytest.raises(InputError, match=r"claims [\d,]+ bytes of values, and the file stores"):
        read_features(tmp_path / "X.npz", "sf")
    sparse.save_npz(tmp_path / "S.npz", sparse.csr_matrix(COUNTS.to_numpy()))
    with pytest.raises(InputError, match="sparse matrix of scipy"):
        read_features(tmp_path / "S.npz", "sf")


@pytest.mark.parametrize("kind", ["f2", "f4", ">f4", "f8", "i2"])
@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_any_number_type_and_order(tmp_path, kind, mmap, order):
    np.save(tmp_path / "X.npy", COUNTS.to_numpy(kind).copy(order))
    np.testing.assert_array_equal(
        read_features(tmp_path / "X.npy", "sf", mmap=mmap).X, COUNTS.to_numpy()
    )


# Files that went wrong --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("incons_obsm.h5ad", "63 rows. Expected 60"),
        ("neg.npy", "claims the shape -5 x 3072"),
        ("mtx_zero_based", "has the row 0"),
        ("mtx_index_range", "has the row 99999. Expected 1 to 19264"),
    ],
)
def test_cases_that_are_refused(cases, name, match):
    for reader in (read_features,) if name.endswith((".npy", ".h5ad")) else (open_cohort,):
        with pytest.raises(InputError, match=match):
            reader(cases / name, "sf") if reader is read_features else read(cases / name)


def test_cases_that_are_read(cases, real_data):
    right = pd.read_csv(real_data / "counts" / "baron_10x19264.csv.gz", index_col=0)
    with open_cohort(cases / "mtx_unsorted") as opened:
        matrix = opened.matrices["X"]
        assert list(matrix.var["gene_symbols"]) == list(right.columns)
        found = matrix.rows(0, opened.n_obs).toarray()
    np.testing.assert_array_equal(found, right.to_numpy())
    assert found.sum() == 12_091
