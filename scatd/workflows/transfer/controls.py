"""Controls of a transfer: what the evidence would be by chance, by luck, and with fewer samples.

Each trains the same recipe on other rows or other labels, and none touches the registered model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import console, tracking
from scatd.data.label_words import MISSING
from scatd.data.splits import stratified_folds
from scatd.evaluation.controls import (
    learning_curve_in_words,
    learning_curve_table,
    null_in_words,
    null_summary,
)
from scatd.evaluation.evidence import MODEL
from scatd.evaluation.metrics import response_metrics
from scatd.plots.controls import learning_curve, null_distribution
from scatd.training.baselines import LinearBaseline
from scatd.training.folds import FoldData
from scatd.training.heads import can_share
from scatd.training.trainer import AlignedFold
from scatd.training.transfer import FittedFold, probabilities
from scatd.workflows.transfer.folds import aligned_fold, fold_data, target_rows
from scatd.workflows.transfer.inputs import Work

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
PERMUTED_AT_ONCE = 10
"""More heads would fall out of a processor's cache."""

Rows = NDArray[np.intp]


def run_controls(
    run: tracking.Run, work: Work, auroc: float, target_auroc: float | None
) -> list[str]:
    """Do what the request asks for, and log its tables, metrics and figures.

    Parameters
    ----------
    auroc, target_auroc
        Of the response model: mean over folds, and that of the registered fold on the target.

    Returns
    -------
    What each control found, in plain words.
    """
    request = work.request
    figures: dict[str, Figure] = {}
    said: list[str] = []
    if request.permutations:
        null = _permutations(work, request.permutations)
        run.log_table(null, "tables/permutations.csv")
        run.log_metrics(null_summary(null["auroc"], auroc, "null_auroc"))
        said.append(null_in_words(null["auroc"], auroc, "mean fold"))
        figures["permutations"] = null_distribution(null["auroc"], auroc, work.subject)
        if target_auroc is not None:
            column = null["target_auroc"]
            run.log_metrics(null_summary(column, target_auroc, "null_target_auroc"))
            said.append(null_in_words(column, target_auroc, "target"))
            subject = f"{work.subject}, target"
            figures["permutations_target"] = null_distribution(column, target_auroc, subject)
    if request.repeats > 1:
        table = _repeats(work, request.repeats)
        run.log_table(table, "tables/repeats.csv")
        means = table.groupby("repeat")["auroc"].mean()
        mean, sd = means.mean(), means.std(ddof=1)
        run.log_metrics({"repeats_auroc_mean": mean, "repeats_auroc_sd": sd})
        said.append(f"Cross-validated {request.repeats} times: AUROC {mean:.3f}, s.d. {sd:.3f}.")
    if request.nested:
        table = _nested(work)
        run.log_table(table, "tables/nested.csv")
        means = table[["inner_auroc", "auroc"]].mean()
        run.log_metrics({"nested_auroc_mean": means["auroc"]})
        said.append(
            f"Best of inner folds: AUROC {means['inner_auroc']:.3f} on the samples that chose it, "
            f"{means['auroc']:.3f} on samples that did not."
        )
    if request.learning_curve:
        table = learning_curve_table(_shares(work))
        run.log_table(table, "tables/learning_curve.csv")
        figures["learning_curve"] = learning_curve(table, work.subject)
        said.append(learning_curve_in_words(table, MODEL))
    run.log_figures(figures)
    return said


def _aligned(
    work: Work, train: Rows, val: Rows, *, seed: int, codes: NDArray[np.int_] | None = None
) -> AlignedFold:
    """Some of the labelled rows, perhaps with other labels, ready for the recipe."""
    data = fold_data(work, train, val)
    if codes is not None:
        data = replace(data, codes_train=codes[train], codes_val=codes[val])
    return aligned_fold(work, data, seed)


def _fit(work: Work, train: Rows, val: Rows, *, seed: int) -> tuple[FittedFold, FoldData]:
    """Train the recipe on some of the labelled rows."""
    fold = _aligned(work, train, val, seed=seed)
    (fitted,) = work.trainer.fit([fold])
    return fitted, fold.data


def _auroc(codes: NDArray[np.int_], prob: NDArray[np.float64]) -> float:
    return response_metrics(codes, prob)["auroc"]


def _permutations(work: Work, n: int) -> pd.DataFrame:
    """One row a permutation of the source's labels: permutation, fold, auroc, target_auroc.

    Each trains one fold, in turn: the null of a single fold is wider than that of a mean over
    folds, so that comparing the mean with it errs on the safe side.
    """
    settings = work.request.settings
    at_once = PERMUTED_AT_ONCE if can_share(settings) else 1
    records = []
    with console.progress(n, "Permuted labels", "run") as bar:
        for start in range(0, n, at_once):
            numbers = range(start, min(start + at_once, n))
            plans = [_permuted(work, number) for number in numbers]
            trained = work.trainer.fit(
                _aligned(work, train, val, seed=seed, codes=codes)
                for seed, codes, train, val in plans
            )
            for number, (_, codes, _, val), fitted in zip(numbers, plans, trained, strict=True):
                record = {"permutation": number + 1, "auroc": _auroc(codes[val], fitted.prob_val)}
                if work.target_codes is not None:
                    moved = fitted.alignment.move_target(target_rows(work))
                    known = work.target_codes[work.target_codes != MISSING]
                    prob = probabilities(fitted.classifier, moved)
                    record["target_auroc"] = _auroc(known.astype(np.int64), prob)
                records.append(record)
            bar.update(len(numbers))
    return pd.DataFrame(records)


def _permuted(work: Work, number: int) -> tuple[int, NDArray[np.int_], Rows, Rows]:
    """Seed, labels, and training and validation rows of a permutation."""
    settings = work.request.settings
    seed = settings.seed + 1000 + number
    codes = np.random.default_rng(seed).permutation(work.codes)
    train, val = stratified_folds(codes, settings.folds, seed)[number % settings.folds]
    return seed, codes, train, val


def _repeats(work: Work, n: int) -> pd.DataFrame:
    """One row a repeat and fold, each repeat with folds of its own: repeat, fold, auroc."""
    settings = work.request.settings
    records = []
    with console.progress(n * settings.folds, "Repeated folds", "fold") as bar:
        for repeat in range(1, n + 1):
            seed = settings.seed + repeat - 1
            for fold, (train, val) in enumerate(work.splits(seed), start=1):
                fitted, _ = _fit(work, train, val, seed=seed + fold)
                auroc = _auroc(work.codes[val], fitted.prob_val)
                records.append({"repeat": repeat, "fold": fold, "auroc": auroc})
                bar.update(1)
    return pd.DataFrame(records)


def _nested(work: Work) -> pd.DataFrame:
    """Best of the inner folds, scored on outer rows that had no part in choosing it (D13).

    One row an outer fold: fold, chosen (inner fold), inner_auroc (of the chosen), auroc.
    """
    settings = work.request.settings
    outer = work.splits(settings.seed)
    records = []
    with console.progress(len(outer) * settings.folds, "Nested selection", "fold") as bar:
        for number, (rest, val) in enumerate(outer, start=1):
            inner = work.splits(settings.seed + number, rest)
            candidates = []
            for fold, (train, check) in enumerate(inner, start=1):
                both = np.concatenate([check, val])
                fitted, _ = _fit(work, train, both, seed=settings.seed + fold)
                inner_auroc = _auroc(work.codes[check], fitted.prob_val[: len(check)])
                auroc = _auroc(work.codes[val], fitted.prob_val[len(check) :])
                candidates.append((inner_auroc, fold, auroc))
                bar.update(1)
            best = max(candidates, key=lambda candidate: candidate[0])
            chosen = {"chosen": best[1], "inner_auroc": best[0], "auroc": best[2]}
            records.append({"fold": number, **chosen})
    return pd.DataFrame(records)


def _shares(work: Work) -> Iterator[dict[str, float | str]]:
    """AUROC of response model and logistic regression on growing parts of the training rows."""
    settings = work.request.settings
    splits = work.splits(settings.seed)
    with console.progress(len(splits) * len(SHARES), "Learning curve", "fit") as bar:
        for fold, (train, val) in enumerate(splits, start=1):
            rng = np.random.default_rng(settings.seed + fold)
            order = rng.permutation(train)
            for share in SHARES:
                picked = np.sort(_share_of(order, work.codes, share))
                fitted, aligned = _fit(work, picked, val, seed=settings.seed + fold)
                linear = LinearBaseline.fit(aligned.X_train.cpu().numpy(), aligned.codes_train)
                beside = linear.probabilities(aligned.X_val.cpu().numpy())
                for model, prob in (
                    ("response_model", fitted.prob_val),
                    ("logistic_regression", beside["logistic_regression"]),
                ):
                    auroc = _auroc(work.codes[val], prob)
                    yield {"model": model, "fold": fold, "n_train": len(picked), "auroc": auroc}
                bar.update(1)


def _share_of(order: Rows, codes: NDArray[np.int_], share: float) -> Rows:
    """The first `share` of each class, at least two rows."""
    parts = [order[codes[order] == code] for code in (0, 1)]
    return np.concatenate([part[: max(round(share * len(part)), 2)] for part in parts])
