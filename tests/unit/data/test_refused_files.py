"""Matrix Market folders and arrays that are cut, damaged or of other programs are refused."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scatd.data.features import read_features
from scatd.data.io import open_cohort
from scatd.errors import InputError
from tests.containers import folder_of, lines_of, mtx_text, put, read, twenty_cells

COUNTS = twenty_cells()


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
