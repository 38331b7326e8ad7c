"""All candidates on the same folds, beside the baselines: each is fitted once a fold.

The numbers of a candidate are those that `scatd transfer --model NAME` gives on the same rows.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from scatd.candidates.candidate import Values
from scatd.keys import CandidateName, ModelChoice
from scatd.training.candidates.selection import NETWORK, Selection
from scatd.training.fold_baselines import FoldBaselines
from scatd.training.jobs import FoldJob
from scatd.training.learner import Entered, Fitted, Learner
from scatd.training.trainer import AlignedFold

FITTED_TOGETHER: tuple[CandidateName, ...] = ("linear", "trees", "mean")
"""One contest fits them all: `mean` is made of the two others."""

Probabilities = dict[str, Values]


@dataclass(frozen=True, eq=False)
class Beside:
    """The answers of all models of one fold, as they travel between processes.

    Parameters
    ----------
    job
        What was fitted.
    candidates, baselines
        P(resistant) of the validation rows, (n_val,), by name.
    on_target, baselines_on_target
        The same of the labelled target cells of the job, (n_cells,); empty without any.
    seconds
        How long it took; folds that were fitted together share their time.
    """

    job: FoldJob
    candidates: Probabilities
    baselines: Probabilities
    on_target: Probabilities
    baselines_on_target: Probabilities
    seconds: float


def fit_beside(
    learner: Learner, jobs: Sequence[FoldJob], candidates: Sequence[ModelChoice]
) -> list[Beside]:
    """Fit every candidate and every baseline to the rows of each job.

    Parameters
    ----------
    learner
        Its settings say "auto" where that is among the candidates.
    jobs
        Folds that train together, of one drug or of several.
    candidates
        What is fitted; "auto" is the choice of inner folds among all of them.

    Raises
    ------
    TrainingError
        When a loss is no longer finite.
    """
    started = time.monotonic()
    fitted = _Fits(learner, jobs, candidates)
    models = fitted.fit()
    seconds = (time.monotonic() - started) / len(jobs)
    found = []
    for job, by_name, baselines in zip(jobs, models, fitted.baselines, strict=True):
        on_target: Probabilities = {}
        if job.target is not None:
            on_target = {name: one.on_target(job.target) for name, one in by_name.items()}
        prob: Probabilities = {name: one.prob_val for name, one in by_name.items()}
        found.append(Beside(job, prob, baselines.prob, on_target, baselines.target, seconds))
    return found


class _Fits:
    """Everything that is fitted for some jobs; as many jobs hold their rows as there are cores."""

    def __init__(
        self, learner: Learner, jobs: Sequence[FoldJob], candidates: Sequence[ModelChoice]
    ) -> None:
        self._learner, self._jobs, self._wanted = learner, jobs, candidates
        self._baselines: dict[int, FoldBaselines] = {}

    @property
    def baselines(self) -> list[FoldBaselines]:
        """Those of each job."""
        return [self._baselines[place] for place in range(len(self._jobs))]

    def fit(self) -> list[dict[str, Fitted]]:
        """Fit all of them; the models of each job by name."""
        learner, jobs = self._learner, self._jobs
        entered: list[Entered | None] = [None] * len(jobs)
        chosen: list[Selection | None] = [None] * len(jobs)
        if "auto" in self._wanted:
            chosen[:], entered[:] = learner.choose(jobs, self._aligned)
        else:
            entered[:] = learner.by_place(self._entered, range(len(jobs)))
        places = [place for place, one in enumerate(chosen) if self._needs_network(one)]
        networks = learner.networks(
            lambda place: [learner.trainer.begin(learner.aligned(jobs[place]))], places
        )

        def models(place: int) -> dict[str, Fitted]:
            network = None
            if place in networks:
                network = learner.of_network(networks[place][0], chosen[place] or NETWORK)
            return self._named(jobs[place], entered[place], chosen[place], network)

        return learner.by_place(models, range(len(jobs)))

    def _entered(self, place: int) -> Entered | None:
        fold, choice = self._aligned(place), self._contest()
        return None if choice is None else self._learner.enter(self._jobs[place], fold, choice)

    def _contest(self) -> ModelChoice | None:
        """What a contest has to fit: one candidate, all of them, or nothing."""
        wanted = [name for name in FITTED_TOGETHER if name in self._wanted]
        if len(wanted) == 1 and wanted != ["mean"]:
            return wanted[0]
        return "auto" if wanted else None

    def _needs_network(self, chosen: Selection | None) -> bool:
        return "network" in self._wanted or (chosen is not None and chosen.candidate is None)

    def _named(
        self,
        job: FoldJob,
        entered: Entered | None,
        chosen: Selection | None,
        network: Fitted | None,
    ) -> dict[str, Fitted]:
        """The wanted models of a job, in the order in which they were asked for."""
        found: dict[str, Fitted] = {}
        for name in self._wanted:
            if name == "network":
                assert network is not None
                found[name] = network
            elif name == "auto":
                assert chosen is not None
                assert entered is not None
                own = network if chosen.candidate is None else self._learner.of(entered, chosen)
                assert own is not None
                found[name] = own
            elif entered is not None and name in entered.contest.fitted:
                picked = Selection(name, entered.contest.fitted[name], reason="")
                found[name] = self._learner.of(entered, picked)
            else:  # too few rows for inner folds: each stands alone, as `--model NAME` fits it
                found[name] = self._learner.only(name, job, self._learner.aligned(job))
        return found

    def _aligned(self, place: int) -> AlignedFold:
        """Aligned rows of a job; the baselines are fitted on the way."""
        job = self._jobs[place]
        fold = self._learner.aligned(job)
        self._baselines[place] = self._learner.baselines(job, fold)
        return fold
