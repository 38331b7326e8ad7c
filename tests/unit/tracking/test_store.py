"""The store is found and opened; its faults are one message."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from scatd import tracking
from scatd.errors import InputError, StoreError
from scatd.tracking import databases
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
    processes = [start(script) for _ in range(3)]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        assert "INFO" not in errors
    client = tracking.connect(create=True)
    runs = client.search_runs([client.get_experiment_by_name("scatd").experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"] * 3


def test_a_folder_that_cannot_be_written_is_one_message(store, monkeypatch):
    (store / ".scatd").write_text("a file is in the way")
    with pytest.raises(InputError, match="cannot be written"):
        tracking.connect(create=True)


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_reading_makes_no_store(store):
    (store / "mlflow.db").unlink()
    with pytest.raises(InputError, match=f"no mlflow.db in {store}") as caught:
        tracking.connect()
    assert "MLFLOW_TRACKING_URI" in caught.value.remedy
    assert left_in(store) == []


def test_reading_changes_nothing_in_a_store(store):
    before = (store / "mlflow.db").read_bytes()
    assert tracking.finished_runs({}) == []
    assert (store / "mlflow.db").read_bytes() == before
    assert left_in(store) == ["mlflow.db"]


@pytest.mark.parametrize("create", [True, False])
def test_a_folder_is_never_made_for_a_store(store, create, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///nowhere/mlflow.db")
    with pytest.raises(InputError, match="there is no folder"):
        tracking.connect(create=create)
    assert not (store / "nowhere").exists()


def test_a_folder_is_never_made_for_a_lock(store, monkeypatch):
    """`scatd transfer` takes the lock of its work before it opens the store."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///nowhere/mlflow.db")
    with pytest.raises(InputError, match="there is no folder"):
        tracking.lock("work")
    assert not (store / "nowhere").exists()


@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
def test_a_store_that_is_interrupted_while_it_is_made_leaves_nothing(store, signal, monkeypatch):
    (store / "mlflow.db").unlink()

    class Interrupted(MlflowClient):
        def search_experiments(self, **options):
            super().search_experiments(**options)
            raise signal

    monkeypatch.setattr(databases, "MlflowClient", Interrupted)
    with pytest.raises(signal):
        tracking.connect(create=True)
    assert left_in(store) == [".scatd"]


def test_an_empty_file_is_no_store_and_is_filled(store):
    (store / "mlflow.db").write_bytes(b"")
    os.utime(store / "mlflow.db", (0, 0))
    assert not tracking.has_store()
    tracking.connect(create=True)
    assert tracking.has_store()


def test_a_store_is_whole_when_it_appears(store, monkeypatch):
    """Whoever looks while it is made finds no file, or one that is whole."""
    (store / "mlflow.db").unlink()
    (store / ".mlflow.db.1.new").write_text("left by a process that was killed")
    seen = []

    class Watching(MlflowClient):
        def search_experiments(self, **options):
            found = super().search_experiments(**options)
            seen.append((store / "mlflow.db").exists())
            return found

    monkeypatch.setattr(databases, "MlflowClient", Watching)
    tracking.connect(create=True)
    assert seen == [False]
    assert left_in(store) == [".scatd", "mlflow.db"]


def test_a_store_that_another_process_is_making_is_waited_for(store):
    whole = (store / "mlflow.db").read_bytes()
    (store / "mlflow.db").write_bytes(b"")
    timer = threading.Timer(1.0, (store / "mlflow.db").write_bytes, [whole])
    timer.start()
    assert tracking.finished_runs({}) == []
    timer.join()


def test_a_store_that_was_never_finished_is_named(store):
    (store / "mlflow.db").write_bytes(b"")
    os.utime(store / "mlflow.db", (0, 0))
    with pytest.raises(InputError, match="this database is empty"):
        tracking.connect()
    with sqlite3.connect(store / "mlflow.db") as database:
        database.execute("CREATE TABLE something (a)")
    os.utime(store / "mlflow.db", (0, 0))
    with pytest.raises(InputError, match="not one of MLflow, or it was not finished"):
        tracking.connect(create=True)


def test_reading_does_not_fill_an_empty_database(store):
    """In a process of its own: here, other tests made MLflow load the list of its tables."""
    (store / "mlflow.db").write_bytes(b"")
    os.utime(store / "mlflow.db", (0, 0))
    done = subprocess.run(
        [sys.executable, "-c", "from scatd.cli import main; main()", "registry", "list"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "this database is empty" in done.stderr
    assert (store / "mlflow.db").stat().st_size == 0


@pytest.mark.parametrize(
    ("revision", "words"), [("451aebb31d03", "older MLflow"), ("ffffffffffff", "newer MLflow")]
)
@pytest.mark.parametrize("lacks_a_table", [True, False])
def test_a_database_of_another_mlflow_is_not_migrated_unasked(
    store, revision, words, lacks_a_table
):
    with sqlite3.connect(store / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = ?", [revision])
        if lacks_a_table:
            database.execute("DROP TABLE registered_model_aliases")
    os.utime(store / "mlflow.db", (0, 0))
    before = (store / "mlflow.db").read_bytes()
    with pytest.raises(InputError, match=words) as caught:
        tracking.connect(create=True)
    assert "mlflow db upgrade" in caught.value.remedy
    assert (store / "mlflow.db").read_bytes() == before


def test_a_locked_database_says_so(store, monkeypatch):
    monkeypatch.setattr(databases, "_LOCKED_FOR", 0.2)
    holder = sqlite3.connect(store / "mlflow.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="is locked: another process holds") as caught:
        tracking.connect()
    assert "upgrade" not in str(caught.value)
    holder.execute("ROLLBACK")
    tracking.connect()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_another_user_reads_a_store_and_is_told_that_he_may_not_write(store):
    tracking.connect(create=True)
    shutil.rmtree(store / ".scatd")
    top = Path(tempfile.gettempdir())
    for folder in (store, *itertools.takewhile(lambda folder: folder != top, store.parents)):
        folder.chmod(folder.stat().st_mode | 0o055)
    script = (
        "from scatd import tracking; from scatd.errors import InputError\n"
        "print(len(tracking.finished_runs({})))\n"
        "try: tracking.connect(create=True)\n"
        "except InputError as error: print(error)"
    )
    # pytest's folders are private: they were opened to others above.
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable]
    done = subprocess.run([*other, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "0"
    assert "cannot be written" in second
    assert left_in(store) == ["mlflow.db"]
