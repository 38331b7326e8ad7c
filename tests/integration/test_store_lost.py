"""A server is lost: a restart is ridden out, and one that stays away is one message."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading

import pandas as pd
import pytest
from click.testing import CliRunner

from scatd import tracking
from scatd.cli import main
from scatd.errors import StoreError
from tests.server_process import MlflowServer
from tests.store_server import Door


@pytest.fixture(scope="module")
def server(migrated_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(migrated_store, folder / "mlflow.db")
    artifacts = ("--artifacts-destination", folder / "artifacts")
    started = MlflowServer(
        folder, "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", *artifacts
    )
    yield started
    started.kill()


@pytest.fixture
def door(server, tmp_path, monkeypatch):
    """The way to the server; a lost store is given up after few tries, to save time."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SCATD_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    made = Door(server.port)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", made.address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")  # the machine of the tests may be busy
    yield made
    made.close()


@pytest.fixture
def gives_up(monkeypatch):
    """A store that stays away is given up at once."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0.1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")


def opened(key="work"):
    return tracking.parent_run("transfer", name="x", tags={}, settings={"a": 1}, resume_key=key)


def write_all(run):
    """Each kind of call: metrics, tags, an artifact sent, listed and fetched."""
    run.log_metrics({"auroc": 0.8})
    run.set_tags({"about": "it"})
    run.log_table(pd.DataFrame({"x": range(2000)}), "table.csv")
    assert run.holds("table.csv")
    assert len(pd.read_csv(run.fetch("table.csv"))) == 2000


def test_a_restart_is_ridden_out(door, monkeypatch):
    """The waits between tries are a twelfth of the usual ones, and the restart as much shorter."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "1.0")
    with opened() as run:
        for call in (
            lambda: run.log_metrics({"auroc": 0.8}),
            lambda: run.log_table(pd.DataFrame({"x": range(2000)}), "table.csv"),
        ):
            door.close()
            threading.Timer(0.5, door.open).start()
            call()
        assert len(pd.read_csv(run.fetch("table.csv"))) == 2000
    assert tracking.connect().get_run(run.run_id).info.status == "FINISHED"


def test_a_server_that_fails_half_of_the_time_is_asked_until_it_answers(door, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0.1")
    door.answer_with([500, 500, 0, 503, 0])
    with opened() as run:
        write_all(run)
    door.answer_with([0])
    found = tracking.connect().get_run(run.run_id)
    assert (found.info.status, found.data.metrics["auroc"]) == ("FINISHED", 0.8)


@contextlib.contextmanager
def lose(door, made, key="work"):
    """Work in a run and a nested one until the door is closed; both are noted in `made`."""
    with opened(key) as run, run.child("fold", {}) as fold:
        made += [run, fold]
        run.set_tags({"scatd.process": "999999999"})  # as if this process had ended
        door.close()
        yield fold


def statuses(made):
    client = tracking.connect()
    return [client.get_run(run.run_id).info.status for run in made]


@pytest.mark.parametrize("way", ["metrics", "artifact"])
def test_a_store_that_stays_away_is_one_message_and_the_next_run_closes_the_last(
    door, gives_up, way
):
    made = []

    def work():
        with lose(door, made) as fold:
            if way == "metrics":
                fold.log_metrics({"auroc": 0.8})
            else:
                fold.log_table(pd.DataFrame({"x": [1]}), "table.csv")

    with pytest.raises(StoreError) as caught:
        work()
    said = str(caught.value)
    assert said.startswith(f"the store at {door.address} cannot be reached: the connection is")
    assert "What was finished is kept" in said
    assert said.endswith("Start the same command again.")
    door.open()
    assert statuses(made) == ["RUNNING", "RUNNING"]
    dead = tracking.unfinished("work")
    with opened() as again:
        tracking.adopt(dead, again)
    assert statuses(made) == ["KILLED", "KILLED"]


def test_the_first_error_is_told_although_the_run_cannot_be_ended(door, gives_up):
    made = []

    def work():
        with lose(door, made):
            raise ValueError("the first")

    with pytest.raises(ValueError, match="the first"):
        work()
    door.open()
    assert statuses(made) == ["RUNNING", "RUNNING"]


def test_a_run_without_restart_is_closed_by_the_next_command_of_its_kind(door, gives_up):
    made = []

    def work():
        with lose(door, made, key=None) as fold:
            fold.log_metrics({"auroc": 0.8})

    with pytest.raises(StoreError, match="Nothing of this command was finished"):
        work()
    door.open()
    with opened(None):
        pass
    assert statuses(made) == ["KILLED", "KILLED"]


def test_a_lost_store_ends_a_command_in_a_line(door, gives_up):
    tracking.connect()
    door.close()
    done = CliRunner().invoke(main, ["registry", "list"])
    assert done.exit_code == 1
    assert f"the store at {door.address} cannot be reached" in done.stderr
    assert "Traceback" not in done.output
    assert "internal error" not in done.output


def test_a_server_that_was_killed_is_one_message(server, door, gives_up, monkeypatch):
    """The last test: the server does not come back."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.port}")

    def work():
        with opened() as run:
            server.kill()
            run.log_metrics({"auroc": 0.8})

    with pytest.raises(StoreError, match="cannot be reached"):
        work()
