"""Which matrix of a cohort is used: by word, by name, or as the only one."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scatd.data.cohort import Cohort, Matrix
from scatd.data.features import read_features
from scatd.data.genes import GeneMap, Panel, aligned
from scatd.data.io import open_cohort
from scatd.data.layer_names import is_made, is_named_counts, is_partial
from scatd.data.layers import choose, choose_to_learn
from scatd.data.preflight import look
from scatd.errors import InputError

RNG = np.random.default_rng(3)
NAMES = [f"GENE{number}" for number in range(200)]
COUNTS = RNG.poisson(1.5, (30, 200)).astype(np.float32)
PART = RNG.binomial(COUNTS.astype(int), 0.6).astype(np.float32)
OTHER = COUNTS + (COUNTS > 0)
BINARY = (COUNTS > 0).astype(np.float32)
LOGS = np.log1p(COUNTS / COUNTS.sum(axis=1, keepdims=True) * 1e4)
SMOOTH = COUNTS + np.float32(1)
"""Whole numbers above zero everywhere, as a rounded imputation gives."""
Z = (LOGS - LOGS.mean(axis=0)) / (LOGS.std(axis=0) + 1e-9)


def cohort(**matrices):
    """A cohort in memory; a matrix is values for all genes, or values and names."""
    ready = {}
    for name, held in matrices.items():
        values, names = held if isinstance(held, tuple) else (held, NAMES)
        rows = sparse.csr_matrix(values)
        var = pd.DataFrame(index=pd.Index(list(names)))
        ready[name] = Matrix(rows.shape, lambda a, b, rows=rows: rows[a:b], var, rows.nnz)
    ids = [f"cell{number}" for number in range(len(COUNTS))]
    return Cohort(Path("a.h5ad"), pd.DataFrame(index=pd.Index(ids)), ready)


@pytest.mark.parametrize(
    ("matrices", "used"),
    [
        ({"X": COUNTS}, "X"),
        ({"X": LOGS, "counts": COUNTS}, "counts"),
        ({"X": LOGS, "Raw.Counts": COUNTS}, "Raw.Counts"),
        ({"X": LOGS, "ambiguous": PART, "raw": COUNTS, "spliced": PART}, "raw"),
        ({"X": COUNTS, "spliced": PART, "unspliced": COUNTS - PART}, "X"),
        ({"X": Z, "umi": COUNTS}, "umi"),  # the only one there is
        ({"X": Z, "binary": BINARY, "umi": COUNTS}, "umi"),
        ({"X": Z, "presence_of_genes": BINARY, "umi": COUNTS}, "umi"),
        ({"X": Z, "detected": BINARY, "umi": COUNTS}, "umi"),  # by its values
        ({"X": LOGS, "magic": SMOOTH, "counts": COUNTS}, "counts"),
        ({"X": LOGS, "filled": SMOOTH, "umi": COUNTS}, "umi"),  # X was not made from it
        ({"X": COUNTS, "copy": COUNTS}, "X"),
        ({"X": Z, "a": COUNTS, "b": COUNTS}, "a"),  # identical copies
        ({"X": Z, "counts": COUNTS, "corrected": OTHER}, "counts"),
        ({"X": Z, "counts": COUNTS, "umi": OTHER}, "counts"),  # by its name
        ({"X": (COUNTS[:, :50], NAMES[:50]), "raw": COUNTS}, "raw"),  # the same, and more genes
        ({"X": np.zeros_like(COUNTS), "counts": COUNTS}, "counts"),
    ],
)
def test_counts_are_found_by_name_or_as_the_only_ones(matrices, used):
    choice = choose(cohort(**matrices))
    assert choice.fault is None
    assert choice.layer == used
    assert len(matrices) == 1 or f"(--layer {used})" in choice.notes[0]


@pytest.mark.parametrize(
    ("matrices", "said"),
    [
        ({"X": LOGS, "spliced": PART, "unspliced": PART}, "a part of the molecules"),
        ({"X": LOGS, "S": PART}, "X was not made from it"),  # a part by another name
        ({"X": LOGS, "MAGIC_imputed": SMOOTH}, "filled in or changed"),
        ({"X": Z, "knn_smoothed": SMOOTH}, "filled in or changed"),
        ({"X": PART, "spliced": PART, "unspliced": PART}, "the same as layers['spliced']"),
        ({"X": LOGS, "binary": BINARY}, "binary'] holds 0 or 1"),
        ({"X": BINARY}, "--scale counts"),
        ({"X": Z, "a": COUNTS, "b": OTHER}, "--layer a or --layer b"),
        ({"X": COUNTS, "counts": OTHER}, "--layer X or --layer counts"),
        ({"X": COUNTS, "umi": OTHER}, "--layer X or --layer umi"),
        ({"X": (OTHER[:, :50], NAMES[:50]), "raw": COUNTS}, "they differ"),
    ],
)
def test_what_is_not_surely_the_counts_is_refused(matrices, said):
    choice = choose(cohort(**matrices))
    assert choice.fault is not None
    assert said in str(choice.fault)


def test_several_are_refused_with_their_totals():
    fault = choose(cohort(X=Z, a=COUNTS, b=OTHER)).fault
    for total in (COUNTS.sum(), OTHER.sum()):
        assert f"(total {total:,.0f})" in str(fault)


@pytest.mark.parametrize("layer", ["spliced", "magic", "b"])
def test_the_user_s_word_takes_any_of_them(layer):
    choice = choose(cohort(X=LOGS, spliced=PART, magic=SMOOTH, b=OTHER), layer=layer)
    assert choice.fault is None
    assert choice.layer == layer


def test_scaled_and_estimated_values_are_counts_only_where_the_user_says_so():
    fpkm = COUNTS * RNG.lognormal(3, 1, 200).astype(np.float32)
    fault = choose(cohort(X=fpkm)).fault
    assert "Expected raw counts" in str(fault)
    assert "--scale counts" in str(fault)
    said = choose(cohort(X=fpkm), scale="counts")
    assert said.fault is None
    assert "not whole" in said.warnings[0]
    beside = choose(cohort(X=fpkm, counts=COUNTS))
    assert beside.layer == "counts"


def test_the_best_of_several_scales_is_taken():
    accepts = ("counts", "log1p")
    assert choose(cohort(X=LOGS, counts=COUNTS), accepts=accepts).layer == "counts"
    assert choose(cohort(X=LOGS, spliced=PART), accepts=accepts).layer == "X"
    assert choose(cohort(X=Z, lognorm=LOGS), accepts=accepts).layer == "lognorm"
    assert choose(cohort(X=Z), accepts=accepts).fault is not None


def test_training_reads_counts_or_x_and_refuses_what_is_unclear():
    assert choose_to_learn(cohort(X=LOGS, counts=COUNTS)).layer == "counts"
    assert choose_to_learn(cohort(X=LOGS, spliced=PART)).layer == "X"
    assert choose_to_learn(cohort(X=Z, counts=COUNTS), "zscore").layer == "X"
    for unclear in ({"X": Z, "a": COUNTS, "b": OTHER}, {"X": PART, "spliced": PART}):
        with pytest.raises(InputError, match="scatd prepare"):
            choose_to_learn(cohort(**unclear))


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("place", ["counts", "raw"])
def test_features_are_read_from_the_counts_beside_x(tmp_path, place, mmap):
    var = pd.DataFrame(index=NAMES)
    whole = ad.AnnData(LOGS, var=var, layers={"spliced": PART})
    if place == "raw":
        whole.raw = ad.AnnData(COUNTS, var=var)
    else:
        whole.layers["counts"] = COUNTS
    whole.write_h5ad(tmp_path / "a.h5ad")
    features = read_features(tmp_path / "a.h5ad", "dist", mmap=mmap)
    np.testing.assert_array_equal(np.asarray(features.X), COUNTS)
    assert features.names == tuple(NAMES)


@pytest.mark.parametrize("name", ["counts", "Counts", "raw_counts", "rawCounts", "raw", "RAW"])
def test_names_of_counts(name):
    assert is_named_counts(name)


@pytest.mark.parametrize(
    ("name", "partial", "made"),
    [
        ("spliced", True, False),
        ("unspliced_counts", True, False),
        ("Nascent", True, False),
        ("magic", False, True),
        ("MAGIC_imputed_data", False, True),
        ("RNAimputed", False, True),
        ("Ms", False, True),
        ("Mu", False, True),
        ("scvi_normalized", False, True),
        ("scVI", False, True),
        ("knn_smoothed", False, True),
        ("decontXcounts", False, True),
        ("alra", False, True),
        ("binary", False, True),
        ("denoised", False, True),
        ("umi", False, False),
        ("mus", False, False),
        ("expected_counts", False, False),
        ("matrix", False, False),
        ("total", False, False),
    ],
)
def test_names_that_are_never_taken(name, partial, made):
    assert (is_partial(name), is_made(name)) == (partial, made)


@pytest.mark.golden
@pytest.mark.parametrize(
    ("file", "layer"),
    [("velocity_layers.h5ad", "raw"), ("seuratdisk_raw.h5ad", "raw"), ("geneformer_in2.loom", "X")],
)
def test_the_cases_give_the_exact_matrix(cases, real_data, reference_tables, file, layer):
    known = GeneMap.read(reference_tables / "ensembl" / "symbol_ensembl_map.txt.gz")
    panel = Panel.read(reference_tables / "scfoundation" / "OS_scRNA_gene_index.19264.tsv")
    table = pd.read_csv(real_data / "counts" / "baron_10x19264.csv.gz", index_col=0)
    with open_cohort(cases / file) as opened:
        found = look(opened, {"panel": panel}, known)
        assert not found.faults
        assert found.layer == layer
        rows = opened.matrices[layer].rows(0, 10)
        result = aligned(rows, found.matches["panel"]).toarray()
    expected = table[list(panel.names)].to_numpy(np.float32)
    assert expected.sum() == 12_091
    if file.endswith(".loom"):  # 218 genes without an id in the map bear an id that was made up
        made_up = [name for name in opened.matrices["X"].var.index if name.startswith("ENSG9")]
        assert len(made_up) == 218
        expected[:, found.matches["panel"].positions < 0] = 0  # its rows stand in this order
        assert expected.sum() == 12_089
    np.testing.assert_array_equal(result, expected)


@pytest.mark.golden
def test_the_imputed_layer_is_not_taken(cases):
    with open_cohort(cases / "layer_magic.h5ad") as opened:
        choice = choose(opened)
        assert choice.layer == "X"
        assert "X holds log1p" in str(choice.fault)
        assert choose(opened, accepts=("counts", "log1p")).layer == "X"
        assert choose(opened, accepts=("counts", "log1p")).fault is None
