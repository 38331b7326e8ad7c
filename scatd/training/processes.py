"""Work with one learner, spread over processes. Each process has a learner of its own.

On a processor the matrices are so small that cores which share them wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

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


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread, as each worker does: the last digits depend on the number."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(n_threads)
