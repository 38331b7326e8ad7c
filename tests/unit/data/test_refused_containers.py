"""Damaged, hostile and foreign files: one message that says what is wrong, by every reader."""

from __future__ import annotations

import shutil

import anndata as ad
import h5py
import numpy as np
import pytest
import zarr
from scipy import sparse

from scatd.data.features import read_features
from scatd.data.io import open_cohort, open_store
from scatd.data.preflight import look
from scatd.errors import InputError
from tests.containers import WRITERS, cohort, read, read_whole, twenty_cells

COUNTS = twenty_cells()
RNG = np.random.default_rng(6)


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


def unknown_sparse(file):
    file["X"].attrs["encoding-type"] = "coo_matrix"


def numbers_as_table(file):
    del file["var"]
    file["var"] = np.arange(7)


def no_index(file):
    del file["obs"].attrs["_index"]


WRONG = {
    unknown_sparse: "X is a sparse matrix of an unknown kind. Expected csr or csc",
    numbers_as_table: "var is no table with an index",
    no_index: "obs is no table with an index",
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
        read_whole,
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
    for reader in (read, read_whole):
        with pytest.raises(InputError, match=f"column number {column}, where columns are 0 to"):
            reader(h5ad)


@pytest.mark.parametrize("place", ["X", "raw/X", "layers/counts"])
def test_a_column_twice_in_a_row(h5ad, place):
    """As in a Matrix Market file: nobody knows whether both count."""
    with h5py.File(h5ad, "r+") as file:
        first, second = file[f"{place}/indptr"][:2].astype(int)
        assert second - first > 1
        indices = file[f"{place}/indices"][:]
        indices[first + 1] = indices[first]
        file[f"{place}/indices"][...] = indices
    for reader in (read, read_whole):
        with pytest.raises(InputError, match="occurs more than once in a row"):
            reader(h5ad)


def test_a_sparse_embedding_of_nothing(h5ad):
    """It is filled with zeros when it is read: 10 GB of them are no features."""
    with h5py.File(h5ad, "r+") as file:
        del file["obsm/X_scfoundation"]
        empty = sparse.csr_matrix((20, 1 << 27), dtype=np.float32)
        ad.io.write_elem(file["obsm"], "X_scfoundation", empty)
    for mmap in (False, True):
        with pytest.raises(InputError, match=r"obsm/X_scfoundation claims [\d,]+ bytes"):
            read_features(h5ad, "sf", mmap=mmap)


def test_a_cell_without_an_id(h5ad):
    with h5py.File(h5ad, "r+") as file:
        file["obs/_index"][3] = ""
    with open_cohort(h5ad) as opened:
        assert any("1 cell has no id" in str(fault) for fault in look(opened, {}).faults)


def test_a_10x_file_without_one_of_its_parts(tmp_path):
    path = WRITERS["10x h5 of Cell Ranger 3"](tmp_path, COUNTS)
    with h5py.File(path, "r+") as file:
        del file["matrix/indptr"]
    with pytest.raises(InputError, match="it is a 10x file without all of its parts") as refused:
        read(path)
    assert "Rename" not in str(refused.value)


def test_codes_that_are_not_there(h5ad):
    with h5py.File(h5ad, "r+") as file:
        replaced(file, "obs/batch/codes", np.full(20, 5, "i1"))
    for reader in (read, read_whole, lambda path: read_features(path, "sf")):
        with pytest.raises(InputError, match=r"cannot be read as an \.h5ad file.*codes"):
            reader(h5ad)


def test_an_embedding_of_unknown_kind_is_one_message(h5ad):
    with h5py.File(h5ad, "r+") as file:
        file["obsm/X_scfoundation"].attrs["encoding-type"] = "of the future"
    for reader in (read_whole, lambda path: read_features(path, "sf")):
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
    for reader in (read, read_whole):
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


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("place", ["X/data", "obs/_index"])
def test_a_zarr_store_with_an_empty_file(tmp_path, version, place):
    """Some versions of zarr read such a file, of a disk that was full, as zeros."""
    path = WRITERS[f"zarr {version} rows"](tmp_path, COUNTS)
    chunks = [file for file in (path / place).rglob("*") if file.is_file() and "z" not in file.name]
    chunks[0].write_bytes(b"")
    for reader in (read, read_whole):
        with pytest.raises(InputError, match=rf"cannot be read .*{place}.* is empty"):
            reader(path)


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
        ("cells.unheardof", "does not read '.unheardof' as (a cohort|features)"),
        ("cells", "does not read a name without an ending"),
    ],
)
def test_kinds_that_are_not_read_say_how_to_convert(tmp_path, name, says):
    (tmp_path / name).touch()
    for reader in (read, read_whole, lambda path: read_features(path, "dist")):
        with pytest.raises(InputError, match=says):
            reader(tmp_path / name)
