"""A cohort, many drugs: the numbers of `scatd predict`, in one pass and on one page."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch

from scatd import artifact, registry, tracking
from scatd.cards.card import FeaturesRead
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS
from scatd.workflows.screen import drawing as screen_drawing
from scatd.workflows.screen import run as screen_run


@pytest.fixture(scope="module")
def drugs_folder(learned_folder, migrated_store, tmp_path_factory):
    """A store with three drugs in production, of which one reads genes, and one that is staged."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(learned_folder)
        first = registry.resolve("docetaxel", version=1, families=["sf"])
        model = artifact.read(registry.fetch(first))
    other = {name: -value for name, value in model.state.items() if name.startswith("fc4.")}
    inverse = replace(model, state={**model.state, **other}, threshold=0.3, domain=None)
    names = tuple(f"G{number}" for number in range(24))
    genes = replace(model.about, features=FeaturesRead(24, "X", names))
    torch.manual_seed(0)
    network = ResponseClassifier(model.sizes, DESIGNS["dist"])
    network.train()(torch.randn(64, 24))
    of_genes = replace(model, family="dist", design="dist", state=network.state_dict())
    made = {
        "docetaxel": model,
        "cisplatin": inverse,
        "gefitinib": replace(of_genes, about=genes),
        "staged": model,
    }
    folder = tmp_path_factory.mktemp("drugs")
    shutil.copy(migrated_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.chdir(folder)
        for drug, stored in made.items():
            stored = replace(stored, about=replace(stored.about, drug_key=drug))
            artifact.write(folder / drug, stored)
            name, tags = f"scatd-{stored.family}-{drug}", {"scatd.drug": drug}
            with tracking.parent_run("transfer", name=drug, tags={}, settings={}) as run:
                version = registry.register_artifact(
                    folder / drug, name, run.run_id, metrics={}, description="", tags=tags
                )
            if drug != "staged":
                registry.promote(name, version, reason="", evidence_run_id=run.run_id)
    return folder


@pytest.fixture
def drugs(drugs_folder, monkeypatch):
    """That folder, as the working folder; tests add runs to it, and write elsewhere."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(drugs_folder)
    return drugs_folder


@pytest.fixture
def screen(drugs, cohort, run_scatd, tmp_path):
    """Screen that cohort into `out`."""

    def screen(*words, code=0):
        return run_scatd("screen", cohort, "-o", tmp_path / "out", *words, code=code)

    return screen


@pytest.fixture
def cohort(task, tmp_path):
    """The target with three patients and a map of its own."""
    cells = ad.read_h5ad(task.target)
    cells.obs["patient"] = np.array(["p1", "p2", "p3"])[np.arange(120) % 3]
    cells.obsm["X_umap"] = np.random.default_rng(0).normal(size=(120, 2))
    cells.write_h5ad(tmp_path / "tumours.h5ad")
    return tmp_path / "tumours.h5ad"


def test_screen_says_what_predict_says(screen, cohort, run_scatd, tmp_path):
    done = screen("--drugs", "all", "--group-by", "patient")
    folder = tmp_path / "out"
    cells = pd.read_parquet(folder / "cells.parquet")
    matrix = pd.read_csv(folder / "matrix.csv", index_col="group")
    assert list(matrix.columns) == ["cisplatin", "docetaxel"]
    assert list(matrix.index) == ["p1", "p2", "p3", "all cells"]
    for drug in ("docetaxel", "cisplatin"):
        run_scatd("predict", "--drug", drug, cohort, "-o", tmp_path / f"{drug}.csv")
        alone = pd.read_csv(tmp_path / f"{drug}.csv")
        assert list(cells["barcode"]) == list(alone["barcode"])
        np.testing.assert_allclose(
            cells[f"scatd_{drug}_prob_resistant"], alone["prob_resistant"], atol=1e-6
        )
        is_resistant = alone["response"] == "resistant"
        by_patient = is_resistant.groupby(cells["patient"].to_numpy()).mean()
        np.testing.assert_allclose(matrix.loc[by_patient.index, drug], by_patient)
        assert matrix.loc["all cells", drug] == pytest.approx(is_resistant.mean())
    assert list(cells["scatd_docetaxel_ood"]) == list(
        pd.read_csv(tmp_path / "docetaxel.csv")["ood"]
    )
    assert "scatd_cisplatin_ood" not in cells, "its model does not know its domain"
    assert "gefitinib is left out:" in done.stdout
    reason = "not assessed: the model holds no training domain"
    said = f"Whether cells lie outside the training domain of the models of cisplatin is {reason}."
    assert said in done.stdout


def test_features_are_made_once_for_models_that_read_the_same(screen, monkeypatch):
    opened, real = [], screen_run.scoring_input

    def counted(path, family, *others):
        opened.append(family)
        return real(path, family, *others)

    monkeypatch.setattr(screen_run, "scoring_input", counted)
    screen()
    assert sorted(opened) == ["dist", "sf"]


def test_the_page_stands_alone_and_says_what_to_mind(screen, tmp_path):
    screen("--group-by", "patient")
    page = (tmp_path / "out" / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    for words in ("in vitro", "research only", "before treatment", "Left out", "docetaxel"):
        assert words in page
    assert page.count("data:image/png") == 5  # heat map, bars, sets of drugs, two maps
    names = {path.name for path in (tmp_path / "out" / "figures").iterdir()}
    assert {"heat_map.pdf", "stacked_bars.png", "map_cisplatin.png"} <= names
    assert (tmp_path / "out" / "fractions.csv").exists()


def test_the_screen_is_a_run(screen, tmp_path):
    screen("--drugs", "Docetaxel")
    client = tracking.connect()
    wanted, newest = "tags.`scatd.level` = 'screen'", ["attributes.start_time DESC"]
    run = client.search_runs([tracking.experiment_id(client)], wanted, order_by=newest)[0]
    assert run.info.status == "FINISHED"
    fractions = pd.read_csv(tmp_path / "out" / "fractions.csv").set_index("group")
    fraction = fractions.loc["all cells", "fraction_resistant"]
    assert run.data.metrics == {"resistant_fraction/docetaxel": pytest.approx(fraction)}
    assert run.data.params["cfg.models"] == "scatd-sf-docetaxel/1"
    held = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"report.html", "matrix.csv", "drugs.csv", "cells.parquet", "figures"} <= held


def test_foreign_cells_are_a_caution(screen, cohort):
    cells = ad.read_h5ad(cohort)
    cells.obsm["X_scfoundation"] += 20
    cells.write_h5ad(cohort)
    done = screen("--drugs", "docetaxel")
    assert "Most cells lie outside the training domain of the models of docetaxel" in done.stdout


def test_a_map_is_made_where_there_is_none(screen, cohort, monkeypatch, tmp_path):
    cells = ad.read_h5ad(cohort)
    del cells.obsm["X_umap"]
    cells.write_h5ad(cohort)
    given = []

    def umap(latent):
        given.append(latent.shape)
        return latent[:, :2]

    monkeypatch.setattr("scatd.data.cell_map._umap", umap)
    monkeypatch.setattr(screen_drawing, "MOST_CELLS", 50)
    screen("--drugs", "docetaxel")
    assert given == [(50, 16)]
    assert (tmp_path / "out" / "figures" / "map_docetaxel.png").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--group-by", "tumour"), "there is no column 'tumour' in obs"),
        (("--drugs", "docetaxol"), "Did you mean docetaxel?"),
        (("--drugs", "gefitinib"), "no model can read the cohort"),
        (("--drugs", "staged"), "has no production model"),
        (("--family", "gf"), "no drug has a model of family gf"),
    ],
)
def test_what_cannot_be_screened_leaves_nothing(screen, tmp_path, words, said):
    done = screen(*words, code=2)
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_cohort_with_a_value_that_is_not_finite_is_refused(drugs, run_scatd, tmp_path):
    X = np.random.default_rng(0).normal(size=(700, 24)).astype(np.float32)
    X[699, 3] = np.nan
    np.save(tmp_path / "cells.npy", X)
    words = ("screen", tmp_path / "cells.npy", "-o", tmp_path / "out", "--drugs", "docetaxel")
    done = run_scatd(*words, code=2)
    assert "1 NaN; the first is nan in row 699 (id '699'), column 3" in done.stderr
    assert not (tmp_path / "out").exists()


# Sets of drugs -----------------------------------------------------------------------------------


def test_the_sets_of_drugs_are_products_of_the_cells_table(screen, cohort, tmp_path):
    done = screen("--group-by", "patient", "--patients", "patient", "--reference-group", "p3")
    folder = tmp_path / "out"
    cells = pd.read_parquet(folder / "cells.parquet")
    first, second = (cells[f"scatd_{drug}_prob_resistant"] for drug in ("cisplatin", "docetaxel"))
    product = first.astype(float) * second.astype(float)
    of_tumour = cells["patient"] != "p3"
    sets = pd.read_csv(folder / "combinations.csv").set_index("drugs")
    pair = sets.loc["cisplatin + docetaxel"]
    assert pair["left"] == pytest.approx(product[of_tumour].mean(), rel=1e-6)
    assert pair["reference_left"] == pytest.approx(product[~of_tumour].mean(), rel=1e-6)
    assert pair["ci_low"] < pair["left"] < pair["ci_high"]
    assert pair["dependence_low"] <= pair["left"] <= pair["dependence_high"]
    assert sets["models_low"].notna().all(), "both models hold heads of other folds"
    groups = pd.read_csv(folder / "groups.csv").set_index("group")
    assert list(groups.index) == ["p1", "p2"]
    by_patient = product.groupby(cells["patient"].to_numpy()).mean()
    left = groups["left by cisplatin + docetaxel"]
    np.testing.assert_allclose(left, by_patient.loc[left.index], rtol=1e-6)
    assert "The pair cisplatin + docetaxel leaves the fewest cells" in done.stdout
    page = (folder / "report.html").read_text()
    assert "were not calibrated on labelled single cells" in page
    assert "Synergy, antagonism, doses and toxicity are not part of it." in page


@pytest.mark.parametrize("words", [("--combinations", "1"), ("--drugs", "docetaxel")])
def test_without_sets_nothing_speaks_of_them(screen, tmp_path, words):
    done = screen(*words)
    assert "Sets of drugs" not in done.stdout
    assert not (tmp_path / "out" / "combinations.csv").exists()
    assert "Sets of drugs" not in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--reference-group", "p3"), "there are no groups"),
        (("--group-by", "patient", "--reference-group", "p33"), "Expected one of p1, p2, p3"),
        (("--group-by", "patient", "--clusters", "leiden"), "named by a column already"),
        (("--patients", "donor"), "there is no column 'donor'"),
    ],
)
def test_groups_that_make_no_sense_are_refused(screen, tmp_path, words, said):
    done = screen(*words, code=2)
    assert said in done.output
    assert not (tmp_path / "out").exists()


def test_clusters_are_groups_of_alike_cells(screen, cohort, tmp_path):
    cells = ad.read_h5ad(cohort)
    cells.obsm["X_scfoundation"][:30] += 5
    cells.write_h5ad(cohort)
    screen("--clusters", "leiden", "--drugs", "docetaxel")
    table = pd.read_parquet(tmp_path / "out" / "cells.parquet")
    far = table["leiden"].isin(set(table["leiden"][:30]))
    assert far.tolist() == [True] * 30 + [False] * 90
    sizes = table["leiden"].value_counts()
    assert sizes.idxmax() == "cluster 1"


def test_too_many_cells_to_cluster_are_refused(screen, monkeypatch):
    monkeypatch.setattr("scatd.workflows.screen.clusters.MOST_CELLS", 100)
    assert "--group-by COLUMN" in screen("--clusters", "leiden", code=2).output


# Labels that are worth having --------------------------------------------------------------------


@pytest.fixture
def suggest(drugs, cohort, run_scatd, tmp_path):
    """Suggest labels of that cohort, in a table."""

    def suggest(*words, code=0):
        output = ("-o", tmp_path / "suggested.csv")
        return run_scatd("suggest", cohort, "--group-by", "patient", *output, *words, code=code)

    return suggest


def test_labels_are_suggested_and_what_is_found_is_used(suggest, run_scatd, cohort, tmp_path):
    said = suggest("--n", "8", "--reference-group", "p3").stdout
    first = pd.read_csv(tmp_path / "suggested.csv")
    assert list(first["rank"]) == list(range(1, 9))
    assert first["barcode"].is_unique
    assert set(first["group"]) <= {"p1", "p2"}, "the reference is no part of the tumour"
    obs = ad.read_h5ad(cohort).obs
    assert list(obs.loc[first["barcode"], "patient"]) == list(first["group"])
    assert set(first["drug"]) <= {"cisplatin", "docetaxel"}
    assert (first["expected_reduction"] > 0).all()
    assert "leaves the fewest cells" in said
    assert "After 8 labels, this interval is expected to be" in said
    for drug in first["drug"].unique():
        run_scatd("predict", "--drug", drug, cohort, "-o", tmp_path / "alone.csv")
        alone = pd.read_csv(tmp_path / "alone.csv").set_index("barcode")["prob_resistant"]
        own = first[first["drug"] == drug].set_index("barcode")["prob_resistant"]
        np.testing.assert_allclose(own, alone[own.index], atol=1e-6)
    first["response"] = ["resistant"] * 7 + [""]
    first.to_csv(tmp_path / "found.csv", index=False)
    again = suggest("--n", "8", "--reference-group", "p3", "--results", tmp_path / "found.csv")
    second = pd.read_csv(tmp_path / "suggested.csv")
    assert not set(second["barcode"]) & set(first["barcode"][:7])
    assert again.stdout != said


def test_groups_are_suggested_with_the_number_of_their_cells(suggest, tmp_path):
    suggest("--n", "12", "--per", "group")
    table = pd.read_csv(tmp_path / "suggested.csv")
    assert table["n_cells"].sum() == 12
    assert not table[["group", "drug"]].duplicated().any()
    assert table["expected_reduction"].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--drugs", "docetaxel"), "so that there is nothing to choose"),
        (("--combinations", "2"), "more than 2 drugs"),
        (("--results", "rows.csv"), "there is no column 'response'"),
        (("--results", "words.csv"), "'maybe' in row 2 is not a response"),
        (("--results", "cells.csv"), "1 of 1 cell is not in the cohort"),
        (("--results", "drug.csv"), "the drug 'imatinib' is none of the choice"),
    ],
)
def test_what_cannot_be_suggested_leaves_nothing(suggest, tmp_path, words, said):
    rows = {
        "rows": "barcode,drug\nx,docetaxel\n",
        "words": "barcode,drug,response\nx,docetaxel,maybe\n",
        "cells": "barcode,drug,response\nx,docetaxel,resistant\n",
        "drug": "barcode,drug,response\nx,imatinib,resistant\n",
    }
    for name, text in rows.items():
        (tmp_path / f"{name}.csv").write_text(text)
    words = [tmp_path / word if word.endswith(".csv") else word for word in words]
    assert said in suggest(*words, code=2).stderr
    assert not (tmp_path / "suggested.csv").exists()


def test_groups_without_a_column_are_refused(drugs, cohort, run_scatd):
    said = run_scatd("suggest", cohort, "--per", "group", code=2).stderr
    assert "there are no groups. Add --group-by COLUMN." in said
