"""The folds of many drugs, fitted in as many processes as there are cores.

Drugs that are fitted together share the encoder's answers. A drug gets the numbers that it gets by
itself on the same inputs.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.connection import wait

import torch
from threadpoolctl import threadpool_limits

from scatd.data.files import return_freed_memory
from scatd.errors import ScatdError
from scatd.training.fitting import LearnedFold, fit_folds
from scatd.training.jobs import FoldJob
from scatd.training.learner import Learner, LearnerInputs

DRUGS_AT_ONCE = {"cpu": 2, "cuda": 16}
"""More heads fall out of a processor's cache; a GPU waits for its instructions otherwise."""
WORTH_PROCESSES = 4
"""Fewer drugs are done before processes of their own have started."""
MOST_PROCESSES = 8

Learned = dict[str, list[LearnedFold] | ScatdError]
"""By drug key: its folds, or why there are none."""


def learn_drugs(learner: Learner, drugs: Sequence[list[FoldJob]]) -> Learned:
    """Fit all folds of some drugs together; a drug that cannot be learned gives its error."""
    return_freed_memory()  # holes of the drugs before would add up to gigabytes
    try:
        folds = fit_folds(learner, [job for jobs in drugs for job in jobs])
    except ScatdError as error:
        if len(drugs) == 1:
            return {drugs[0][0].drug_key: error}
        # One failed: each alone, so that the others are not lost.
        found: Learned = {}
        for jobs in drugs:
            found |= learn_drugs(learner, [jobs])
        return found
    rest = iter(folds)
    return {jobs[0].drug_key: [next(rest) for _ in jobs] for jobs in drugs}


def learn_all(inputs: LearnerInputs, drugs: Sequence[list[FoldJob]]) -> Iterator[Learned]:
    """Fit the folds of all drugs, some drugs at a time; yields those as they are done.

    On a processor each core has a process of its own: the matrices are so small that cores which
    share them wait for each other.
    """
    kind = "cpu" if inputs.device.type == "cpu" else "cuda"
    n_processes = 1
    if kind == "cpu" and len(drugs) >= WORTH_PROCESSES:
        n_processes = min(torch.get_num_threads(), MOST_PROCESSES)
    at_once = DRUGS_AT_ONCE[kind]
    chunks = [drugs[start : start + at_once] for start in range(0, len(drugs), at_once)]
    if n_processes == 1:
        learner = Learner(inputs, has_many_drugs=True)
        for chunk in chunks:
            yield learn_drugs(learner, chunk)
        return
    pool = ProcessPoolExecutor(
        n_processes,
        mp_context=multiprocessing.get_context("spawn"),  # a fork copies locks of other threads
        initializer=_begin,
        initargs=(inputs,),
    )
    try:
        for done in as_completed([pool.submit(_learn, chunk) for chunk in chunks]):
            yield done.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


_learner: Learner


def _begin(inputs: LearnerInputs) -> None:
    """Make a process ready, and let it end with its parent, however that ends."""
    global _learner
    torch.set_num_threads(1)
    threadpool_limits(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _learner = Learner(inputs, has_many_drugs=True)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _learn(drugs: Sequence[list[FoldJob]]) -> Learned:
    return learn_drugs(_learner, drugs)
