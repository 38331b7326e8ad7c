"""The recipe that fits a job: rows are aligned, a candidate is chosen and trained.

All that learns a drug's response goes through `Learner`: one drug, many drugs, one fold after the
other or all at once. It gives a fold the numbers that the fold gets alone, with the same inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd import keys
from scatd.artifact import Artifact
from scatd.candidates.candidate import Candidate, Values
from scatd.candidates.network import Network
from scatd.keys import AlignmentMethod, CandidateName, ModelChoice
from scatd.nn.alignment import Alignment, FeatureStats
from scatd.nn.classifier import HEAD_PREFIXES, ResponseClassifier
from scatd.training.candidates import selection
from scatd.training.candidates.linear import MOST_COMPONENTS
from scatd.training.candidates.many_drugs import ManyDrugs
from scatd.training.candidates.recipe import TrainingRows
from scatd.training.candidates.selection import Contest, Selection
from scatd.training.cores import one_thread, side_by_side
from scatd.training.draws import SeededDraws
from scatd.training.fold_baselines import FoldBaselines, fit_baselines
from scatd.training.folds import FoldData, align
from scatd.training.heads import can_share
from scatd.training.jobs import FoldJob, LabelledCells
from scatd.training.logistic import rough_fits
from scatd.training.loop import Reporter, Silent
from scatd.training.settings import TransferSettings
from scatd.training.standardised import Standardised
from scatd.training.trainer import AlignedFold, BegunFold, Counts, Trainer
from scatd.training.transfer import FittedFold, posterior_of

T = TypeVar("T")

BALANCED = 0.5
"""Threshold of a network, whose classes are balanced in training."""


@dataclass(frozen=True, eq=False)
class LearnerInputs:
    """The inputs of all folds of all drugs, as they travel to another process.

    Parameters
    ----------
    X
        Features of the whole source, (n_obs, n_features).
    backbone
        Its encoder is that of every response model.
    reference_stats
        Style that the source takes; None with alignment "none".
    reference_sample
        Single cells (n_cells, n_features), for coral and mmd.
    settings, device
        How to train, and where.
    many_drugs
        Responses of the whole source to many drugs; None where a drug is learned by itself.
    """

    X: NDArray[np.float32]
    backbone: Artifact
    reference_stats: FeatureStats | None
    reference_sample: NDArray[np.float32] | None
    settings: TransferSettings
    device: torch.device
    many_drugs: ManyDrugs | None = None


@dataclass(frozen=True, eq=False)
class Fitted:
    """A response model that was chosen and fitted on the rows of a job.

    Parameters
    ----------
    alignment
        Of its rows.
    network
        Holds the encoder, and the head where the candidate is a network.
    candidate
        Scores.
    selection
        Why it does.
    prob_val
        (n_val,), P(resistant) of the validation rows.
    history, counts
        Of a network: one record an epoch, and rows after each step of balancing.
    threshold
        A cell is called resistant strictly above it. Networks are trained on balanced classes; the
        probabilities of other candidates are calibrated, and a resistant cell is one that is more
        likely to be resistant than a training sample is.
    """

    alignment: Alignment
    network: ResponseClassifier
    candidate: Candidate
    selection: Selection
    prob_val: Values
    history: list[dict[str, float]]
    counts: Counts
    threshold: float

    def on_target(self, cells: LabelledCells) -> Values:
        """P(resistant) of target cells (n_cells,), moved as the model moves them."""
        device = next(self.network.parameters()).device
        moved = self.alignment.move_target(torch.from_numpy(cells.X).to(device))
        return self.candidate.probability(moved, posterior_of(self.network, moved)[0])


@dataclass(frozen=True, eq=False)
class Entered:
    """Candidates of a job that wait for the choice among them; rows are not kept.

    Parameters
    ----------
    contest
        The candidates, fitted.
    alignment
        Of the rows.
    prob_val
        (n_val,), P(resistant) of the validation rows by each candidate.
    """

    contest: Contest
    alignment: Alignment
    prob_val: dict[CandidateName, Values]


class Learner:
    """The inputs where they are computed on, and the recipe that fits some rows of them.

    Parameters
    ----------
    inputs
        Of all folds.
    has_many_drugs
        Run the encoder over the source once for all drugs, for the model without adaptation.
    """

    def __init__(self, inputs: LearnerInputs, *, has_many_drugs: bool = False) -> None:
        self.settings, self.device = inputs.settings, inputs.device
        self.trainer = Trainer(inputs.backbone.backbone().to(inputs.device), inputs.settings)
        stats = inputs.reference_stats
        self._reference_stats = None if stats is None else stats.to(inputs.device)
        self._many_drugs = inputs.many_drugs
        self._X = torch.from_numpy(inputs.X).to(inputs.device)
        cells = inputs.reference_sample
        self._cells = None if cells is None else torch.from_numpy(cells).to(inputs.device)
        self._unmoved: tuple[Tensor, Tensor] | None = None
        if has_many_drugs and inputs.settings.alignment != "none" and can_share(inputs.settings):
            self._unmoved = posterior_of(self.trainer.untrained, self._X)

    def aligned(
        self,
        job: FoldJob,
        *,
        method: AlignmentMethod | None = None,
        reporter: Reporter | None = None,
    ) -> AlignedFold:
        """The rows of a fold, moved as the settings say, or by another method."""
        few = job.few
        data = FoldData(
            self._X[job.train],
            job.codes_train,
            self._X[job.val],
            job.codes_val,
            self._cells,
            None if few is None else (torch.from_numpy(few.X).to(self.device), few.codes),
        )
        settings = self.settings if method is None else replace(self.settings, alignment=method)
        alignment, aligned = align(data, self._reference_stats, settings)
        draws = SeededDraws(job.seed, self.device)
        fold = AlignedFold(alignment, aligned, draws, reporter or Silent())
        if method == "none" and self._unmoved is not None and job.few is None:
            mu, logvar = self._unmoved
            fold = replace(fold, posterior=(mu[job.train], logvar[job.train]), z_val=mu[job.val])
        return fold

    def fit(self, jobs: Sequence[FoldJob]) -> list[Fitted]:
        """Choose and train a response model on the rows of each job, with nothing beside it.

        Raises
        ------
        TrainingError
            When a loss is no longer finite.
        """
        chosen: list[Selection] = [selection.NETWORK] * len(jobs)
        entered: list[Entered] = []
        if self.settings.model != "network":
            chosen, entered = self.choose(jobs, lambda place: self.aligned(jobs[place]))
        places = [place for place, one in enumerate(chosen) if one.candidate is None]
        trained = self.networks(
            lambda place: [self.trainer.begin(self.aligned(jobs[place]))], places
        )
        return [
            self.of_network(trained[place][0], one)
            if place in trained
            else self.of(entered[place], one)
            for place, one in enumerate(chosen)
        ]

    def by_place(self, function: Callable[[int], T], places: Sequence[int]) -> list[T]:
        """Results of a function of the places of some jobs; cores take one job each at a time."""
        with rough_fits():
            return side_by_side(function, places, self.device)

    def networks(
        self, begin: Callable[[int], Sequence[BegunFold]], places: Sequence[int]
    ) -> dict[int, list[FittedFold]]:
        """Networks of the jobs at some places, by place. All of them train together.

        Parameters
        ----------
        begin
            The networks that a job needs, ready to be trained.
        """
        begun = self.by_place(begin, places)
        trained = iter(self.trainer.finish([one for some in begun for one in some]))
        return {
            place: [next(trained) for _ in some] for place, some in zip(places, begun, strict=True)
        }

    def baselines(self, job: FoldJob, fold: AlignedFold) -> FoldBaselines:
        """The baselines, fitted to the rows that the response model is trained on."""
        if self.settings.model != "network":
            # All components that candidates will ask for: it takes less time than a second search.
            fold.data.standardised.components(MOST_COMPONENTS)
        return fit_baselines(job, fold, seed=self.settings.seed)

    def choose(
        self, jobs: Sequence[FoldJob], fold_at: Callable[[int], AlignedFold]
    ) -> tuple[list[Selection], list[Entered]]:
        """Let inner folds choose the candidate of each job.

        Parameters
        ----------
        fold_at
            Aligned rows of the job at a place. Several threads ask for them, once for each job.
        """

        def enter(place: int) -> tuple[Entered, list[BegunFold]]:
            job, fold = jobs[place], fold_at(place)
            posterior = posterior_of(self.trainer.untrained, fold.data.X_train)
            own = self._enter(job, fold, self.settings.model, posterior[0])
            if self.settings.model != "auto":
                return own, []
            known = posterior if can_share(self.settings) else None
            return own, side_by_side(
                lambda number: self.trainer.begin(_inner_fold(job, fold, known, number)),
                range(len(job.inner)),
                self.device,
            )

        found = self.by_place(enter, range(len(jobs)))
        networks = iter(self.trainer.finish([one for _, begun in found for one in begun]))
        entered, chosen = [own for own, _ in found], []
        for job, one in zip(jobs, entered, strict=True):
            scores = None
            if self.settings.model == "auto" and job.inner:
                scores = np.full(len(one.contest.codes), np.nan)
                for _, val in job.inner:
                    scores[val] = next(networks).prob_val
            chosen.append(one.contest.decide(scores))
        return chosen, entered

    def of(self, entered: Entered, chosen: Selection) -> Fitted:
        """The model that was chosen, where it is no network."""
        assert chosen.candidate is not None
        return Fitted(
            alignment=entered.alignment,
            network=self.trainer.untrained,
            candidate=chosen.candidate,
            selection=chosen,
            prob_val=entered.prob_val[chosen.name],
            history=[],
            counts={},
            threshold=self._threshold(entered.contest.share),
        )

    def of_network(self, trained: FittedFold, chosen: Selection) -> Fitted:
        """A network that was trained because it was chosen."""
        return Fitted(
            alignment=trained.alignment,
            network=trained.classifier,
            candidate=Network(trained.classifier),
            selection=chosen,
            prob_val=trained.prob_val,
            history=trained.history,
            counts=trained.counts,
            threshold=self._threshold(BALANCED),
        )

    def _threshold(self, usual: float) -> float:
        asked = self.settings.threshold
        return usual if asked is None else asked

    def only(self, name: CandidateName, job: FoldJob, fold: AlignedFold) -> Fitted:
        """One candidate, fitted to the rows of a job as they are aligned."""
        entered = self.enter(job, fold, name)
        return self.of(entered, entered.contest.decide())

    def enter(self, job: FoldJob, fold: AlignedFold, choice: ModelChoice) -> Entered:
        """The candidates of a job that are no networks, or one of them; none is chosen yet."""
        mu, _ = posterior_of(self.trainer.untrained, fold.data.X_train)
        return self._enter(job, fold, choice, mu)

    def _enter(
        self, job: FoldJob, fold: AlignedFold, choice: ModelChoice, z_train: Tensor
    ) -> Entered:
        data = fold.data
        known = None
        if self._many_drugs is not None and choice in keys.READING_MANY_DRUGS:
            known = self._many_drugs.of(
                job.drug_key, job.train, data.codes_train, is_permuted=job.is_permuted
            )
        rows = TrainingRows(
            X=data.X_train.cpu().numpy(),
            codes=data.codes_train,
            standardised=data.standardised,
            latent=Standardised(z_train.cpu().numpy()),
            inner=job.inner,
            seed=self.settings.seed,
            n_few=len(data.codes_train) - len(job.train),
            many_drugs=known,
        )
        with one_thread():
            contest = selection.contest(rows, choice)
        X_val, z_val = data.X_val, posterior_of(self.trainer.untrained, data.X_val)[0]
        prob = {name: one.probability(X_val, z_val) for name, one in contest.fitted.items()}
        return Entered(contest, fold.alignment, prob)

    def own_weights(self, fitted: Fitted) -> dict[str, Tensor]:
        """Tensors of a trained network that are not the backbone's, on the CPU."""
        if not isinstance(fitted.candidate, Network):
            return {}
        kept = HEAD_PREFIXES if can_share(self.settings) else ("",)
        state = fitted.network.state_dict()
        return {name: state[name].cpu() for name in state if name.startswith(kept)}


def _inner_fold(
    job: FoldJob, fold: AlignedFold, posterior: tuple[Tensor, Tensor] | None, number: int
) -> AlignedFold:
    """An inner fold of a fold, for a network. The rows stay as they were moved for the fold.

    How they are moved depends on no label.

    Parameters
    ----------
    posterior
        Of the training rows, where the encoder is frozen.
    """
    X, codes = fold.data.X_train, fold.data.codes_train
    train, val = job.inner[number]
    data = FoldData(X[train], codes[train], X[val], codes[val], fold.data.X_domain)
    inner = AlignedFold(fold.alignment, data, SeededDraws(job.seed + number, X.device))
    if posterior is None:
        return inner
    mu, logvar = posterior
    return replace(inner, posterior=(mu[train], logvar[train]), z_val=mu[val])
