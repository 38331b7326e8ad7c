"""Many drugs, as a user types it: one sweep, every drug for itself, killed for good."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from scatd import registry, tracking
from scatd.workflows.sweep import processes
from tests import dying, forked

BASELINES = ("prevalence", "logistic_regression", "gradient_boosting", "random_forest")


@pytest.fixture(scope="session")
def sweep_task(task, tmp_path_factory):
    """The task with a table of drugs: easy ones, one that is noise, one too rare, one constant."""
    table = pd.read_csv(task.labels, index_col=0)[["DOCETAXEL", "RARE", "CONSTANT"]]
    rng = np.random.default_rng(8)
    wrong = rng.random(len(table)) < 0.1
    swapped = table["DOCETAXEL"].map({"resistant": "sensitive", "sensitive": "resistant"})
    table["NOISY"] = table["DOCETAXEL"].where(~wrong, swapped)
    table["NOISE"] = np.where(rng.random(len(table)) < 0.3, "sensitive", "resistant")
    path = tmp_path_factory.mktemp("sweep") / "drugs.csv"
    table.to_csv(path)
    return path


def arguments(task, labels, drug):
    words = task.transfer_arguments(drug)
    words[words.index("--labels") + 1] = str(labels)
    return [*words, "--epochs", "12", "--device", "cpu"]


def runs(level):
    client = tracking.connect()
    wanted = f"tags.`scatd.level` = '{level}'"
    return client.search_runs([tracking.experiment_id(client)], wanted)


def sweep_table():
    newest = max(runs("sweep"), key=lambda run: run.info.start_time)
    assert newest.info.status == "FINISHED"
    run = tracking.Run(tracking.connect(), newest.info.run_id)
    return newest, pd.read_csv(run.fetch("tables/panel.csv")).set_index("drug")


def test_all_drugs_at_once(scatd, task, sweep_task):
    done = scatd(*arguments(task, sweep_task, "all"), "--folds", "4")
    sweep, table = sweep_table()
    assert set(table.index) == {"DOCETAXEL", "NOISY", "NOISE", "RARE", "CONSTANT"}
    assert set(table.index[table["status"] == "failed"]) == {"RARE", "CONSTANT"}
    assert "only one class" in table.loc["CONSTANT", "reason"]
    assert "Warning: RARE is left out" in done.stderr
    assert "RARE failed: " in done.stdout
    finished = table[table["status"] == "finished"]
    assert finished["auroc_mean"].is_monotonic_decreasing
    assert table.loc["DOCETAXEL", "auroc_mean"] > 0.9 > table.loc["NOISE", "auroc_mean"]
    drugs = runs("drug")
    assert len(drugs) == 3
    assert {run.data.tags["mlflow.parentRunId"] for run in drugs} == {sweep.info.run_id}
    folds = runs("fold")
    parents = sorted(run.data.tags["mlflow.parentRunId"] for run in folds)
    assert parents == sorted([run.info.run_id for run in drugs] * 4)
    for run in drugs:
        row = table[table["run_id"] == run.info.run_id].iloc[0]
        metrics = run.data.metrics
        assert row["auroc_mean"] == pytest.approx(metrics["cv/auroc_mean"])
        mine = [f for f in folds if f.data.tags["mlflow.parentRunId"] == run.info.run_id]
        assert metrics["cv/auroc_mean"] == pytest.approx(
            np.mean([f.data.metrics["auroc"] for f in mine])
        )
        for name in (*BASELINES, "no_adaptation"):
            assert row[f"{name}_auroc"] == pytest.approx(metrics[f"baseline/{name}/auroc_mean"])
        best = max(BASELINES, key=lambda name: metrics[f"baseline/{name}/auroc_mean"])
        best_auroc = metrics[f"baseline/{best}/auroc_mean"]
        assert row["best_baseline_auroc"] == pytest.approx(best_auroc)
        assert run.data.params["cfg.epochs"] == "12"
    assert sweep.data.metrics["drugs_failed"] == 2
    for drug in ("docetaxel", "noisy", "noise"):
        shown = registry.show(f"scatd-sf-{drug}")
        assert list(shown["version"]) == [1]
    assert registry.find("scatd-sf-docetaxel", "production") is not None
    assert registry.find("scatd-sf-noise", "production") is None
    compared = scatd("compare").stdout
    assert all(drug in compared for drug in ("docetaxel", "noisy", "noise"))
    scatd("predict", "--drug", "docetaxel", task.target, "-o", "scored.csv")
    assert len(pd.read_csv("scored.csv")) == 120


@pytest.mark.parametrize("model", ["network", "linear", "trees"])
def test_a_drug_of_a_sweep_is_what_it_is_alone(scatd, task, sweep_task, monkeypatch, model):
    """Only mean learns from the labels of other drugs."""
    monkeypatch.setattr(processes, "WORTH_PROCESSES", 2)  # and whichever process learned it
    Path("model.yaml").write_text(f"model: {model}\n")
    words = ["--settings", "model.yaml", "--folds", "2"]
    scatd(*arguments(task, sweep_task, "NOISY, docetaxel"), *words, "--figures")
    _, table = sweep_table()
    assert sorted(table.index) == ["DOCETAXEL", "NOISY"]
    scatd(*arguments(task, sweep_task, "NOISY"), *words)
    together, alone = sorted(
        (run for run in runs("drug") if run.data.tags["scatd.drug"] == "noisy"),
        key=lambda run: run.info.start_time,
    )
    assert set(alone.data.metrics) - set(together.data.metrics) <= {
        "kl_before_mean", "kl_after_mean",
    }  # fmt: skip
    client = tracking.connect()
    tables = [
        pd.read_csv(tracking.Run(client, run.info.run_id).fetch("tables/out_of_fold.csv"))
        for run in (together, alone)
    ]
    assert (tables[0][["id", "fold", "truth"]] == tables[1][["id", "fold", "truth"]]).all(axis=None)
    for name in ("response_model", *BASELINES):
        ours, theirs = (found[f"prob_{name}"] for found in tables)
        np.testing.assert_allclose(ours, theirs, atol=1e-3 if "boost" in name else 1e-4)
    figures = {
        path.name for path in tracking.Run(client, together.info.run_id).fetch("figures").iterdir()
    }
    assert "roc.png" in figures
    assert ("loss.pdf" in figures) == (model == "network")


def test_settings_that_share_nothing_take_the_ordinary_way(scatd, task, sweep_task):
    words = ("--published", "--epochs", "2", "--folds", "4", "--post-training", "1")
    scatd(*arguments(task, sweep_task, "DOCETAXEL,RARE"), *words)
    sweep, table = sweep_table()
    assert table["status"].to_dict() == {"DOCETAXEL": "finished", "RARE": "failed"}
    (drug,) = runs("drug")
    assert drug.data.tags["mlflow.parentRunId"] == sweep.info.run_id


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--drug", "DOCETAXEL,NOSUCHDRUG"], "unknown drug 'NOSUCHDRUG'"),
        (["--drug", "all", "--min-sensitive", "9999"], "no drug has 9,999 sensitive samples"),
        (["--drug", "NOISE,NOISY", "--min-sensitive", "3"], "Use it with --drug all"),
        (["--drug", "all", "--labels", "obs_column"], "names one column"),
    ],
)
def test_what_is_no_sweep(scatd, task, sweep_task, words, said):
    done = scatd(*arguments(task, sweep_task, "all"), *words, code=2)
    assert said in done.output
    assert not runs("sweep")


def test_one_column_is_not_the_truth_of_many_drugs(scatd, task, sweep_task):
    target = (
        "--target",
        task.target,
        "--target-labels",
        "truth",
        "--label-map",
        "0=sensitive,1=resistant",
    )
    done = scatd(*arguments(task, sweep_task, "DOCETAXEL,NOISE"), *target, code=2)
    assert "'truth' is one column, and would be the truth of every drug" in done.output
    assert not runs("sweep")


def test_damaged_rules_of_a_drug_are_refused_before_any_work(scatd, task, sweep_task, store):
    (store / "registry_configs").mkdir()
    (store / "registry_configs" / "docetaxel.yaml").write_text("gate: {margin: 0.02}")
    said = scatd(*arguments(task, sweep_task, "all"), code=2).output
    assert "registry_configs/docetaxel.yaml: gate: 'margin' is no rule any more" in said
    assert not runs("sweep")


def test_least_number_of_sensitive_samples(scatd, task, sweep_task):
    labels = pd.read_csv(sweep_task, index_col=0)
    n_sensitive = (labels == "sensitive").sum()
    least = int(n_sensitive["DOCETAXEL"]) - 2  # leaves out NOISE, and keeps CONSTANT, which fails
    words = ("--min-sensitive", least, "--model", "linear", "--folds", "4")
    scatd(*arguments(task, sweep_task, "all"), *words)
    _, table = sweep_table()
    assert set(table.index) == set(n_sensitive.index[n_sensitive >= least])
    assert "NOISE" not in table.index


def test_none_can_be_learned(scatd, task, sweep_task):
    done = scatd(*arguments(task, sweep_task, "RARE,CONSTANT"), code=2)
    assert "too few samples of a class" in done.output


def test_killed_and_resumed(store, run_scatd, task, sweep_task):
    labels = pd.read_csv(sweep_task, index_col=0)
    labels["DRUG"] = labels["DOCETAXEL"].sample(frac=1, random_state=0).to_numpy()
    labels.to_csv("many.csv")
    given = [*arguments(task, "many.csv", "all"), "--folds", "3", "--model", "network"]
    client = MlflowClient(tracking.tracking_uri())
    experiment = tracking.experiment_id(tracking.connect())

    def drugs(status):
        wanted = f"tags.`scatd.level` = 'drug' AND attributes.status = '{status}'"
        return client.search_runs([experiment], wanted)

    # As the third drug is about to be recorded.
    place = ("scatd.workflows.transfer.record:record_drug", 3)
    child = forked.Process(dying.DIES + forked.quick_scatd(), *place, *given)
    assert child.wait(240) == -signal.SIGKILL, child.communicate()
    before = {run.info.run_id for run in drugs("FINISHED")}
    assert len(before) == 2
    run_scatd(*given)
    sweep, table = sweep_table()
    assert (table["status"] == "finished").sum() == 5
    after = drugs("FINISHED")
    assert before < {run.info.run_id for run in after}
    assert len(after) == 5
    assert {run.data.tags["mlflow.parentRunId"] for run in after} == {sweep.info.run_id}
    assert not drugs("RUNNING")
    killed = [run for run in runs("sweep") if run.info.status == "KILLED"]
    assert len(killed) == 1
    for run in after:
        shown = registry.show(f"scatd-sf-{run.data.tags['scatd.drug']}")
        assert list(shown["version"]) == [1]
