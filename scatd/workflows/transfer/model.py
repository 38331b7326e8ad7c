"""Which weights of a transfer are registered, and at which threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from scatd import artifact
from scatd.artifact import Artifact
from scatd.cards.card import FewShot
from scatd.evaluation import evidence
from scatd.evaluation.evidence import FoldPredictions
from scatd.evaluation.ledger import cell_ledger
from scatd.evaluation.metrics import response_metrics
from scatd.evaluation.thresholds import youden
from scatd.nn.alignment import Alignment
from scatd.nn.classifier import HEAD_PREFIXES
from scatd.nn.domain import Domain
from scatd.scoring import mean_probability
from scatd.training.baselines import LinearBaseline
from scatd.workflows.transfer.domain import training_domain
from scatd.workflows.transfer.folds import aligned_fold, fold_artifact, fold_data, model_metrics
from scatd.workflows.transfer.inputs import Work


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
        What it is, in words.
    baseline
        Logistic regression on the samples that the weights were trained on.
    """

    model: Artifact
    fold: int | None
    metrics: Mapping[str, float]
    held: str
    baseline: LinearBaseline


def choose(
    work: Work,
    folds: Sequence[FoldPredictions],
    checkpoints: Mapping[int, Path],
    domain: Domain | None = None,
) -> Chosen:
    """The model that the request selects, its threshold set where few-shot cells may set it.

    Parameters
    ----------
    domain
        Its training domain, where another drug's model on the same encoder has the same.
    """
    base = work.backbone.encoder_state()
    members = {number: artifact.read(folder, base=base) for number, folder in checkpoints.items()}
    best = _best(work, folds, members)
    model, number = members[best.fold], best.fold
    metrics: Mapping[str, float] = model_metrics(best, work.request.settings)
    rule = "validation AUROC" if not _selects(work) else "AUROC on the few-shot cells"
    held = f"Holds fold {number} of {len(folds)} (best {rule})."
    fold: int | None = number
    if work.request.select == "mean-of-folds":
        model, fold, metrics = replace(model, more_heads=_heads(members, model)), None, {}
        held = f"Holds the heads of all {len(folds)} folds; a score is the mean of theirs."
    elif work.request.select == "refit":
        model, fold, metrics = _refit(work), None, {}
        model = replace(model, fold_heads=_heads(members, model))
        held = f"Trained anew on all {len(work.rows)} samples; the folds are its evidence."
    else:
        model = replace(model, fold_heads=_heads(members, model))
    baseline = _on_all(work, model) if fold is None else LinearBaseline.read(checkpoints[fold])
    about = replace(model.about, select=work.request.select)
    if len(work.few_rows):
        about = replace(about, few_shot=_few_shot(work))
    if len(work.few_rows) and work.request.few_shot_use == "threshold":
        cut = youden(work.few_codes, _on_few(work, model))
        origin = f"Youden's index on {len(work.few_rows)} few-shot target cells"
        about = replace(about, threshold_origin=origin)
        model = replace(model, threshold=cut)
    if domain is None:
        assert model.alignment is not None
        classifier = model.classifier().to(work.device)
        domain = training_domain(work, classifier, model.alignment.to(work.device))
    return Chosen(replace(model, about=about, domain=domain), fold, metrics, held, baseline)


def _selects(work: Work) -> bool:
    return bool(len(work.few_rows)) and work.request.few_shot_use == "select"


def _best(
    work: Work, folds: Sequence[FoldPredictions], members: Mapping[int, Artifact]
) -> FoldPredictions:
    """Best on its own validation samples, or on the few-shot cells; ties go to the former."""
    best = evidence.best_fold(folds)
    if not _selects(work):
        return best

    def merit(fold: FoldPredictions) -> tuple[float, bool]:
        prob = _on_few(work, members[fold.fold])
        return response_metrics(work.few_codes, prob)["auroc"], fold.fold == best.fold

    return max(folds, key=merit)


def _on_few(work: Work, model: Artifact) -> NDArray[np.float64]:
    assert work.cohorts.target is not None
    assert model.alignment is not None
    cells = torch.from_numpy(np.array(work.cohorts.target.X[work.few_rows]))
    return mean_probability(model.classifiers(), model.alignment.move_target(cells))


def _heads(
    members: Mapping[int, Artifact], model: Artifact
) -> tuple[Mapping[str, torch.Tensor], ...]:
    """Heads of the other folds whose encoder is the model's: one that was trained is no other's."""

    def shares_encoder(member: Artifact) -> bool:
        return all(
            torch.equal(value.cpu(), member.state[name].cpu())
            for name, value in model.state.items()
            if not name.startswith(HEAD_PREFIXES)
        )

    return tuple(
        {name: value for name, value in member.state.items() if name.startswith(HEAD_PREFIXES)}
        for member in members.values()
        if member is not model and shares_encoder(member)
    )


def _refit(work: Work) -> Artifact:
    """The recipe on all labelled samples; its validation curve is that of its own samples."""
    settings = work.request.settings
    everything = np.arange(len(work.rows))
    data = fold_data(work, everything, everything[:1])
    (fitted,) = work.trainer.fit([aligned_fold(work, data, settings.seed)])
    return fold_artifact(work, fitted.classifier.state_dict(), fitted.alignment, None)


def _on_all(work: Work, model: Artifact) -> LinearBaseline:
    """The baseline of a model that is no single fold's."""
    alignment = model.alignment or Alignment("none")
    X = torch.from_numpy(np.array(work.source.X[work.rows], dtype=np.float32))
    moved = alignment.to(torch.device("cpu")).move_source(X)
    return LinearBaseline.fit(moved.numpy(), work.codes)


def _few_shot(work: Work) -> FewShot:
    """Which labelled target cells had a part in the model, and which."""
    assert work.cohorts.target is not None
    return FewShot(
        use=work.request.few_shot_use,
        n_per_class=work.request.few_shot,
        cells=cell_ledger(work.cohorts.target, work.few_rows),
        codes=tuple(work.few_codes.tolist()),
    )
