"""The Python door gives what the commands give, on objects in memory."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scatd
from scatd import tracking
from scatd.errors import InputError
from scatd.keys import metric_names

COLUMNS = ("prob_resistant", "response", "reason")


@pytest.fixture
def cells(task):
    return ad.read_h5ad(task.target)


@pytest.fixture
def labels(task):
    return pd.read_csv(task.labels, index_col=0)


def assert_same_scores(one: ad.AnnData, other: ad.AnnData, drug: str = "docetaxel") -> None:
    for name in COLUMNS:
        column = f"scatd_{drug}_{name}"
        pd.testing.assert_series_equal(
            one.obs[column].astype(object), other.obs[column].astype(object), check_exact=True
        )
    assert np.array_equal(one.obsm["X_scatd_sf"], other.obsm["X_scatd_sf"])


def test_predict_writes_what_the_command_writes(learned, task, cells, run_scatd, tmp_path):
    run_scatd("predict", "--drug", "docetaxel", task.target, "-o", tmp_path / "scored.h5ad")
    by_command = ad.read_h5ad(tmp_path / "scored.h5ad")
    untouched = cells.copy()
    assert scatd.predict(cells, drug="Docetaxel", quiet=True) is None
    assert_same_scores(cells, by_command)
    assert set(cells.obs) == set(by_command.obs)
    said, theirs = cells.uns["scatd"]["docetaxel"], by_command.uns["scatd"]["docetaxel"]
    assert said.keys() == theirs.keys()
    assert said["version"] == theirs["version"]

    copied = scatd.predict(untouched, drug="docetaxel", copy=True)
    assert_same_scores(copied, by_command)
    assert "scatd" not in untouched.uns
    read = scatd.predict(task.target, drug="docetaxel")
    assert_same_scores(read, by_command)
    part = untouched[:40]
    scatd.predict(part, drug="docetaxel")
    assert_same_scores(part, by_command[:40])
    assert "scatd" not in untouched.uns


def test_predict_writes_a_file_where_one_is_named(learned, task, cells, run_scatd, tmp_path):
    run_scatd("predict", "--drug", "docetaxel", task.target, "-o", tmp_path / "command.csv")
    assert scatd.predict(str(task.target), "docetaxel", output=tmp_path / "api.csv") is None
    assert (tmp_path / "api.csv").read_bytes() == (tmp_path / "command.csv").read_bytes()
    scatd.predict(cells, "docetaxel", output=tmp_path / "api.h5ad")
    assert_same_scores(ad.read_h5ad(tmp_path / "api.h5ad"), cells)


def test_nothing_is_written_where_one_of_several_drugs_has_no_model(learned, cells):
    with pytest.raises(InputError, match="drug 'nothing' has no production model"):
        scatd.predict(cells, drug=["docetaxel", "nothing"])
    assert list(cells.obs) == ["truth"]
    with pytest.raises(InputError, match="several drugs"):
        scatd.predict(cells, drug=["docetaxel", "docetaxel"], output="x.csv")


def test_a_loaded_model_scores_as_its_drug_does(learned, cells):
    model = scatd.load_model("docetaxel")
    assert (model.name, model.version, model.stage) == ("scatd-sf-docetaxel", 1, "production")
    assert model.card.family == "sf"
    assert "scatd-sf-docetaxel version 1 (production)" in repr(model)
    assert "logistic regression" in model._repr_html_()
    other = cells.copy()
    model.predict(cells, mc_samples=0)
    scatd.predict(other, drug="docetaxel")
    assert_same_scores(cells, other)
    with pytest.raises(TypeError, match="no argument famly"):
        model.predict(cells, famly="sf")
    with pytest.raises(TypeError, match="no argument stage"):
        model.predict(cells, stage="staging")
    with pytest.raises(InputError, match="stage= is 'shop'"):
        scatd.load_model("docetaxel", stage="shop")
    listed = scatd.models().set_index("model")
    assert listed.loc["scatd-sf-docetaxel", "production"] == 1


def test_evaluate_measures_an_anndata_as_the_command_measures_a_file(
    learned, task, cells, run_scatd, tmp_path, monkeypatch
):
    words = {"0": "sensitive", "1": "resistant"}
    run_scatd(
        *("evaluate", "--drug", "docetaxel", task.target, "--labels", "truth"),
        *("--label-map", "0=sensitive,1=resistant", "-o", tmp_path / "out"),
    )
    by_command = pd.read_csv(tmp_path / "out" / "tables" / "metrics.csv")
    before = set(Path.cwd().iterdir())
    found = scatd.evaluate(cells, drug="docetaxel", labels="truth", label_map=words)
    pd.testing.assert_frame_equal(found.metrics, by_command)
    assert set(Path.cwd().iterdir()) == before, "no folder without output="
    truth = pd.DataFrame({"DOCETAXEL": cells.obs["truth"].map(lambda code: words[str(code)])})
    shuffled = truth.sample(frac=1, random_state=0)
    again = scatd.evaluate(cells, "docetaxel", labels=shuffled)
    pd.testing.assert_frame_equal(again.metrics, found.metrics)
    ours = again.predictions.query("model == 'response_model'").set_index("id")
    assert (ours["truth"].astype(str) == truth["DOCETAXEL"].loc[ours.index]).all()
    assert "truth" in found._repr_html_()
    with pytest.raises(InputError, match="labels"):
        scatd.evaluate(cells, "docetaxel", labels=truth.set_axis([f"x{i}" for i in range(120)]))


def test_screen_and_explain_take_an_anndata(learned, task, cells, run_scatd, tmp_path):
    cells.obs["patient"] = np.where(np.arange(120) < 60, "a", "b")
    found = scatd.screen(cells, group_by="patient")
    assert found.output is None
    assert found.matrix["group"].tolist()[:2] == ["a", "b"]
    scored = scatd.predict(cells, "docetaxel", copy=True)
    column = "scatd_docetaxel_prob_resistant"
    assert np.array_equal(found.cells[column], scored.obs[column].astype(np.float32))
    assert "docetaxel" in found._repr_html_()
    assert list(scatd.screen(cells, drugs=["Docetaxel"]).drugs["drug"]) == ["docetaxel"]

    run_scatd(
        *("explain", "--drug", "docetaxel", task.target, "-o", tmp_path / "explained.h5ad"),
        *("--no-controls",),
    )
    by_command = ad.read_h5ad(tmp_path / "explained.h5ad")
    explained = scatd.explain(cells, "docetaxel", no_controls=True)
    layer = "attribution_resistant"
    assert np.array_equal(explained.adata.layers[layer], by_command.layers[layer])
    assert explained.adata.shape == by_command.shape
    assert "Features behind" in explained._repr_html_()
    assert scatd.explain(cells, "docetaxel", no_controls=True, keep_cells=False).adata is None


def test_transfer_learns_from_objects_what_it_learns_from_files(store, task, run_scatd, labels):
    run_scatd(*task.transfer_arguments(), "--model", "linear", "--folds", "2")
    (by_command,) = _drug_runs()
    source = ad.read_h5ad(task.source)
    reference = np.load(task.reference)
    cells = ad.AnnData(obsm={"X_scfoundation": reference}, shape=(len(reference), 0))
    found = scatd.transfer(
        source,
        drug="DOCETAXEL",
        labels=labels,
        reference=cells,
        backbone=task.backbone,
        learning_rate=3e-3,
        model="linear",
        folds=2,
    )
    ours = tracking.Run(tracking.connect(), found.run_id).metrics()
    theirs = tracking.Run(tracking.connect(), by_command).metrics()
    name = metric_names.MEAN.format(metric="auroc")
    assert ours[name] == theirs[name]
    assert found.ref.version == 2
    out_of_fold = found.predictions
    assert set(out_of_fold["model"]) == set(found.models["model"])
    assert len(out_of_fold) == 220 * out_of_fold["model"].nunique()
    assert "The gate" in found._repr_html_()
    assert repr(found).startswith("<TransferResult: scatd-sf-docetaxel version 2")
    assert len(repr(found)) < 1000


def _drug_runs() -> list[str]:
    client = tracking.connect()
    experiments = [each.experiment_id for each in client.search_experiments()]
    runs = client.search_runs(experiments, "tags.`scatd.level` = 'drug'")
    return [run.info.run_id for run in runs]


def test_a_list_of_drugs_is_a_sweep(store, task, labels):
    source = ad.read_h5ad(task.source)
    found = scatd.transfer(
        source,
        drug=["docetaxel", "RARE"],
        labels=labels[["DOCETAXEL", "RARE"]],
        reference=task.reference,
        backbone=task.backbone,
        model="linear",
        folds=4,
    )
    assert found.table["drug"].tolist() == ["DOCETAXEL", "RARE"]
    assert found.table["status"].tolist() == ["finished", "failed"]
    assert "family sf" in found._repr_html_()


def test_pretrain_takes_an_anndata(store, task):
    reference = np.load(task.reference)
    cells = ad.AnnData(obsm={"X_scfoundation": reference}, shape=(len(reference), 0))
    found = scatd.pretrain(cells, epochs=2, min_steps=1)
    assert found.ref.name == "scatd-sf-backbone"
    assert found.history["epoch"].max() == 2
    assert "Numbers" in found._repr_html_()


@pytest.fixture
def raw(store):
    """Raw counts of 300 genes, in memory; the list of genes is a file."""
    rng = np.random.default_rng(0)
    genes = [f"GENE{number}" for number in range(300)]
    counts = rng.poisson(2.0, (40, 300)).astype(np.float32)
    cells = [f"cell{number}" for number in range(40)]
    Path("genes.txt").write_text("\n".join(genes[:250]) + "\n")
    return ad.AnnData(counts, pd.DataFrame(index=cells), pd.DataFrame(index=genes))


def test_check_and_prepare_read_an_anndata(raw, run_scatd):
    raw.write_h5ad("raw.h5ad")
    found = scatd.check(raw, panel="genes.txt")
    assert found.matrices["used"].tolist() == [True]
    assert found.genes["found"].tolist() == [250]
    assert len(found.cells) == 40
    assert "40 cells x 300 genes" in found._repr_html_()

    run_scatd("prepare", "raw.h5ad", "--panel", "genes.txt", "-o", "prepared.h5ad")
    by_command = ad.read_h5ad("prepared.h5ad")
    before = set(Path.cwd().iterdir())
    prepared = scatd.prepare(raw, panel="genes.txt")
    assert set(Path.cwd().iterdir()) == before
    assert (prepared.adata.X != by_command.X).nnz == 0
    assert list(prepared.adata.var_names) == list(by_command.var_names)
    assert len(prepared.genes) >= 250
    assert "prepared" in prepared._repr_html_()
    written = scatd.prepare(raw, panel="genes.txt", output="again.h5ad")
    assert written.adata is None
    assert Path("again_report/genes.csv").is_file()
