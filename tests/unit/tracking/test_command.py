"""The run of a command ends as its command ends."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from scatd import tracking
from scatd.errors import InputError
from tests.tracked import stored


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


@pytest.fixture
def project_run(store, monkeypatch):
    """The steps of `mlflow run . -e transfer -P folds=3` before the entry point starts."""
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
