"""Use case: learn a whole panel of drugs in one sweep, each registered and gated on its own."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from mlflow.exceptions import MlflowException

from scatd import artifact, console, keys, registry, tracking
from scatd.data.demo_files import demo_file
from scatd.data.drugs import drug_key, repeated_drugs, resolve_drug
from scatd.data.features import read_features
from scatd.data.labels import read_label_table
from scatd.errors import Faults, InputError, ScatdError
from scatd.evaluation.gate import load_config
from scatd.nn.alignment import Alignment
from scatd.nn.domain import Domain
from scatd.settings import to_mapping
from scatd.training.heads import can_share
from scatd.workflows.models.promote import judge, promote_version
from scatd.workflows.sweep import report as panel_report
from scatd.workflows.sweep.heads import (
    DrugTask,
    Ground,
    PanelFold,
    learn_all,
)
from scatd.workflows.transfer import report as transfer_report
from scatd.workflows.transfer.domain import training_domain
from scatd.workflows.transfer.folds import fold_artifact, model_metrics
from scatd.workflows.transfer.inputs import Work, digest_of, identity, prepare
from scatd.workflows.transfer.model import choose
from scatd.workflows.transfer.request import TransferRequest
from scatd.workflows.transfer.run import log_data, register, transfer

logger = logging.getLogger(__name__)

Counts = tuple[int, int]
"""Sensitive and resistant samples."""

__all__ = ["PanelResult", "panel"]


@dataclass(frozen=True, eq=False)
class PanelResult:
    """What a sweep came to.

    Parameters
    ----------
    run_id
        The sweep run.
    table
        One row a drug, highest mean AUROC first: see `panel_report.COLUMNS`.
    sentence
        The finding in plain words.
    """

    run_id: str
    table: pd.DataFrame
    sentence: str


def panel(
    request: TransferRequest,
    names: Sequence[str] | None = None,
    *,
    min_sensitive: int = 0,
    figures: bool = False,
) -> PanelResult:
    """Learn many drugs from one source; what a drug comes to is what it comes to alone.

    Parameters
    ----------
    request
        As for one drug; its `drug` is not read.
    names
        Drugs, in any spelling; None takes every column of responses.
    min_sensitive
        Without names: leave out drugs with fewer sensitive samples.
    figures
        Draw each drug.

    Raises
    ------
    InputError
        When the inputs cannot be used, or no drug at all could be learned. One drug's failure is a
        row of the table.
    """
    counts = _drugs(request, names, min_sensitive)
    works, failed = _prepare(request, list(counts))
    key = _sweep_key(works, failed)
    family, settings = request.family, request.settings
    with tracking.work_lock(key):
        dead = tracking.unfinished(key)
        some = next(iter(works.values()))
        with tracking.parent_run(
            "transfer",
            name=f"{len(counts)} drugs {family}",
            tags={
                keys.TAG_FAMILY: family,
                keys.TAG_LEVEL: keys.LEVEL_SWEEP,
                keys.TAG_SIMULATED: str(some.simulated).lower(),
            },
            settings={
                **to_mapping(settings),
                "backbone": some.backbone_name,
                "n_drugs": len(counts),
                "min_sensitive": min_sensitive,
            },
            work_key=key,
        ) as run:
            rows = {
                drug: panel_report.failure(drug, counts[drug], error)
                for drug, error in failed.items()
            }
            if dead is not None:
                done = tracking.finished_drugs(dead)
                tracking.adopt(dead, run)
                rows |= _kept(run, works, done)
            waiting = {drug: work for drug, work in works.items() if drug not in rows}
            log_data(run, some)
            learn = _together if _can_share(request) else _one_by_one
            with console.progress(len(counts), "Panel", "drug") as bar:
                bar.update(len(rows))
                for drug, row in learn(run, waiting, resumes=dead is not None, figures=figures):
                    if isinstance(row, ScatdError):
                        logger.warning("%s failed: %s", drug, row)
                        row = panel_report.failure(drug, counts[drug], row)
                    rows[drug] = row
                    bar.update(1)
            table, sentence = panel_report.write(run, list(rows.values()), family)
            panel_report.integrity(run, some, table)
            if (table["status"] == panel_report.FAILED).all():
                what = f"none of {len(table)} drugs could be learned"
                raise InputError(what, remedy=f"{table['drug'][0]}: {table['reason'][0]}")
    return PanelResult(run.run_id, table, sentence)


def _drugs(
    request: TransferRequest, names: Sequence[str] | None, min_sensitive: int
) -> dict[str, Counts]:
    """Columns of the label table, the drug with most of its rarer class first."""
    source = read_features(request.source or demo_file("source"), request.family, mmap=True)
    labels = request.labels
    if labels is not None and not Path(labels).is_file():
        what = f"'{labels}' names one column"
        raise InputError(what, where="--labels", expected="a table, for a panel of drugs")
    table = read_label_table(labels, request.label_map, source)
    codes = table.of(source).codes
    if names is not None:
        if min_sensitive:
            what = "chooses among all drugs, not among named ones"
            raise InputError(what, where="--min-sensitive", remedy="Use it with --drug all.")
        faults, chosen = Faults(), []
        for name in names:
            try:
                chosen.append(resolve_drug(name, map(str, codes.columns), where=table.origin))
            except InputError as error:
                faults.add(
                    error.what, where=error.where, expected=error.expected, remedy=error.remedy
                )
        faults.raise_if_any()
        codes = codes[list(dict.fromkeys(chosen))]
    _refuse_repeated(list(map(str, codes.columns)), table.origin)
    sensitive, resistant = (codes == 0).sum(), (codes == 1).sum()
    codes = codes.loc[:, sensitive >= min_sensitive]
    if codes.shape[1] == 0:
        what = f"no drug has {min_sensitive} sensitive samples"
        raise InputError(what, where=table.origin, remedy="Lower --min-sensitive.")
    counts = {str(name): (int(sensitive[name]), int(resistant[name])) for name in codes.columns}
    return dict(sorted(counts.items(), key=lambda item: -min(item[1])))


def _refuse_repeated(columns: Sequence[str], where: str) -> None:
    """Refuse columns of one drug key: their models would have one name. Synonyms are said."""
    for names in repeated_drugs(columns):
        listed = ", ".join(names)
        if len({drug_key(name) for name in names}) == len(names):
            logger.warning("%s: %s are one drug by several names.", where, listed)
            continue
        what = f"{len(names)} columns are one drug: {listed}"
        raise InputError(what, where=where, remedy="Keep one of them, or rename the other.")


def _prepare(
    request: TransferRequest, drugs: Sequence[str]
) -> tuple[dict[str, Work], dict[str, InputError]]:
    """Every drug's work, and why some have none."""
    works: dict[str, Work] = {}
    failed: dict[str, InputError] = {}
    for drug in drugs:
        try:
            like = next(iter(works.values()), None)
            work = prepare(replace(request, drug=drug), like)
        except InputError as error:
            if not works:  # no drug has better labels: what is wrong is wrong with all
                raise
            failed[drug] = error
        else:
            twins = [name for name, other in works.items() if other.key == work.key]
            if not twins:
                works[drug] = work
            else:
                failed[drug] = InputError(f"names the same drug as {twins[0]}", where=drug)
    for drug, fault in failed.items():
        logger.warning("%s is left out: %s", drug, fault)
    return works, failed


def _sweep_key(works: dict[str, Work], failed: dict[str, InputError]) -> str:
    about = [_drug_identity(work) for work in works.values()]
    shared = identity(next(iter(works.values())))
    return tracking.work_key("panel", _without_drug(shared), about, sorted(failed))


def _without_drug(about: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in about.items() if name not in ("drug", "labels")}


def _drug_identity(work: Work) -> list[str]:
    return [work.key, digest_of([torch.from_numpy(work.labels.codes)])]


def _can_share(request: TransferRequest) -> bool:
    """Whether nothing is asked for that needs a drug's folds one after the other."""
    extras = (
        request.target_labels is not None,
        request.permutations > 0,
        request.repeats > 1,
        request.nested,
        request.learning_curve,
        request.few_shot > 0,
        request.select == "refit",
    )
    return can_share(request.settings) and not any(extras)


def _one_by_one(
    run: tracking.Run, works: dict[str, Work], *, resumes: bool, figures: bool
) -> Iterator[tuple[str, panel_report.Row | ScatdError]]:
    """Each drug as `transfer` learns it alone; it resumes its own folds, and always draws."""
    del resumes, figures
    for drug, work in works.items():
        try:
            result = transfer(work.request)
        except ScatdError as error:
            yield drug, error
            continue
        tracking.move_under(run, result.run_id)
        yield drug, panel_report.adopted(drug, result.run_id)


def _kept(
    run: tracking.Run, works: Mapping[str, Work], done: Mapping[str, str]
) -> dict[str, panel_report.Row]:
    """Drugs that a killed sweep had finished; one whose table is damaged is learned anew."""
    rows = {}
    for drug, work in works.items():
        if work.key not in done:
            continue
        try:
            rows[drug] = panel_report.adopted(drug, done[work.key])
        except (InputError, MlflowException, OSError) as error:
            logger.warning("%s is learned anew: %s", drug, error)
        else:
            tracking.move_under(run, done[work.key])
    if rows:
        logger.info("Continuing: %d drugs are done", len(rows))
    return rows


def _together(
    run: tracking.Run, works: dict[str, Work], *, resumes: bool, figures: bool
) -> Iterator[tuple[str, panel_report.Row | ScatdError]]:
    """Heads of many drugs at once."""
    if not works:
        return
    some = next(iter(works.values()))
    settings = some.request.settings
    by_key = {work.key: drug for drug, work in works.items()}
    tasks = [
        DrugTask(work.key, work.rows, work.codes, work.splits(settings.seed))
        for work in works.values()
    ]
    shared_key = _without_drug(identity(some))
    # With bi-adain a target is given the style of a drug's own samples.
    domain = None
    if settings.alignment != "bi-adain":
        alignment = Alignment(settings.alignment, some.reference_stats, some.reference_stats)
        domain = training_domain(some, some.trainer.untrained, alignment.to(some.device))
    for learned in learn_all(Ground.of(some), tasks):
        for key, folds in learned.items():
            drug = by_key[key]
            if isinstance(folds, ScatdError):
                yield drug, folds
                continue
            work = works[drug]
            drug_work = tracking.work_key("panel-drug", shared_key, _drug_identity(work))
            try:
                yield (
                    drug,
                    _log_drug(
                        *(run, work, folds, domain, drug_work),
                        resumes=resumes,
                        figures=figures,
                    ),
                )
            except ScatdError as error:
                yield drug, error


def _log_drug(
    sweep: tracking.Run,
    work: Work,
    folds: list[PanelFold],
    domain: Domain | None,
    work_key: str,
    *,
    resumes: bool,
    figures: bool,
) -> panel_report.Row:
    """Track, register and gate one drug as `transfer` does."""
    request, settings = work.request, work.request.settings
    config = load_config(work.key)
    dead = tracking.unfinished(work_key) if resumes else None
    base = work.backbone.encoder_state()
    predictions = [fold.predictions for fold in folds]
    name = keys.response_model_name(request.family, work.key)
    tags = {**work.tags(keys.LEVEL_DRUG), keys.TAG_WORK_KEY: work_key}
    with (
        tempfile.TemporaryDirectory() as scratch,
        sweep.child(f"{work.key} {request.family}", tags) as run,
    ):
        checkpoints = {n: Path(scratch) / f"fold_{n}" for n in range(1, len(folds) + 1)}
        run.log_settings({**to_mapping(settings), "backbone": work.backbone_name})
        log_data(run, work)
        for number, fold in enumerate(folds, start=1):
            stored = fold_artifact(work, {**base, **fold.head}, fold.alignment, number)
            artifact.write(checkpoints[number], stored, base=base)
            fold.linear.write(checkpoints[number])
            metrics = model_metrics(fold.predictions, settings)
            panel_report.log_fold(run, work, number, fold, metrics, figures=figures)
        run.log_files(Path(scratch), "checkpoints")
        report = transfer_report.write(
            run, predictions, work.source.ids, work.subject, settings, figures=figures
        )
        version = registry.find_version(name, dead.run_ids) if dead else None
        if version is None:
            chosen = choose(work, predictions, checkpoints, domain)
            version = register(run, work, chosen, report, None, work_key)
        ref = registry.resolve(work.key, stage=str(version), families=[request.family])
        verdict = judge(ref, config.gate)
        if verdict.passed and config.auto_promote and request.promote:
            promote_version(ref, verdict)
        ref = registry.resolve(work.key, stage=str(version), families=[request.family])
    return panel_report.row(work.labels.column, run.run_id, report.summary, report.models) | {
        "stage": ref.stage,
        "version": ref.version,
    }
