"""Work with one learner, spread over processes. Each process has a learner of its own."""

from __future__ import annotations

import torch

from scatd.training.learner import Learner, LearnerInputs

MOST_PROCESSES = 8


def processes_for(device: torch.device, n_pieces: int, *, least: int) -> int:
    """Processes that are worth their start: one on a GPU, and for fewer than `least` pieces."""
    if device.type != "cpu" or n_pieces < least:
        return 1
    return min(torch.get_num_threads(), MOST_PROCESSES)


def learner_of(inputs: LearnerInputs) -> Learner:
    """The learner of a process, for many drugs."""
    return Learner(inputs, has_many_drugs=True)
