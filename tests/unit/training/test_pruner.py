"""Pruning sees all folds, and compares trials at the same share of their work."""

from __future__ import annotations

import optuna
from optuna.trial import create_trial

from scatd.training.objective import STEPS_A_FOLD
from scatd.training.pruner import MedianOfFolds


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
