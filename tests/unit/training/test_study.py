"""Studies that continue, in a file or a database, and storages that are refused."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from scatd.errors import InputError, TrainingError
from scatd.settings import from_mapping, to_mapping
from scatd.training.objective import Progress
from scatd.training.settings import PretrainSettings, default_pretrain
from scatd.training.study import Study
from tests.spaces import SPACE

BASE = default_pretrain("sf")


IDENTITY = {"data": "abc", "folds": 3}


@pytest.fixture
def journal(tmp_path):
    return str(tmp_path / "study.journal")


def loss(settings: PretrainSettings) -> float:
    return (np.log10(settings.learning_rate) + 2) ** 2 + settings.n_latent / 100


def work_on(study, n_trials, owner="a"):
    for _ in range(n_trials):
        trial = study.ask(SPACE, BASE, owner)
        study.evaluate(trial, lambda trial=trial: loss(trial.settings))


def choices(study):
    return [(record.number, record.params, record.value) for record in study.trials()]


def test_a_study_finds_the_minimum_better_than_chance(journal):
    study = Study(journal, "s", IDENTITY, seed=1)
    work_on(study, 25)
    values = [record.value for record in study.trials()]
    assert np.median(values[15:]) < 0.5 * np.median(values[:10])
    record, settings = study.best()
    assert record.value == min(values) == pytest.approx(loss(settings))
    assert next(iter(study.importance())) == "learning_rate"
    assert sum(study.importance().values()) == pytest.approx(1)
    # Settings come back whole, also through the journal.
    assert Study(journal, "s", IDENTITY, seed=1).best() == (record, settings)
    assert from_mapping(PretrainSettings, to_mapping(settings), where="") == settings


@pytest.mark.parametrize(
    ("storage", "parts"), [("{}/one.journal", (3, 9, 2)), ("sqlite:///{}/one.db", (1, 2))]
)
def test_a_continued_study_is_the_same_as_one_in_one_go(storage, parts, tmp_path):
    whole = Study(str(tmp_path / "whole.journal"), "s", IDENTITY, seed=7)
    work_on(whole, sum(parts))
    for n_trials in parts:
        work_on(Study(storage.format(tmp_path), "s", IDENTITY, seed=7), n_trials)
    continued = Study(storage.format(tmp_path), "s", IDENTITY, seed=7)
    assert choices(continued) == choices(whole)
    other = Study(str(tmp_path / "other.journal"), "s", IDENTITY, seed=8)
    work_on(other, 1)
    assert choices(other) != choices(whole)[:1]


def test_what_trials_come_to_is_recorded(journal):
    study = Study(journal, "s", IDENTITY, seed=1)

    def diverge():
        raise TrainingError("train_total became nan in epoch 2")

    def stop():
        raise KeyboardInterrupt

    def run_out():
        trial.watch(Progress(1, 1, 1, 5.0, {}))
        raise optuna.TrialPruned

    with pytest.raises(TrainingError):
        study.evaluate(study.ask(SPACE, BASE, "a"), diverge)
    with pytest.raises(KeyboardInterrupt):
        study.evaluate(study.ask(SPACE, BASE, "a"), stop)
    trial = study.ask(SPACE, BASE, "a")
    trial.set_run("run-3")
    assert study.evaluate(trial, run_out) == "pruned"
    assert study.best() is None
    assert study.importance() == {}
    study.ask(SPACE, BASE, "b")
    records = Study(journal, "s", IDENTITY, seed=1).trials()
    states = [(record.state, record.is_settled, record.value) for record in records]
    assert states == [
        ("diverged", True, None),
        ("failed", False, None),
        ("pruned", True, 5.0),
        ("running", False, None),
    ]
    assert records[2].run == "run-3"
    assert [record.owner for record in records] == ["a", "a", "a", "b"]
    study.fail(3)
    assert study.trials()[3].state == "failed"


def test_a_study_of_something_else_is_refused(journal):
    Study(journal, "s", IDENTITY, seed=1)
    Study(journal, "other", {**IDENTITY, "folds": 9}, seed=1)
    with pytest.raises(InputError, match=r"was made with other folds\. .* another --study"):
        Study(journal, "s", {**IDENTITY, "folds": 9}, seed=1)


def test_a_study_of_another_program_is_refused(tmp_path):
    storage = f"sqlite:///{tmp_path / 'theirs.db'}"
    theirs = optuna.create_study(storage=storage, study_name="s")
    theirs.add_trial(create_trial(state=TrialState.COMPLETE, value=1.0))
    with pytest.raises(InputError, match="was made with other data, folds"):
        Study(storage, "s", IDENTITY, seed=1)


@pytest.mark.parametrize("storage", ["nosuch://host/db", "{}/missing/x.journal", "{}/text.txt"])
def test_a_storage_that_cannot_be_used_is_told_in_a_line(storage, tmp_path):
    (tmp_path / "text.txt").write_text("cells\nand more cells\n")
    with pytest.raises(InputError, match="--storage cannot keep a study"):
        Study(storage.format(tmp_path), "s", IDENTITY, seed=1)
