"""Work with one learner, spread over processes. Each process has a learner of its own.

On a processor the matrices are so small that cores which share them wait for each other.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.connection import wait
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

from scatd.training.learner import Learner, LearnerInputs

MOST_PROCESSES = 8

Chunk = TypeVar("Chunk")
Done = TypeVar("Done")


def processes_for(device: torch.device, n_pieces: int, *, least: int) -> int:
    """Processes that are worth their start: one on a GPU, and for fewer than `least` pieces."""
    if device.type != "cpu" or n_pieces < least:
        return 1
    return min(torch.get_num_threads(), MOST_PROCESSES)


def spread(
    inputs: LearnerInputs,
    work: Callable[[Learner, Chunk], Done],
    chunks: Sequence[Chunk],
    n_processes: int,
) -> Generator[Done, None, None]:
    """Do the work on every chunk; results come as they are done.

    Where it is closed before its end, the processes are ended at once.

    Parameters
    ----------
    inputs
        Of the learner.
    work
        A function of a module, so that a process can find it.
    chunks
        Small enough to travel to another process.
    n_processes
        With 1, the work is done in this process, in order.
    """
    if n_processes == 1:
        learner = Learner(inputs, has_many_drugs=True)
        for chunk in chunks:
            yield work(learner, chunk)
        return
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        n_processes,
        mp_context=multiprocessing.get_context("spawn"),  # a fork copies locks of other threads
        initializer=_begin,
        initargs=(inputs,),
    )
    is_done = False
    try:
        for done in as_completed([pool.submit(_do, work, chunk) for chunk in chunks]):
            yield done.result()
        is_done = True
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        if not is_done:  # Ctrl-C or a fault: what is begun is not waited for
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()


_learner: Learner


def _begin(inputs: LearnerInputs) -> None:
    """Make a process ready, and let it end with its parent, however that ends."""
    global _learner
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    torch.set_num_threads(1)
    threadpool_limits(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _learner = Learner(inputs, has_many_drugs=True)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _do(work: Callable[[Learner, Chunk], Done], chunk: Chunk) -> Done:
    return work(_learner, chunk)
