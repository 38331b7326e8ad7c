"""The folds of many drugs, fitted in as many processes as there are cores, or on a cluster.

Drugs that are fitted together share the encoder's answers. A drug gets the numbers that it gets by
itself on the same inputs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence

from scatd.data.files import return_freed_memory
from scatd.errors import ScatdError
from scatd.scheduling import here
from scatd.scheduling.engine import Engine
from scatd.training.cores import one_thread
from scatd.training.fitting import LearnedFold, fit_folds
from scatd.training.jobs import FoldJob
from scatd.training.learner import Learner, LearnerInputs
from scatd.training.processes import learner_of, processes_for

DRUGS_AT_ONCE = {"cpu": 2, "cuda": 16}
"""More heads fall out of a processor's cache; a GPU waits for its instructions otherwise."""
WORTH_PROCESSES = 4
"""Fewer drugs are done before processes of their own have started."""

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


def learn_all(
    cluster: Engine | None, inputs: LearnerInputs, drugs: Sequence[list[FoldJob]]
) -> Generator[Learned, None, None]:
    """Fit the folds of all drugs, some drugs at a time; yields those as they are done.

    Parameters
    ----------
    cluster
        Has workers elsewhere; None fits on this machine.
    """
    at_once = DRUGS_AT_ONCE["cpu" if inputs.device.type == "cpu" else "cuda"]
    chunks = [drugs[start : start + at_once] for start in range(0, len(drugs), at_once)]
    engine = cluster or here(processes_for(inputs.device, len(drugs), least=WORTH_PROCESSES))
    with one_thread() if inputs.device.type == "cpu" else contextlib.nullcontext():
        yield from engine.as_done(learn_drugs, engine.share(inputs, learner_of), chunks)
