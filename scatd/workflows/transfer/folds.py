"""The folds of one drug, fitted in this process or adopted from a run that was killed.

Each fold has a run of its own with its curves and its checkpoint, so that a killed transfer goes
on.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path

import pandas as pd

from scatd import artifact, console, keys, tracking
from scatd.data.text.spreadsheets import read_csv
from scatd.evaluation import evidence
from scatd.evaluation.evidence import FoldPredictions
from scatd.evaluation.metrics import response_metrics
from scatd.keys import artifact_paths, metric_names
from scatd.tracking import Watched
from scatd.training.candidates.selection import TRIED
from scatd.training.fitting import LearnedFold, fit_folds
from scatd.training.heads import can_share
from scatd.training.jobs import FoldJob
from scatd.training.kept_baselines import KeptBaselines
from scatd.training.settings import TransferSettings
from scatd.workflows.transfer.model import Folds, Learned, model_metrics, response_artifact
from scatd.workflows.transfer.task import DrugTask

QUICK = 40_000
"""Steps of heads, half a minute on two cores, that are rather done again than kept one by one."""


def run_folds(run: tracking.Run, task: DrugTask, done: dict[int, str]) -> Folds:
    """Fit or adopt every fold.

    Parameters
    ----------
    run
        Of the drug; each fold is a nested run.
    done
        Runs of folds that are finished, by number.
    """
    jobs = {job.number: job for job in task.folds()}
    found: dict[int, FoldPredictions] = {}
    checkpoints: dict[int, Path] = {}
    tried: dict[int, pd.DataFrame] = {}

    def take(fold_run: tracking.Run, predictions: FoldPredictions) -> None:
        number = predictions.fold
        found[number], checkpoints[number] = predictions, fold_run.fetch(artifact_paths.CHECKPOINT)
        if task.settings.model != "network":
            table = read_csv(fold_run.fetch_checked(artifact_paths.FOLD_CANDIDATES))
            tried[number] = table.fillna({"variant": ""})
        auroc = model_metrics(predictions)["auroc"]
        run.log_metrics({metric_names.FOLD_AUROC: auroc}, step=number)

    with console.progress(len(jobs), task.drug_key, "fold") as bar:
        for number, run_id in done.items():
            fold_run = tracking.Run(run.client, run_id)
            take(fold_run, _stored_predictions(fold_run, number))
            bar.update(1)
        missing = [job for number, job in jobs.items() if number not in done]
        for together in _at_once(task.settings, missing):
            with contextlib.ExitStack() as opened:
                runs = [opened.enter_context(_fold_run(run, task, job)) for job in together]
                # Folds that train together are done in half a minute: one write for each is enough.
                for logged in [run, *runs] if len(runs) > 1 else [run]:
                    opened.enter_context(logged.together())
                curves = [opened.enter_context(tracking.Curves(fold_run)) for fold_run in runs]
                shown = Watched(curves[0], lambda epoch: bar.set_postfix(epoch=epoch))
                learned = fit_folds(task.basis.learner, together, [shown, *curves[1:]])
                for fold_run, fold in zip(runs, learned, strict=True):
                    _record(fold_run, task, fold)
                    take(fold_run, fold.predictions)
                    bar.update(1)
    target = [] if task.target is None else _on_target(run, len(jobs))
    numbers = sorted(found)
    return Folds(
        [found[number] for number in numbers],
        target,
        checkpoints,
        [tried[number] for number in numbers if number in tried],
    )


def require_whole(task: DrugTask, run: tracking.Run) -> None:
    """Refuse the run of a fold that another process finished, where a file of it is damaged.

    Raises
    ------
    InputError
        When one is.
    """
    folder = run.fetch(artifact_paths.CHECKPOINT)
    artifact.read(folder, base=task.basis.backbone.artifact.encoder_state())
    KeptBaselines.read(folder)
    run.fetch_checked(artifact_paths.FOLD_PREDICTIONS)
    if task.settings.model != "network":
        run.fetch_checked(artifact_paths.FOLD_CANDIDATES)
    if task.target is not None:
        run.fetch_checked(artifact_paths.FOLD_TARGET_PREDICTIONS)


def _fold_run(
    run: tracking.Run, task: DrugTask, job: FoldJob
) -> contextlib.AbstractContextManager[tracking.Run]:
    name, tags = _identity(task, job.number)
    return run.child(name, tags)


def _identity(task: DrugTask, number: int) -> tuple[str, dict[str, str]]:
    """Name and tags of the run of a fold."""
    tags = {**task.tags(keys.LEVEL_FOLD), keys.TAG_FOLD: str(number)}
    return f"{task.drug_key} fold {number}", tags


def _at_once(settings: TransferSettings, jobs: list[FoldJob]) -> list[list[FoldJob]]:
    """Folds that train together: all, where a kill costs little; else each by itself."""
    if not jobs:
        return []
    n_samples = len(jobs[0].train) + len(jobs[0].val)
    n_steps = settings.epochs * n_samples / settings.batch_size
    n_networks = len(jobs) * (1 if settings.alignment == "none" else 2)
    is_quick = max(n_steps, settings.min_steps) * n_networks <= QUICK
    return [jobs] if is_quick and can_share(settings) else [[job] for job in jobs]


def write_checkpoint(folder: Path, task: DrugTask, fold: LearnedFold) -> None:
    """Write the model of a fold (without the backbone's weights) and its baselines."""
    stored = response_artifact(
        task,
        Learned(fold.weights, fold.alignment, fold.selection, fold.predictions.threshold),
        fold.job.number,
    )
    artifact.write(folder, stored, base=task.basis.backbone.artifact.encoder_state())
    fold.kept.write(folder)


def _metrics(fold: LearnedFold) -> dict[str, float]:
    """Metrics of a fold's run: of the response model, and the AUROC of each baseline."""
    metrics = model_metrics(fold.predictions)
    metrics |= {
        metric_names.BASELINE.format(model=model, metric="auroc"): response_metrics(
            fold.predictions.codes, prob
        )["auroc"]
        for model, prob in fold.predictions.prob.items()
        if model != evidence.MODEL
    }
    metrics[metric_names.TRAIN_SECONDS] = fold.seconds
    return metrics


def candidates_table(fold: LearnedFold) -> pd.DataFrame:
    """Everything that inner folds scored: see `Tried.row`; `outer_auroc` had no part in it.

    `outer_auroc` is that of the candidate on the validation samples of the fold, at the strength
    that was chosen for it.
    """
    rows = [{"fold": fold.job.number, **one.row()} for one in fold.selection.tried]
    table = pd.DataFrame(rows, columns=["fold", *TRIED])
    own = {fold.selection.name: model_metrics(fold.predictions)["auroc"]}
    outer = table["candidate"].map({**fold.beside, **own}).astype(float)
    # Of two linear models, the better one is the candidate; the first one where they are equal.
    strengths = table[table["strength_chosen"].astype(bool)]
    best = strengths.groupby("candidate")["inner_auroc"].idxmax()
    return table.assign(outer_auroc=outer.where(table.index.isin(best)))


def _rows(fold: LearnedFold) -> str:
    """Rows of a fold as JSON: numbers after each step of balancing, and the training samples."""
    return json.dumps({"rows": fold.counts, "train_rows": fold.job.train.tolist()})


def _record(run: tracking.Run, task: DrugTask, fold: LearnedFold) -> None:
    """Write a fold to its run."""
    with run.together():
        _write_fold(run, task, fold)


def _write_fold(run: tracking.Run, task: DrugTask, fold: LearnedFold) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / artifact_paths.CHECKPOINT
        write_checkpoint(folder, task, fold)
        run.log_files(folder, artifact_paths.CHECKPOINT)
    table = evidence.out_of_fold([fold.predictions], task.source.cohort.ids)
    run.log_checked_table(table, artifact_paths.FOLD_PREDICTIONS)
    if task.settings.model != "network":
        run.log_checked_table(candidates_table(fold), artifact_paths.FOLD_CANDIDATES)
    if fold.history:  # of a network
        run.log_table(pd.DataFrame(fold.history), artifact_paths.HISTORY)
    run.log_text(_rows(fold), artifact_paths.ROWS)
    metrics = _metrics(fold)
    if fold.target is not None and task.target is not None:
        table = evidence.out_of_fold([fold.target], task.target.cohort.ids)
        run.log_checked_table(table, artifact_paths.FOLD_TARGET_PREDICTIONS)
        auroc = model_metrics(fold.target)["auroc"]
        metrics[metric_names.TARGET.format(metric="auroc")] = auroc
    run.log_metrics(metrics)
    run.set_tags({keys.TAG_CANDIDATE: fold.selection.name})


def record_at_once(run: tracking.Run, task: DrugTask, fold: LearnedFold, *, figures: bool) -> None:
    """Record a fold of a sweep as a nested run, all of its numbers in one write.

    Its checkpoint is one of those of the drug's run.
    """
    metrics, number = _metrics(fold), fold.job.number
    name, tags = _identity(task, number)
    tags[keys.TAG_CANDIDATE] = fold.selection.name
    child = run.finished_child(name, tags, metrics, fold.history)
    run.log_metrics({metric_names.FOLD_AUROC: metrics["auroc"]}, step=number)
    run.log_text(_rows(fold), artifact_paths.FOLD_ROWS.format(fold=number))
    if figures and fold.history:
        child.log_table(pd.DataFrame(fold.history), artifact_paths.HISTORY)


def _on_target(run: tracking.Run, n_folds: int) -> list[FoldPredictions]:
    """Predictions for the labelled target cells by the models of all folds."""
    by_fold = run.fold_runs()
    return [
        _stored_predictions(by_fold[number], number, artifact_paths.FOLD_TARGET_PREDICTIONS)
        for number in range(1, n_folds + 1)
    ]


def _stored_predictions(
    run: tracking.Run, number: int, file: str = artifact_paths.FOLD_PREDICTIONS
) -> FoldPredictions:
    table = read_csv(run.fetch_checked(file))
    prob = {
        column.removeprefix("prob_"): table[column].to_numpy()
        for column in table.columns
        if column.startswith("prob_")
    }
    threshold = float(table["threshold"].iloc[0])
    return FoldPredictions(
        number, table["row"].to_numpy(), table["truth"].to_numpy(), prob, threshold
    )
