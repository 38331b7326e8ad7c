"""`scatd embed` as a user runs it: published numbers, other spellings, kills, refusals."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import shutil
import signal
import socket
import urllib.request
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import scatd as scatd_api
from scatd.data.downloads import cache_folder
from tests import forked
from tests.web import web

SCF, GF = "X_scfoundation", "X_geneformer"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A working folder and a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCATD_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def scatd(run_scatd):
    """Embedding needs no MLflow store."""
    return run_scatd


@pytest.fixture(scope="module")
def table(real_data) -> Path:
    return real_data / "counts" / "baron_10x19264.csv.gz"


@pytest.fixture(scope="module")
def table_read(table) -> pd.DataFrame:
    return pd.read_csv(table, index_col=0)


@pytest.fixture
def baron(cells) -> Path:
    """The same as .h5ad, which is read in no time."""
    cells.write_h5ad("baron.h5ad")
    return Path("baron.h5ad")


@pytest.fixture
def scf(golden) -> list[str]:
    return ["--backend", "scfoundation", "--weights", str(golden / "scfoundation" / "models.ckpt")]


@pytest.fixture
def gf(golden, reference_tables) -> list[str]:
    weights = golden / "geneformer" / "tiny_model"
    dictionaries = reference_tables / "geneformer"
    return [
        "--backend",
        "geneformer",
        "--weights",
        str(weights),
        "--dictionaries",
        str(dictionaries),
    ]


@pytest.fixture
def published_panel(reference_tables):
    """The gene order, where `scatd download` puts it."""
    folder = cache_folder() / "downloads" / "scfoundation-genes"
    folder.mkdir(parents=True)
    shutil.copy(reference_tables / "scfoundation" / "OS_scRNA_gene_index.19264.tsv", folder)


@pytest.fixture
def ensembl_map(reference_tables) -> list[str]:
    return ["--gene-map", str(reference_tables / "ensembl" / "symbol_ensembl_map.txt.gz")]


@pytest.fixture
def cells(table_read) -> ad.AnnData:
    X = sparse.csr_matrix(table_read.to_numpy(np.float32))
    obs, var = (pd.DataFrame(index=names) for names in (table_read.index, table_read.columns))
    return ad.AnnData(X, obs, var)


def expected_of(golden, case):
    return np.load(golden / "scfoundation" / "expected.npz")[case]


def embedded(scatd, path, words, slot=SCF):
    scatd("embed", path, *words, "-o", "out.h5ad")
    return ad.read_h5ad("out.h5ad").obsm[slot]


def test_cells_of_a_web_server_are_embedded_as_those_of_a_file(
    scatd, cells, scf, tmp_path, monkeypatch
):
    (tmp_path / "served").mkdir()
    cells.write_zarr(tmp_path / "served" / "baron.zarr")
    with web(tmp_path / "served") as server:
        there = embedded(scatd, server.address("baron.zarr", "me:pass-word@"), scf)
    assert b"pass-word" not in Path("out.h5ad").read_bytes()
    monkeypatch.setenv("SCATD_CACHE", str(tmp_path / "another"))  # nothing is looked up
    here = embedded(scatd, tmp_path / "served" / "baron.zarr", scf)
    np.testing.assert_array_equal(there, here)


# As published ----------------------------------------------------------------------------------


def test_a_table_of_counts_is_embedded_as_published(scatd, table, table_read, scf, golden):
    output = scatd("embed", table, *scf, "-o", "out.h5ad").output
    assert "10 computed, 0 known already" in output
    found = ad.read_h5ad("out.h5ad")
    np.testing.assert_allclose(
        found.obsm[SCF], expected_of(golden, "baron__F__f1__all__rde"), rtol=0, atol=1e-4
    )
    assert list(found.obs_names) == list(table_read.index)
    np.testing.assert_array_equal(found.X.toarray(), table_read)
    about = found.uns["scatd"]["embed"][SCF]
    assert (about["version"], about["pool"], about["tgthighres"]) == ("rde", "all", "f1")
    assert len(about["weights_sha256"]) == 64
    assert about["genes_found"] == 19264


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("baron__F__t4__max__ce", ["--tgthighres", "t4", "--pool", "max", "--version", "ce"]),
        ("baron__F__f2__all__rde", ["--tgthighres", "f2"]),
    ],
)
def test_options_reach_the_model(scatd, baron, scf, golden, case, words):
    found = embedded(scatd, baron, [*scf, *words])
    np.testing.assert_allclose(found, expected_of(golden, case), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("mode", "target"), [("T", "f1"), ("A", "f1")])
def test_log_values(scatd, cells, scf, golden, mode, target):
    totals = np.asarray(cells.X.sum(axis=1)).ravel()
    cells.X = sparse.csr_matrix(np.log1p(cells.X.toarray() / totals[:, None] * 10_000))
    cells.obs["total_counts"] = totals
    cells.write_h5ad("log.h5ad")
    words = ["--pre-normalized", mode, "--tgthighres", target]
    found = embedded(scatd, "log.h5ad", [*scf, *words])
    case = f"baron__{mode}__{target}__all__rde"
    np.testing.assert_allclose(found, expected_of(golden, case), rtol=0, atol=1e-4)


def test_bulk_samples(scatd, cells, scf, golden):
    groups = [[0, 1], [2, 3, 4, 5, 6], [7], list(range(10))]
    X = np.stack([np.asarray(cells.X[rows].sum(axis=0)).ravel() for rows in groups])
    ad.AnnData(sparse.csr_matrix(X), var=cells.var).write_h5ad("bulk.h5ad")
    found = embedded(scatd, "bulk.h5ad", [*scf, "--input-type", "bulk"])
    case = "pseudobulk__F__na__all__rde"
    np.testing.assert_allclose(found, expected_of(golden, case), rtol=0, atol=1e-4)


def test_geneformer_from_symbols(scatd, baron, gf, golden):
    scatd("embed", baron, *gf, "-o", "out.h5ad")
    found = ad.read_h5ad("out.h5ad")
    expected = np.load(golden / "geneformer" / "real_cells_expected.npz")
    # The published conversion takes the symbol ENSA for an id and loses it; one cell expresses it.
    has_ensa = found[:, "ENSA"].X.toarray().ravel() > 0
    assert has_ensa.sum() == 1
    np.testing.assert_allclose(
        found.obsm[GF][~has_ensa], expected["embeddings"][~has_ensa], rtol=0, atol=1e-5
    )
    assert found.uns["scatd"]["embed"][GF]["dictionaries_sha256"]


def test_check_counts_the_genes_that_embed_finds(scatd, baron, gf, reference_tables):
    """With the dictionaries in the cache, and with another map of names too."""
    folder = cache_folder() / "downloads" / "geneformer-dictionaries"
    shutil.copytree(reference_tables / "geneformer", folder)
    ensembl = ["--gene-map", str(reference_tables / "ensembl" / "symbol_ensembl_map.txt.gz")]
    for words in ([], ensembl):
        told = json.loads(scatd("check", baron, "--json", "--quiet", *words).output)["panels"]["gf"]
        scatd("embed", baron, *gf, *words, "-o", "out.h5ad")
        about = ad.read_h5ad("out.h5ad").uns["scatd"]["embed"][GF]
        assert (told["found"], told["of"]) == (about["genes_found"], about["genes_of_model"])
        assert told["overlap"] > 0.7


@pytest.mark.parametrize(("backend", "slot"), [("scfoundation", SCF), ("geneformer", GF)])
def test_nothing_needs_the_network_once_the_files_are_there(
    scatd, baron, golden, reference_tables, published_panel, monkeypatch, backend, slot
):
    """No option names a file: all are where `scatd download` puts them."""
    downloads = cache_folder() / "downloads"
    (downloads / "scfoundation-weights").mkdir()
    shutil.copy(golden / "scfoundation" / "models.ckpt", downloads / "scfoundation-weights")
    shutil.copytree(golden / "geneformer" / "tiny_model", downloads / "geneformer-12L")
    shutil.copytree(reference_tables / "geneformer", downloads / "geneformer-dictionaries")

    def refuse(*_, **__):
        raise AssertionError("the network was asked")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(AssertionError, match="the network was asked"):
        urllib.request.urlopen("http://127.0.0.1:9")
    assert embedded(scatd, baron, ["--backend", backend], slot).shape[0] == 10
    assert "No faults" in scatd("check", baron).output


def test_both_embeddings_of_one_cohort_and_nothing_else_changes(scatd, cells, scf, gf):
    cells.layers["counts"] = cells.X.copy()
    cells.obs["patient"] = pd.Categorical(["a", "b"] * 5)
    cells.obsm["X_pca"] = np.arange(20.0).reshape(10, 2)
    cells.uns |= {"simulated": True, "scatd": {"docetaxel": {"threshold": 0.4}}}
    cells.write_h5ad("cells.h5ad")
    scatd("embed", "cells.h5ad", *scf, "-o", "cells.h5ad")  # in place
    scatd("embed", "cells.h5ad", *gf, "-o", "both.h5ad")
    found = ad.read_h5ad("both.h5ad")
    assert set(found.obsm) == {"X_pca", SCF, GF}
    assert set(found.uns["scatd"]["embed"]) == {SCF, GF}
    assert found.uns["scatd"]["docetaxel"]["threshold"] == 0.4
    assert found.uns["simulated"]
    pd.testing.assert_frame_equal(found.obs, cells.obs)
    np.testing.assert_array_equal(found.layers["counts"].toarray(), cells.X.toarray())


# Other spellings of the same cells ---------------------------------------------------------------


def test_the_order_of_the_genes_does_not_matter(scatd, cells, scf, gf, golden, published_panel):
    order = np.random.default_rng(0).permutation(cells.n_vars)
    cells.write_h5ad("cells.h5ad")
    cells[:, order].copy().write_h5ad("permuted.h5ad")
    found = embedded(scatd, "permuted.h5ad", scf)
    case = "baron__F__f1__all__rde"
    np.testing.assert_allclose(found, expected_of(golden, case), rtol=0, atol=1e-4)
    one = embedded(scatd, "cells.h5ad", gf, GF)
    np.testing.assert_array_equal(embedded(scatd, "permuted.h5ad", gf, GF), one)


def test_ensembl_ids_give_the_same(
    scatd, cells, scf, published_panel, ensembl_map, reference_tables
):
    path = reference_tables / "ensembl" / "symbol_ensembl_map.txt.gz"
    with gzip.open(path, "rt") as file:
        separator = "\t" if "\t" in file.readline() else ","
    ids = (
        pd.read_csv(path, sep=separator)
        .drop_duplicates("Gene name")
        .set_index("Gene name")["Gene stable ID"]
    )
    known = cells[:, cells.var_names.isin(ids.index)].copy()
    known.write_h5ad("symbols.h5ad")
    known.var_names = [f"{ids[name]}.3" for name in known.var_names]
    known.write_h5ad("ensembl.h5ad")
    one = embedded(scatd, "symbols.h5ad", [*scf, *ensembl_map])
    np.testing.assert_array_equal(embedded(scatd, "ensembl.h5ad", [*scf, *ensembl_map]), one)


def test_counts_in_a_layer_are_found(scatd, cells, scf, golden):
    cells.layers["counts"] = cells.X.copy()
    X = cells.X.toarray()
    cells.X = np.log1p(X / X.sum(axis=1, keepdims=True) * 10_000)
    cells.write_h5ad("log.h5ad")
    found = embedded(scatd, "log.h5ad", scf)
    case = "baron__F__f1__all__rde"
    np.testing.assert_allclose(found, expected_of(golden, case), rtol=0, atol=1e-4)


# Cells without an embedding, the cache, and kills -------------------------------------------------


def test_a_cell_without_counts_stays_with_a_reason(scatd, cells, scf, gf):
    X = cells.X.tolil()
    X[3] = 0
    cells.X = sparse.csr_matrix(X)
    cells.write_h5ad("cells.h5ad")
    output = scatd("embed", "cells.h5ad", *scf, "-o", "out.h5ad").output
    assert "1 without embedding: no expressed gene" in output
    found = ad.read_h5ad("out.h5ad")
    assert np.isnan(found.obsm[SCF][3]).all()
    assert np.isfinite(np.delete(found.obsm[SCF], 3, axis=0)).all()
    reasons = found.obs[f"{SCF}_reason"].astype(str).tolist()
    assert [number for number, reason in enumerate(reasons) if reason] == [3]
    assert np.isnan(embedded(scatd, "cells.h5ad", gf, GF)[3]).all()


def test_a_reason_goes_when_the_embedding_comes(scatd, cells, scf):
    cells.obs[f"{SCF}_reason"] = "old"
    cells.write_h5ad("cells.h5ad")
    embedded(scatd, "cells.h5ad", scf)
    assert f"{SCF}_reason" not in ad.read_h5ad("out.h5ad").obs


def test_the_same_cells_are_not_embedded_twice(scatd, cells, scf):
    cells[:6].copy().write_h5ad("some.h5ad")
    cells.write_h5ad("all.h5ad")
    scatd("embed", "some.h5ad", *scf, "-o", "some_out.h5ad")
    output = scatd("embed", "all.h5ad", *scf, "-o", "out.h5ad").output
    assert "4 computed, 6 known already" in output
    one, other = ad.read_h5ad("some_out.h5ad"), ad.read_h5ad("out.h5ad")
    np.testing.assert_array_equal(one.obsm[SCF], other.obsm[SCF][:6])
    for words in (["--pool", "max"], ["--version", "ce"], ["--tgthighres", "f2"]):
        output = scatd("embed", "all.h5ad", *scf, *words, "-o", "out.h5ad").output
        assert "10 computed, 0 known already" in output


KILLED = """
import os, signal
from scatd.embedding import runner
from scatd.embedding.scfoundation import ScFoundation

runner.KEEP_EVERY_SECONDS = 0.0
encode, done = ScFoundation.encode, []

def counted(self, cells):
    if len(done) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(len(cells))
    return encode(self, cells)

ScFoundation.encode = counted
from scatd.cli import main
main({words!r})
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_kill_9_and_the_same_command_again(scatd, baron, scf, golden):
    words = ["embed", str(baron), *scf, "-o", "out.h5ad"]
    program = KILLED.format(words=words)
    done = forked.run(program)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not Path("out.h5ad").exists()
    output = scatd(*words).output
    computed = int(output.splitlines()[-1].split()[0])
    assert 0 < computed < 10
    assert f"{10 - computed} known already" in output
    found = ad.read_h5ad("out.h5ad").obsm[SCF]
    expected = expected_of(golden, "baron__F__f1__all__rde")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    assert sorted(path.name for path in Path().iterdir()) == ["baron.h5ad", "cache", "out.h5ad"]


# What is refused --------------------------------------------------------------------------------


def refused(scatd, *words):
    before = sorted(Path().iterdir())
    output = scatd("embed", *words, "-o", "refused.h5ad", code=2).output
    assert "Traceback" not in output
    assert sorted(Path().iterdir()) == before
    return output


def test_without_weights_the_message_says_what_to_do(scatd, baron):
    said = refused(scatd, baron, "--backend", "scfoundation")
    for words in ("non-commercial", "github.com/biomap-research/scFoundation", "--weights", "dist"):
        assert words in said
    said = refused(scatd, baron, "--backend", "geneformer")
    for words in ("scatd download geneformer-12L", "Apache-2.0", "dist"):
        assert words in said
    said = refused(scatd, baron, "--backend", "geneformer", "--weights", "geneformer-6L")
    assert "scatd download geneformer-6L" in said


def test_without_dictionaries(scatd, baron, gf):
    assert "scatd download geneformer-dictionaries" in refused(scatd, baron, *gf[:4])


def test_weights_in_the_folder_of_downloads_are_found(scatd, baron, scf, golden):
    folder = cache_folder() / "downloads" / "scfoundation-weights"
    folder.mkdir(parents=True)
    shutil.copy(scf[-1], folder / "models.ckpt")
    found = embedded(scatd, baron, scf[:2])
    expected = expected_of(golden, "baron__F__f1__all__rde")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_missing_weights(scatd, baron):
    said = refused(scatd, baron, "--backend", "scfoundation", "--weights", "nowhere.ckpt")
    assert "nowhere.ckpt" in said


def test_a_version_that_the_file_lacks(scatd, baron, golden, here):
    entries = torch.load(golden / "scfoundation" / "models.ckpt", weights_only=True)
    torch.save({"cell": entries["cell"]}, here / "half.ckpt")
    said = refused(scatd, baron, "--backend", "scfoundation", "--weights", "half.ckpt")
    assert "It has --version ce" in said


class Evil:
    def __reduce__(self):
        return os.system, ("touch ran",)


@pytest.mark.parametrize("backend", ["scfoundation", "geneformer"])
def test_code_in_weights_or_dictionaries_does_not_run(scatd, baron, gf, here, backend):
    if backend == "scfoundation":
        torch.save({"rde": Evil()}, here / "evil.ckpt")
        said = refused(scatd, baron, "--backend", backend, "--weights", "evil.ckpt")
    else:
        (here / "dictionaries").mkdir()
        for name in ("token_dictionary.pkl", "gene_median_dictionary.pkl"):
            (here / "dictionaries" / name).write_bytes(pickle.dumps({"a": Evil()}))
        said = refused(scatd, baron, *gf[:4], "--dictionaries", "dictionaries")
    assert "would run code" in said
    assert not (here / "ran").exists()


def test_no_overlap(scatd, cells, scf, gf, published_panel):
    cells.var_names = [f"LOC{number}" for number in range(cells.n_vars)]
    cells.write_h5ad("other.h5ad")
    assert "0 of the 19,264 genes (0%)" in refused(scatd, "other.h5ad", *scf)
    assert "(0%)" in refused(scatd, "other.h5ad", *gf)


def test_the_gene_order_is_not_here(scatd, cells, scf):
    cells[:, :5000].copy().write_h5ad("some.h5ad")
    assert "scatd download scfoundation-genes" in refused(scatd, "some.h5ad", *scf)


def test_another_gene_order(scatd, cells, scf, here):
    (here / "genes.txt").write_text("\n".join(reversed(list(cells.var_names))))
    cells.write_h5ad("cells.h5ad")
    said = refused(scatd, "cells.h5ad", *scf, "--panel", "genes.txt")
    assert "not the 19,264 of scFoundation in their order" in said


def test_log_values_given_as_counts(scatd, cells, scf, gf):
    X = cells.X.toarray()
    cells.X = np.log1p(X / X.sum(axis=1, keepdims=True) * 10_000)
    cells.write_h5ad("log.h5ad")
    for words in (scf, gf):
        assert "log1p" in refused(scatd, "log.h5ad", *words)
    assert "Geneformer ranks raw counts" in refused(scatd, "log.h5ad", *gf, "--scale", "log1p")
    said = refused(scatd, "log.h5ad", *scf, "--pre-normalized", "A")
    assert "total_counts" in said


def test_bulk_logarithms_pass_when_they_are_said_to_be_such(scatd, real_data, scf, golden):
    table = pd.read_csv(real_data / "counts" / "bulk_gdsc_10x19264.csv.gz", index_col=0)
    ad.AnnData(table.iloc[:1].astype(np.float32)).write_h5ad("bulk.h5ad")
    words = [*scf, "--input-type", "bulk", "--pool", "max", "--version", "ce"]
    assert "--scale rma" in refused(scatd, "bulk.h5ad", *words)
    found = embedded(scatd, "bulk.h5ad", [*words, "--pre-normalized", "T", "--scale", "rma"])
    expected = expected_of(golden, "bulk__T__na__max__ce")[:1]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_options_of_the_other_model(scatd, baron, gf):
    assert "options of scFoundation" in refused(scatd, baron, *gf, "--pool", "max")


@pytest.mark.parametrize("words", [["--tgthighres", "t0"], ["--tgthighres", "many"]])
def test_a_depth_that_is_none(scatd, baron, scf, words):
    assert "--tgthighres" in refused(scatd, baron, *scf, *words)


def test_an_output_of_another_kind(scatd, baron, scf):
    output = scatd("embed", baron, *scf, "-o", "out.csv", code=2).output
    assert "Expected .h5ad or .zarr" in output


def test_negative_counts(scatd, cells, scf):
    cells.X.data[5] = -3
    cells.write_h5ad("cells.h5ad")
    refused(scatd, "cells.h5ad", *scf)


def test_the_api_embeds_an_anndata_in_place_as_the_command_embeds_its_file(
    baron, cells, gf, run_scatd
):
    run_scatd("embed", baron, *gf, "-o", "embedded.h5ad")
    by_command = ad.read_h5ad("embedded.h5ad")
    options = dict(zip([flag.strip("-") for flag in gf[::2]], gf[1::2], strict=True))
    copied = scatd_api.embed(cells, **options, copy=True)
    assert GF not in cells.obsm
    assert scatd_api.embed(cells, **options) is None
    for found in (cells, copied, scatd_api.embed(baron, **options)):
        assert np.array_equal(found.obsm[GF], by_command.obsm[GF])
        assert found.uns["scatd"]["embed"].keys() == by_command.uns["scatd"]["embed"].keys()
    assert scatd_api.embed(baron, **options, output="api.h5ad") is None
    assert np.array_equal(ad.read_h5ad("api.h5ad").obsm[GF], by_command.obsm[GF])
