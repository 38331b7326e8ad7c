"""The folds of a transfer: trained, or adopted from a run that was killed."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from scatd import artifact, console, keys, tracking
from scatd.artifact import Artifact
from scatd.data.labels import MISSING
from scatd.evaluation import evidence
from scatd.evaluation.evidence import FoldPredictions
from scatd.evaluation.metrics import response_metrics
from scatd.nn.residual_vae import ResidualVAE
from scatd.settings import to_mapping
from scatd.training.baselines import baseline_probabilities
from scatd.training.draws import SeededDraws
from scatd.training.loop import Reporter, Silent
from scatd.training.settings import TransferSettings
from scatd.training.transfer import FittedFold, FoldData, align, fit_fold, probabilities
from scatd.workflows.progress import Watched
from scatd.workflows.transfer_inputs import Work

TARGET_PREDICTIONS = "target_predictions.csv"


def run_folds(
    run: tracking.Run, work: Work, done: dict[int, str]
) -> tuple[list[FoldPredictions], dict[int, Path]]:
    """Train or adopt every fold; also each fold's model folder (head only)."""
    settings = work.request.settings
    vae = work.backbone.backbone().to(work.device)
    splits = work.splits(settings.seed)
    folds: list[FoldPredictions] = []
    checkpoints: dict[int, Path] = {}
    with console.progress(len(splits), work.key, "fold") as bar:
        for number, (train, val) in enumerate(splits, start=1):
            if number in done:
                fold_run = tracking.Run(run.client, done[number])
                folds.append(_stored_predictions(fold_run, number))
            else:
                with run.child(
                    f"{work.key} fold {number}",
                    {**work.tags(keys.LEVEL_FOLD), keys.TAG_FOLD: str(number)},
                ) as fold_run:
                    folds.append(_run_fold(fold_run, work, vae, number, train, val, bar))
            checkpoints[number] = fold_run.fetch("checkpoint")
            run.log_metrics(
                {"fold_auroc": model_metrics(folds[-1], settings)["auroc"]}, step=number
            )
            bar.update(1)
    return folds, checkpoints


def _run_fold(
    run: tracking.Run,
    work: Work,
    vae: ResidualVAE,
    number: int,
    train: NDArray[np.intp],
    val: NDArray[np.intp],
    bar: Any,
) -> FoldPredictions:
    settings = work.request.settings
    started = time.monotonic()
    data = fold_data(work, train, val)
    with tracking.Curves(run) as curves:
        watched = Watched(curves, lambda epoch: bar.set_postfix(epoch=epoch))
        fitted, aligned = learn(work, vae, data, settings.seed + number, reporter=watched)
    seconds = time.monotonic() - started
    prob, target = predictions_of(work, fitted, aligned)
    if settings.alignment != "none":
        plain = replace(settings, alignment="none")
        unmoved, _ = learn(work, vae, data, settings.seed + number, settings=plain)
        prob[evidence.NO_ADAPTATION] = unmoved.prob_val
        if work.target_codes is not None:
            target[evidence.NO_ADAPTATION] = _on_target(work, unmoved)
    predictions = FoldPredictions(number, work.rows[val], data.codes_val, prob)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "checkpoint"
        stored = fold_artifact(work, fitted, number)
        artifact.write(folder, stored, base=work.backbone.encoder_state())
        run.log_files(folder, "checkpoint")
    run.log_table(evidence.out_of_fold([predictions], work.source.ids), "predictions.csv")
    run.log_table(pd.DataFrame(fitted.history), "history.csv")
    counts = {"rows": fitted.counts, "train_rows": work.rows[train].tolist()}
    run.client.log_text(run.run_id, json.dumps(counts), "rows.json")
    run.log_metrics(model_metrics(predictions, settings) | {"train_seconds": seconds})
    run.log_metrics(
        {
            f"baseline.{model}.auroc": response_metrics(predictions.codes, values)["auroc"]
            for model, values in prob.items()
            if model != evidence.MODEL
        }
    )
    if work.target_codes is not None:
        scored = _target_predictions(work, number, target)
        assert work.cohorts.target is not None
        table = evidence.out_of_fold([scored], work.cohorts.target.ids)
        run.log_table(table, TARGET_PREDICTIONS)
        run.log_metrics({"target_auroc": model_metrics(scored, settings)["auroc"]})
    return predictions


def learn(
    work: Work,
    vae: ResidualVAE,
    data: FoldData,
    seed: int,
    *,
    settings: TransferSettings | None = None,
    reporter: Reporter | None = None,
) -> tuple[FittedFold, FoldData]:
    """Align a fold and train a response model on it; also the aligned fold.

    Parameters
    ----------
    seed
        Of everything that is drawn.
    settings
        In place of those of the request.
    """
    settings = work.request.settings if settings is None else settings
    alignment, aligned = align(data, work.reference_stats, settings)
    draws = SeededDraws(seed, work.device)
    reporter = Silent() if reporter is None else reporter
    return fit_fold(vae, aligned, alignment, settings, draws, reporter), aligned


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


def predictions_of(
    work: Work, fitted: FittedFold, aligned: FoldData
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """P(resistant) of validation samples and of labelled target cells, a model.

    The second is empty without target labels.
    """
    X = [aligned.X_val]
    if work.target_codes is not None:
        X.append(fitted.alignment.move_target(target_rows(work)))
    baselines = baseline_probabilities(
        aligned.X_train.cpu().numpy(),
        aligned.codes_train,
        torch.cat(X).cpu().numpy(),
        seed=work.request.settings.seed,
    )
    n_val = len(aligned.X_val)
    prob = {evidence.MODEL: fitted.prob_val}
    prob |= {name: values[:n_val] for name, values in baselines.items()}
    if work.target_codes is None:
        return prob, {}
    target = {evidence.MODEL: _on_target(work, fitted)}
    return prob, target | {name: values[n_val:] for name, values in baselines.items()}


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
    run: tracking.Run, number: int, file: str = "predictions.csv"
) -> FoldPredictions:
    table = pd.read_csv(run.fetch(file))
    prob = {
        column.removeprefix("prob_"): table[column].to_numpy()
        for column in table.columns
        if column.startswith("prob_")
    }
    return FoldPredictions(number, table["row"].to_numpy(), table["truth"].to_numpy(), prob)


def fold_artifact(work: Work, fitted: FittedFold, number: int | None) -> Artifact:
    """The response model of a fold, with all that its card can know before the other folds."""
    settings = work.request.settings
    data = {
        "source": {
            "file": work.source.path.name,
            "sha256": work.source.sha256(),
            "n_obs": len(work.rows),
        },
        "labels": {"file": Path(work.labels.origin).name, "column": work.labels.column},
    }
    if work.cohorts.reference is not None:
        data["reference"] = {"file": work.cohorts.reference.path.name}
    features: dict[str, Any] = {"key": work.source.key, "n_features": work.source.n_features}
    if work.source.names is not None:
        features["names"] = list(work.source.names)
    return Artifact(
        kind="response",
        family=work.request.family,
        design=work.backbone.design,
        sizes=work.backbone.sizes,
        state=fitted.classifier.state_dict(),
        alignment=fitted.alignment,
        threshold=settings.threshold,
        simulated=work.simulated,
        card={
            "drug": work.labels.column,
            "drug_key": work.key,
            "threshold_origin": "default of the settings, not calibrated",
            "features": features,
            "input_scale": work.cohorts.input_scale,
            "transductive": work.cohorts.is_transductive,
            "backbone": work.backbone_name,
            "data": data,
            "fold": number,
            "settings": to_mapping(settings),
            "versions": artifact.versions(),
        },
    )
