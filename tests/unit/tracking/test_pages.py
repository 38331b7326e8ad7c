"""What MLflow's pages need beside metrics: kind and view of the experiment, code, machine."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from scatd import __version__, tracking
from scatd.keys import metric_names
from scatd.tracking import experiment_page, source

GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")


# The experiment ------------------------------------------------------------------------------
def tags():
    client = tracking.connect(create=True)
    return client.get_experiment(tracking.experiment_id(client)).tags


def test_the_experiment_is_of_models_and_has_a_view_of_the_folds(store):
    found = tags()
    assert found["mlflow.experimentKind"] == "custom_model_development"
    view = json.loads(found["mlflow.sharedViewState.scatd"])
    sections = {section["uuid"]: section["name"] for section in view["compareRunSections"]}
    charts = {
        (sections[chart["metricSectionId"]], chart["type"], chart["metricKey"])
        for chart in view["compareRunCharts"]
    }
    assert ("Folds", "LINE", metric_names.FOLD_AUROC) in charts
    assert len({chart["uuid"] for chart in view["compareRunCharts"]}) == len(charts)
    number = tracking.experiment_id(tracking.connect())
    assert f"#/experiments/{number}/runs?" in found["mlflow.note.content"]
    assert "viewStateShareKey=scatd" in found["mlflow.note.content"]


def test_an_experiment_of_before_gets_them_and_keeps_its_own(store):
    client = tracking.connect(create=True)
    number = tracking.experiment_id(client)
    for name in experiment_page.tags(number):
        client.delete_experiment_tag(number, name)
    client.set_experiment_tag(number, "mlflow.note.content", "ours")
    with tracking.parent_run("transfer", name="a", tags={}, settings={}):
        pass
    assert tags()["mlflow.note.content"] == "ours"
    assert tags()["mlflow.experimentKind"] == "custom_model_development"
    client.set_experiment_tag(number, "mlflow.experimentKind", "classification")
    client.delete_experiment_tag(number, "mlflow.sharedViewState.scatd")
    assert tags()["mlflow.experimentKind"] == "classification"
    assert "mlflow.sharedViewState.scatd" not in tags()


# The code ------------------------------------------------------------------------------------
@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git checkout with one commit; returns its folder and the commit."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "file").write_text("a")
    for words in (("init", "-q"), ("add", "file"), ("commit", "-qm", "a")):
        subprocess.run([*GIT, *words], cwd=folder, check=True)
    asked = subprocess.run([*GIT, "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True)
    source._commit.cache_clear()
    yield folder, asked.stdout.decode().strip()
    source._commit.cache_clear()


def program(monkeypatch, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    monkeypatch.setattr(sys, "argv", [str(path)])
    # MLflow asks git once a process.
    from mlflow.tracking.context import registry

    for provider in registry._run_context_provider_registry:
        if hasattr(provider, "_cache"):
            monkeypatch.setattr(provider, "_cache", {})


def test_a_run_names_the_commit_of_the_checkout_that_scatd_runs_from(checkout, monkeypatch):
    folder, commit = checkout
    monkeypatch.setattr(source, "CHECKOUT", folder)
    program(monkeypatch, folder.parent / "venv" / "bin" / "scatd")
    found = source.tags_of_run({"a": "b"})
    assert found["mlflow.source.git.commit"] == commit
    assert (found["scatd.version"], found["a"]) == (__version__, "b")


def test_an_installed_scatd_has_no_commit_whatever_lies_around_it(checkout, monkeypatch, tmp_path):
    """A virtual environment lies in the checkout of the user's own project."""
    folder, _ = checkout
    monkeypatch.setattr(source, "CHECKOUT", tmp_path / "site-packages")
    program(monkeypatch, folder / "venv" / "bin" / "scatd")
    assert not [name for name in source.tags_of_run({}) if "git" in name]


def test_a_script_of_the_user_keeps_its_own_commit(checkout, monkeypatch, tmp_path):
    folder, commit = checkout
    monkeypatch.setattr(source, "CHECKOUT", tmp_path / "site-packages")
    program(monkeypatch, folder / "analysis.py")
    assert source.tags_of_run({})["mlflow.source.git.commit"] == commit


def test_nested_runs_say_the_version_too(run):
    with run.child("fold 1", {}) as fold:
        assert fold.tags()["scatd.version"] == __version__


# The machine ---------------------------------------------------------------------------------
def test_system_metrics_are_logged_where_the_variable_asks_for_them(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    until = time.monotonic() + 60
    with tracking.parent_run("transfer", name="a", tags={}, settings={}) as run:
        while not (found := system(run)) and time.monotonic() < until:
            time.sleep(0.05)
    assert "system/cpu_utilization_percentage" in found
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "false")
    with tracking.parent_run("transfer", name="a", tags={}, settings={}) as run:
        pass
    assert system(run) == []


def system(run):
    return [name for name in run.metrics() if name.startswith("system/")]
