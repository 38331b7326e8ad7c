"""Use case: learn one drug's response from bulk samples, with its evidence, and register it."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from scatd import artifact, console, keys, registry, tracking
from scatd.artifact import Artifact
from scatd.data.drugs import drug_key
from scatd.data.features import Features, read_features
from scatd.data.labels import MISSING, Labels, read_labels, require_two_classes
from scatd.data.splits import stratified_folds
from scatd.errors import InputError
from scatd.evaluation import evidence
from scatd.evaluation.evidence import FoldPredictions
from scatd.evaluation.gate import Verdict, load_config
from scatd.evaluation.metrics import response_metrics
from scatd.nn.alignment import FeatureStats
from scatd.nn.residual_vae import ResidualVAE
from scatd.registry import ModelRef
from scatd.settings import to_mapping
from scatd.training.baselines import baseline_probabilities
from scatd.training.draws import SeededDraws
from scatd.training.loop import Silent
from scatd.training.settings import TransferSettings, default_pretrain
from scatd.training.transfer import FittedFold, FoldData, fit_fold
from scatd.workflows import transfer_report
from scatd.workflows.inputs import demo_file, matrix_stats, pick_device, refuse_mixing
from scatd.workflows.pretrain import backbone_for
from scatd.workflows.progress import Watched
from scatd.workflows.promote import judge, promote_version

logger = logging.getLogger(__name__)

FEW_SAMPLES = 200


@dataclass(frozen=True)
class TransferRequest:
    """One drug to learn. A file that is not given is the demo cohort's.

    Parameters
    ----------
    drug
        Name, compared by drug key.
    family
        Which features and backbone.
    source, labels, label_map
        Labelled bulk cohort; `labels` follows the grammar of `scatd.data.labels`.
    reference
        Unlabelled single cells whose style the source takes.
    backbone
        Registered name (`NAME@ALIAS`, `NAME/VERSION`) or model folder.
    settings, device
        How to train.
    allow_simulated
        Let simulated and real things mix.
    promote
        Ask the gate, where the drug's configuration says so.
    """

    drug: str
    family: str = "sf"
    source: Path | None = None
    labels: str | None = None
    label_map: str | None = None
    reference: Path | None = None
    backbone: str | None = None
    settings: TransferSettings = field(default_factory=TransferSettings)
    device: str = "auto"
    allow_simulated: bool = False
    promote: bool = True


@dataclass(frozen=True, eq=False)
class TransferResult:
    """What a drug run came to.

    Parameters
    ----------
    ref
        The registered version.
    run_id
        The parent run.
    folds
        One row a fold: fold, n, and every metric of the response model.
    models
        One row a model (response model and baselines): see `evidence.model_table`.
    verdict
        What the gate says of it.
    promoted
        Whether it is in production now.
    sentence
        The finding in plain words.
    """

    ref: ModelRef
    run_id: str
    folds: pd.DataFrame
    models: pd.DataFrame
    verdict: Verdict
    promoted: bool
    sentence: str


@dataclass(frozen=True, eq=False)
class _Work:
    """Everything that is checked and loaded before the first fold."""

    request: TransferRequest
    key: str
    source: Features
    labels: Labels
    rows: NDArray[np.intp]  # labelled rows of the source
    reference_file: Path | None
    reference_stats: FeatureStats | None
    reference_sample: NDArray[np.float32] | None  # for pictures
    backbone: Artifact
    backbone_name: str
    device: torch.device

    @property
    def codes(self) -> NDArray[np.int_]:
        return self.labels.codes[self.rows].astype(np.int64)

    @property
    def simulated(self) -> bool:
        return self.source.simulated or self.backbone.simulated

    @property
    def subject(self) -> str:
        return f"{self.labels.column} ({self.request.family})"


def transfer(request: TransferRequest) -> TransferResult:
    """Cross-validate, compare with baselines, register the best fold, ask the gate.

    Raises
    ------
    InputError
        For any input that cannot be used; nothing is then registered.
    TrainingError
        When training diverges.
    """
    config = load_config(drug_key(request.drug))
    work = _prepare(request)
    key = tracking.work_key("transfer", _identity(work))
    name = keys.response_model_name(request.family, work.key)
    with tracking.work_lock(key):
        dead = tracking.unfinished(key)
        with tracking.parent_run(
            "transfer",
            name=f"{work.key} {request.family}",
            tags=_tags(work, keys.LEVEL_DRUG),
            settings={**to_mapping(request.settings), "backbone": work.backbone_name},
            work_key=key,
        ) as run:
            if dead is not None:
                tracking.adopt(dead, run)
                if dead.folds:
                    logger.info("Continuing: folds %s are done", sorted(dead.folds))
            _log_data(run, work)
            folds, checkpoints = _run_folds(run, work, dict(dead.folds) if dead else {})
            report = transfer_report.write(
                run, folds, work.source.ids, work.subject, request.settings
            )
            transfer_report.divergence(
                run, work.source.X[work.rows], work.reference_sample, work.subject
            )
            version = registry.find_version(name, dead.run_ids) if dead else None
            if version is None:
                best = evidence.best_fold(folds)
                version = _register(run, work, best, checkpoints[best.fold], report, key)
            ref = registry.resolve(work.key, stage=str(version), families=[request.family])
            verdict = judge(ref, config.gate)
            promoted = False
            if verdict.passed and config.auto_promote and request.promote:
                promoted = promote_version(ref, verdict)
    return TransferResult(
        ref=registry.resolve(work.key, stage=str(version), families=[request.family]),
        run_id=run.run_id,
        folds=report.folds,
        models=report.models,
        verdict=verdict,
        promoted=promoted,
        sentence=report.sentence,
    )


def _prepare(request: TransferRequest) -> _Work:
    """Read and check everything; nothing is computed, tracked or registered here but a backbone."""
    device = pick_device(request.device)
    settings = request.settings
    is_demo = request.source is None
    source = read_features(request.source or demo_file("source"), request.family)
    labels = read_labels(source, request.drug, request.labels, request.label_map)
    rows = np.flatnonzero(labels.codes != MISSING)
    require_two_classes(labels.codes[rows], settings.folds, f"{labels.origin}: {labels.column}")
    if len(rows) < FEW_SAMPLES:
        logger.warning(
            "%d labelled samples are few: intervals are wide, and a fold holds only %d.",
            len(rows),
            len(rows) // settings.folds,
        )
    path = request.reference or (demo_file("reference") if is_demo else None)
    reference = None
    if path is not None:
        reference = read_features(path, request.family, n_features=source.n_features, mmap=True)
    simulated = {str(source.path): source.simulated}
    if reference is not None:
        simulated[str(reference.path)] = reference.simulated
    refuse_mixing(simulated, allowed=request.allow_simulated)
    name, backbone = _choose_backbone(request, source, reference, device)
    if backbone.family != request.family or backbone.sizes.n_features != source.n_features:
        what = f"is of family {backbone.family} with {backbone.sizes.n_features} features"
        expected = f"family {request.family} with {source.n_features}, as in {source.path}"
        raise InputError(what, where=f"backbone {name}", expected=expected)
    simulated[f"backbone {name}"] = backbone.simulated
    refuse_mixing(simulated, allowed=request.allow_simulated)
    stats = None
    if settings.alignment != "none":
        if reference is not None:
            stats = matrix_stats(reference.X)
        else:
            assert backbone.alignment is not None
            stats = backbone.alignment.reference
    return _Work(
        request=request,
        key=drug_key(request.drug),
        source=source,
        labels=labels,
        rows=rows,
        reference_file=path,
        reference_stats=stats,
        reference_sample=None if reference is None else _sample(reference.X, settings.seed),
        backbone=backbone,
        backbone_name=name,
        device=device,
    )


def _choose_backbone(
    request: TransferRequest, source: Features, reference: Features | None, device: torch.device
) -> tuple[str, Artifact]:
    """`--backbone`, else a real production backbone of the same features, else the reference's."""
    if request.backbone is not None:
        folder = Path(request.backbone)
        if folder.is_dir():
            return str(folder), artifact.read(folder)
        return _fetched(registry.resolve_backbone(request.backbone))
    ref = registry.find(keys.backbone_name(request.family), keys.PRODUCTION)
    if ref is not None and not ref.simulated and not source.simulated:
        name, backbone = _fetched(ref)
        if backbone.sizes.n_features == source.n_features:
            return name, backbone
    if reference is None:
        what = f"no backbone of family {request.family} for {source.n_features} features"
        remedy = "Add --reference with unlabelled single cells to pretrain one, or --backbone."
        raise InputError(what, expected="a production backbone", remedy=remedy)
    settings = default_pretrain(request.family)
    return _fetched(backbone_for(reference, request.family, settings, device))


def _fetched(ref: ModelRef) -> tuple[str, Artifact]:
    return f"{ref.name}/{ref.version}", artifact.read(registry.fetch(ref))


def _sample(X: NDArray[np.float32], seed: int, n_rows: int = 5000) -> NDArray[np.float32]:
    if len(X) <= n_rows:
        return np.asarray(X)
    picks = np.random.default_rng(seed).choice(len(X), n_rows, replace=False)
    return np.asarray(X[np.sort(picks)])


def _identity(work: _Work) -> dict[str, Any]:
    """What makes two transfers the same work."""
    stats = work.reference_stats
    reference = "" if stats is None else _digest([stats.mean, stats.std])
    return {
        "settings": to_mapping(work.request.settings),
        "family": work.request.family,
        "drug": work.key,
        "source": work.source.sha256(),
        "labels": _digest([torch.from_numpy(work.labels.codes)]),
        "reference": reference,
        "backbone": _digest(work.backbone.state.values()),
    }


def _digest(tensors: Iterable[torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _tags(work: _Work, level: str) -> dict[str, str]:
    return {
        keys.TAG_DRUG: work.key,
        keys.TAG_FAMILY: work.request.family,
        keys.TAG_LEVEL: level,
        keys.TAG_SIMULATED: str(work.simulated).lower(),
    }


def _log_data(run: tracking.Run, work: _Work) -> None:
    run.log_dataset(
        work.source.path.stem,
        str(work.source.path),
        digest=work.source.sha256(),
        n_rows=work.source.n_obs,
        n_features=work.source.n_features,
        context="source",
    )
    if work.reference_stats is not None and work.reference_file is not None:
        run.log_dataset(
            work.reference_file.stem,
            str(work.reference_file),
            digest=_digest([work.reference_stats.mean, work.reference_stats.std]),
            n_rows=work.reference_stats.n_obs,
            n_features=work.source.n_features,
            context="reference",
        )


def _run_folds(
    run: tracking.Run, work: _Work, done: dict[int, str]
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
                    {**_tags(work, keys.LEVEL_FOLD), keys.TAG_FOLD: str(number)},
                ) as fold_run:
                    folds.append(_run_fold(fold_run, work, vae, number, train, val, bar))
            checkpoints[number] = fold_run.fetch("checkpoint")
            run.log_metrics({"fold_auroc": _metrics(folds[-1], settings)["auroc"]}, step=number)
            bar.update(1)
    return folds, checkpoints


def _run_fold(
    run: tracking.Run,
    work: _Work,
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
    run.log_metrics(_metrics(predictions, settings) | {"train_seconds": seconds})
    run.log_metrics(
        {
            f"baseline.{model}.auroc": response_metrics(predictions.codes, values)["auroc"]
            for model, values in prob.items()
            if model != evidence.MODEL
        }
    )
    return predictions


def _without_adaptation(
    work: _Work, vae: ResidualVAE, data: FoldData, number: int
) -> NDArray[np.float64]:
    settings = replace(work.request.settings, alignment="none")
    draws = SeededDraws(settings.seed + number, work.device)
    return fit_fold(vae, data, None, settings, draws, Silent()).prob_val


def _metrics(predictions: FoldPredictions, settings: TransferSettings) -> dict[str, float]:
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


def _artifact(work: _Work, fitted: FittedFold, number: int) -> Artifact:
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


def _register(
    run: tracking.Run,
    work: _Work,
    best: FoldPredictions,
    checkpoint: Path,
    report: transfer_report.Report,
    key: str,
) -> int:
    head = artifact.read(checkpoint, base=work.backbone.encoder_state())
    metrics = _metrics(best, work.request.settings)
    card = {name: value for name, value in head.card.items() if name != "complete"} | {
        "metrics": {"chosen_fold": metrics, "out_of_fold": report.summary},
        "baselines": report.models.to_dict(orient="records"),
        "finding": report.sentence,
        "few_samples": len(work.rows) < FEW_SAMPLES,
        "run_id": run.run_id,
    }
    description = (
        f"{report.sentence}\n\nHolds fold {best.fold} of {work.request.settings.folds} (best "
        f"validation AUROC). {artifact.CAVEAT}"
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        artifact.write(folder, replace(head, card=card))
        return registry.register(
            folder,
            keys.response_model_name(work.request.family, work.key),
            run.run_id,
            metrics=metrics,
            description=description,
            tags={keys.TAG_DRUG: work.key, keys.TAG_FOLD: str(best.fold), keys.TAG_WORK_KEY: key},
        )
