"""Record a drug whose folds are done: its evidence, its model, and what the gate says."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from scatd import keys, registry, tracking
from scatd.evaluation import evidence, label_kinds
from scatd.evaluation.domain import not_assessed_sentence
from scatd.evaluation.gate import Evidence
from scatd.evaluation.ledger import cell_ledger
from scatd.evaluation.standing import Standing
from scatd.evaluation.target_evidence import TargetEvidence
from scatd.keys import artifact_paths, metric_names
from scatd.nn.alignment import Alignment
from scatd.nn.domain import Domain, TooFewCells
from scatd.settings import to_mapping
from scatd.tracking import DataName
from scatd.training.fitting import LearnedFold
from scatd.workflows.models.baselines import log_baselines
from scatd.workflows.models.promote import judge, promote_version
from scatd.workflows.models.stored_evidence import of_transfer
from scatd.workflows.transfer import report as drug_report
from scatd.workflows.transfer.controls import run_controls
from scatd.workflows.transfer.domain import training_domain
from scatd.workflows.transfer.folds import candidates_table, record_at_once, write_checkpoint
from scatd.workflows.transfer.integrity import log_doubts
from scatd.workflows.transfer.model import Chosen, Folds, choose
from scatd.workflows.transfer.numbers import LearnedNumbers, learn_numbers, record_numbers
from scatd.workflows.transfer.report import Report
from scatd.workflows.transfer.request import TransferRequest
from scatd.workflows.transfer.result import TransferResult
from scatd.workflows.transfer.task import FEW_SAMPLES, Basis, DrugTask, digest_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Resumed:
    """The key under which a drug's work is resumed, and the killed runs of the same work."""

    resume_key: str
    dead_runs: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class InSweep:
    """How a drug of a sweep is recorded. The run of the sweep holds what all drugs share.

    Parameters
    ----------
    domain
        Training domain, where it is that of all drugs.
    figures
        Draw the drug.
    """

    domain: Domain | TooFewCells | None
    figures: bool


@dataclass(frozen=True, eq=False)
class Shown:
    """What is known of a drug's model: its folds, the labelled target cells, and its numbers."""

    report: Report
    target: pd.DataFrame | None
    numbers: LearnedNumbers | None


def record_drug(
    run: tracking.Run,
    task: DrugTask,
    folds: Folds,
    resumed: Resumed,
    sweep: InSweep | None = None,
) -> TransferResult:
    """Write tables and figures of a drug's run, register its model, and ask the gate.

    Parameters
    ----------
    run
        Of the drug.
    folds
        All folds of the drug.
    resumed
        A killed run of the same work may have registered the model already.
    sweep
        Where the drug is one of many.
    """
    figures = sweep is None or sweep.figures
    target: pd.DataFrame | None = None
    findings: list[str] = []
    labels = labels_in_words(task.basis.request)
    with run.together():
        report = drug_report.write(run, task, folds, figures=figures)
        chosen = choose(task, folds, None if sweep is None else sweep.domain)
        said = [report.sentence, f"Registered: {chosen.in_words}", labels]
        numbers = learn_numbers(task)
        if numbers is not None:
            record_numbers(run, numbers)
            chosen = replace(chosen, model=replace(chosen.model, regression=numbers.regression))
            said.append(numbers.sentence)
        if few := chosen.model.about.too_few_for_domain:
            said.append(not_assessed_sentence(few))
        run.describe("\n\n".join(said))
        run.set_tags({keys.TAG_CANDIDATE: chosen.model.card().candidate.name})
    if sweep is None:
        target, findings = _beside_the_folds(run, task, folds, chosen, report)
        run.describe("\n\n".join([*said, *findings]))
    if numbers is not None:
        findings = [numbers.sentence, *findings]
    name = task.model_name
    version = registry.find_version(name, resumed.dead_runs) if resumed.dead_runs else None
    if version is None:
        shown_there = drug_report.shown_in_mlflow(run, figures=figures)
        evidence_of = Shown(report, target, numbers)
        version = _register(run, task, chosen, evidence_of, resumed.resume_key, shown_there)
    config = registry.load_config(task.drug_key)
    ref = registry.get(name, version)
    shown = _target_evidence(run, task)
    models = report.models
    if (metric := config.gate.metric) != "auroc":
        models = evidence.model_table(folds.predictions, metric, seed=task.settings.seed)
    exposure = chosen.model.about.learned_exposure
    found = Evidence(Standing.of(models, metric), *_counts(task), exposure, shown)
    verdict = judge(ref, config, found)
    promoted = False
    if verdict.passed and config.auto_promote and task.basis.request.promote:
        promoted = promote_version(ref, verdict, shown)
    return TransferResult(
        ref=registry.get(name, version),
        run_id=run.run_id,
        folds=report.folds,
        models=report.models,
        summary=report.summary,
        target=target,
        verdict=verdict,
        promoted=promoted,
        sentence=report.sentence,
        registered=chosen.in_words,
        labels=labels,
        findings=findings,
        predictions=evidence.fold_predictions(folds.predictions, task.source.cohort.ids),
        numbers=None if numbers is None else numbers.models,
    )


def _target_evidence(run: tracking.Run, task: DrugTask) -> TargetEvidence | None:
    """What the labelled target cells of a transfer show; None where there are none."""
    if task.target is None:
        return None
    return of_transfer(run.run_id, run.metrics(), run.tags())


def _counts(task: DrugTask) -> tuple[int, int]:
    """Sensitive and resistant samples."""
    n_resistant = int(task.source.codes.sum())
    return len(task.source.codes) - n_resistant, n_resistant


def labels_in_words(request: TransferRequest) -> str:
    """What the labels of source and target mean, with the caveat where they may show exposure."""
    kinds, of_target = {"the source": request.kind_of_labels}, request.kind_of_target_labels
    if of_target is not None:
        kinds["the target"] = of_target
    return label_kinds.in_words(kinds)


def in_sweep(basis: Basis, *, figures: bool) -> InSweep:
    """How the drugs of a sweep are recorded.

    With bi-adain a target is given the style of a drug's own samples, so that drugs share no
    domain.
    """
    method = basis.settings.alignment
    domain: Domain | TooFewCells | None = None
    if method != "bi-adain":
        alignment = Alignment(method, basis.reference_stats, basis.reference_stats)
        untrained = basis.learner.trainer.untrained
        domain = training_domain(basis, untrained, alignment.to(basis.device))
    return InSweep(domain, figures)


def record_learned(
    run: tracking.Run,
    task: DrugTask,
    learned: Sequence[LearnedFold],
    resumed: Resumed,
    sweep: InSweep,
) -> TransferResult:
    """Record a drug of a sweep, whose folds were fitted together with those of other drugs."""
    with tempfile.TemporaryDirectory() as scratch:
        checkpoints: dict[int, Path] = {}
        with run.together():
            run.log_settings(settings_of(task.basis))
            log_data(run, task.basis)
            for fold in learned:
                folder = checkpoints[fold.job.number] = Path(scratch) / f"fold_{fold.job.number}"
                write_checkpoint(folder, task, fold)
                record_at_once(run, task, fold, figures=sweep.figures)
        run.log_files(Path(scratch), artifact_paths.CHECKPOINTS)
        tried = [] if task.settings.model == "network" else [*map(candidates_table, learned)]
        folds = Folds([fold.predictions for fold in learned], [], checkpoints, tried)
        return record_drug(run, task, folds, resumed, sweep)


def settings_of(basis: Basis) -> dict[str, object]:
    """The settings that the run of a drug keeps."""
    found: dict[str, object] = {**to_mapping(basis.settings), "backbone": basis.backbone.name}
    request = basis.request
    found["label_kind"] = request.kind_of_labels
    if request.kind_of_target_labels is not None:
        found["target_label_kind"] = request.kind_of_target_labels
    if request.labelled.target_labels is not None and basis.cohorts.target is not None:
        found["target_sha256"] = basis.cohorts.target.sha256()  # as `evaluate` notes it
    if basis.numbers is not None:
        found["ic50"] = basis.numbers.file.name
    if request.labelled.response == "ic50":
        found["response"] = request.labelled.response
        found["ic50_units"] = request.labelled.ic50_units
        if request.labelled.censored is not None:
            found["censored"] = request.labelled.censored
    if basis.many_drugs is not None:
        found["many_drugs"] = basis.many_drugs.in_words
    if basis.groups is not None:
        found["group_baseline"] = basis.groups.column
    return found


def _beside_the_folds(
    run: tracking.Run, task: DrugTask, folds: Folds, chosen: Chosen, report: Report
) -> tuple[pd.DataFrame | None, list[str]]:
    """Target, doubts about the data, controls and divergence.

    Returns
    -------
    The table of the target, and what target and controls show, in words.
    """
    target, findings, auroc = None, [], None
    if task.target is not None:
        target, finding = drug_report.write_target(run, task, task.target, folds.target, chosen)
        findings.append(finding)
        auroc = float(target.loc[target["model"] == evidence.MODEL, "auroc"].item())
    drug = task.source.labels.column
    mean, low, high = (report.summary[f"auroc_{part}"] for part in ("mean", "ci_low", "ci_high"))
    for doubt in log_doubts(run, task, {drug: (mean, low, high)}, of_drug=True):
        logger.warning("%s", doubt)
    controls = run_controls(run, task, report.summary["auroc_mean"], auroc)
    drug_report.divergence(run, task)
    return target, findings + controls


def log_data(run: tracking.Run, basis: Basis) -> None:
    """Record the cohorts in the run, each with its role."""
    with run.together():
        _log_data(run, basis)


def _log_data(run: tracking.Run, basis: Basis) -> None:
    cohorts, stats = basis.cohorts, basis.reference_stats
    run.log_cohort(cohorts.source, cohorts.source.sha256(), "source")
    if stats is not None and cohorts.reference is not None:
        run.log_cohort(cohorts.reference, digest_of([stats.mean, stats.std]), "reference")
    if cohorts.target is not None:
        run.log_cohort(cohorts.target, cohorts.target.sha256(), "target")
    if (numbers := basis.numbers) is not None:
        run.log_dataset(
            numbers.file.stem,
            str(numbers.file),
            digest=numbers.sha256,
            n_rows=numbers.n_samples,
            n_features=len(numbers.drugs),
            context="ic50",
        )


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _register(
    run: tracking.Run,
    task: DrugTask,
    chosen: Chosen,
    shown: Shown,
    resume_key: str,
    shown_there: str,
) -> int:
    """Register a model with its evidence, and keep its baselines; returns the version."""
    report, target, numbers = shown.report, shown.target, shown.numbers
    log_baselines(run, chosen.baselines)
    metrics: dict[str, Any] = {"out_of_fold": report.summary}
    if chosen.fold is not None:
        metrics["chosen_fold"] = dict(chosen.metrics)
    if target is not None:
        metrics["target"] = _rows(target)
    if numbers is not None:
        metrics["numbers"] = numbers.card_rows()
    about, rows = chosen.model.about, task.source.rows
    assert about.data.source is not None
    source = replace(about.data.source, cells=cell_ledger(task.source.cohort, rows))
    about = replace(
        about,
        data=replace(about.data, source=source),
        metrics=metrics,
        baselines=tuple(_rows(report.models)),
        finding=report.sentence,
        few_samples=len(rows) < FEW_SAMPLES,
        run_id=run.run_id,
    )
    own = {
        metric_names.MODEL.format(metric=metric): chosen.metrics[metric]
        for metric in ("auroc", "auprc")
        if metric in chosen.metrics
    }
    cohorts = task.basis.cohorts
    data = dict.fromkeys(own, DataName.of(cohorts.source, cohorts.source.sha256()))
    on_target: dict[str, float] = {}
    if target is not None and cohorts.target is not None:
        on_target = drug_report.of_model(target)  # again, now with the model that they are of
        data |= dict.fromkeys(on_target, DataName.of(cohorts.target, cohorts.target.sha256()))
    tags = {keys.TAG_DRUG: task.drug_key, keys.TAG_RESUME_KEY: resume_key}
    if chosen.fold is not None:
        tags[keys.TAG_FOLD] = str(chosen.fold)
    paragraphs = [
        report.sentence,
        f"What scores: {chosen.in_words}",
        label_kinds.in_words(about.label_kinds),
        f"{chosen.held} {keys.CAVEAT}",
        *([] if numbers is None else [numbers.sentence]),
        shown_there,
    ]
    return registry.register_artifact(
        replace(chosen.model, about=about),
        task.model_name,
        run.run_id,
        metrics={**own, **on_target},
        data=data,
        description="\n\n".join(paragraphs),
        tags=tags,
    )
