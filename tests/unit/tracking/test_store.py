"""The store is found and opened; its faults are one message."""

from __future__ import annotations

import pytest

from scatd import tracking
from scatd.errors import InputError
from tests.tracked import start, stored


def test_default_store_is_in_the_working_folder(store):
    client = tracking.connect(create=True)
    experiment = client.get_experiment_by_name("scatd")
    assert client.tracking_uri == f"sqlite:///{store}/mlflow.db"
    assert experiment.artifact_location == (store / "mlartifacts").as_uri()


def test_an_old_mlruns_folder_does_not_take_over(store):
    (store / "mlruns" / "0").mkdir(parents=True)
    (store / "mlruns" / "0" / "meta.yaml").write_text("name: Default\n")
    assert tracking.connect(create=True).tracking_uri.startswith("sqlite:")


def test_another_database_keeps_its_artifacts_beside_it(store, monkeypatch):
    (store / "team").mkdir()
    (store / "mlflow.db").rename(store / "team" / "runs.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///team/runs.db")
    experiment = tracking.connect(create=True).get_experiment_by_name("scatd")
    assert experiment.artifact_location == (store / "team" / "mlartifacts").as_uri()


def test_mlflow_variables_choose_the_experiment(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    with tracking.parent_run("transfer", name="a", tags={}, settings={}) as run:
        pass
    mine = tracking.connect(create=True).get_experiment_by_name("mine")
    assert stored(run.run_id).info.experiment_id == mine.experiment_id
    assert mine.artifact_location == (store / "mlartifacts").as_uri()


def test_a_deleted_experiment_comes_back(store):
    client = tracking.connect(create=True)
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
        tracking.connect(create=True)
    assert "\n" not in str(caught.value)


def test_no_password_on_the_screen(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nosuch://ann:secret@host/db")
    with pytest.raises(InputError) as caught:
        tracking.connect(create=True)
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
    client = tracking.connect(create=True)
    runs = client.search_runs([client.get_experiment_by_name("scatd").experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"] * 4


def test_a_folder_that_cannot_be_written_is_one_message(store, monkeypatch):
    (store / ".scatd").write_text("a file is in the way")
    with pytest.raises(InputError, match="cannot be written"):
        tracking.connect(create=True)
