"""`scatd explain` attributes the scores of predict, and tests its list of features."""

from __future__ import annotations

import shutil

import anndata as ad
import mlflow
import numpy as np
import pandas as pd
import pytest

from scatd import artifact, keys, registry, tracking
from scatd.scoring import Scorer
from scatd.workflows.cohorts.scoring_input import AsGiven

N_CELLS = 120


@pytest.fixture(scope="module")
def explained(learned_folder, task, run_scatd, tmp_path_factory):
    """A working folder in which the target was explained once; tests only read it."""
    folder = tmp_path_factory.mktemp("explained") / "work"
    shutil.copytree(learned_folder, folder)
    cells = ad.read_h5ad(task.target)
    cells.obs["patient"] = np.where(np.arange(N_CELLS) % 3 == 0, "p1", "p2")
    cells.write_h5ad(folder / "cells.h5ad")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        said = run_scatd(
            *("explain", "--drug", "DOCETAXEL", "cells.h5ad", "--stage", "staging"),
            *("-o", "explained.h5ad", "--published-csv", "published", "--target", "both"),
            *("--group-by", "patient", "--top", "8"),
            *("--source", task.source, "--labels", task.labels),
        ).output
    (folder / "said.txt").write_text(said)
    return folder


@pytest.fixture
def here(explained, monkeypatch):
    monkeypatch.chdir(explained)
    return explained


def last_run():
    client = tracking.connect()
    found = tracking.finished_runs({keys.TAG_LEVEL: keys.LEVEL_EXPLANATION})
    return tracking.Run(client, found[0].run_id), found[0]


def logits(rows):
    """Class logits of the registered model, through torch alone."""
    import torch

    ref = registry.resolve("docetaxel", stage="staging")
    model = artifact.read(registry.fetch(ref)).classifier()
    with torch.no_grad():
        return model(torch.from_numpy(np.asarray(rows, np.float32))).double().numpy()


def test_attributions_add_up_to_the_change_of_the_logit_that_predict_scores(here):
    cells = ad.read_h5ad("explained.h5ad")
    centre = cells.X.mean(axis=0, keepdims=True)
    change = logits(cells.X) - logits(centre)
    for code, word in enumerate(keys.RESPONSES):
        total = cells.layers[f"attribution_{word}"].sum(axis=1, dtype=np.float64)
        bound = 1e-3 * np.maximum(np.abs(change[:, code]), 0.1) + 1e-5
        assert (np.abs(total - change[:, code]) <= bound).all()
    ref = registry.resolve("docetaxel", stage="staging")
    scores = Scorer(registry.fetch(ref)).score(cells.X)
    np.testing.assert_allclose(cells.obs["prob_resistant"], scores.prob_resistant, atol=1e-6)


def test_the_baseline_logit_is_that_of_the_mean_cell(here):
    cells = ad.read_h5ad("explained.h5ad")
    expected = logits(cells.X.mean(axis=0, keepdims=True))[0, 1]
    np.testing.assert_allclose(cells.obs[keys.BASELINE_LOGIT], expected, atol=1e-4)


def test_importance_is_the_mean_absolute_attribution(here):
    cells = ad.read_h5ad("explained.h5ad")
    table = cells.varm["importance"]
    expected = np.abs(cells.layers["attribution_resistant"]).mean(axis=0)
    np.testing.assert_allclose(table["mean_abs_resistant"], expected, rtol=1e-5)
    summed = table["mean_abs_resistant"] + table["mean_abs_sensitive"]
    assert (table["rank_average"] == summed.rank(ascending=False)).all()
    assert cells.uns["scatd"]["docetaxel"]["settings"]["baseline"] == "mean"


def test_published_files_hold_the_same_numbers(here):
    cells = ad.read_h5ad("explained.h5ad")
    table = pd.read_csv("published/DOCETAXEL_resistant_integrated_gradients_value.csv")
    assert table.columns[0] == "sample_id"
    assert table.columns[1] == "scFoundation_0"
    assert table["sample_id"].tolist() == list(range(N_CELLS))
    layer = cells.layers["attribution_resistant"]
    np.testing.assert_allclose(table.iloc[:, 1:].to_numpy(), layer, rtol=1e-5, atol=1e-8)
    ranks = pd.read_csv("published/DOCETAXEL_importance_Rank.csv", index_col=0)
    assert list(ranks) == ["DOCETAXEL_sum", "Rank_Dense", "Rank_Average"]
    error = pd.read_csv("published/DOCETAXEL_sensitive_approximation_error_value.csv")
    assert list(error) == ["sample_id", "approximation error"]
    importance = pd.read_csv("published/DOCETAXEL_shap_feature_importance.csv")
    assert list(importance) == ["feature_name", "sensitive", "resistant"]


def test_the_run_is_linked_to_the_version_and_holds_every_table(here):
    run, found = last_run()
    ref = registry.resolve("docetaxel", stage="staging")
    assert found.tags[keys.TAG_MODEL] == f"{ref.name}/{ref.version}"
    assert found.tags[keys.TAG_MODEL_RUN] == ref.run_id
    stored = {item.path for item in run.client.list_artifacts(run.run_id, "tables")}
    names = (
        *("importance", "importance_by_group", "controls", "convergence", "stability"),
        *("randomised_model", "permuted_labels", "deletion", "perturbation"),
    )
    assert stored == {f"tables/{name}.csv" for name in names}
    by_group = pd.read_csv(run.fetch("tables/importance_by_group.csv"))
    assert by_group.groupby("group")["n_obs"].first().to_dict() == {"p1": 40, "p2": 80}
    cells = ad.read_h5ad("explained.h5ad")
    own = np.abs(cells[cells.obs["patient"] == "p1"].layers["attribution_resistant"]).mean(axis=0)
    of_p1 = by_group[by_group["group"] == "p1"].set_index("feature").loc[cells.var_names]
    np.testing.assert_allclose(of_p1["mean_abs_resistant"], own, rtol=1e-5)


def test_the_run_keeps_the_figures(here):
    run, _ = last_run()
    importance = pd.read_csv(run.fetch("tables/importance.csv"))
    first = [
        f"{kind}_{name}"
        for kind in ("dependence", "interaction")
        for name in importance["feature"].head(2)
    ]
    names = ("summary", "importance", "importance_rank", "waterfall", "deletion_insertion")
    expected = {*first, *names, "by_group"}
    stored = {item.path for item in run.client.list_artifacts(run.run_id, "figures")}
    assert stored == {f"figures/{name}.{end}" for name in expected for end in ("png", "pdf")}


def test_the_sparse_table_holds_each_cells_strongest_features(here):
    run, _ = last_run()
    table = pd.read_parquet(run.fetch("attributions/cells.parquet"))
    cells = ad.read_h5ad("explained.h5ad")
    row = table[(table["cell"] == "cell7") & (table["feature"] == "scFoundation_3")].iloc[0]
    assert row["value"] == cells.X[7, 3]
    assert row["attribution_resistant"] == cells.layers["attribution_resistant"][7, 3]


def test_every_control_is_said_and_the_list_is_labelled(here):
    said = (here / "said.txt").read_text()
    run, found = last_run()
    controls = pd.read_csv(run.fetch("tables/controls.csv"))
    assert controls["control"].tolist() == [
        "evidence", "stability", "randomised_model", "permuted_labels", "deletion", "insertion",
        "perturbation",
    ]  # fmt: skip
    for sentence in controls["sentence"]:
        assert sentence in said
    importance = pd.read_csv(run.fetch("tables/importance.csv"))
    verdict = found.tags[keys.TAG_CONTROLS]
    assert f"Controls of this list: {verdict}" in said
    assert set(importance["controls"]) == {verdict}
    description = mlflow.get_run(run.run_id).data.tags["mlflow.note.content"]
    assert f"Controls: {verdict}" in description
    uns = ad.read_h5ad("explained.h5ad").uns["scatd"]["docetaxel"]
    assert uns["controls"] == verdict
    assert controls["status"].tolist()[3] == "passed", "retrained heads agree with the list"


def test_nothing_is_left_of_finished_work(here):
    assert not list((here / ".scatd").glob("explain-*"))


@pytest.mark.as_shipped
def test_cohorts_side_by_side(here, run_scatd, tmp_path):
    run, _ = last_run()
    table = pd.read_csv(run.fetch("tables/importance.csv"))
    table.sample(frac=1, random_state=0).to_csv(tmp_path / "shuffled.csv", index=False)
    said = run_scatd(
        *("explain", "compare", "explained.h5ad", tmp_path / "shuffled.csv"),
        *("--features", "scFoundation_3,scFoundation_5", "--top", "5"),
        *("-o", tmp_path / "pairs.csv", "--figure", tmp_path / "ranks.png"),
    ).output
    assert "Ranks of what was asked for" in said
    pairs = pd.read_csv(tmp_path / "pairs.csv")
    assert pairs["class"].tolist() == ["resistant", "sensitive", "sum"]
    np.testing.assert_allclose(pairs[["spearman", "top_overlap"]], 1)
    assert (tmp_path / "ranks.png").stat().st_size > 10_000
    assert (tmp_path / "ranks.pdf").exists()
    done = run_scatd("explain", "compare", "explained.h5ad", code=2)
    assert "1 table is to be compared" in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--group-by", "cluster"), "there is no column 'cluster'"),
        (("-o", "list.txt"), "unknown kind of output '.txt'"),
        (("--gene-cells", "3"), "scFoundation's models.ckpt is needed"),
        (("--steps", "1"), "steps is 1"),
    ],
)
def test_what_cannot_be_explained(here, run_scatd, words, said, tmp_path, monkeypatch):
    monkeypatch.setenv("SCATD_CACHE", str(tmp_path))
    before = sorted(here.iterdir())
    done = run_scatd(
        *("explain", "--drug", "DOCETAXEL", "cells.h5ad", "--stage", "staging", "--no-controls"),
        *words,
        code=2,
    )
    assert said in done.output
    assert "Traceback" not in done.output
    assert sorted(here.iterdir()) == before


def test_a_killed_explanation_continues(explained, run_scatd, tmp_path, monkeypatch):
    """Blocks that are done are not done again, and the numbers are those of one go."""
    from scatd.workflows.explain import attribute as workflow

    shutil.copytree(explained, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(workflow, "BLOCK", 50)
    words = ("explain", "--drug", "DOCETAXEL", "cells.h5ad", "--stage", "staging", "--no-controls")
    whole = workflow._of_class
    done = []

    def count(subject, x, rows, word):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(rows)
        return whole(subject, x, rows, word)

    monkeypatch.setattr(workflow, "_of_class", count)
    run_scatd(*words, code=130)
    again = []
    monkeypatch.setattr(
        workflow, "_of_class", lambda *given: (again.append(given[2]), whole(*given))[1]
    )
    run_scatd(*words, "-o", "importance.csv")
    assert [len(rows) for rows in done] == [50, 50]
    assert [rows.tolist() for rows in again] == [list(range(100, 120))]
    table = pd.read_csv("importance.csv").set_index("feature")["mean_abs_resistant"]
    expected = ad.read_h5ad("explained.h5ad").varm["importance"]["mean_abs_resistant"]
    np.testing.assert_allclose(table.loc[expected.index], expected, rtol=1e-5)


def test_features_stay_on_disk(explained, run_scatd, tmp_path, monkeypatch):
    shutil.copytree(explained, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(AsGiven, "features", property(lambda _: pytest.fail("all were asked for")))
    words = ("explain", "--drug", "DOCETAXEL", "cells.h5ad", "--stage", "staging", "--no-controls")
    run_scatd(*words, "-o", "importance.csv", "--group-by", "patient")
    table = pd.read_csv("importance.csv").set_index("feature")["mean_abs_resistant"]
    expected = ad.read_h5ad("explained.h5ad").varm["importance"]["mean_abs_resistant"]
    np.testing.assert_array_equal(table.loc[expected.index].astype("f4"), expected.astype("f4"))


def test_a_value_that_is_not_finite_is_refused(explained, run_scatd, tmp_path, monkeypatch):
    shutil.copytree(explained, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    cells = ad.read_h5ad("cells.h5ad")
    cells.obsm["X_scfoundation"][N_CELLS - 1, 2] = np.inf
    cells.write_h5ad("bad.h5ad")
    n_runs = len(tracking.finished_runs({keys.TAG_LEVEL: keys.LEVEL_EXPLANATION}))
    words = ("explain", "--drug", "DOCETAXEL", "bad.h5ad", "--stage", "staging", "-o", "bad.csv")
    said = run_scatd(*words, code=2).output
    assert "1 infinite; the first is inf in row 119 (id 'cell119'), column 2" in said
    assert not (tmp_path / "work" / "bad.csv").exists()
    assert len(tracking.finished_runs({keys.TAG_LEVEL: keys.LEVEL_EXPLANATION})) == n_runs
