"""Use case: learn one drug's response from bulk samples, with its evidence, and register it."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from scatd import artifact, keys, registry, tracking
from scatd.data.drugs import drug_key
from scatd.evaluation import evidence
from scatd.evaluation.gate import Verdict, load_config
from scatd.evaluation.ledger import cell_ledger
from scatd.registry import ModelRef
from scatd.settings import to_mapping
from scatd.workflows.models.baselines import log_baseline
from scatd.workflows.models.promote import judge, promote_version
from scatd.workflows.transfer import report as transfer_report
from scatd.workflows.transfer.controls import run_controls
from scatd.workflows.transfer.folds import require_whole, run_folds, target_predictions
from scatd.workflows.transfer.inputs import FEW_SAMPLES, Work, digest_of, identity, prepare
from scatd.workflows.transfer.integrity import log_doubts
from scatd.workflows.transfer.model import Chosen, choose
from scatd.workflows.transfer.request import TransferRequest

logger = logging.getLogger(__name__)


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
    controls
        What each control that was asked for found, in plain words.
    target
        As `models`, for the labelled target cells, scored by the registered fold.
    """

    ref: ModelRef
    run_id: str
    folds: pd.DataFrame
    models: pd.DataFrame
    verdict: Verdict
    promoted: bool
    sentence: str
    controls: list[str] = field(default_factory=list)
    target: pd.DataFrame | None = None


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
    work = prepare(request)
    key = tracking.resume_key("transfer", identity(work))
    name = keys.response_model_name(request.family, work.key)
    with tracking.resume_lock(key):
        dead = tracking.unfinished(key)
        with tracking.parent_run(
            "transfer",
            name=f"{work.key} {request.family}",
            tags=work.tags(keys.LEVEL_DRUG),
            settings={**to_mapping(request.settings), "backbone": work.backbone_name},
            resume_key=key,
        ) as run:
            if dead is not None:
                dead = tracking.leave_out_damaged(dead, partial(require_whole, work))
                tracking.adopt(dead, run)
                if dead.folds:
                    logger.info("Continuing: folds %s are done", sorted(dead.folds))
            log_data(run, work)
            folds, checkpoints = run_folds(run, work, dict(dead.folds) if dead else {})
            report = transfer_report.write(
                run, folds, work.source.ids, work.subject, request.settings
            )
            chosen = choose(work, folds, checkpoints)
            target, said = None, [report.sentence]
            if work.target_codes is not None:
                on_target = target_predictions(run, len(folds))
                target, finding = transfer_report.write_target(run, on_target, chosen, work)
                said.append(finding)
            _check_integrity(run, work, report)
            controls = run_controls(run, work, report.summary["auroc_mean"], _target_auroc(target))
            run.describe("\n\n".join([*said, *controls]))
            transfer_report.divergence(
                run, work.source.X[work.rows], work.reference_sample, work.subject
            )
            version = registry.find_version(name, dead.run_ids) if dead else None
            if version is None:
                version = register(run, work, chosen, report, target, key)
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
        target=target,
        verdict=verdict,
        promoted=promoted,
        sentence=report.sentence,
        controls=controls,
    )


def log_data(run: tracking.Run, work: Work) -> None:
    """Record which cohorts went in, and as what."""
    run.log_dataset(
        work.source.path.stem,
        str(work.source.path),
        digest=work.source.sha256(),
        n_rows=work.source.n_obs,
        n_features=work.source.n_features,
        context="source",
    )
    reference, target = work.cohorts.reference, work.cohorts.target
    if work.reference_stats is not None and reference is not None:
        run.log_dataset(
            reference.path.stem,
            str(reference.path),
            digest=digest_of([work.reference_stats.mean, work.reference_stats.std]),
            n_rows=reference.n_obs,
            n_features=reference.n_features,
            context="reference",
        )
    if target is not None:
        run.log_dataset(
            target.path.stem,
            str(target.path),
            digest=target.sha256(),
            n_rows=target.n_obs,
            n_features=target.n_features,
            context="target",
        )


def _check_integrity(run: tracking.Run, work: Work, report: transfer_report.Report) -> None:
    drug = work.labels.column
    mean, low, high = (report.summary[f"auroc_{part}"] for part in ("mean", "ci_low", "ci_high"))
    for doubt in log_doubts(run, work, {drug: (mean, low, high)}, drug):
        logger.warning("%s", doubt)


def _target_auroc(target: pd.DataFrame | None) -> float | None:
    if target is None:
        return None
    return float(target.loc[target["model"] == evidence.MODEL, "auroc"].item())


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def register(
    run: tracking.Run,
    work: Work,
    chosen: Chosen,
    report: transfer_report.Report,
    target: pd.DataFrame | None,
    key: str,
) -> int:
    """Register a model with its evidence, and keep its baseline; returns the version."""
    log_baseline(run, chosen.baseline)
    metrics: dict[str, Any] = {"out_of_fold": report.summary}
    if chosen.fold is not None:
        metrics["chosen_fold"] = dict(chosen.metrics)
    if target is not None:
        metrics["target"] = _rows(target)
    about = chosen.model.about
    assert about.data.source is not None
    source = replace(about.data.source, cells=cell_ledger(work.source, work.rows))
    about = replace(
        about,
        data=replace(about.data, source=source),
        metrics=metrics,
        baselines=tuple(_rows(report.models)),
        finding=report.sentence,
        few_samples=len(work.rows) < FEW_SAMPLES,
        run_id=run.run_id,
    )
    tags = {keys.TAG_DRUG: work.key, keys.TAG_RESUME_KEY: key}
    if chosen.fold is not None:
        tags[keys.TAG_FOLD] = str(chosen.fold)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        artifact.write(folder, replace(chosen.model, about=about))
        return registry.register(
            folder,
            keys.response_model_name(work.request.family, work.key),
            run.run_id,
            metrics=chosen.metrics,
            description=f"{report.sentence}\n\n{chosen.held} {keys.CAVEAT}",
            tags=tags,
        )
