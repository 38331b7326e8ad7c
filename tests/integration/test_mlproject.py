"""`mlflow run` as a user types it, on a machine without conda, with a stub for the command."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scatd import tracking

REPOSITORY = Path(__file__).resolve().parents[2]
MLFLOW = Path(sys.executable).with_name("mlflow")

STUB = """
import sys
print(sys.argv[1:])
if "x" in sys.argv:
    sys.exit("folds: 'x' is no number")
from scatd import tracking
with tracking.parent_run("pretrain", name="backbone", tags={}, settings={}):
    pass
with tracking.parent_run("transfer", name="a", tags={}, settings={"folds": 5}) as run:
    for fold in range(5):
        with run.child(f"fold {fold}", {"scatd.fold": str(fold)}):
            pass
"""


@pytest.fixture
def project(store):
    for name in ("MLproject", "conda.yaml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, store)
    (store / "entrypoints").mkdir()
    (store / "entrypoints" / "transfer.py").write_text(STUB)
    return store


def mlflow_run(*words):
    """Run it with nothing on the path but python, a shell and git; say what it printed."""
    keep = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    environment = {**keep, "PATH": f"{MLFLOW.parent}:/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(MLFLOW), "run", ".", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def runs():
    client = tracking.connect()
    found = client.search_runs([e.experiment_id for e in client.search_experiments()])
    return {run.info.run_id: run for run in found}


@pytest.mark.parametrize(
    ("drug", "environment"),
    [("DOCETAXEL", ()), ("a'; touch b; '", ("--env-manager", "local"))],
)
def test_transfer_by_mlflow_run(project, drug, environment):
    code, output, errors = mlflow_run("-e", "transfer", "-P", f"drug={drug}", *environment)
    assert code == 0, errors
    assert ast.literal_eval(output)[:2] == ["--drug", drug]
    assert not (project / "b").exists()
    by_name = {run.info.run_name: run for run in runs().values()}
    assert set(by_name) == {"a", "backbone", *(f"fold {fold}" for fold in range(5))}
    parent = by_name["a"]
    assert parent.data.tags["mlflow.project.entryPoint"] == "transfer"
    assert parent.data.params["family"] == "sf"
    assert parent.data.params["cfg.folds"] == "5"
    experiment = tracking.connect().get_experiment_by_name("scatd")
    for run in by_name.values():
        assert run.info.status == "FINISHED"
        assert run.info.experiment_id == experiment.experiment_id
        assert run.info.artifact_uri.startswith((project / "mlartifacts").as_uri())
        nested = run.info.run_name.startswith("fold")
        assert (run.data.tags.get("mlflow.parentRunId") == parent.info.run_id) == nested


def test_an_environment_that_does_not_hold_is_refused(project):
    text = (project / "conda.yaml").read_text()
    (project / "conda.yaml").write_text(text.replace("- torch>=2.6", "- torch>=99"))
    code, output, errors = mlflow_run("-e", "transfer", "-P", "drug=DOCETAXEL")
    assert code != 0
    assert "torch>=99 (found " in errors
    assert "Traceback" not in errors
    assert output == ""
    assert [run.info.status for run in runs().values()] == ["FAILED"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(
            ("-e", "nosuch"), "Could not find nosuch among entry points", marks=pytest.mark.slow
        ),
        (("-e", "transfer"), "No value given for missing parameters: 'drug'"),
        (("-e", "transfer", "-P", "drug=A", "-P", "folds=x"), "'x' is no number"),
    ],
)
def test_bad_values_leave_nothing_running(project, words, message):
    code, _, errors = mlflow_run(*words)
    assert code != 0
    assert message in errors
    assert "Traceback" not in errors
    assert "RUNNING" not in [run.info.status for run in runs().values()]
