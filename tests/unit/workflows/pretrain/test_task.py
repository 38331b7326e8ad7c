"""Which settings and data make the same backbone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from scatd.data.features import Features
from scatd.training.settings import default_pretrain
from scatd.workflows.pretrain.task import BackboneTask, Teacher


def cells(seed=0, names=None):
    X = np.random.default_rng(seed).normal(size=(5, 3)).astype(np.float32)
    ids = np.arange(5).astype(str)
    return Features(X, ids, False, pd.DataFrame(index=ids), Path("a.npy"), "X", True, names)


TASK = BackboneTask("pretrain", cells(), "sf", default_pretrain("sf"), torch.device("cpu"))


@pytest.mark.parametrize(
    "change",
    [
        {"command": "distill"},
        {"features": cells(1)},
        {"features": cells(names=("a", "b", "c"))},
        {"settings": replace(TASK.settings, seed=1)},
        {"teacher": Teacher(np.zeros((5, 2), np.float32), {}, "digest")},
    ],
)
def test_another_backbone_has_another_resume_key(change):
    assert replace(TASK, **change).resume_key != TASK.resume_key


def test_how_often_it_is_saved_does_not_matter():
    assert replace(TASK, checkpoint_every=3).resume_key == TASK.resume_key


def test_tags_say_that_it_is_simulated():
    assert TASK.tags["scatd.simulated"] == "true"
