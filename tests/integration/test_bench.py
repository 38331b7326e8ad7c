"""A bench, as a user types it: all tables, killed and resumed, and files that are refused."""

from __future__ import annotations

import json
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from scatd import tracking
from scatd.keys import artifact_paths
from scatd.workflows.bench import output
from scatd.workflows.bench import run as of_bench

CANDIDATES = ("network", "linear", "trees", "mean")
NAIVE = ("drug_mean", "tissue_mean", "line_mean")


@pytest.fixture(scope="session")
def bench_labels(task, tmp_path_factory):
    """Two drugs of which the second is noise, six tissues, and lines without a tissue."""
    table = pd.read_csv(task.labels, index_col=0)[["DOCETAXEL"]]
    rng = np.random.default_rng(1)
    table["NOISE"] = rng.choice(["sensitive", "resistant"], len(table))
    table["NOISE"] = table["NOISE"].where(rng.random(len(table)) < 0.9, "")
    table["tissue"] = rng.choice(["lung", "skin", "bone", "blood", "breast", "", "liver"], 220)
    folder = tmp_path_factory.mktemp("bench")
    table.to_csv(folder / "labels.csv")
    truth = pd.DataFrame({"cell": [f"cell{number}" for number in range(120)]})
    obs = ad.read_h5ad(task.target, backed="r").obs
    truth["DOCETAXEL"] = np.where(obs["truth"] == 1, "resistant", "sensitive")
    truth.to_csv(folder / "cells.csv", index=False)
    return folder


def content(task, bench_labels, **more):
    return {
        "name": "Tiny bench",
        "candidates": [*CANDIDATES],
        "folds": 2,
        "resamples": 100,
        "tasks": [
            {
                "name": "tiny",
                "source": str(task.source),
                "labels": str(bench_labels / "labels.csv"),
                "label_kind": "cell-line",
                "family": "sf",
                "reference": str(task.reference),
                "backbone": str(task.backbone),
                "tissue": "tissue",
                "drugs": ["NOISE", "docetaxel"],
                "splits": ["random", "tissues"],
                "settings": {"epochs": 2, "min_steps": 40, "learning_rate": 3e-3},
                **more,
            }
        ],
    }


def write(content, path="tasks.yaml"):
    plain = json.loads(json.dumps(content))  # without what YAML would write as aliases
    Path(path).write_text(yaml.safe_dump(plain, sort_keys=False))
    return path


def runs(level):
    client = tracking.connect()
    wanted = f"tags.`scatd.level` = '{level}'"
    return client.search_runs([tracking.experiment_id(client)], wanted)


def read(name, folder="bench-tiny-bench"):
    path = Path(folder) / name
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def test_a_whole_bench(scatd, task, bench_labels):
    target = {
        "name": "cells", "cells": str(task.target), "labels": str(bench_labels / "cells.csv"),
        "label_kind": "treated-against-untreated",
    }  # fmt: skip
    more = {"splits": ["random", "lines", "tissues", "drugs"], "targets": [target]}
    path = write(content(task, bench_labels, **more))
    Path("page.md").write_text(
        "by hand\n<!-- bench: begin -->\nmade before\n<!-- bench: end -->\nbehind\n",
        encoding="utf-8",
    )
    done = scatd("bench", path, "--markdown", "page.md", "--device", "cpu")
    results, by_drug, leads = (read(f"{name}.csv") for name in ("results", "by_drug", "leads"))
    splits = ["random", "lines", "tissues", "drugs", "cells"]
    assert list(dict.fromkeys(results["split"])) == splits
    models = set(results.loc[results["split"] == "random", "model"])
    assert {*CANDIDATES, *NAIVE, "logistic_regression", "gradient_boosting"} <= models
    check_against_predictions(results, by_drug)
    check_leads(results, leads)
    linear = by_drug[by_drug["model"] == "linear"].set_index(["split", "drug"])["auroc"]
    assert linear["random", "DOCETAXEL"] > 0.9 > linear["random", "NOISE"]
    assert linear["cells", "DOCETAXEL"] > 0.8
    naive = results[results["model"] == "drug_mean"]
    assert set(naive["auroc"]) == {0.5}
    check_page(done, results)
    (parent,) = runs("bench")
    units = runs("unit")
    assert len(units) == 4 * 2 + 1
    assert {run.data.tags["mlflow.parentRunId"] for run in units} == {parent.info.run_id}
    metrics = parent.data.metrics
    row = results.set_index(["split", "model"]).loc["tissues", "trees"]
    assert metrics["bench/tiny/tissues/trees/auroc"] == pytest.approx(row["auroc"])
    assert metrics["bench/tiny/tissues/trees/lead_ci_low"] == pytest.approx(row["lead_ci_low"])
    kinds = {run.info.run_name: run.data.tags["scatd.label_kind"] for run in units}
    assert kinds["tiny lines NOISE seed 42"] == "cell-line"
    assert kinds["tiny cells DOCETAXEL seed 42"] == "treated-against-untreated"
    used = [(one.dataset.name, one.tags[0].value) for one in parent.inputs.dataset_inputs]
    assert {("source", "source"), ("target", "target")} <= set(used)
    assert not runs("drug")  # nothing is registered


def check_against_predictions(results, by_drug):
    """Every AUROC is that of the stored predictions, and these are of folds that share nothing."""
    stored = read("predictions.parquet")
    labels = stored.groupby(["split", "drug"]).size()
    assert labels["random", "NOISE"] == labels["lines", "NOISE"] > labels["tissues", "NOISE"]
    for row in by_drug.to_dict("records"):
        own = stored[(stored["split"] == row["split"]) & (stored["drug"] == row["drug"])]
        found = [
            roc_auc_score(fold["truth"], fold[f"prob_{row['model']}"])
            for _, fold in own.groupby("fold")
        ]
        assert row["auroc"] == pytest.approx(np.mean(found))
    means = by_drug.groupby(["split", "model"])["auroc"].mean()
    for row in results.to_dict("records"):
        assert row["auroc"] == pytest.approx(means[row["split"], row["model"]])
        assert row["ci_low"] <= row["auroc"] <= row["ci_high"]
    random = stored[(stored["split"] == "random") & (stored["drug"] == "DOCETAXEL")]
    random = random.sort_values("row")
    folds = StratifiedKFold(2, shuffle=True, random_state=42).split(random, random["truth"])
    for number, (_, val) in enumerate(folds, start=1):
        assert set(random["row"].to_numpy()[val]) == set(
            random.loc[random["fold"] == number, "row"]
        )
    tissues = stored[stored["split"] == "tissues"]
    assert tissues.groupby("unit")["fold"].nunique().max() == 1
    drugs = stored[(stored["split"] == "drugs") & (stored["drug"] == "NOISE")]
    # It is scored by the only other drug's model, which ranks its own drug's lines well.
    truth = stored[(stored["split"] == "random") & (stored["drug"] == "DOCETAXEL")]
    both = drugs.merge(truth[["row", "truth"]], on="row", suffixes=("", "_other"))
    assert roc_auc_score(both["truth_other"], both["prob_linear"]) > 0.9


def check_leads(results, leads):
    auroc = results.set_index(["split", "model"])["auroc"]
    for row in leads.to_dict("records"):
        expected = auroc[row["split"], row["candidate"]] - auroc[row["split"], row["rival"]]
        assert row["lead"] == pytest.approx(expected)
        assert row["ci_low"] <= row["lead"] <= row["ci_high"]
        assert (row["rival"] in NAIVE) == (row["kind"] == "naive mean")
    others = results[results["kind"] != "candidate"]
    best = others.loc[others.groupby("split")["auroc"].idxmax()].set_index("split")["auroc"]
    for split, some in leads[leads["is_best"]].groupby("split"):
        assert len(some) == len(CANDIDATES)
        assert auroc[split, some["rival"].iloc[0]] == best[split]


def check_page(done, results):
    page = Path("bench-tiny-bench/report.html").read_text(encoding="utf-8")
    best = results[(results["split"] == "random") & (results["kind"] == "candidate")].iloc[0]
    said = f"tiny, random folds, 2 drugs: the best candidate has AUROC {best['auroc']:.3f}"
    for text in (page, done.output, Path("page.md").read_text(encoding="utf-8")):
        assert said in text
        assert f"andidate {best['model']} " in text.split(said)[1].split("tiny, ")[0]
        assert "high score may mean exposure" in text
    assert page.count("data:image/png;base64") == 2 + 5
    page = Path("page.md").read_text(encoding="utf-8")
    assert page.startswith("by hand\n<!-- bench: begin -->\nMeasured by `scatd bench`")
    assert page.endswith("<!-- bench: end -->\nbehind\n")
    assert "made before" not in page
    assert Path("bench-tiny-bench/tasks.yaml").read_text() == Path("tasks.yaml").read_text()


@pytest.fixture
def without_figures(monkeypatch):
    """Figures take half of the time of a tiny bench."""
    monkeypatch.setattr(output, "draw", lambda found, folder: {})


@pytest.mark.usefixtures("without_figures")
def test_killed_and_resumed(scatd, task, bench_labels, monkeypatch):
    path = write(content(task, bench_labels) | {"candidates": ["linear"]})
    kept = of_bench.record_unit

    class Killed(BaseException):
        pass

    def record_one(*given):
        kept(*given)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(of_bench, "record_unit", record_one)
        with pytest.raises(Killed):
            scatd("bench", path, "-o", "resumed")
    (dead,) = runs("bench")
    tracking.connect().update_run(dead.info.run_id, status="RUNNING")  # as kill -9 leaves it
    fitted = []

    def record(*given):
        fitted.append(given[1].key)
        kept(*given)

    with monkeypatch.context() as patch:
        patch.setattr(of_bench, "record_unit", record)
        scatd("bench", path, "-o", "resumed")
        assert len(fitted) == 3
        by_status = {run.info.status: run for run in runs("bench")}
        assert set(by_status) == {"KILLED", "FINISHED"}
        finished = by_status["FINISHED"].info.run_id
        parents = [run.data.tags["mlflow.parentRunId"] for run in runs("unit")]
        assert parents == [finished] * 4
        assert by_status["FINISHED"].data.metrics["units_adopted"] == 1
        scatd("bench", path, "-o", "whole")  # it had finished: all of it again
        assert len(fitted) == 3 + 4
    for name in ("results.csv", "by_drug.csv", "leads.csv", "predictions.parquet"):
        pd.testing.assert_frame_equal(read(name, "resumed"), read(name, "whole"), rtol=1e-9)


@pytest.mark.usefixtures("without_figures")
def test_a_damaged_unit_is_fitted_anew(scatd, task, bench_labels, monkeypatch):
    whole = content(task, bench_labels, splits=["random"]) | {"candidates": ["linear"]}
    path = write(whole)
    kept = of_bench.record

    def fails(*given):
        del given
        message = "no space left on device"
        raise OSError(message)

    with monkeypatch.context() as patch:
        patch.setattr(of_bench, "record", fails)
        scatd("bench", path, code=1)
    assert kept is of_bench.record
    damaged, whole = runs("unit")
    name = f"{damaged.info.run_id}/artifacts/{artifact_paths.UNIT_PREDICTIONS}"
    (stored,) = Path("mlartifacts").rglob(name)
    stored.write_text(stored.read_text().replace("0.", "0.1", 1))
    done = scatd("bench", path)
    assert "is fitted anew" in done.stderr
    (finished,) = [run for run in runs("bench") if run.info.status == "FINISHED"]
    assert finished.data.metrics["units_adopted"] == 1
    parents = {run.info.run_id: run.data.tags["mlflow.parentRunId"] for run in runs("unit")}
    assert parents[whole.info.run_id] == finished.info.run_id != parents[damaged.info.run_id]


@pytest.mark.usefixtures("without_figures")
def test_other_labels_start_anew(scatd, task, bench_labels, tmp_path):
    labels = pd.read_csv(bench_labels / "labels.csv", index_col=0)
    labels.to_csv(tmp_path / "own.csv")
    own = {"labels": "own.csv", "splits": ["random"], "drugs": ["DOCETAXEL"]}
    path = write(content(task, bench_labels, **own) | {"candidates": ["linear"]})
    scatd("bench", path)
    before = read("by_drug.csv")
    words = {"sensitive": "resistant", "resistant": "sensitive"}
    labels["DOCETAXEL"] = labels["DOCETAXEL"].map(words)
    labels.to_csv(tmp_path / "own.csv")
    scatd("bench", path)
    after = read("by_drug.csv")
    assert after["n_sensitive"][0] == before["n_resistant"][0] != before["n_sensitive"][0]
    assert len(runs("bench")) == 2
    only = scatd("bench", path, "--drugs", "docetaxel,noise", code=2)
    assert "'noise' is in no task" in only.output
    own = {"labels": "own.csv", "splits": ["random"], "drugs": "all"}
    path = write(content(task, bench_labels, **own) | {"candidates": ["linear"]})
    only = scatd("bench", path, "--drugs", "docetaxel,nosuch", code=2)
    assert "'nosuch' is in no task" in only.output


def _changed(where, **values):
    def change(content):
        place = content["tasks"][0] if where == "task" else content
        place.update(values)

    return change


REFUSED = {
    "unknown key": (_changed("task", drgs=["A"]), "unknown key 'drgs'. Expected drugs"),
    "unknown at the top": (_changed("file", seed=3), "unknown key 'seed'"),
    "no such split": (_changed("task", splits=["patients"]), "'patients' is no choice"),
    "no such candidate": (_changed("file", candidates=["forest"]), "'forest' is no choice"),
    "no folds": (_changed("file", folds=1), "folds is 1. Expected at least 2"),
    "no list": (_changed("file", tasks={}), "tasks is no list"),
    "no name": (_changed("task", name=None), "name is missing"),
    "no column": (_changed("task", tissue="organ"), "there is no column 'organ'"),
    "no tissue": (_changed("task", tissue=None), "splits holds tissues, and tissue is missing"),
    "twice": (_changed("file", seeds=[1, 1]), "seeds: 1 is there twice"),
    "no such drug": (_changed("task", drugs=["NOISE", "cisplatin"]), "unknown drug 'cisplatin'"),
    "settings": (_changed("task", settings={"seed": 3}), "settings holds seed"),
    "unknown setting": (_changed("task", settings={"epoch": 3}), "unknown key 'epoch'"),
    "out of range": (_changed("task", settings={"epochs": 0}), "epochs is 0"),
    "one drug": (_changed("task", drugs=["NOISE"], splits=["drugs"]), "at least two drugs"),
    "few tissues": (_changed("file", folds=9), "6 groups cannot be split into 9 folds"),
    "no file": (_changed("task", source="nowhere.h5ad"), "the file nowhere.h5ad is not there"),
    "label kind": (_changed("task", label_kind="guess"), "'guess' is no choice"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(scatd, task, bench_labels, name):
    change, said = REFUSED[name]
    whole = content(task, bench_labels)
    change(whole)
    done = scatd("bench", write(whole), code=2)
    assert said in done.output
    assert "tasks.yaml" in done.output
    assert not runs("bench")
    assert not Path("bench-tiny-bench").exists()


def test_every_fault_of_all_tasks_is_named(scatd, task, bench_labels):
    whole = content(task, bench_labels)
    whole["tasks"].append({**whole["tasks"][0], "name": "second", "drugs": ["nosuch"]})
    whole["tasks"].append({**whole["tasks"][0], "name": "third", "tissue": "organ"})
    said = scatd("bench", write(whole), code=2).output
    assert "second" in said
    assert "third" in said
    assert "nosuch" in said
    assert "organ" in said


@pytest.mark.usefixtures("without_figures")
def test_optional_tasks_without_files_are_left_out(scatd, task, bench_labels):
    whole = content(task, bench_labels, splits=["random"], drugs=["DOCETAXEL"])
    whole["candidates"] = ["linear"]
    lacking = {**whole["tasks"][0], "name": "elsewhere", "source": "nowhere.h5ad"}
    whole["tasks"].append(lacking)
    said = scatd("bench", write(whole), code=2).output
    assert "the file nowhere.h5ad is not there" in said
    lacking["optional"] = True
    said = scatd("bench", write(whole)).output
    assert "elsewhere: not run:" in said
    assert set(read("results.csv")["task"]) == {"tiny"}
    del whole["tasks"][0]
    assert "no task can be run" in scatd("bench", write(whole), code=2).output


@pytest.mark.usefixtures("without_figures")
def test_files_lie_beside_the_file_of_tasks(scatd, task, bench_labels):
    folder = Path("elsewhere")
    folder.mkdir()
    (folder / "labels.csv").write_text((bench_labels / "labels.csv").read_text())
    own = {"labels": "labels.csv:DOCETAXEL", "splits": ["random"], "drugs": ["DOCETAXEL"]}
    whole = content(task, bench_labels, **own) | {"candidates": "auto"}
    del whole["tasks"][0]["tissue"]
    said = scatd("bench", write(whole, folder / "tasks.yaml"), code=2).output
    assert "names one column" in said
    whole["tasks"][0]["labels"] = "labels.csv"
    scatd("bench", write(whole, folder / "tasks.yaml"))
    found = read("results.csv")
    assert set(found.loc[found["kind"] == "candidate", "model"]) == {"auto"}
    assert "tissue_mean" not in set(found["model"])
    missing = scatd("bench", write(whole | {"tasks": [{**whole["tasks"][0], "source": "no.h5ad"}]},
                                   folder / "tasks.yaml"), code=2).output  # fmt: skip
    assert str(Path("no.h5ad").absolute()) in missing
    assert str((folder / "no.h5ad").absolute()) in missing


def test_a_page_needs_its_marks(scatd, task, bench_labels):
    Path("page.md").write_text("no marks", encoding="utf-8")
    path = write(content(task, bench_labels))
    said = scatd("bench", path, "--markdown", "page.md", code=2).output
    assert "does not hold the two marks of a bench" in said
    assert not runs("bench")


@pytest.mark.usefixtures("without_figures")
def test_a_unit_that_cannot_be_fitted_is_named(scatd, task, bench_labels, monkeypatch):
    from scatd.errors import TrainingError
    from scatd.workflows.bench import units

    kept = units.fit_beside

    def fails(learner, jobs, candidates):
        if jobs[0].drug_key == "noise":
            message = "the loss is no longer finite"
            raise TrainingError(message)
        return kept(learner, jobs, candidates)

    monkeypatch.setattr(units, "fit_beside", fails)
    whole = content(task, bench_labels, splits=["random"]) | {"candidates": ["linear"]}
    scatd("bench", write(whole))
    assert set(read("by_drug.csv")["drug"]) == {"DOCETAXEL"}
    page = Path("bench-tiny-bench/report.html").read_text(encoding="utf-8")
    assert "tiny random NOISE seed 42: the loss is no longer finite." in page
    (parent,) = runs("bench")
    assert parent.data.metrics["units_failed"] == 1


@pytest.mark.usefixtures("without_figures")
def test_labels_of_a_drug_that_is_left_out_change_no_score_of_it(
    scatd, task, bench_labels, tmp_path
):
    labels = pd.read_csv(bench_labels / "labels.csv", index_col=0)
    found = []
    for seed in (None, 1):
        if seed is not None:
            labels["NOISE"] = labels["NOISE"].sample(frac=1, random_state=seed).to_numpy()
        labels.to_csv(tmp_path / "own.csv")
        own = {"labels": "own.csv", "splits": ["drugs"]}
        scatd("bench", write(content(task, bench_labels, **own) | {"candidates": ["mean"]}))
        stored = read("predictions.parquet")
        found.append(stored[stored["drug"] == "NOISE"].set_index("row"))
    before, after = found
    both = before.index.intersection(after.index)
    assert (before.loc[both, "truth"] != after.loc[both, "truth"]).any()
    for model in ("mean", "logistic_regression"):
        column = f"prob_{model}"
        np.testing.assert_allclose(before.loc[both, column], after.loc[both, column], rtol=1e-9)
    # That of the line is the other drug's label, drawn towards the overall share.
    other = pd.read_csv(bench_labels / "labels.csv").loc[both, "DOCETAXEL"] == "resistant"
    assert roc_auc_score(other, before.loc[both, "prob_line_mean"]) == 1
