"""The folds of a transfer: trained, or adopted from a run that was killed."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from scatd import artifact, console, keys, tracking
from scatd.artifact import Artifact
from scatd.cards.card import About, CohortUsed, DataUsed, FeaturesRead, LabelsUsed
from scatd.data.label_words import MISSING
from scatd.evaluation import evidence
from scatd.evaluation.evidence import FoldPredictions
from scatd.evaluation.metrics import response_metrics
from scatd.keys import AlignmentMethod
from scatd.nn.alignment import Alignment
from scatd.settings import to_mapping
from scatd.training.baselines import Baselines, LinearBaseline
from scatd.training.draws import SeededDraws
from scatd.training.folds import FoldData, align
from scatd.training.heads import can_share
from scatd.training.loop import Reporter, Silent
from scatd.training.settings import TransferSettings
from scatd.training.trainer import AlignedFold
from scatd.training.transfer import FittedFold, probabilities
from scatd.workflows.models.progress import Watched
from scatd.workflows.transfer.inputs import Work

TARGET_PREDICTIONS = "target_predictions.csv"
_PREDICTIONS = "predictions.csv"
QUICK = 40_000
"""Steps of heads, half a minute on two cores, that are rather done again than kept one by one."""

Split = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Training and validation positions among the labelled rows."""


@dataclass(frozen=True, eq=False)
class _Baseline:
    """What is known of a fold before its networks are trained.

    `target` holds the answers for labelled target cells; it is empty where there are none.
    """

    linear: LinearBaseline
    prob: dict[str, NDArray[np.float64]]
    target: dict[str, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class _LearnedFold:
    """A fold that is done but for being recorded."""

    fitted: FittedFold
    predictions: FoldPredictions
    target: FoldPredictions | None
    linear: LinearBaseline
    train_rows: list[int]
    seconds: float


def run_folds(
    run: tracking.Run, work: Work, done: dict[int, str]
) -> tuple[list[FoldPredictions], dict[int, Path]]:
    """Train or adopt every fold; also each fold's model folder (head only)."""
    settings = work.request.settings
    splits = work.splits(settings.seed)
    found: dict[int, FoldPredictions] = {}
    checkpoints: dict[int, Path] = {}

    def take(fold_run: tracking.Run, predictions: FoldPredictions) -> None:
        number = predictions.fold
        found[number], checkpoints[number] = predictions, fold_run.fetch("checkpoint")
        run.log_metrics({"fold_auroc": model_metrics(predictions, settings)["auroc"]}, step=number)

    with console.progress(len(splits), work.key, "fold") as bar:
        for number, run_id in done.items():
            fold_run = tracking.Run(run.client, run_id)
            take(fold_run, _stored_predictions(fold_run, number))
            bar.update(1)
        missing = [number for number in range(1, len(splits) + 1) if number not in done]
        for numbers in _at_once(work, missing):
            with contextlib.ExitStack() as opened:
                runs = [opened.enter_context(_fold_run(run, work, number)) for number in numbers]
                curves = [opened.enter_context(tracking.Curves(fold_run)) for fold_run in runs]
                shown = Watched(curves[0], lambda epoch: bar.set_postfix(epoch=epoch))
                learned = _learn(work, splits, numbers, [shown, *curves[1:]])
                for number, fold_run, fold in zip(numbers, runs, learned, strict=True):
                    _record(fold_run, work, number, fold)
                    take(fold_run, fold.predictions)
                    bar.update(1)
    return [found[number] for number in sorted(found)], checkpoints


def require_whole(work: Work, run: tracking.Run) -> None:
    """Refuse the run of a fold that another process finished, where a file of it is damaged.

    Raises
    ------
    InputError
        When one is.
    """
    folder = run.fetch("checkpoint")
    artifact.read(folder, base=work.backbone.encoder_state())
    LinearBaseline.read(folder)
    run.fetch_checked(_PREDICTIONS)
    if work.target_codes is not None:
        run.fetch_checked(TARGET_PREDICTIONS)


def _fold_run(
    run: tracking.Run, work: Work, number: int
) -> contextlib.AbstractContextManager[tracking.Run]:
    tags = {**work.tags(keys.LEVEL_FOLD), keys.TAG_FOLD: str(number)}
    return run.child(f"{work.key} fold {number}", tags)


def _at_once(work: Work, numbers: list[int]) -> list[list[int]]:
    """Folds that train together: all, where a kill costs little; else each by itself."""
    settings = work.request.settings
    n_steps = settings.epochs * len(work.rows) / settings.batch_size
    n_networks = len(numbers) * (1 if settings.alignment == "none" else 2)
    is_quick = max(n_steps, settings.min_steps) * n_networks <= QUICK
    if numbers and is_quick and can_share(settings):
        return [numbers]
    return [[number] for number in numbers]


def _learn(
    work: Work,
    splits: Sequence[Split],
    numbers: Sequence[int],
    reporters: Sequence[Reporter],
) -> list[_LearnedFold]:
    """Train the response models of some folds, those without adaptation, and the baselines."""
    settings = work.request.settings
    started = time.monotonic()
    baselines: list[_Baseline] = []

    def aligned() -> Iterator[AlignedFold]:
        for number, reporter in zip(numbers, reporters, strict=True):
            data = fold_data(work, *splits[number - 1])
            seed = settings.seed + number
            fold = aligned_fold(work, data, seed, reporter=reporter)
            baselines.append(_baseline(work, fold))
            yield fold
            if settings.alignment != "none":
                yield aligned_fold(work, data, seed, method="none")

    networks = work.trainer.fit(aligned())
    seconds = (time.monotonic() - started) / len(numbers)
    n_each = len(networks) // len(numbers)
    learned = []
    for place, number in enumerate(numbers):
        train, val = splits[number - 1]
        own = networks[place * n_each : (place + 1) * n_each]
        baseline = baselines[place]
        prob = {evidence.MODEL: own[0].prob_val, **baseline.prob}
        if len(own) > 1:
            prob[evidence.NO_ADAPTATION] = own[1].prob_val
        on_target = None
        if work.target_codes is not None:
            target = {evidence.MODEL: _on_target(work, own[0]), **baseline.target}
            if len(own) > 1:
                target[evidence.NO_ADAPTATION] = _on_target(work, own[1])
            on_target = _target_predictions(work, number, target)
        predictions = FoldPredictions(number, work.rows[val], work.codes[val], prob)
        train_rows = work.rows[train].tolist()
        learned.append(
            _LearnedFold(own[0], predictions, on_target, baseline.linear, train_rows, seconds)
        )
    return learned


def _baseline(work: Work, fold: AlignedFold) -> _Baseline:
    X_train, X_val = fold.data.X_train.cpu().numpy(), fold.data.X_val.cpu().numpy()
    fitted = Baselines.fit(X_train, fold.data.codes_train, seed=work.request.settings.seed)
    target = {}
    if work.target_codes is not None:
        target = fitted.probabilities(fold.alignment.move_target(target_rows(work)).cpu().numpy())
    return _Baseline(fitted.linear, fitted.probabilities(X_val), target)


def _record(run: tracking.Run, work: Work, number: int, fold: _LearnedFold) -> None:
    """Write a fold to its run."""
    settings = work.request.settings
    fitted, predictions = fold.fitted, fold.predictions
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "checkpoint"
        stored = fold_artifact(work, fitted.classifier.state_dict(), fitted.alignment, number)
        artifact.write(folder, stored, base=work.backbone.encoder_state())
        fold.linear.write(folder)
        run.log_files(folder, "checkpoint")
    run.log_checked_table(evidence.out_of_fold([predictions], work.source.ids), _PREDICTIONS)
    run.log_table(pd.DataFrame(fitted.history), "history.csv")
    counts = {"rows": fitted.counts, "train_rows": fold.train_rows}
    run.client.log_text(run.run_id, json.dumps(counts), "rows.json")
    metrics = model_metrics(predictions, settings) | {"train_seconds": fold.seconds}
    for model, prob in predictions.prob.items():
        if model != evidence.MODEL:
            auroc = response_metrics(predictions.codes, prob)["auroc"]
            metrics[f"baseline.{model}.auroc"] = auroc
    if fold.target is not None:
        assert work.cohorts.target is not None
        table = evidence.out_of_fold([fold.target], work.cohorts.target.ids)
        run.log_checked_table(table, TARGET_PREDICTIONS)
        metrics["target_auroc"] = model_metrics(fold.target, settings)["auroc"]
    run.log_metrics(metrics)


def aligned_fold(
    work: Work,
    data: FoldData,
    seed: int,
    *,
    method: AlignmentMethod | None = None,
    reporter: Reporter | None = None,
) -> AlignedFold:
    """Align a fold as the request says, or by another method; `seed` is that of all its draws."""
    settings = work.request.settings
    if method is not None:
        settings = replace(settings, alignment=method)
    alignment, aligned = align(data, work.reference_stats, settings)
    draws = SeededDraws(seed, work.device)
    return AlignedFold(alignment, aligned, draws, reporter or Silent())


def fold_data(work: Work, train: NDArray[np.intp], val: NDArray[np.intp]) -> FoldData:
    """Rows of one fold as the cohorts hold them, where they are computed on."""
    X = torch.from_numpy(np.array(work.source.X[work.rows])).to(work.device)
    domain = work.reference_sample
    cells = None if domain is None else torch.from_numpy(domain).to(work.device)
    few = None
    if len(work.few_rows) and work.request.few_shot_use == "train":
        assert work.cohorts.target is not None
        rows = torch.from_numpy(np.array(work.cohorts.target.X[work.few_rows])).to(work.device)
        few = (rows, work.few_codes)
    return FoldData(X[train], work.codes[train], X[val], work.codes[val], cells, few)


def target_rows(work: Work) -> torch.Tensor:
    """Labelled cells of the target (n_cells, n_features)."""
    assert work.cohorts.target is not None
    assert work.target_codes is not None
    rows = np.flatnonzero(work.target_codes != MISSING)
    return torch.from_numpy(np.array(work.cohorts.target.X[rows])).to(work.device)


def _on_target(work: Work, fitted: FittedFold) -> NDArray[np.float64]:
    return probabilities(fitted.classifier, fitted.alignment.move_target(target_rows(work)))


def _target_predictions(
    work: Work, number: int, prob: dict[str, NDArray[np.float64]]
) -> FoldPredictions:
    assert work.target_codes is not None
    rows = np.flatnonzero(work.target_codes != MISSING)
    return FoldPredictions(number, rows, work.target_codes[rows].astype(np.int64), prob)


def model_metrics(predictions: FoldPredictions, settings: TransferSettings) -> dict[str, float]:
    """Metrics of the response model on one fold."""
    prob = predictions.prob[evidence.MODEL]
    return response_metrics(predictions.codes, prob, settings.threshold)


def target_predictions(run: tracking.Run, n_folds: int) -> list[FoldPredictions]:
    """What the models of all folds say of the labelled target cells."""
    by_fold = run.fold_runs()
    return [
        _stored_predictions(by_fold[number], number, TARGET_PREDICTIONS)
        for number in range(1, n_folds + 1)
    ]


def _stored_predictions(
    run: tracking.Run, number: int, file: str = _PREDICTIONS
) -> FoldPredictions:
    table = pd.read_csv(run.fetch_checked(file))
    prob = {
        column.removeprefix("prob_"): table[column].to_numpy()
        for column in table.columns
        if column.startswith("prob_")
    }
    return FoldPredictions(number, table["row"].to_numpy(), table["truth"].to_numpy(), prob)


def fold_artifact(
    work: Work, state: Mapping[str, torch.Tensor], alignment: Alignment, number: int | None
) -> Artifact:
    """The response model of a fold, with all that its card can know before the other folds."""
    settings = work.request.settings
    source, reference = work.source, work.cohorts.reference
    data = DataUsed(
        source=CohortUsed(source.path.name, source.sha256(), len(work.rows)),
        labels=LabelsUsed(Path(work.labels.origin).name, work.labels.column),
        reference=None if reference is None else CohortUsed(reference.path.name),
    )
    return Artifact(
        kind="response",
        family=work.request.family,
        design=work.backbone.design,
        sizes=work.backbone.sizes,
        state=state,
        alignment=alignment,
        threshold=settings.threshold,
        simulated=work.simulated,
        about=About(
            drug=work.labels.column,
            drug_key=work.key,
            threshold_origin="default of the settings, not calibrated",
            features=FeaturesRead(source.n_features, source.key, source.names),
            input_scale=work.cohorts.input_scale,
            transductive=work.cohorts.is_transductive,
            backbone=work.backbone_name,
            data=data,
            fold=number,
            settings=to_mapping(settings),
            versions=artifact.versions(),
        ),
    )
