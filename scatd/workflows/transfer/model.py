"""Which weights of a transfer are registered, and at which threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from scatd import artifact, keys
from scatd.artifact import Artifact
from scatd.candidates.candidate import Candidate
from scatd.candidates.mean import Mean
from scatd.cards.card import About, CohortUsed, DataUsed, FeaturesRead, FewShot, LabelsUsed
from scatd.data.labels import Labels
from scatd.decision import expit, logit
from scatd.evaluation import evidence
from scatd.evaluation.evidence import FoldPredictions
from scatd.evaluation.ledger import cell_ledger
from scatd.evaluation.metrics import response_metrics
from scatd.evaluation.thresholds import youden
from scatd.keys import CandidateName, LabelKind
from scatd.nn.alignment import Alignment
from scatd.nn.classifier import HEAD_PREFIXES
from scatd.nn.domain import Domain, TooFewCells
from scatd.scoring import artifact_probability
from scatd.settings import to_mapping
from scatd.training.candidates.selection import Selection
from scatd.training.fold_baselines import fit_group_mean, fit_target_only, moved_cells
from scatd.training.jobs import LabelledCells
from scatd.training.kept_baselines import KeptBaselines, LinearBaseline
from scatd.training.standardised import Standardised
from scatd.wording import counted
from scatd.workflows.transfer.domain import training_domain
from scatd.workflows.transfer.task import DrugTask


@dataclass(frozen=True, eq=False)
class Folds:
    """The folds of a drug when all are done.

    Parameters
    ----------
    predictions
        Of each fold, in order.
    target
        Predictions for the labelled target cells by the models of each fold; empty without them.
    checkpoints
        Folder of each fold's model and baselines, by number.
    candidates
        What inner folds scored in each fold; empty where nothing was chosen.
    """

    predictions: Sequence[FoldPredictions]
    target: Sequence[FoldPredictions]
    checkpoints: Mapping[int, Path]
    candidates: Sequence[pd.DataFrame] = ()


@dataclass(frozen=True, eq=False)
class Chosen:
    """A model to register.

    Parameters
    ----------
    model
        Complete, with threshold and card.
    fold
        Number of its fold; None where it is no single fold's.
    metrics
        Of its own validation samples; empty where it has none.
    held
        Description of it, in words.
    baselines
        Those that are kept, on the samples that the weights were trained on.
    """

    model: Artifact
    fold: int | None
    metrics: Mapping[str, float]
    held: str
    baselines: KeptBaselines

    @property
    def in_words(self) -> str:
        """What scores, with its settings, and why."""
        return self.model.card().choice_in_words


def choose(task: DrugTask, folds: Folds, domain: Domain | TooFewCells | None = None) -> Chosen:
    """Choose the model that the request selects. Few-shot cells may set its threshold.

    Parameters
    ----------
    domain
        Its training domain, where another drug's model on the same encoder has the same.
    """
    request = task.basis.request
    base = task.basis.backbone.artifact.encoder_state()
    members = {
        number: artifact.read(folder, base=base) for number, folder in folds.checkpoints.items()
    }
    few = None if task.target is None else task.target.few
    selecting = few if request.few.few_shot_use == "select" else None
    best = _best(folds.predictions, members, selecting)
    model, number = members[best.fold], best.fold
    metrics: Mapping[str, float] = model_metrics(best)
    rule = "validation AUROC" if selecting is None else "AUROC on the few-shot cells"
    held = f"Holds fold {number} of {len(members)} (best {rule})."
    fold: int | None = number
    if request.select == "mean-of-folds":
        model, fold, metrics = _mean_of_folds(model, list(members.values())), None, {}
        held = (
            f"Holds what all {counted(len(members), 'fold')} learned; a score is the mean of "
            "theirs."
        )
        model = _chosen(model, strength="", reason="All folds score together.")
        model = replace(model, about=replace(model.about, fold=None))
    elif request.select == "refit":
        model, fold, metrics = _refit(task), None, {}
        model = _with_folds(model, members)
        held = (
            f"Trained anew on all {counted(len(task.source.rows), 'sample')}; the folds are its "
            "evidence."
        )
    else:
        model = _with_folds(model, members)
    if fold is None:
        baselines = _on_all(task, alignment_of(model))
    else:
        baselines = KeptBaselines.read(folds.checkpoints[fold])
    by_fold = {str(n): _name(member) for n, member in members.items()}
    model = _chosen(model, chosen_by_fold=by_fold)
    model = replace(model, about=replace(model.about, select=request.select))
    if few is not None:
        model = _knowing_few(model, task, few)
    if domain is None:
        alignment = alignment_of(model).to(task.basis.device)
        domain = training_domain(task.basis, model.classifier().to(task.basis.device), alignment)
    if isinstance(domain, TooFewCells):
        about = replace(model.about, too_few_for_domain=domain)
        model, domain = replace(model, about=about), None
    return Chosen(replace(model, domain=domain), fold, metrics, held, baselines)


def _chosen(model: Artifact, **said: Any) -> Artifact:
    """The model with more in its card about how what scores was chosen."""
    selection = {**model.about.selection, **said}
    return replace(model, about=replace(model.about, selection=selection))


def alignment_of(model: Artifact) -> Alignment:
    """Alignment of a response model; rows of a model without one stay where they are."""
    return model.alignment or Alignment("none")


def model_metrics(predictions: FoldPredictions) -> dict[str, float]:
    """Metrics of the response model on one fold."""
    prob = predictions.prob[evidence.MODEL]
    return response_metrics(predictions.codes, prob, predictions.threshold)


def _best(
    folds: Sequence[FoldPredictions], members: Mapping[int, Artifact], few: LabelledCells | None
) -> FoldPredictions:
    """Best on its own validation samples, or on the few-shot cells; ties go to the former."""
    best = evidence.best_fold(folds)
    if few is None:
        return best

    def merit(fold: FoldPredictions) -> tuple[float, bool]:
        prob = _on_cells(members[fold.fold], few)
        return response_metrics(few.codes, prob)["auroc"], fold.fold == best.fold

    return max(folds, key=merit)


def _on_cells(model: Artifact, cells: LabelledCells) -> NDArray[np.float64]:
    moved = alignment_of(model).move_target(torch.from_numpy(cells.X))
    return artifact_probability(model, moved)


def _with_folds(model: Artifact, members: Mapping[int, Artifact]) -> Artifact:
    """The model with what scores in the other folds, whose disagreement is an uncertainty.

    What reads the latent of an encoder that was trained is left out: it is no other's.
    """
    others = [member for member in members.values() if member is not model]
    candidates = [
        one.candidate
        for one in others
        if one.candidate is not None
        and (not one.candidate.reads_latent or _share_encoder(one, model))
    ]
    return replace(
        model,
        fold_heads=_heads([one for one in others if one.candidate is None], model),
        fold_candidates=tuple(candidates),
    )


def _mean_of_folds(model: Artifact, members: Sequence[Artifact]) -> Artifact:
    """All folds as one model: heads of networks on one encoder, or the mean of all log odds."""
    others = [member for member in members if member is not model]
    if all(member.candidate is None for member in members):
        return replace(model, more_heads=_heads(others, model))
    network = model.classifier()
    parts: list[Candidate] = []
    for member in members:
        own = network if member.candidate else network.with_head(_head_of(member))
        parts += member.members(own)
    encoder = {n: v for n, v in model.state.items() if not n.startswith(HEAD_PREFIXES)}
    made = replace(model, state=encoder, candidate=Mean(tuple(parts)))
    cuts = np.array([member.threshold for member in members], dtype=np.float64)
    if (cuts == cuts[0]).all():
        return made
    # Each fold has a threshold of its own. Theirs is a mean of log odds, as the score is.
    about = replace(model.about, threshold_origin="mean of the thresholds of all folds")
    return replace(made, about=about, threshold=float(expit(logit(cuts).mean())))


def _name(member: Artifact) -> CandidateName:
    return "network" if member.candidate is None else member.candidate.name


def _heads(others: Sequence[Artifact], model: Artifact) -> tuple[Mapping[str, torch.Tensor], ...]:
    """Heads of other folds whose encoder is the model's: one that was trained is no other's."""
    return tuple(_head_of(member) for member in others if _share_encoder(member, model))


def _share_encoder(one: Artifact, other: Artifact) -> bool:
    return all(
        torch.equal(value.cpu(), one.state[name].cpu())
        for name, value in other.state.items()
        if not name.startswith(HEAD_PREFIXES)
    )


def _head_of(member: Artifact) -> dict[str, torch.Tensor]:
    return {n: value for n, value in member.state.items() if n.startswith(HEAD_PREFIXES)}


def _refit(task: DrugTask) -> Artifact:
    """The recipe on all labelled samples; its validation curve is that of its own samples."""
    everything = np.arange(len(task.source.rows))
    learner = task.basis.learner
    (fitted,) = learner.fit([task.job(everything, everything[:1], seed=task.settings.seed)])
    weights = learner.own_weights(fitted)
    learned = Learned(weights, fitted.alignment, fitted.selection, fitted.threshold)
    return response_artifact(task, learned)


def _on_all(task: DrugTask, alignment: Alignment) -> KeptBaselines:
    """The baselines of a model that is no single fold's."""
    everything, seed = np.arange(len(task.source.rows)), task.settings.seed
    job = task.job(everything, everything[:0], seed=seed)
    X = torch.from_numpy(np.array(task.source.cohort.X[job.train], dtype=np.float32))
    rows, codes = alignment.to(torch.device("cpu")).move_source(X).numpy(), job.codes_train
    if job.few is not None:
        rows = np.concatenate([rows, moved_cells(job.few, alignment)])
        codes = np.concatenate([codes, job.few.codes])
    return KeptBaselines(
        LinearBaseline.fit(Standardised(rows), codes, seed=seed, inner=job.splits),
        None if job.groups is None else fit_group_mean(job.groups, codes),
        None if job.known is None else fit_target_only(job.known, alignment, seed=seed),
    )


def _knowing_few(model: Artifact, task: DrugTask, few: LabelledCells) -> Artifact:
    """The model with the few-shot cells in its card, and its threshold from them if asked for."""
    assert task.target is not None
    request = task.basis.request
    used = FewShot(
        use=request.few.few_shot_use,
        n_per_class=request.few.few_shot,
        cells=cell_ledger(task.target.cohort, few.rows),
        codes=tuple(few.codes.tolist()),
    )
    about = replace(model.about, few_shot=used)
    if request.few.few_shot_use != "threshold":
        return replace(model, about=about)
    origin = f"Youden's index on {counted(len(few.rows), 'few-shot target cell')}"
    about = replace(about, threshold_origin=origin)
    return replace(model, about=about, threshold=youden(few.codes, _on_cells(model, few)))


@dataclass(frozen=True, eq=False)
class Learned:
    """What was learned from some rows: weights of a network, alignment, candidate and threshold.

    `weights` are tensors that are not the backbone's: see `LearnedFold.weights`.
    """

    weights: Mapping[str, torch.Tensor]
    alignment: Alignment
    selection: Selection
    threshold: float


def response_artifact(task: DrugTask, learned: Learned, fold: int | None = None) -> Artifact:
    """A response model with all that its card can know before the other folds.

    Parameters
    ----------
    fold
        Number of its fold; None where it is no single fold's.
    """
    basis, source, labels = task.basis, task.source.cohort, task.source.labels
    reference, numbers = basis.cohorts.reference, basis.numbers
    request, target = basis.request, task.target
    data = DataUsed(
        source=CohortUsed(source.path.name, source.sha256(), len(task.source.rows)),
        labels=_labels_used(labels, request.kind_of_labels),
        target_labels=None
        if target is None
        else _labels_used(target.labels, request.kind_of_target_labels),
        reference=None if reference is None else CohortUsed(reference.path.name),
        ic50=None
        if numbers is None
        else CohortUsed(numbers.file.name, numbers.sha256, numbers.n_samples),
    )
    backbone = basis.backbone.artifact
    return Artifact(
        kind="response",
        family=basis.request.family,
        design=backbone.design,
        sizes=backbone.sizes,
        state={**backbone.encoder_state(), **learned.weights},
        candidate=learned.selection.candidate,
        alignment=learned.alignment,
        threshold=learned.threshold,
        simulated=basis.simulated,
        about=About(
            drug=labels.column,
            drug_key=task.drug_key,
            threshold_origin=_threshold_origin(task, learned.selection),
            features=FeaturesRead(source.n_features, source.key, source.names),
            input_scale=basis.cohorts.input_scale,
            transductive=basis.cohorts.is_transductive,
            backbone=basis.backbone.name,
            data=data,
            fold=fold,
            selection={
                "asked": task.settings.model,
                "strength": learned.selection.strength,
                "reason": learned.selection.reason,
            },
            settings=to_mapping(task.settings),
            versions=artifact.versions(),
        ),
    )


def _labels_used(labels: Labels, kind: LabelKind | None) -> LabelsUsed:
    return LabelsUsed(Path(labels.origin).name, labels.column, kind or keys.UNSAID)


def _threshold_origin(task: DrugTask, chosen: Selection) -> str:
    if task.settings.threshold is not None or chosen.candidate is None:
        return "default of the settings, not calibrated"
    few = task.basis.request.few
    if few.few_shot_use == "train" and few.few_shot > 1:  # see `few_shot_splits`
        return "share of resistant few-shot cells"
    return "share of resistant training samples"
