"""`scatd check` and `scatd prepare` as a user runs them."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scatd import tracking
from scatd.data import cohort as cohort_module

RNG = np.random.default_rng(2)
COUNTS = RNG.poisson(0.8, (90, 260)).astype(np.float32)
COUNTS[7] = 0
COUNTS[11, 20:] = 0
CELLS = [f"cell{number}" for number in range(90)]
GENES = [f"ENSG{number:011d}.{number % 5}" for number in range(250)] + ["MT-CO1"] * 10
PANEL = [f"GENE{number}" for number in range(0, 300, 2)]
PASSED = (COUNTS > 0).sum(axis=1) >= 100


@pytest.fixture
def files(store, monkeypatch):
    """A working folder with cells named by Ensembl id, a map and a panel; and no cache."""
    monkeypatch.setenv("SCATD_CACHE", str(store / "cache"))
    monkeypatch.setattr(cohort_module, "BLOCK_VALUES", 2000)
    cells = ad.AnnData(
        sparse.csr_matrix(COUNTS),
        pd.DataFrame({"site": "lung"}, index=CELLS),
        pd.DataFrame(index=GENES),
    )
    cells.write_h5ad(store / "cells.h5ad")
    rows = [f"ENSG{number:011d}\tGENE{number}" for number in range(250)]
    (store / "map.tsv").write_text("\n".join(["Gene stable ID\tGene name", *rows]) + "\n")
    (store / "panel.txt").write_text("\n".join(PANEL) + "\n")
    return store


WITH_GENES = ("--gene-map", "map.tsv", "--panel", "panel.txt", "--min-genes", "100")


def expected():
    """The panel's genes, by a loop: every second gene, and nothing from GENE250 on."""
    X = np.zeros((90, len(PANEL)), np.float32)
    for place, gene in enumerate(PANEL):
        number = int(gene.removeprefix("GENE"))
        if number < 250:
            X[:, place] = COUNTS[:, number]
    return X


@pytest.mark.parametrize("name", ["out.h5ad", "out.zarr"])
def test_cells_are_kept_and_marked(scatd, files, name):
    said = scatd("prepare", "cells.h5ad", "-o", name, *WITH_GENES).output
    assert f"{name}: 90 cells x 150 genes" in said
    assert f"{(~PASSED).sum()} cells failed QC: marked and kept" in said
    made = ad.read_h5ad(files / name) if name == "out.h5ad" else ad.read_zarr(files / name)
    assert sparse.issparse(made.X)
    np.testing.assert_array_equal(made.X.toarray(), expected())
    assert list(made.obs_names) == CELLS
    assert list(made.var_names) == PANEL
    np.testing.assert_array_equal(made.obs["scatd_qc_reason"] == "", PASSED)
    assert made.obs["scatd_qc_reason"].iloc[7] == "no counts"
    assert made.obs["site"].tolist() == ["lung"] * 90
    np.testing.assert_array_equal(made.obs["n_genes_by_counts"], (COUNTS > 0).sum(axis=1))
    with np.errstate(invalid="ignore"):
        mito = np.nan_to_num(COUNTS[:, 250:].sum(axis=1) / COUNTS.sum(axis=1))
    np.testing.assert_allclose(made.obs["pct_counts_mt"], 100 * mito, rtol=1e-6)
    np.testing.assert_allclose(made.obs["total_counts"], COUNTS.sum(axis=1))
    about = made.uns["scatd"]["prepare"]
    assert about["normalisation"] == "none: raw counts"
    assert about["input_scale"] == "counts"
    assert about["genes"]["mapped"] == 125
    assert about["genes"]["zero-filled"] == 25
    report = pd.read_csv(files / "out_report" / "genes.csv")
    assert (report["status"] == "dropped").sum() == 135
    assert {path.name for path in (files / "out_report").iterdir()} >= {
        *("quality_violins.png", "quality_violins.pdf"),
        *("quality_scatter.png", "quality_scatter.pdf"),
    }


def test_cells_are_dropped_on_request(scatd, files):
    scatd("prepare", "cells.h5ad", "-o", "out.h5ad", "--drop", *WITH_GENES)
    made = ad.read_h5ad(files / "out.h5ad")
    assert list(made.obs_names) == [name for name, good in zip(CELLS, PASSED, strict=True) if good]
    np.testing.assert_array_equal(made.X.toarray(), expected()[PASSED])


def test_rows_are_prepared_as_parts_and_joined(scatd, files):
    X = RNG.poisson(0.8, (600, 260)).astype(np.float32)
    names = [f"cell{number}" for number in range(600)]
    cells = ad.AnnData(X, pd.DataFrame(index=names), pd.DataFrame(index=GENES))
    cells.write_h5ad(files / "more.h5ad")
    for name, rows in (("second", "512:"), ("first", "0:512")):
        said = scatd("prepare", "more.h5ad", "--rows", rows, "-o", f"{name}.h5ad", *WITH_GENES)
        assert "A part of the cohort: scatd join writes the table of genes" in said.output
        assert not (files / f"{name}_report").exists()
    missing = scatd("join", "first.h5ad", "-o", "all.h5ad", code=2).output
    assert "rows 512:600 are missing" in missing
    assert not (files / "all.h5ad").exists()
    joined = scatd("join", "second.h5ad", "first.h5ad", "-o", "all.h5ad").output
    assert "600 rows from 2 parts" in joined
    made = ad.read_h5ad(files / "all.h5ad")
    np.testing.assert_array_equal(made.X.toarray()[:, :125], X[:, :250:2])
    assert list(made.obs_names) == names
    assert "part" not in made.uns["scatd"]
    report = pd.read_csv(files / "all_report" / "genes.csv")
    assert (report["status"] == "mapped").sum() == 125
    assert (files / "all_report" / "quality_violins.pdf").exists()


def test_a_prepared_file_is_read_by_family_dist(scatd, files):
    from scatd.data.features import read_features

    scatd("prepare", "cells.h5ad", "-o", "out.h5ad", *WITH_GENES)
    features = read_features(files / "out.h5ad", "dist", n_features=150)
    np.testing.assert_array_equal(features.X, expected())
    assert features.names == tuple(PANEL)


def test_no_tracking_where_nobody_asked_for_it(scatd, files):
    scatd("prepare", "cells.h5ad", "-o", "out.h5ad", *WITH_GENES)
    client = tracking.connect()
    assert not client.search_runs([tracking.experiment_id(client)])


def test_under_tracking_the_report_is_an_artifact(scatd, files, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{files / 'mlflow.db'}")
    scatd("prepare", "cells.h5ad", "-o", "out.h5ad", *WITH_GENES)
    client = tracking.connect()
    (run,) = client.search_runs([tracking.experiment_id(client)])
    assert run.data.tags["scatd.command"] == "prepare"
    assert run.data.metrics["gene_overlap"] == pytest.approx(125 / 150)
    assert run.data.params["cfg.normalisation"] == "none: raw counts"
    table = pd.read_csv(tracking.Run(client, run.info.run_id).fetch("tables/genes.csv"))
    assert (table["status"] == "zero-filled").sum() == 25
    figures = {file.path for file in client.list_artifacts(run.info.run_id, "report")}
    assert "report/quality_violins.png" in figures


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda X: np.log1p(X / np.maximum(X.sum(axis=1, keepdims=True), 1) * 1e4),
            "X holds log1p",
        ),
        (lambda X: np.where(np.arange(260) == 3, np.nan, X), "NaN or infinite"),
        (lambda X: np.zeros_like(X), "no cell expresses any gene"),
    ],
)
def test_what_cannot_be_prepared_leaves_nothing(scatd, files, change, message):
    cells = ad.read_h5ad(files / "cells.h5ad")
    cells.X = change(COUNTS).astype(np.float32)
    cells.write_h5ad(files / "bad.h5ad")
    before = sorted(files.iterdir())
    said = scatd("prepare", "bad.h5ad", "-o", "out.h5ad", *WITH_GENES, code=2).output
    assert message in said
    assert sorted(files.iterdir()) == before


def test_without_a_panel_the_message_says_how_to_get_one(scatd, files):
    said = scatd("prepare", "cells.h5ad", "-o", "out.h5ad", code=2).output
    assert "scatd download scfoundation-genes" in said
    assert not (files / "out.h5ad").exists()


def test_panel_and_map_are_found_in_the_cache(scatd, files):
    folder = files / "cache" / "downloads"
    for name, source, target in (
        ("gene-map", "map.tsv", "hgnc.tsv"),
        ("scfoundation-genes", "panel.txt", "OS_scRNA_gene_index.19264.tsv"),
    ):
        (folder / name).mkdir(parents=True)
        (folder / name / target).write_text((files / source).read_text())
    said = scatd("check", "cells.h5ad", "--min-genes", 100).output
    assert "125 of 150 genes (83%)" in said


def test_check_prints_json_and_the_exit_code_says_whether_it_can_be_used(scatd, files):
    told = json.loads(scatd("check", "cells.h5ad", "--json", "--quiet", *WITH_GENES).output)
    assert told["scale"] == "counts"
    assert told["identifiers"] == "ensembl"
    assert told["names_with_version"] == 250
    assert told["duplicated_genes"] == 9
    assert told["cells"]["empty"] == 1
    assert told["panels"]["panel.txt"]["found"] == 125
    assert told["faults"] == []
    without_map = scatd("check", "cells.h5ad", "--panel", "panel.txt", code=2).output
    assert "0 of the 150 genes (0%)" in without_map
    assert "--gene-map" in without_map


def test_tpm_of_tcga_with_survival(scatd, files):
    """Versions and the copy on Y are stripped, copies of a gene averaged, patients joined."""
    tpm = RNG.gamma(0.5, 20, (250, 3))
    tpm = tpm / tpm.sum(axis=0) * 1e6
    samples = ["TCGA-AA-0001-01A", "TCGA-AA-0002-01A", "TCGA-AA-0003-01A"]
    table = pd.DataFrame(np.log2(1 + tpm), index=GENES[:250], columns=samples)
    table.loc["ENSG00000000002.1_PAR_Y"] = 0.0
    table.rename_axis("Ensembl_ID").to_csv(files / "tpm.tsv.gz", sep="\t")
    (files / "survival.tsv").write_text(
        "sample\tOS\tOS.time\nTCGA-AA-0001-01A\t1\t30\nTCGA-AA-0002-01A\t0\t400\n"
    )
    arguments = ("--scale", "log1p", "--survival", "survival.tsv", "-o", "tcga.h5ad", *WITH_GENES)
    scatd("prepare", "tpm.tsv.gz", *arguments)
    made = ad.read_h5ad(files / "tcga.h5ad")
    expected_columns = np.log2(1 + tpm).T[:, ::2].copy()
    expected_columns[:, 1] /= 2  # GENE2, averaged with its copy on Y, which is zero
    np.testing.assert_allclose(made.X.toarray()[:, :125], expected_columns, rtol=1e-5)
    assert made.obs["OS.time"].tolist()[:2] == [30, 400]
    assert np.isnan(made.obs["OS.time"].iloc[2])
    assert made.uns["scatd"]["prepare"]["duplicates"] == "averaged"


@pytest.mark.golden
def test_the_bulk_table_passes_when_its_scale_is_said(scatd, files, real_data, reference_tables):
    path = real_data / "counts" / "bulk_gdsc_10x19264.csv.gz"
    panel = reference_tables / "scfoundation" / "OS_scRNA_gene_index.19264.tsv"
    assert "--scale rma" in scatd("check", path, "--panel", panel, code=2).output
    assert "No faults" in scatd("check", path, "--panel", panel, "--scale", "rma").output
    scatd("prepare", path, "--panel", panel, "--scale", "rma", "-o", "bulk.h5ad")
    made = ad.read_h5ad(files / "bulk.h5ad")
    table = pd.read_csv(path, index_col=0)
    np.testing.assert_array_equal(made.X.toarray(), table.to_numpy(np.float32))
    assert list(made.obs_names) == [str(name) for name in table.index]


def test_the_demo_s_raw_counts_find_the_demo_s_genes(scatd, files, monkeypatch):
    from scatd.data.demo import DemoSettings, write_demo

    sizes = DemoSettings(n_source=20, n_reference=20, n_target=20, n_foreign=20)
    write_demo(files / "scatd-demo", sizes)
    scatd("prepare", "-o", "demo.h5ad")
    made = ad.read_h5ad(files / "demo.h5ad")
    target = ad.read_h5ad(files / "scatd-demo" / "target.h5ad")
    assert made.uns["simulated"]
    assert list(made.var_names) == list(target.var_names)
    np.testing.assert_array_equal(made.X.toarray(), target.X.toarray())
