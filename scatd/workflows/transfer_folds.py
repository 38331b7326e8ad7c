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
from scatd.data.splits import stratified_folds
from scatd.evaluation import evidence
from scatd.evaluation.evidence import FoldPredictions
from scatd.evaluation.metrics import response_metrics
from scatd.nn.residual_vae import ResidualVAE
from scatd.settings import to_mapping
from scatd.training.baselines import baseline_probabilities
from scatd.training.draws import SeededDraws
from scatd.training.loop import Silent
from scatd.training.settings import TransferSettings
from scatd.training.transfer import FittedFold, FoldData, fit_fold
from scatd.workflows.progress import Watched
from scatd.workflows.transfer_inputs import Work


def run_folds(
    run: tracking.Run, work: Work, done: dict[int, str]
) -> tuple[list[FoldPredictions], dict[int, Path]]:
    """Train or adopt every fold; also each fold's model folder (head only)."""
    settings = work.request.settings
    vae = work.backbone.backbone().to(work.device)
    splits = stratified_folds(work.codes, settings.folds, settings.seed)
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
    X = torch.from_numpy(work.source.X[work.rows]).to(work.device)
    data = FoldData(X[train], work.codes[train], X[val], work.codes[val])
    draws = SeededDraws(settings.seed + number, work.device)
    with tracking.Curves(run) as curves:
        watched = Watched(curves, lambda epoch: bar.set_postfix(epoch=epoch))
        fitted = fit_fold(vae, data, work.reference_stats, settings, draws, watched)
    seconds = time.monotonic() - started
    prob = {evidence.MODEL: fitted.prob_val}
    prob |= baseline_probabilities(
        fitted.alignment.move_source(data.X_train).cpu().numpy(),
        data.codes_train,
        fitted.alignment.move_source(data.X_val).cpu().numpy(),
        seed=settings.seed,
    )
    if settings.alignment != "none":
        prob[evidence.NO_ADAPTATION] = _without_adaptation(work, vae, data, number)
    predictions = FoldPredictions(number, work.rows[val], data.codes_val, prob)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "checkpoint"
        stored = _artifact(work, fitted, number)
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
    return predictions


def _without_adaptation(
    work: Work, vae: ResidualVAE, data: FoldData, number: int
) -> NDArray[np.float64]:
    settings = replace(work.request.settings, alignment="none")
    draws = SeededDraws(settings.seed + number, work.device)
    return fit_fold(vae, data, None, settings, draws, Silent()).prob_val


def model_metrics(predictions: FoldPredictions, settings: TransferSettings) -> dict[str, float]:
    """Metrics of the response model on one fold."""
    prob = predictions.prob[evidence.MODEL]
    return response_metrics(predictions.codes, prob, settings.threshold)


def _stored_predictions(run: tracking.Run, number: int) -> FoldPredictions:
    table = pd.read_csv(run.fetch("predictions.csv"))
    prob = {
        column.removeprefix("prob_"): table[column].to_numpy()
        for column in table.columns
        if column.startswith("prob_")
    }
    return FoldPredictions(number, table["row"].to_numpy(), table["truth"].to_numpy(), prob)


def _artifact(work: Work, fitted: FittedFold, number: int) -> Artifact:
    settings = work.request.settings
    data = {
        "source": {
            "file": work.source.path.name,
            "sha256": work.source.sha256(),
            "n_obs": len(work.rows),
        },
        "labels": {"file": Path(work.labels.origin).name, "column": work.labels.column},
    }
    if work.reference_file is not None:
        data["reference"] = {"file": work.reference_file.name}
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
            "features": {"key": work.source.key, "n_features": work.source.n_features},
            "backbone": work.backbone_name,
            "data": data,
            "fold": number,
            "settings": to_mapping(settings),
            "versions": artifact.versions(),
        },
    )
