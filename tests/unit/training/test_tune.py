"""Search spaces, the value of a trial, pruning over all folds, and studies that continue."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import optuna
import pytest
import torch
from optuna.trial import TrialState, create_trial

from scatd.errors import InputError, TrainingError
from scatd.keys import FAMILIES
from scatd.nn.residual_vae import DESIGNS, ResidualVAE
from scatd.settings import from_mapping, to_mapping
from scatd.training.draws import SeededDraws
from scatd.training.loop import Silent
from scatd.training.pretrain import new_vae, train_vae
from scatd.training.settings import PUBLISHED_PRETRAIN, PretrainSettings, default_pretrain
from scatd.training.space import Range, Space, read_space
from scatd.training.tune import STEPS_A_FOLD, MedianOfFolds, Progress, Study, objective

BASE = default_pretrain("sf")
SPACE = Space(
    {
        "learning_rate": Range(1e-4, 1e-1, log=True),
        "weight_decay": Range(0.0, 1.0),
        "n_latent": Range(2, 9),
        "blocks": Range(1, 3),
        "first_width": Range(10, 40, step=10),
        "encoder_width": Range(5, 9),
        "last_width": 4,
    }
)


class Picked:
    """Picks what it is told to, by name, and notes what it was offered."""

    def __init__(self, **values):
        self.values, self.offered = values, {}

    def suggest_float(self, name, low, high, *, step, log):
        self.offered[name] = ["float" + " log" * log, low, high]
        return self.values[name]

    def suggest_int(self, name, low, high, *, step, log):
        self.offered[name] = ["int" + f" step {step}" * (step > 1), low, high]
        return self.values[name]

    def suggest_categorical(self, name, choices):
        self.offered[name] = choices
        return self.values[name]


# Spaces -------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["sf", "gf"])
def test_the_packaged_spaces_are_the_published_ones(family, reference_tables):
    text = (reference_tables / "scatd" / "search_spaces.json").read_text()
    published = json.loads(text)[family]["space"]
    best = PUBLISHED_PRETRAIN[family]
    first, *encoder, last = best.encoder_hidden
    *decoder, mirrored = best.decoder_hidden
    assert first == mirrored
    between = {f"encoder_width_{i}": width for i, width in enumerate(encoder, start=1)}
    between |= {f"decoder_width_{i}": width for i, width in enumerate(decoder, start=1)}
    plain = {name: getattr(best, name) for name in ("epochs", "learning_rate", "weight_decay")}
    picker = Picked(
        **plain,
        **between,
        n_latent=best.n_latent,
        first_width=first,
        last_width=last,
        blocks=len(encoder) + 1,
    )
    assert read_space(None, family).pick(picker, best) == best
    ours = {
        "learning_rate": "learning_rate",
        "weight_decay": "weight_decay",
        "num_epochs": "epochs",
        "z_dim": "n_latent",
        "hidden_dim_layer0": "first_width",
        "hidden_dim_layer_out_Z": "last_width",
        "num_blocks": "blocks",
        "layer_encoder_<i>_dim, i=1..num_blocks-1": "encoder_width_1",
        "layer_decoder_<i>_dim, i=1..num_blocks-1": "decoder_width_1",
    }
    for theirs, (kind, low, high) in published.items():
        assert picker.offered.pop(ours[theirs]) == [kind, low, high]
    assert set(picker.offered) <= set(between)


def test_the_space_of_dist_holds_the_published_best():
    best = PUBLISHED_PRETRAIN["dist"]
    first, last = best.encoder_hidden
    plain = {name: getattr(best, name) for name in ("epochs", "learning_rate", "weight_decay")}
    picker = Picked(**plain, first_width=first, last_width=last, blocks=1)
    assert read_space(None, "dist").pick(picker, best) == best
    for name, (_, low, high) in picker.offered.items():
        assert low <= picker.values[name] <= high
    assert "n_latent" not in picker.offered


def test_a_decoder_without_widths_mirrors_the_encoder():
    picker = Picked(learning_rate=1e-3, weight_decay=0.1, n_latent=5, blocks=3, first_width=20,
                    encoder_width_1=6, encoder_width_2=7)  # fmt: skip
    picked = SPACE.pick(picker, BASE)
    assert picked.encoder_hidden == (20, 6, 7, 4)
    assert picked.decoder_hidden == (7, 6, 20)
    assert picked == replace(
        BASE, learning_rate=1e-3, weight_decay=0.1, n_latent=5,
        encoder_hidden=(20, 6, 7, 4), decoder_hidden=(7, 6, 20),
    )  # fmt: skip


def test_values_and_lists_need_no_range(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("learning_rate: 1e-3\nschedule: [constant, cosine]\nbatch_size: [32, 64]\n")
    picker = Picked(schedule="constant", batch_size=64)
    picked = read_space(path, "sf").fixed(epochs=3).pick(picker, BASE)
    wanted = replace(BASE, learning_rate=1e-3, schedule="constant", batch_size=64, epochs=3)
    assert picked == wanted
    assert picker.offered == {"schedule": ("constant", "cosine"), "batch_size": (32, 64)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rat: 1e-3", "learning_rat: cannot be searched. Expected one of epochs,"),
        ("encoder_hidden: [3]", "searched as blocks, first_width"),
        ("epochs: {low: 9, high: 3}", "epochs: the range from 9 to 3"),
        ("epochs: {low: 1, hihg: 3}", "unknown key 'hihg'"),
        ("epochs: {low: 1.5, high: 3}", "epochs: is counted"),
        ("epochs: {low: 0, high: 3}", "epochs: is 0. Expected more than 0"),
        ("epochs: many", "'many' is a str"),
        ("learning_rate: {low: 0, high: 1, log: true}", "a log scale has neither 0"),
        ("n_latent: {low: 1, high: 9, step: 5}", "steps of 5 do not lead from 1 to 9"),
        ("schedule: {low: 1, high: 2}", "schedule: has no low and high"),
        ("schedule: [constant, linear]", "'linear' is no choice"),
        ("batch_size: []", "the list is empty"),
        ("rec_beta: [1, 1000]", "rec_beta: trials with different weights"),
        ("first_width: 30", "Expected also blocks, last_width"),
        ("{blocks: 2, first_width: 9, last_width: 3}", "Expected also encoder_width"),
    ],
)
def test_a_bad_space_is_told_in_a_line(text, message, tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(message)) as error:
        read_space(path, "sf")
    assert str(error.value).startswith(str(path))


def test_all_faults_of_a_space_are_told_at_once(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("epochs: 0\nseed: 3\n")
    with pytest.raises(InputError, match="2 faults"):
        read_space(path, "sf")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_space_reads_back_as_it_was_written(family, tmp_path):
    space = read_space(None, family)
    (tmp_path / "space.yaml").write_text(json.dumps(space.to_mapping()).replace(" null", " ~"))
    assert read_space(tmp_path / "space.yaml", family).to_mapping() == space.to_mapping()


# What a trial is worth ----------------------------------------------------------------------

TINY = replace(
    BASE, epochs=4, learning_rate=3e-2, min_steps=0, batch_size=16, n_latent=3,
    encoder_hidden=(8, 4), decoder_hidden=(8,),
)  # fmt: skip


def make(sizes):
    return ResidualVAE(sizes, DESIGNS["sf"])


@pytest.fixture(scope="module")
def X():
    generator = torch.Generator().manual_seed(0)
    factors = torch.randn(60, 2, generator=generator)
    return factors @ torch.randn(2, 12, generator=generator)


@pytest.fixture(scope="module")
def folds():
    thirds = np.arange(60).reshape(3, 20)
    return [(np.setdiff1d(np.arange(60), val), val) for val in thirds]


def test_the_objective_is_the_mean_of_the_folds_lowest_losses(X, folds):
    seen: list[Progress] = []
    value = objective(X, folds, TINY, make, seen.append)
    lowest = []
    for number, (train, val) in enumerate(folds, start=1):
        ours = replace(TINY, seed=TINY.seed + number)
        curve = train_vae(new_vae(X[train], ours, make), X[train], X[val], ours,
                          SeededDraws(ours.seed), Silent())  # fmt: skip
        lowest.append(min(record["val_total"] for record in curve))
    assert value == pytest.approx(np.mean(lowest), rel=1e-9)
    assert [(progress.fold, progress.epoch) for progress in seen] == [
        (fold, epoch) for fold in (1, 2, 3) for epoch in (1, 2, 3, 4)
    ]
    for number, progress in enumerate(seen):
        done = seen[: number + 1]
        folds_begun = [
            min(at.losses["val_total"] for at in done if at.fold == fold)
            for fold in range(1, progress.fold + 1)
        ]
        assert progress.objective == pytest.approx(np.mean(folds_begun), rel=1e-9)


def test_trials_do_not_leak_into_each_other(X, folds):
    """Defect D12: a published trial was worth the running mean over all trials before it."""
    first = objective(X, folds, TINY, make, lambda _: None)
    objective(X, folds, replace(TINY, learning_rate=1e-6), make, lambda _: None)
    assert objective(X, folds, TINY, make, lambda _: None) == first


def test_steps_rise_and_mean_the_same_share_of_work_for_all_trials(X, folds):
    steps = {}
    for epochs in (2, 4):
        seen: list[Progress] = []
        objective(X, folds, replace(TINY, epochs=epochs), make, seen.append)
        steps[epochs] = [progress.step for progress in seen]
    assert steps[4] == sorted(set(steps[4]))
    assert steps[4][1::2] == steps[2]
    assert steps[2] == [fold * STEPS_A_FOLD // 2 for fold in range(1, 7)]


# Pruning ------------------------------------------------------------------------------------


def study_of(*curves):
    """A study of completed trials that reported these values, {step: value} each."""
    study = optuna.create_study(pruner=MedianOfFolds())
    for curve in curves:
        value = list(curve.values())[-1]
        study.add_trial(create_trial(value=value, intermediate_values=curve))
    return study


def is_pruned(study, curve):
    trial = study.ask()
    for step, value in curve.items():
        trial.report(value, step)
    return trial.should_prune()


def curve(*folds, epochs=4):
    """Values of whole folds, as {step: value}."""
    return {
        number * STEPS_A_FOLD // epochs: value
        for number, value in enumerate((v for fold in folds for v in fold), start=1)
    }


GOOD, POOR = [9, 7, 6, 5], [90, 70, 60, 50]


def test_a_trial_that_is_worse_than_the_median_ends():
    study = study_of(*[curve([v + d for v in GOOD], GOOD) for d in (-2, -1, 0, 1, 2)])
    assert is_pruned(study, curve(POOR[:3]))
    assert not is_pruned(study, curve([9, 7, 5.9]))
    assert is_pruned(study, curve([9, 7, 6.1]))


def test_a_later_fold_is_seen():
    """Defect D12: the published search pruned by the first fold only."""
    study = study_of(*[curve(GOOD, GOOD)] * 5)
    better_at_first = [4, 3, 2, 1]
    assert not is_pruned(study, curve(better_at_first))
    assert is_pruned(study, curve(better_at_first, [30]))
    library = optuna.pruners.MedianPruner()
    trial = study.ask()
    for step, value in curve(better_at_first, [30]).items():
        trial.report(value, step)
    assert not library.prune(study, study.trials[-1])


def test_nothing_ends_before_half_a_fold_or_five_trials():
    assert not is_pruned(study_of(*[curve(GOOD)] * 5), curve(POOR[:2]))
    assert not is_pruned(study_of(*[curve(GOOD)] * 4), curve(POOR))


def test_trials_of_other_lengths_are_compared_at_the_same_share_of_work():
    study = study_of(*[curve([9, 5], [9, 5], epochs=2)] * 5)
    # At three quarters of fold 1, the others stood at 9 (their first of two epochs).
    assert not is_pruned(study, curve([20, 10, 8]))
    assert is_pruned(study, curve([20, 10, 10]))
    # At a quarter of fold 2 they have said nothing yet; what they said in fold 1 does not count.
    assert not is_pruned(study, curve([5, 5, 5, 5], [20]))


# The study ----------------------------------------------------------------------------------

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
    with pytest.raises(InputError, match="--storage: cannot keep a study"):
        Study(storage.format(tmp_path), "s", IDENTITY, seed=1)
