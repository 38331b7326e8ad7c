"""The folds of drugs, fitted: response models, the same without adaptation, and the baselines."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scatd.candidates.candidate import Values
from scatd.evaluation import evidence
from scatd.evaluation.delong import auroc_variance
from scatd.evaluation.evidence import FoldPredictions
from scatd.keys import CandidateName
from scatd.nn.alignment import Alignment
from scatd.training.aside import Aside
from scatd.training.candidates import selection
from scatd.training.candidates.selection import Selection
from scatd.training.fold_baselines import FoldBaselines
from scatd.training.jobs import FoldJob
from scatd.training.kept_baselines import KeptBaselines
from scatd.training.learner import Entered, Fitted, Learner
from scatd.training.loop import Reporter, Silent
from scatd.training.trainer import AlignedFold, BegunFold, Counts


@dataclass(frozen=True, eq=False)
class LearnedFold:
    """A fold that is fitted, as it travels between processes and is recorded.

    Parameters
    ----------
    job
        What was fitted.
    alignment
        Of its rows, on the CPU.
    weights
        Tensors of a network that are not the backbone's: those of the head, and all others where
        the encoder was trained or its statistics may drift. On the CPU. Empty for other candidates.
    selection
        What inner folds chose, and the candidate that scores; a network is in the weights.
    beside
        AUROC of each fitted candidate on the validation samples. It has no part in any choice.
    kept
        Baselines on the same training rows that are kept with a version.
    predictions, target
        P(resistant) by model, for the validation samples and for the labelled target cells.
    history
        One record an epoch of a network.
    counts
        Sensitive and resistant rows after each step of balancing, for a network.
    seconds
        How long it took; folds that were fitted together share their time.
    """

    job: FoldJob
    alignment: Alignment
    weights: dict[str, Tensor]
    selection: Selection
    beside: dict[CandidateName, float]
    kept: KeptBaselines
    predictions: FoldPredictions
    target: FoldPredictions | None
    history: list[dict[str, float]]
    counts: Counts
    seconds: float


def fit_folds(
    learner: Learner, jobs: Sequence[FoldJob], reporters: Sequence[Reporter] | None = None
) -> list[LearnedFold]:
    """Fit response model, model without adaptation and baselines of each fold.

    Parameters
    ----------
    jobs
        Folds that train together, of one drug or of several.
    reporters
        One a fold; each is told the epochs of its response model, where that is a network.

    Raises
    ------
    TrainingError
        When a loss is no longer finite.
    """
    started = time.monotonic()
    fitted = _Models(learner, jobs, reporters or [Silent() for _ in jobs]).fit()
    seconds = (time.monotonic() - started) / len(jobs)
    return [_learned(learner, job, one, seconds) for job, one in zip(jobs, fitted, strict=True)]


@dataclass(frozen=True, eq=False)
class _Fold:
    """All that is fitted for a job: `unadapted` is the model without adaptation.

    `prob` holds P(resistant) of the validation samples by each fitted candidate.
    """

    own: Fitted
    unadapted: Fitted | None
    baselines: FoldBaselines
    prob: dict[CandidateName, Values]


class _Models:
    """Everything that is fitted for some jobs; as many jobs hold their rows as there are cores."""

    def __init__(
        self, learner: Learner, jobs: Sequence[FoldJob], reporters: Sequence[Reporter]
    ) -> None:
        self._learner, self._jobs, self._reporters = learner, jobs, reporters
        self._has_control = learner.settings.alignment != "none"
        self._baselines: dict[int, Callable[[], FoldBaselines]] = {}

    def fit(self) -> list[_Fold]:
        """Fit all of them.

        While a GPU trains networks, the processor fits the baselines. Other candidates share what
        they compute with the baselines, so those are fitted before.
        """
        learner = self._learner
        only_networks = learner.settings.model == "network"
        with Aside(learner.device if only_networks else torch.device("cpu")) as self._aside:
            return self._fit()

    def _fit(self) -> list[_Fold]:
        jobs, learner = self._jobs, self._learner
        chosen: Sequence[Selection] = [selection.NETWORK] * len(jobs)
        entered: list[Entered] = []
        if learner.settings.model != "network":
            chosen, entered = learner.choose(jobs, self._aligned)
        networks = [place for place, one in enumerate(chosen) if one.candidate is None]
        fitted = learner.networks(self._begun, networks)

        def fold(place: int) -> _Fold:
            unadapted: Fitted | None = None
            if (one := chosen[place]).candidate is None:
                own, *control = (learner.of_network(network, one) for network in fitted[place])
                unadapted = control[0] if control else None
            else:
                own = learner.of(entered[place], one)
                if self._has_control:
                    unadapted = self._unadapted(jobs[place], own)
            prob = entered[place].prob_val if entered else {}
            return _Fold(own, unadapted, self._baselines[place](), prob)

        return learner.by_place(fold, range(len(jobs)))

    def _aligned(self, place: int) -> AlignedFold:
        """Aligned rows of a job; the baselines are fitted on the way, unless they were before."""
        fold = self._learner.aligned(self._jobs[place], reporter=self._reporters[place])
        if place not in self._baselines:
            fitted = self._aside.begin(self._learner.baselines, self._jobs[place], fold)
            self._baselines[place] = fitted
        return fold

    def _begun(self, place: int) -> list[BegunFold]:
        """The network of a job, and the one without adaptation, ready to be trained."""
        learner = self._learner
        begun = [learner.trainer.begin(self._aligned(place))]
        if self._has_control:
            unmoved = learner.aligned(self._jobs[place], method="none")
            begun.append(learner.trainer.begin(unmoved))
        return begun

    def _unadapted(self, job: FoldJob, own: Fitted) -> Fitted:
        """The same candidate, fitted to rows that are not moved.

        Where features are moved one by one, it is the same function of rows that are not moved:
        recipes standardise features, or cut them. It then asks for cells that are moved as bulk is.
        The latent is another one when features are moved.
        """
        alignment = own.alignment
        if alignment.method == "mmd":  # no rows were moved
            return own
        moves_all = alignment.method == "coral" or own.candidate.reads_latent
        if job.few is None and not moves_all:
            as_bulk = Alignment("bi-adain", alignment.reference, alignment.source)
            return replace(own, alignment=as_bulk)
        unmoved = self._learner.aligned(job, method="none")
        return self._learner.only(own.selection.name, job, unmoved)


def _learned(learner: Learner, job: FoldJob, fold: _Fold, seconds: float) -> LearnedFold:
    own, baselines = fold.own, fold.baselines
    found = {evidence.MODEL: own}
    if fold.unadapted is not None:
        found[evidence.NO_ADAPTATION] = fold.unadapted
    prob = {evidence.MODEL: own.prob_val, **baselines.prob}
    prob |= {name: one.prob_val for name, one in found.items()}
    target = None
    if job.target is not None:
        answers = {name: one.on_target(job.target) for name, one in found.items()}
        answers = {evidence.MODEL: answers[evidence.MODEL], **baselines.target, **answers}
        target = FoldPredictions(
            job.number, job.target.rows, job.target.codes, answers, own.threshold
        )
    return LearnedFold(
        job=job,
        alignment=own.alignment.to(torch.device("cpu")),
        weights=learner.own_weights(own),
        selection=own.selection,
        beside={name: auroc_variance(job.codes_val, p)[0] for name, p in fold.prob.items()},
        kept=baselines.kept,
        predictions=FoldPredictions(job.number, job.val, job.codes_val, prob, own.threshold),
        target=target,
        history=own.history,
        counts=own.counts,
        seconds=seconds,
    )
