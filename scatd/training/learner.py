"""The folds of drugs, fitted: response models, the same without adaptation, and the baselines.

All that learns a drug's response goes through `fit_folds`: one drug, many drugs, one fold after the
other or all at once. It gives a fold the numbers that the fold gets alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.artifact import Artifact
from scatd.evaluation import evidence
from scatd.evaluation.evidence import FoldPredictions
from scatd.keys import AlignmentMethod
from scatd.nn.alignment import Alignment, FeatureStats
from scatd.nn.classifier import HEAD_PREFIXES, ResponseClassifier
from scatd.training.baselines import Baselines, LinearBaseline
from scatd.training.draws import SeededDraws
from scatd.training.folds import FoldData, align
from scatd.training.heads import can_share
from scatd.training.loop import Reporter, Silent
from scatd.training.settings import TransferSettings
from scatd.training.trainer import AlignedFold, Counts, Trainer
from scatd.training.transfer import FittedFold, posterior_of, probabilities

Rows = NDArray[np.intp]
Codes = NDArray[np.int_]


@dataclass(frozen=True, eq=False)
class LabelledCells:
    """Target cells whose response is known.

    Parameters
    ----------
    rows
        (n_cells,), their positions in the target cohort.
    X
        (n_cells, n_features).
    codes
        (n_cells,), 0 sensitive, 1 resistant.
    """

    rows: Rows
    X: NDArray[np.float32]
    codes: Codes


@dataclass(frozen=True, eq=False)
class FoldJob:
    """One fold of one drug, to be fitted. It is small, so that it can travel to another process.

    Parameters
    ----------
    drug_key
        Of the drug.
    number
        Of the fold, from 1; 0 where the samples are split for another purpose.
    seed
        Of all its draws.
    train, val
        Positions of the samples in the source cohort.
    codes_train, codes_val
        Their classes.
    few
        Labelled target cells that are added to the training samples.
    target
        Labelled target cells that every model of the fold scores.
    """

    drug_key: str
    number: int
    seed: int
    train: Rows
    val: Rows
    codes_train: Codes
    codes_val: Codes
    few: LabelledCells | None = None
    target: LabelledCells | None = None


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
        Tensors of the response model that are not the backbone's: those of the head, and all others
        where the encoder was trained or its statistics may drift. On the CPU.
    linear
        Logistic regression on the same training rows.
    predictions, target
        P(resistant) by model, for the validation samples and for the labelled target cells.
    history
        One record an epoch.
    counts
        Sensitive and resistant rows after each step of balancing.
    seconds
        How long it took; folds that were fitted together share their time.
    """

    job: FoldJob
    alignment: Alignment
    weights: dict[str, Tensor]
    linear: LinearBaseline
    predictions: FoldPredictions
    target: FoldPredictions | None
    history: list[dict[str, float]]
    counts: Counts
    seconds: float


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
    """

    X: NDArray[np.float32]
    backbone: Artifact
    reference_stats: FeatureStats | None
    reference_sample: NDArray[np.float32] | None
    settings: TransferSettings
    device: torch.device


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
        self._reference_stats = inputs.reference_stats
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
        data = FoldData(
            self._X[job.train],
            job.codes_train,
            self._X[job.val],
            job.codes_val,
            self._cells,
            None if job.few is None else (self._moved_here(job.few.X), job.few.codes),
        )
        settings = self.settings if method is None else replace(self.settings, alignment=method)
        alignment, aligned = align(data, self._reference_stats, settings)
        draws = SeededDraws(job.seed, self.device)
        fold = AlignedFold(alignment, aligned, draws, reporter or Silent())
        if method == "none" and self._unmoved is not None and job.few is None:
            mu, logvar = self._unmoved
            fold = replace(fold, posterior=(mu[job.train], logvar[job.train]), z_val=mu[job.val])
        return fold

    def fit(self, jobs: Sequence[FoldJob]) -> list[FittedFold]:
        """Train the recipe on the rows of each job, without the models that stand beside it."""
        return self.trainer.fit(map(self.aligned, jobs))

    def on_target(self, fitted: FittedFold, cells: LabelledCells) -> NDArray[np.float64]:
        """P(resistant) of target cells (n_cells,), moved as the model moves them."""
        moved = fitted.alignment.move_target(self._moved_here(cells.X))
        return probabilities(fitted.classifier, moved)

    def own_weights(self, classifier: ResponseClassifier) -> dict[str, Tensor]:
        """Tensors of a trained model that are not the backbone's, on the CPU."""
        kept = HEAD_PREFIXES if can_share(self.settings) else ("",)
        state = classifier.state_dict()
        return {name: state[name].cpu() for name in state if name.startswith(kept)}

    def _moved_here(self, X: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(X).to(self.device)

    def baselines(self, job: FoldJob, fold: AlignedFold) -> _Beside:
        """Fit the baselines on the rows that the network is trained on."""
        X_train, X_val = fold.data.X_train.cpu().numpy(), fold.data.X_val.cpu().numpy()
        fitted = Baselines.fit(X_train, fold.data.codes_train, seed=self.settings.seed)
        beside = _Beside(fitted.linear, fitted.probabilities(X_val))
        if job.target is None:
            return beside
        moved = fold.alignment.move_target(self._moved_here(job.target.X)).cpu().numpy()
        return replace(beside, target=fitted.probabilities(moved))


@dataclass(frozen=True, eq=False)
class _Beside:
    """The baselines of a fold: P(resistant) by name, for validation samples and target cells."""

    linear: LinearBaseline
    prob: dict[str, NDArray[np.float64]]
    target: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def fit_folds(
    learner: Learner, jobs: Sequence[FoldJob], reporters: Sequence[Reporter] | None = None
) -> list[LearnedFold]:
    """Fit response model, model without adaptation and baselines of each fold.

    Parameters
    ----------
    jobs
        Folds that train together, of one drug or of several.
    reporters
        One a fold; each is told the epochs of its response model.

    Raises
    ------
    TrainingError
        When a loss is no longer finite.
    """
    started = time.monotonic()
    has_control = learner.settings.alignment != "none"
    beside: list[_Beside] = []

    def aligned() -> Iterator[AlignedFold]:
        for job, reporter in zip(jobs, reporters or [Silent() for _ in jobs], strict=True):
            fold = learner.aligned(job, reporter=reporter)
            beside.append(learner.baselines(job, fold))
            yield fold
            if has_control:
                yield learner.aligned(job, method="none")

    networks = learner.trainer.fit(aligned())
    seconds = (time.monotonic() - started) / len(jobs)
    n_each = 2 if has_control else 1
    return [
        _learned(
            learner, job, networks[place * n_each : (place + 1) * n_each], beside[place], seconds
        )
        for place, job in enumerate(jobs)
    ]


def _learned(
    learner: Learner, job: FoldJob, networks: list[FittedFold], beside: _Beside, seconds: float
) -> LearnedFold:
    names = (evidence.MODEL, evidence.NO_ADAPTATION)
    found = dict(zip(names, networks, strict=False))
    own = found[evidence.MODEL]
    prob = {evidence.MODEL: own.prob_val, **beside.prob}
    prob |= {name: network.prob_val for name, network in found.items()}
    target = None
    if job.target is not None:
        answers = {name: learner.on_target(network, job.target) for name, network in found.items()}
        answers = {evidence.MODEL: answers[evidence.MODEL], **beside.target, **answers}
        target = FoldPredictions(job.number, job.target.rows, job.target.codes, answers)
    return LearnedFold(
        job=job,
        alignment=own.alignment.to(torch.device("cpu")),
        weights=learner.own_weights(own.classifier),
        linear=beside.linear,
        predictions=FoldPredictions(job.number, job.val, job.codes_val, prob),
        target=target,
        history=own.history,
        counts=own.counts,
        seconds=seconds,
    )
