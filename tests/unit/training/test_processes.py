"""Work that is spread over processes: the same answers, and nothing is left when it is stopped."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time

import numpy as np
import pytest
import torch

from scatd.artifact import Artifact
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.training.learner import LearnerInputs
from scatd.training.processes import MOST_PROCESSES, processes_for, spread
from scatd.training.settings import TransferSettings


@pytest.fixture(scope="module")
def inputs():
    torch.manual_seed(0)
    vae = ResidualVAE(Sizes(6, 2, (4,), (4,)), DESIGNS["sf"]).eval()
    backbone = Artifact("backbone", "sf", "sf", vae.sizes, vae.state_dict())
    X = np.ones((4, 6), np.float32)
    settings = TransferSettings(alignment="none")
    return LearnerInputs(X, backbone, None, None, settings, torch.device("cpu"))


def scaled(learner, chunk):
    """A number that depends on the learner and on the chunk, and the process."""
    return chunk * float(learner.settings.folds), os.getpid()


def asleep(learner, chunk):
    del learner
    if chunk:
        time.sleep(600)
    return chunk


def test_processes_give_what_one_gives(inputs):
    chunks = [1, 2, 3, 4]
    one = list(spread(inputs, scaled, chunks, 1))
    assert one == [(5.0 * chunk, os.getpid()) for chunk in chunks]
    two = list(spread(inputs, scaled, chunks, 2))
    assert sorted(number for number, _ in two) == [5, 10, 15, 20]
    assert os.getpid() not in {process for _, process in two}


def test_work_that_is_stopped_leaves_no_process(inputs):
    before = set(multiprocessing.active_children())
    with contextlib.closing(spread(inputs, asleep, [0, 1, 1], 1 + 1)) as work:
        assert next(work) == 0
        started = set(multiprocessing.active_children()) - before
        assert started
    for process in started:
        process.join(20)
        # The pool may have waited for it first; then only the system knows that it has ended.
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)


def test_processes_that_are_worth_it(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    cpu = torch.device("cpu")
    assert processes_for(cpu, 3, least=4) == 1
    assert processes_for(cpu, 4, least=4) == MOST_PROCESSES
    assert processes_for(torch.device("cuda"), 99, least=4) == 1
