"""`scatd tune` as a user runs it: nested trials, kills, several workers, and what is handed on."""

from __future__ import annotations

import io
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from scatd import tracking
from tests import dying, forked

SPACE = """
learning_rate: {low: 1e-4, high: 1e-2, log: true}
epochs: {low: 2, high: 6}
n_latent: {low: 3, high: 6}
blocks: {low: 1, high: 2}
first_width: {low: 8, high: 16}
encoder_width: {low: 6, high: 8, step: 2}
last_width: 4
"""
SECONDS = 90


@pytest.fixture
def words(store):
    """A search of some cells whose trials take no time."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3)) @ rng.normal(size=(3, 10)) + 0.1 * rng.normal(size=(120, 10))
    np.save("cells.npy", X.astype(np.float32))
    Path("space.yaml").write_text(SPACE)
    return [
        *("tune", "--input", "cells.npy", "--space", "space.yaml", "--device", "cpu"),
        *("--folds", "3", "--subsample", "0.5"),
    ]


@pytest.fixture
def slow_words(words):
    """The same with trials of a second or two, so that one is at work when it is looked at."""
    return [*words, "--epochs", "30", "--trials", "6"]


def runs(level):
    """Runs of a level by id, oldest first."""
    client = tracking.connect()
    found = client.search_runs(
        [tracking.experiment_id(client)],
        f"tags.`scatd.level` = '{level}'",
        order_by=["attributes.start_time ASC"],
    )
    return {run.info.run_id: run for run in found}


def parent_of(run):
    return run.data.tags["mlflow.parentRunId"]


def artifact(run_id, name):
    return Path(tracking.connect().download_artifacts(run_id, name)).read_text()


def trials_of(run_id):
    return pd.read_csv(io.StringIO(artifact(run_id, "trials.csv")))


def begun(n_settled):
    """Wait until a process has so many trials done and has just begun another."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        found = runs("trial").values()
        states = [run.info.status for run in found]
        running = [run for run in found if run.info.status == "RUNNING"]
        ages = [time.time() - run.info.start_time / 1000 for run in running]
        if states.count("FINISHED") >= n_settled and any(age < 0.4 for age in ages):
            return
        time.sleep(0.02)
    pytest.fail("the other process did not begin")


def start(arguments):
    return forked.Process(forked.SCATD, *arguments)


def test_a_search_from_space_to_backbone(scatd, words):
    said = scatd(*words, "--trials", "4", "-o", "found.yaml").output
    assert "  scatd pretrain --family sf --settings found.yaml --input cells.npy" in said
    ((parent_id, parent),) = runs("study").items()
    assert parent.info.status == "FINISHED"
    assert parent.data.params["cfg.space.learning_rate.high"] == "0.01"
    nested = runs("trial")
    assert [parent_of(run) for run in nested.values()] == [parent_id] * 4
    table = trials_of(parent_id)
    assert list(table["trial"]) == [0, 1, 2, 3]
    assert list(table["run_id"]) == list(nested)
    for row in table.itertuples():
        run = nested[row.run_id]
        assert run.info.status == "FINISHED"
        assert run.data.tags["scatd.trial"] == str(row.trial)
        assert run.data.tags["scatd.trial_state"] == "complete"
        assert float(run.data.params["cfg.learning_rate"]) == pytest.approx(row.learning_rate)
        curve = tracking.connect().get_metric_history(run.info.run_id, "objective")
        assert [point.step for point in curve] == list(range(1, 3 * int(row.epochs) + 1))
        assert curve[-1].value == pytest.approx(row.objective)
    best = table.loc[table["objective"].idxmin()]
    assert parent.data.metrics["best_objective"] == pytest.approx(best["objective"])
    assert {path.path for path in tracking.connect().list_artifacts(parent_id, "figures")} == {
        f"figures/{name}.{kind}" for name in ("history", "importance") for kind in ("png", "pdf")
    }

    text = Path("found.yaml").read_text()
    assert text == artifact(parent_id, "best_params.yaml")
    assert text.startswith("# Best of 4 trials of the study sf-")
    found = yaml.safe_load(text)
    assert found["learning_rate"] == pytest.approx(best["learning_rate"])
    assert found["encoder_hidden"][0] == best["first_width"]
    scatd("pretrain", "--input", "cells.npy", "--settings", "found.yaml", "--device", "cpu")
    (backbone,) = runs("backbone").values()
    assert {f"cfg.{name}": str(value) for name, value in found.items()}.items() <= (
        backbone.data.params.items()
    )


def test_a_killed_search_goes_on(scatd, words):
    words = [*words, "--trials", "6"]
    # In the second fold of the third trial.
    place = ("scatd.training.objective:fit_fold", 2 * 3 + 2)
    killed = forked.Process(dying.DIES + forked.SCATD, *place, *words)
    assert killed.wait(SECONDS) == -signal.SIGKILL, killed.communicate()
    statuses = [run.info.status for run in runs("trial").values()]
    assert statuses == ["FINISHED", "FINISHED", "RUNNING"]
    before = {run_id: run.data.params for run_id, run in runs("trial").items()}
    scatd(*words)
    killed, parent = runs("study").values()
    assert (killed.info.status, parent.info.status) == ("KILLED", "FINISHED")
    table = trials_of(parent.info.run_id)
    assert (table["state"] == "failed").sum() == 1
    settled = table[table["state"] != "failed"]
    assert len(settled) == 6
    assert not settled.duplicated(["learning_rate", "n_latent"]).any()
    nested = runs("trial")
    finished = {run_id for run_id, run in nested.items() if run.info.status == "FINISHED"}
    assert finished == set(settled["run_id"])
    assert {parent_of(nested[run_id]) for run_id in finished} == {parent.info.run_id}
    (lost,) = set(nested) - finished
    assert nested[lost].info.status == "KILLED"
    # What was done before the kill was not done again.
    assert set(before) - {lost} <= finished
    assert all(nested[run_id].data.params == params for run_id, params in before.items())

    # There is nothing left to do, and what a finished run has stays with it.
    said = scatd(*words).output
    assert f"Best is trial {int(settled.loc[settled['objective'].idxmin(), 'trial'])}" in said
    assert len(runs("trial")) == 7
    assert {parent_of(runs("trial")[run_id]) for run_id in finished} == {parent.info.run_id}


def test_two_workers_share_a_study(scatd, slow_words):
    process = start(slow_words)
    begun(n_settled=1)
    scatd(*slow_words, "-o", "mine.yaml")
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, errors
    theirs, ours = runs("study")
    nested = runs("trial").values()
    assert [run.info.status for run in nested] == ["FINISHED"] * 6
    assert {parent_of(run) for run in nested} == {theirs, ours}
    numbers = sorted(int(run.data.tags["scatd.trial"]) for run in nested)
    assert numbers == [0, 1, 2, 3, 4, 5]


def test_diverging_trials_fail_alone(scatd, words):
    Path("space.yaml").write_text("epochs: 2\nlearning_rate: [1e-3, 1e20]\n" + LAYERS)
    said = scatd(*words, "--trials", "6").output
    nested = list(runs("trial").values())
    rates = [float(run.data.params["cfg.learning_rate"]) for run in nested]
    assert set(rates) == {1e-3, 1e20}
    for run, rate in zip(nested, rates, strict=True):
        assert run.info.status == ("FINISHED" if rate < 1 else "FAILED")
        assert (run.data.tags["scatd.trial_state"] == "diverged") == (rate > 1)
    assert f"{rates.count(1e20)} diverged" in said
    assert yaml.safe_load(Path("best_params.yaml").read_text())["learning_rate"] == 1e-3


LAYERS = "n_latent: 4\nblocks: 1\nfirst_width: 8\nlast_width: 4\n"


@pytest.mark.parametrize(
    ("space", "extra"),
    [("epochs: 2\nlearning_rate: 1e20\n" + LAYERS, ()), (SPACE, ("--timeout", "1e-9"))],
)
def test_a_search_without_a_completed_trial_fails(space, extra, scatd, words):
    Path("space.yaml").write_text(space)
    said = scatd(*words, "--trials", "2", *extra, code=1).output
    assert "no trial of the study sf-" in said
    assert [run.info.status for run in runs("study").values()] == ["FAILED"]
    assert not Path("best_params.yaml").exists()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (("--trials", "0"), "--trials is 0. Expected at least 1"),
        (("--folds", "1"), "--folds is 1"),
        (("--timeout", "0"), "--timeout is 0"),
        (("--subsample", "1.5"), "--subsample is 1.5"),
        (("--subsample", "0.02"), "2 of 120 rows are too few for 3 folds"),
        (("--study", "a/b"), "--study is 'a/b'"),
        (("--storage", "sqlite:///mlflow.db"), "the database that MLflow keeps its runs in"),
        (("--storage", "mlflow.db"), "the database that MLflow keeps its runs in"),
        (("--storage", "sqlite:////{here}/mlflow.db"), "the database that MLflow keeps its runs"),
        (("--storage", "nowhere/study.journal"), "the folder nowhere does not exist"),
        (("--storage", "nosuch://host/db"), "--storage cannot keep a study"),
        (("--storage", "space.yaml"), "--storage cannot keep a study"),
        (("--space", "missing.yaml"), "missing.yaml: there is no such file"),
        (("-o", "nowhere/best.yaml"), "the folder nowhere does not exist"),
    ],
)
def test_what_cannot_be_searched_is_told_before_anything_runs(extra, message, scatd, words):
    extra = [word.format(here=Path.cwd()) for word in extra]
    assert message in scatd(*words, *extra, code=2).output
    assert not runs("study")


def test_a_database_keeps_a_study_by_name(scatd, words):
    scatd(*words, "--storage", "sqlite:///optuna.db", "--study", "mine", "--trials", "1")
    said = scatd(*words, "--storage", "sqlite:///optuna.db", "--study", "mine", "--trials", "2")
    assert "Study mine: 2 complete." in said.output
    said = scatd(
        *words, "--storage", "sqlite:///optuna.db", "--study", "mine", "--seed", "1", code=2
    ).output
    assert "the study 'mine' was made with other seed, settings" in said
