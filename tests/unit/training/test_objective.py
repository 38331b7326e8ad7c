"""The objective of a trial: the mean of the lowest losses of its folds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scatd.nn.residual_vae import DESIGNS, ResidualVAE
from scatd.training.backbone import new_vae
from scatd.training.draws import SeededDraws
from scatd.training.loop import Silent
from scatd.training.objective import STEPS_A_FOLD, Progress, objective
from scatd.training.pretrain import train_vae
from scatd.training.settings import default_pretrain

BASE = default_pretrain("sf")


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
