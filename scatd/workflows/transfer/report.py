"""Tables and figures of a drug's parent run, from its out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from scatd import keys, tracking
from scatd.data.text.spreadsheets import read_csv
from scatd.decision import logit
from scatd.evaluation import curves, evidence, finding
from scatd.evaluation.delong import auroc_variance
from scatd.evaluation.divergence import kl_per_feature
from scatd.evaluation.evidence import MODEL, FoldPredictions, in_legend
from scatd.evaluation.ledger import cell_ledger, seen_cells
from scatd.evaluation.standing import Standing
from scatd.keys import artifact_paths, metric_names
from scatd.plots import alignment, performance, training
from scatd.plots.candidates import candidates
from scatd.scoring import artifact_probability
from scatd.wording import counted
from scatd.workflows.transfer.model import Chosen, Folds, alignment_of
from scatd.workflows.transfer.task import DrugTask, TargetTask

if TYPE_CHECKING:
    from matplotlib.figure import Figure


FOLD_MARGIN = 0.02
"""How far the registered fold may lie under the mean of folds before the run says so."""


@dataclass(frozen=True, eq=False)
class Report:
    """Results of the folds: tables, means and s.d. as a card names them, the finding in words."""

    folds: pd.DataFrame
    models: pd.DataFrame
    summary: dict[str, float]
    sentence: str


def write(run: tracking.Run, task: DrugTask, done: Folds, *, figures: bool = True) -> Report:
    """Compute and log everything that the folds of a drug show.

    Parameters
    ----------
    done
        All folds.
    figures
        Draw them too; the loss of networks needs the history of each fold run.
    """
    folds = done.predictions
    settings, subject = task.settings, task.subject
    codes = np.concatenate([fold.codes for fold in folds])
    by_fold = evidence.fold_table(folds)
    models = evidence.model_table(folds, seed=settings.seed)
    summary = evidence.summary_metrics(folds)
    ours = models[models["model"] == MODEL]
    summary |= {
        "auroc_ci_low": ours["auroc_ci_low"].item(),
        "auroc_ci_high": ours["auroc_ci_high"].item(),
        **{f"n_{word}": float((codes == code).sum()) for word, code in keys.POLARITY.items()},
    }
    sentence = finding.in_folds(models, subject, len(codes))
    if done.candidates:
        tried = tried_in_folds(done.candidates)
        run.log_table(tried, artifact_paths.CANDIDATES)
        if figures and len(tried):
            run.log_figures({"candidates": candidates(tried, subject)})
        if settings.model == "auto":
            sentence += f" {candidates_in_words(tried)}"
    run.log_metrics(_headline(summary, models))
    run.log_checked_table(by_fold, artifact_paths.FOLDS)
    run.log_checked_table(models, artifact_paths.MODELS)
    run.log_table(evidence.metrics_table(folds, models, seed=settings.seed), artifact_paths.METRICS)
    out_of_fold = evidence.out_of_fold(folds, task.source.cohort.ids)
    run.log_checked_table(out_of_fold, artifact_paths.OUT_OF_FOLD)
    run.describe(sentence)
    if figures:
        pictures = _figures(task, folds, by_fold) | _loss(run, task, len(folds))
        run.log_small(pictures["roc"], artifact_paths.ROC_SMALL)
        run.log_figures(pictures)
    ours_by_fold = by_fold[by_fold["model"] == MODEL].drop(columns="model")
    return Report(ours_by_fold.reset_index(drop=True), models, summary, sentence)


def _headline(summary: Mapping[str, float], models: pd.DataFrame) -> dict[str, float]:
    """What the run shows beside its tables; a page of MLflow with all metrics is not read."""
    values = {
        name.format(metric=metric): summary[f"{metric}_{part}"]
        for metric, part, name in (
            ("auroc", "mean", metric_names.MEAN),
            ("auroc", "sd", metric_names.SD),
            ("auroc", "ci_low", metric_names.CI_LOW),
            ("auroc", "ci_high", metric_names.CI_HIGH),
            ("auprc", "mean", metric_names.MEAN),
        )
    }
    for word in keys.RESPONSES:
        values[metric_names.N_RESPONSE.format(response=word)] = summary[f"n_{word}"]
    for model, auroc in zip(models["model"], models["auroc_mean"], strict=True):
        if model != MODEL:
            values[metric_names.BASELINE_MEAN.format(model=model, metric="auroc")] = auroc
    return values


def shown_in_mlflow(run: tracking.Run, *, figures: bool) -> str:
    """Markdown for descriptions in MLflow: a link to the run, with the ROC of its folds."""
    place = f"#/experiments/{run.info.experiment_id}/runs/{run.run_id}"
    link = f"[Run with folds, curves and tables]({place})"
    if not figures:
        return link
    source = f"get-artifact?path={artifact_paths.ROC_SMALL}&run_uuid={run.run_id}"
    return f"[![ROC of the folds]({source})]({place}/artifacts/{artifact_paths.FIGURES})\n\n{link}"


def tried_in_folds(by_fold: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """What the folds tried, one below the other; a fold with too few rows of a class tried nothing.

    Tables without rows are left out: pandas would guess the types of columns from them.
    """
    filled = [tried for tried in by_fold if len(tried)]
    return pd.concat(filled or by_fold[:1], ignore_index=True)


def candidates_in_words(tried: pd.DataFrame) -> str:
    """Say which candidate inner folds chose how often."""
    chosen = tried[tried["candidate_chosen"].astype(bool)]
    if chosen.empty:
        return "There are too few samples for inner folds, so nothing was compared."
    counts = chosen.groupby("fold")["candidate"].first().value_counts()
    listed = ", ".join(f"{name} in {count}" for name, count in counts.items())
    return f"Inner folds chose {listed} of {counted(tried['fold'].nunique(), 'fold')}."


def write_target(
    run: tracking.Run,
    task: DrugTask,
    target: TargetTask,
    folds: Sequence[FoldPredictions],
    chosen: Chosen,
) -> tuple[pd.DataFrame, str]:
    """Compute and log the evidence of the labelled target cells.

    Parameters
    ----------
    folds
        Predictions for the same cells by the models of each fold.
    chosen
        The model that is registered. Where it is no single fold's, its baselines are the means over
        the folds.

    Returns
    -------
    One row a model, as `evidence.model_table` has it, and `folds_mean`: the mean
    AUROC over the models of all folds. Also the finding in words.
    """
    settings = task.settings
    mine = _registered(folds, chosen, target)
    by_fold = evidence.fold_table(folds)
    table = evidence.model_table([mine], seed=settings.seed).drop(columns="auroc_sd")
    table = table.rename(columns=lambda name: name.replace("auroc_mean", "auroc"))
    table["folds_mean"] = table["model"].map(by_fold.groupby("model")["auroc"].mean())
    ours = table[table["model"] == MODEL]
    low, high = ours["auroc_ci_low"].item(), ours["auroc_ci_high"].item()
    run.log_metrics(_target_metrics(table) | _target_cells(target, mine, chosen))
    run.log_table(by_fold, artifact_paths.TARGET_FOLDS)
    run.log_table(table, artifact_paths.TARGET)
    run.log_table(
        evidence.out_of_fold([mine], target.cohort.ids), artifact_paths.TARGET_PREDICTIONS
    )
    run.log_figures(_target_figures(mine, task, (low, high)))
    auroc = _auroc_of_mean(folds)
    run.log_metrics({metric_names.TARGET_OF_MEAN.format(metric="auroc"): auroc})
    said = finding.on_target(table, len(mine.codes))
    if chosen.fold is not None and auroc - ours["auroc"].item() > FOLD_MARGIN:
        said += (
            f" The mean of all {counted(len(folds), 'fold')} ranks these cells better than the "
            f"registered fold (AUROC {auroc:.3f}, {auroc - ours['auroc'].item():+.3f}): --select "
            "mean-of-folds registers it."
        )
    return table, said


_OURS = {
    "auroc": metric_names.TARGET,
    "folds_mean": metric_names.TARGET_MEAN,
    "auroc_ci_low": metric_names.TARGET_CI_LOW,
    "auroc_ci_high": metric_names.TARGET_CI_HIGH,
}
_LEAD = {
    "lead": metric_names.BASELINE_TARGET_LEAD,
    "lead_ci_low": metric_names.BASELINE_TARGET_LEAD_LOW,
    "lead_ci_high": metric_names.BASELINE_TARGET_LEAD_HIGH,
}
"""Metrics of the model, and of its lead, by the column of the table of the target."""


def _target_metrics(table: pd.DataFrame) -> dict[str, float]:
    """The table of the target as metrics: the gate asks for the lead over the best baseline.

    Undefined values are left out.
    """
    best = Standing.of(table).best
    values: dict[str, float] = {}
    for row in table.to_dict(orient="records"):
        names = _OURS if row["model"] == MODEL else {"auroc": metric_names.BASELINE_TARGET}
        if best is not None and row["model"] == best.name:
            names = names | _LEAD
        for column, name in names.items():
            values[name.format(metric="auroc", model=row["model"])] = row[column]
    return {name: value for name, value in values.items() if pd.notna(value)}


def of_model(table: pd.DataFrame) -> dict[str, float]:
    """The metrics of the target that are of the registered model, not of baselines or folds."""
    (ours,) = table[table["model"] == MODEL].to_dict(orient="records")
    found = {
        name: ours[column] for column, name in _OURS.items() if name != metric_names.TARGET_MEAN
    }
    return {name.format(metric="auroc"): v for name, v in found.items() if pd.notna(v)}


def _target_cells(target: TargetTask, mine: FoldPredictions, chosen: Chosen) -> dict[str, float]:
    """Scored cells by response, and how many of them the model had learned from."""
    ledger = cell_ledger(target.cohort, target.scored.rows)
    seen = seen_cells(chosen.model.about, ledger, target.cohort.sha256())
    n_seen = int(np.any(list(seen.values()), axis=0).sum()) if seen else 0
    return {metric_names.TARGET_TRAINING_CELLS: float(n_seen)} | {
        metric_names.TARGET_N_RESPONSE.format(response=word): float((mine.codes == code).sum())
        for word, code in keys.POLARITY.items()
    }


def _auroc_of_mean(folds: Sequence[FoldPredictions]) -> float:
    """AUROC of the mean log odds that the models of all folds give."""
    odds = np.mean([logit(fold.prob[MODEL]) for fold in folds], axis=0)
    return auroc_variance(folds[0].codes, odds)[0]


def _target_figures(
    mine: FoldPredictions, task: DrugTask, bounds: tuple[float, float]
) -> dict[str, Figure]:
    """Figures of the labelled target cells; `bounds` are those of the AUROC in the table."""
    subject, prob = f"{task.subject}, target", mine.prob[MODEL]
    roc = {"registered model": curves.roc_table(mine.codes, prob)}
    return {
        "target_roc": performance.roc(roc, subject, bounds={"registered model": bounds}),
        "target_scores": performance.score_distribution(mine.codes, prob, mine.threshold, subject),
    }


def _registered(
    folds: Sequence[FoldPredictions], chosen: Chosen, target: TargetTask
) -> FoldPredictions:
    """Predictions of the registered model and its baselines for the labelled target cells.

    They are cut at the threshold of the model, which few-shot cells may have set.
    """
    threshold = chosen.model.threshold
    assert threshold is not None
    if chosen.fold is not None:
        return replace(folds[chosen.fold - 1], threshold=threshold)
    prob = {name: np.mean([fold.prob[name] for fold in folds], axis=0) for name in folds[0].prob}
    cells = alignment_of(chosen.model).move_target(torch.from_numpy(target.scored.X))
    prob[MODEL] = artifact_probability(chosen.model, cells)
    return replace(folds[0], fold=0, prob=prob, threshold=threshold)


def _figures(
    task: DrugTask, folds: Sequence[FoldPredictions], by_fold: pd.DataFrame
) -> dict[str, Figure]:
    subject = task.subject
    codes = np.concatenate([fold.codes for fold in folds])
    prob = np.concatenate([fold.prob[MODEL] for fold in folds])
    threshold = float(np.mean([fold.threshold for fold in folds]))
    by_name = {f"fold {fold.fold}": (fold.codes, fold.prob[MODEL]) for fold in folds}
    comparison = by_fold.pivot_table(index="model", columns="fold", values="auroc", sort=False)
    comparison.index = pd.Index([in_legend(str(name)) for name in comparison.index])
    return {
        "roc": performance.roc({k: curves.roc_table(*v) for k, v in by_name.items()}, subject),
        "precision_recall": performance.precision_recall(
            {name: curves.pr_table(*pair) for name, pair in by_name.items()},
            subject,
            float(codes.mean()),
        ),
        "reliability": performance.reliability(curves.reliability_table(codes, prob), subject),
        "scores": performance.score_distribution(codes, prob, threshold, subject),
        "baselines": performance.fold_comparison(comparison, subject),
    }


def _loss(run: tracking.Run, task: DrugTask, n_folds: int) -> dict[str, Figure]:
    """Curves of all folds, from the runs that hold them: some may have been adopted."""
    by_fold = run.fold_runs()
    histories = [
        read_csv(by_fold[fold].fetch(artifact_paths.HISTORY)).assign(fold=fold)
        for fold in range(1, n_folds + 1)
        if by_fold[fold].holds(artifact_paths.HISTORY)
    ]
    if not histories:  # no network was chosen in any fold
        return {}
    history = pd.concat(histories)
    return {"loss": training.loss_curves(history, task.subject)}


def divergence(run: tracking.Run, task: DrugTask) -> None:
    """Log the KL divergence of each feature between source and reference, before and after.

    The labelled source is aligned as a whole, by the alignment of the settings, for a picture of
    the gap. Training never sees that.
    """
    reference = task.basis.reference_sample
    if reference is None:
        return
    everything = np.arange(len(task.source.rows))
    job = replace(task.job(everything, everything[:0], seed=task.settings.seed), few=None)
    aligned = task.basis.learner.aligned(job).data.X_train.cpu().numpy()
    before = kl_per_feature(task.source.cohort.X[task.source.rows], reference)
    after = kl_per_feature(aligned, reference)
    run.log_metrics(
        {metric_names.KL_BEFORE: float(before.mean()), metric_names.KL_AFTER: float(after.mean())}
    )
    table = pd.DataFrame({"feature": np.arange(len(before)), "before": before, "after": after})
    run.log_table(table, artifact_paths.KL_DIVERGENCE)
    run.log_figures({"divergence": alignment.divergence(before, after, task.subject)})
