"""The work of a killed run is continued."""

from __future__ import annotations

import signal
import time

import pytest

from scatd import tracking
from scatd.errors import InputError
from tests import forked
from tests.tracked import start, stored


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
        "with tracking.resume_lock('k'): Path('held').touch(); time.sleep(600)"
    )
    holder = forked.Process(f"import time; from pathlib import Path\n{script}")
    while not (store / "held").exists():
        assert holder.poll() is None
        time.sleep(0.01)
    with pytest.raises(InputError, match="another process"), tracking.resume_lock("k"):
        pass
    holder.kill()
    holder.wait()
    with tracking.resume_lock("k"):
        pass
