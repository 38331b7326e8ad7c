"""Controls of a transfer: the evidence by chance, on other folds, and with fewer samples.

Each trains the same recipe on other rows or other labels, and none touches the registered model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import console, tracking
from scatd.data.splits import fold_seed, stratified_folds
from scatd.evaluation.controls import (
    learning_curve_in_words,
    learning_curve_table,
    null_in_words,
    null_summary,
)
from scatd.evaluation.delong import auroc_interval
from scatd.evaluation.evidence import MODEL
from scatd.evaluation.metrics import response_metrics
from scatd.keys import artifact_paths, metric_names
from scatd.plots.controls import learning_curve, null_distribution
from scatd.training.candidates.recipe import Rows
from scatd.training.heads import can_share
from scatd.training.jobs import FoldJob
from scatd.training.kept_baselines import LinearBaseline
from scatd.training.learner import Fitted
from scatd.wording import counted
from scatd.workflows.transfer.task import DrugTask

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
PERMUTED_AT_ONCE = 10
"""More heads would fall out of a processor's cache."""


def run_controls(
    run: tracking.Run, task: DrugTask, auroc: float, target_auroc: float | None
) -> list[str]:
    """Run the controls that the request asks for; log tables, metrics and figures.

    Parameters
    ----------
    auroc, target_auroc
        Of the response model: mean over folds, and that of the registered fold on the target.

    Returns
    -------
    The finding of each control, in plain words.
    """
    asked = task.basis.request.controls
    figures: dict[str, Figure] = {}
    said: list[str] = []
    if asked.permutations:
        null = _permutations(task, asked.permutations)
        run.log_table(null, artifact_paths.PERMUTATIONS)
        run.log_metrics(null_summary(null["auroc"], auroc, metric_names.NULL_AUROC))
        said.append(null_in_words(null["auroc"], auroc, "mean fold"))
        figures["permutations"] = null_distribution(null["auroc"], auroc, task.subject)
        if target_auroc is not None:
            column = null["target_auroc"]
            run.log_metrics(null_summary(column, target_auroc, metric_names.NULL_TARGET_AUROC))
            said.append(null_in_words(column, target_auroc, "target"))
            subject = f"{task.subject}, target"
            figures["permutations_target"] = null_distribution(column, target_auroc, subject)
    if asked.repeats > 1:
        table = _repeats(task, asked.repeats)
        run.log_table(table, artifact_paths.REPEATS)
        means = table.groupby("repeat")["auroc"].mean()
        mean, sd = means.mean(), means.std(ddof=1)
        run.log_metrics({metric_names.REPEATS_MEAN: mean, metric_names.REPEATS_SD: sd})
        said.append(
            f"Cross-validated {counted(asked.repeats, 'time')}: AUROC {mean:.3f}, s.d. {sd:.3f}."
        )
    if asked.nested:
        table = _nested(task)
        run.log_table(table, artifact_paths.NESTED)
        means = table[["inner_auroc", "auroc"]].mean()
        run.log_metrics({metric_names.NESTED_MEAN: means["auroc"]})
        said.append(
            f"Best of inner folds: AUROC {means['inner_auroc']:.3f} on the samples that chose it, "
            f"{means['auroc']:.3f} on samples that did not."
        )
    if asked.learning_curve:
        table = learning_curve_table(_shares(task))
        run.log_table(table, artifact_paths.LEARNING_CURVE)
        figures["learning_curve"] = learning_curve(table, task.subject)
        said.append(learning_curve_in_words(table, MODEL))
    run.log_figures(figures)
    return said


def _fit(task: DrugTask, train: Rows, val: Rows, *, seed: int) -> Fitted:
    """Train the recipe on some of the labelled rows."""
    (fitted,) = task.basis.learner.fit([task.job(train, val, seed=seed)])
    return fitted


def _auroc(codes: NDArray[np.int_], prob: NDArray[np.float64]) -> float:
    return response_metrics(codes, prob)["auroc"]


def _permutations(task: DrugTask, n: int) -> pd.DataFrame:
    """One row a permutation of the source's labels.

    Columns: permutation, auroc, auroc_ci_low, auroc_ci_high (of the fold's samples), target_auroc.

    Each trains one fold, in turn: the null of a single fold is wider than that of a mean over
    folds, so that comparing the mean with it errs on the safe side.
    """
    learner = task.basis.learner
    at_once = PERMUTED_AT_ONCE if can_share(task.settings) else 1
    records = []
    with console.progress(n, "Permuted labels", "run") as bar:
        for start in range(0, n, at_once):
            numbers = range(start, min(start + at_once, n))
            jobs = [_permuted(task, number) for number in numbers]
            for number, job, fitted in zip(numbers, jobs, learner.fit(jobs), strict=True):
                auroc = _auroc(job.codes_val, fitted.prob_val)
                low, high = auroc_interval(job.codes_val, fitted.prob_val)
                record = {"permutation": number + 1, "auroc": auroc}
                record |= {"auroc_ci_low": low, "auroc_ci_high": high}
                if job.target is not None:
                    prob = fitted.on_target(job.target)
                    record["target_auroc"] = _auroc(job.target.codes, prob)
                records.append(record)
            bar.update(len(numbers))
    return pd.DataFrame(records)


def _permuted(task: DrugTask, number: int) -> FoldJob:
    """One fold of a permutation of the labels."""
    settings = task.settings
    seed = settings.seed + 1000 + number
    codes = np.random.default_rng(seed).permutation(task.source.codes)
    train, val = stratified_folds(codes, settings.folds, seed)[number % settings.folds]
    return task.job(train, val, seed=seed, codes=codes)


def _repeats(task: DrugTask, n: int) -> pd.DataFrame:
    """One row a repeat and fold, each repeat with folds of its own: repeat, fold, auroc."""
    settings = task.settings
    records = []
    with console.progress(n * settings.folds, "Repeated folds", "fold") as bar:
        for repeat in range(1, n + 1):
            seed = settings.seed + repeat - 1
            for fold, (train, val) in enumerate(task.splits(seed), start=1):
                fitted = _fit(task, train, val, seed=fold_seed(seed, fold))
                auroc = _auroc(task.source.codes[val], fitted.prob_val)
                records.append({"repeat": repeat, "fold": fold, "auroc": auroc})
                bar.update(1)
    return pd.DataFrame(records)


def _nested(task: DrugTask) -> pd.DataFrame:
    """Best of the inner folds, scored on outer rows that had no part in choosing it (D13).

    One row an outer fold: fold, chosen (inner fold), inner_auroc (of the chosen), auroc.
    """
    settings = task.settings
    outer = task.splits(settings.seed)
    records = []
    with console.progress(len(outer) * settings.folds, "Nested selection", "fold") as bar:
        for number, (rest, val) in enumerate(outer, start=1):
            inner = task.splits(fold_seed(settings.seed, number), rest)
            candidates = []
            for fold, (train, check) in enumerate(inner, start=1):
                both = np.concatenate([check, val])
                fitted = _fit(task, train, both, seed=fold_seed(settings.seed, fold))
                inner_auroc = _auroc(task.source.codes[check], fitted.prob_val[: len(check)])
                auroc = _auroc(task.source.codes[val], fitted.prob_val[len(check) :])
                candidates.append((inner_auroc, fold, auroc))
                bar.update(1)
            best = max(candidates, key=lambda candidate: candidate[0])
            chosen = {"chosen": best[1], "inner_auroc": best[0], "auroc": best[2]}
            records.append({"fold": number, **chosen})
    return pd.DataFrame(records)


def _shares(task: DrugTask) -> Iterator[dict[str, float | str]]:
    """AUROC of response model and logistic regression on growing parts of the training rows."""
    settings = task.settings
    splits, learner = task.splits(settings.seed), task.basis.learner
    with console.progress(len(splits) * len(SHARES), "Learning curve", "fit") as bar:
        for fold, (train, val) in enumerate(splits, start=1):
            rng = np.random.default_rng(fold_seed(settings.seed, fold))
            order = rng.permutation(train)
            for share in SHARES:
                picked = np.sort(_share_of(order, task.source.codes, share))
                job = task.job(picked, val, seed=fold_seed(settings.seed, fold))
                (fitted,) = learner.fit([job])
                data = learner.aligned(job).data
                linear = LinearBaseline.fit(
                    data.standardised, data.codes_train, seed=settings.seed, inner=job.splits
                )
                beside = linear.probability(data.X_val.cpu().numpy())
                for model, prob in (
                    ("response_model", fitted.prob_val),
                    ("logistic_regression", beside),
                ):
                    auroc = _auroc(task.source.codes[val], prob)
                    yield {"model": model, "fold": fold, "n_train": len(picked), "auroc": auroc}
                bar.update(1)


def _share_of(order: Rows, codes: NDArray[np.int_], share: float) -> Rows:
    """The first `share` of each class, at least two rows."""
    parts = [order[codes[order] == code] for code in (0, 1)]
    return np.concatenate([part[: max(round(share * len(part)), 2)] for part in parts])
