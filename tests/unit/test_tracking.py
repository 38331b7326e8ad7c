"""Runs end as they should, nothing clashes, and killed work is picked up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from scatd import tracking
from scatd.errors import InputError


@pytest.fixture
def run(store):
    with tracking.parent_run("transfer", name="docetaxel sf", tags={}, settings={}) as run:
        yield run


def stored(run_id):
    return tracking.connect().get_run(run_id)


def start(script, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# The store ---------------------------------------------------------------------------------
def test_default_store_is_in_the_working_folder(store):
    client = tracking.connect()
    experiment = client.get_experiment_by_name("scatd")
    assert client.tracking_uri == f"sqlite:///{store}/mlflow.db"
    assert experiment.artifact_location == (store / "mlartifacts").as_uri()


def test_an_old_mlruns_folder_does_not_take_over(store):
    (store / "mlruns" / "0").mkdir(parents=True)
    (store / "mlruns" / "0" / "meta.yaml").write_text("name: Default\n")
    assert tracking.connect().tracking_uri.startswith("sqlite:")


def test_another_database_keeps_its_artifacts_beside_it(store, monkeypatch):
    (store / "team").mkdir()
    (store / "mlflow.db").rename(store / "team" / "runs.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///team/runs.db")
    experiment = tracking.connect().get_experiment_by_name("scatd")
    assert experiment.artifact_location == (store / "team" / "mlartifacts").as_uri()


def test_mlflow_variables_choose_the_experiment(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    with tracking.parent_run("transfer", name="a", tags={}, settings={}) as run:
        pass
    mine = tracking.connect().get_experiment_by_name("mine")
    assert stored(run.run_id).info.experiment_id == mine.experiment_id
    assert mine.artifact_location == (store / "mlartifacts").as_uri()


def test_a_deleted_experiment_comes_back(store):
    client = tracking.connect()
    client.delete_experiment(tracking.experiment_id(client))
    tracking.experiment_id(client)
    assert client.get_experiment_by_name("scatd").lifecycle_stage == "active"


@pytest.mark.parametrize("content", ["no database", None])
def test_a_store_that_cannot_be_opened_is_one_message(store, content, monkeypatch):
    if content is None:  # MLflow refuses its old file store
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "./mlruns")
    else:
        (store / "mlflow.db").write_text(content * 100)
    with pytest.raises(InputError, match="MLFLOW_TRACKING_URI") as caught:
        tracking.connect()
    assert "\n" not in str(caught.value)


def test_no_password_on_the_screen(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nosuch://ann:secret@host/db")
    with pytest.raises(InputError) as caught:
        tracking.connect()
    assert "secret" not in str(caught.value)


def test_several_processes_open_a_cold_store(store):
    (store / "mlflow.db").unlink()
    script = (
        "from scatd import tracking\n"
        "with tracking.parent_run('transfer', name='x', tags={}, settings={'a': 1}): pass"
    )
    processes = [start(script) for _ in range(4)]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        assert "INFO" not in errors
    client = tracking.connect()
    runs = client.search_runs([client.get_experiment_by_name("scatd").experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"] * 4


# A run -------------------------------------------------------------------------------------
def test_settings_are_flat_and_of_any_number(run):
    many = {f"s{i}": i for i in range(250)}
    run.log_settings({"folds": 5, "head": {"lr": 1e-3, "deep": {"er": None}}, **many})
    params = stored(run.run_id).data.params
    assert len(params) == 253
    assert (params["cfg.folds"], params["cfg.head.lr"], params["cfg.s249"]) == ("5", "0.001", "249")
    assert params["cfg.head.deep.er"] == "None"


def test_curves_are_written_in_one_batch(run, monkeypatch):
    written = []
    log_batch = run.client.log_batch
    monkeypatch.setattr(
        run.client, "log_batch", lambda *a, **k: (written.append(k), log_batch(*a, **k))
    )
    with tracking.Curves(run) as curves:
        for epoch in range(25):
            curves.epoch(epoch, {"loss": 1 / (epoch + 1), "auroc": epoch / 25})
    assert len(written) == 1
    history = run.client.get_metric_history(run.run_id, "loss")
    assert {point.step: point.value for point in history} == {e: 1 / (e + 1) for e in range(25)}


def test_curves_appear_while_a_long_run_trains(run):
    with tracking.Curves(run, every=0) as curves:
        curves.epoch(0, {"loss": 1.0})
        assert run.metrics() == {"loss": 1.0}


def test_long_curves_pass_the_limits_of_a_batch(run):
    run.log_history([{"epoch": e, "loss": e, "auroc": np.nan} for e in range(700)])
    assert len(run.client.get_metric_history(run.run_id, "loss")) == 700


def test_tables_files_and_notes(run, tmp_path):
    table = pd.DataFrame({"fold": [0, 1], "auroc": [0.5, 0.75]})
    run.log_table(table, "tables/metrics.csv")
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "roc.png").write_bytes(b"png")
    run.log_files(tmp_path / "plots", "figures")
    run.describe("**good**")
    pd.testing.assert_frame_equal(pd.read_csv(run.fetch("tables/metrics.csv")), table)
    assert (run.fetch("figures") / "roc.png").read_bytes() == b"png"
    assert stored(run.run_id).data.tags["mlflow.note.content"] == "**good**"


def test_datasets_are_inputs(run):
    for context in ("source", "reference"):
        run.log_dataset(
            context, f"/data/{context}.h5ad", digest="f" * 64, n_rows=3, n_features=7,
            context=context,
        )  # fmt: skip
    datasets = {item.dataset.name: item for item in stored(run.run_id).inputs.dataset_inputs}
    assert set(datasets) == {"source", "reference"}
    assert datasets["source"].tags[0].value == "source"
    assert json.loads(datasets["source"].dataset.profile) == {"num_rows": 3, "num_features": 7}


def test_fold_runs_are_nested(run):
    with run.child("fold 0", {"scatd.fold": "0"}) as fold:
        assert stored(fold.run_id).info.status == "RUNNING"
    child = stored(fold.run_id)
    assert child.info.status == "FINISHED"
    assert child.data.tags["mlflow.parentRunId"] == run.run_id
    assert child.data.tags["mlflow.user"]
    assert child.info.run_name == "fold 0"


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError, "FAILED"), (InputError, "FAILED"), (KeyboardInterrupt, "KILLED")],
)
def test_runs_end_as_they_went(store, error, status):
    with (
        pytest.raises(error),
        tracking.parent_run("transfer", name="a", tags={}, settings={}) as run,
        run.child("fold 0", {}) as fold,
    ):
        raise error("no")
    assert [stored(r.run_id).info.status for r in (run, fold)] == [status, status]


def test_sigterm_closes_the_runs(store):
    before = signal.getsignal(signal.SIGTERM)
    with (
        pytest.raises(SystemExit) as caught,
        tracking.parent_run("transfer", name="a", tags={}, settings={}) as run,
        run.child("fold 0", {}) as fold,
    ):
        os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.code == 143
    assert [stored(r.run_id).info.status for r in (run, fold)] == ["KILLED", "KILLED"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_thread_may_have_a_run(store):
    ids = []

    def work():
        with tracking.parent_run("transfer", name="a", tags={}, settings={}) as run:
            ids.append(run.run_id)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert stored(ids[0]).info.status == "FINISHED"


# `mlflow run` made a run beforehand ---------------------------------------------------------
@pytest.fixture
def project_run(store, monkeypatch):
    """What `mlflow run . -e transfer -P folds=3` does before the entry point starts."""
    client = tracking.connect()
    made = client.create_run(
        tracking.experiment_id(client), tags={"mlflow.project.entryPoint": "transfer"}
    )
    client.log_param(made.info.run_id, "folds", "auto")
    monkeypatch.setenv("MLFLOW_RUN_ID", made.info.run_id)
    return made.info.run_id


def test_the_project_run_is_for_the_command_asked_for(project_run):
    with tracking.parent_run("pretrain", name="backbone", tags={}, settings={}) as on_the_way:
        pass
    with tracking.parent_run("transfer", name="a", tags={}, settings={"folds": 5}) as asked:
        pass
    with tracking.parent_run("transfer", name="b", tags={}, settings={}) as second:
        pass
    assert asked.run_id == project_run
    assert len({on_the_way.run_id, asked.run_id, second.run_id}) == 3
    kept = stored(project_run)
    assert kept.data.params == {"folds": "auto", "cfg.folds": "5"}
    assert (kept.info.run_name, kept.info.status) == ("a", "FINISHED")


def test_main_is_the_demo(project_run):
    tracking.connect().set_tag(project_run, "mlflow.project.entryPoint", "main")
    with tracking.parent_run("demo", name="demo", tags={}, settings={}) as run:
        assert run.run_id == project_run


# Resuming ----------------------------------------------------------------------------------
def test_resume_key_is_about_content():
    key = tracking.resume_key({"folds": 5, "lr": 1e-3}, "abc")
    assert key == tracking.resume_key({"lr": 0.001, "folds": 5}, "abc")
    assert (
        len({key, tracking.resume_key({"folds": 5, "lr": 1e-4}, "abc"), tracking.resume_key("abc")})
        == 3
    )
    assert len(key) == 16
    assert int(key, 16) >= 0


KILLED_IN_FOLD_3 = """
import os, signal, sys
from scatd import tracking
with tracking.resume_lock("k"):
    with tracking.parent_run("transfer", name="a", tags={}, settings={}, resume_key="k") as run:
        for fold in range(5):
            with run.child(f"fold {fold}", {"scatd.fold": str(fold)}) as child:
                child.log_metrics({"auroc": fold / 10})
                if fold == 2:
                    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_work_is_resumed(store):
    first = start(KILLED_IN_FOLD_3)
    first.communicate()
    assert first.returncode == -signal.SIGKILL
    client = tracking.connect()
    (experiment,) = [client.get_experiment_by_name("scatd").experiment_id]
    with tracking.resume_lock("k"):
        dead = tracking.unfinished("k")
        assert dead is not None
        assert sorted(dead.folds) == [0, 1]
        with tracking.parent_run("transfer", name="b", tags={}, settings={}, resume_key="k") as run:
            tracking.adopt(dead, run)
    by_parent = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run.run_id}'")
    assert {r.data.metrics["auroc"] for r in by_parent} == {0.0, 0.1}
    (parent,) = dead.run_ids
    assert stored(parent).info.status == "KILLED"
    assert client.search_runs([experiment], "attributes.status = 'RUNNING'") == []
    assert tracking.unfinished("k") is None, "finished work trains anew"


def test_folds_of_several_dead_runs_are_collected(store):
    for folds in ([0, 1], [1, 2], []):
        with tracking.parent_run("transfer", name="a", tags={}, settings={}, resume_key="k") as run:
            for fold in folds:
                with run.child("fold", {"scatd.fold": str(fold)}):
                    pass
        tracking.connect().set_terminated(run.run_id, "KILLED")
    dead = tracking.unfinished("k")
    assert len(dead.run_ids) == 3
    assert sorted(dead.folds) == [0, 1, 2]
    newest_with_fold_1 = stored(dead.folds[1]).data.tags["mlflow.parentRunId"]
    assert newest_with_fold_1 == dead.run_ids[1]
    assert tracking.unfinished("other") is None


def test_a_run_of_another_host_is_left_alone(store):
    client = tracking.connect()
    tags = {"scatd.work_key": "k", "scatd.host": "elsewhere"}
    elsewhere = client.create_run(tracking.experiment_id(client), tags=tags).info.run_id
    assert tracking.unfinished("k") is None
    client.set_terminated(elsewhere, "FAILED")
    assert tracking.unfinished("k").run_ids == (elsewhere,)


def test_the_same_work_is_not_done_twice_at_once(store):
    script = (
        "from scatd import tracking\n"
        "with tracking.resume_lock('k'): print('held', flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(InputError, match="another process"), tracking.resume_lock("k"):
        pass
    holder.kill()
    holder.communicate()
    with tracking.resume_lock("k"):
        pass


def test_a_folder_that_cannot_be_written_is_one_message(store, monkeypatch):
    (store / ".scatd").write_text("a file is in the way")
    with pytest.raises(InputError, match="cannot be written"):
        tracking.connect()


def test_the_store_is_a_plain_mlflow_store(run):
    run.log_metrics({"auroc": 0.75})
    plain = MlflowClient(tracking.tracking_uri())
    assert plain.get_run(run.run_id).data.metrics == {"auroc": 0.75}
