"""Results of the folds of a drug: the response model and its baselines, as tables and text.

Everything is computed from out-of-fold predictions, so it can be computed again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from scatd.evaluation.intervals import Bootstrap, compare_models
from scatd.evaluation.metrics import METRICS, response_metrics
from scatd.keys import metric_names

MODEL = "response_model"
NO_ADAPTATION = "no_adaptation"
CONTROLS = (NO_ADAPTATION,)
"""Models that stand in the tables to learn from, and are no baselines."""
WORDS = {
    "prevalence": "the prevalence",
    "logistic_regression": "logistic regression",
    "gradient_boosting": "gradient boosting",
    "random_forest": "a random forest",
    "group_mean": "the mean of the group",
    "target_only": "a model of the few-shot cells alone",
    NO_ADAPTATION: "the same model without alignment",
}


@dataclass(frozen=True, eq=False)
class FoldPredictions:
    """Out-of-fold predictions of one fold.

    Parameters
    ----------
    fold
        Number, from 1.
    rows
        (n_val,), positions in the source.
    codes
        (n_val,), truth: 0 sensitive, 1 resistant.
    prob
        P(resistant) by model: `response_model` and each baseline, (n_val,).
    threshold
        Of the response model: a sample is called resistant strictly above it.
    """

    fold: int
    rows: npt.NDArray[np.intp]
    codes: npt.NDArray[np.int_]
    prob: Mapping[str, npt.NDArray[np.float64]]
    threshold: float = 0.5


def fold_table(folds: Sequence[FoldPredictions]) -> pd.DataFrame:
    """One row for each fold and model: model, fold, n, and every metric at the fold's threshold."""
    return pd.DataFrame(
        {"model": model, "fold": fold.fold, "n": len(fold.codes)}
        | response_metrics(fold.codes, prob, fold.threshold)
        for fold in folds
        for model, prob in fold.prob.items()
    )


def model_table(folds: Sequence[FoldPredictions], *, seed: int) -> pd.DataFrame:
    """One row a model: AUROC over folds, its interval, and the response model's lead over it.

    Columns: model, auroc_mean, auroc_sd, auroc_ci_low, auroc_ci_high, lead, lead_ci_low,
    lead_ci_high. `lead` is the mean fold AUROC of the response model minus that of this model,
    paired by sample. It is empty for the response model itself.
    """
    models = {model: [(fold.codes, fold.prob[model]) for fold in folds] for model in folds[0].prob}
    by_model = fold_table(folds).groupby("model")["auroc"]
    rows = []
    for model, (own, lead) in compare_models(models, MODEL, bootstrap=Bootstrap(seed=seed)).items():
        row = {
            "model": model,
            "auroc_mean": by_model.get_group(model).mean(),
            "auroc_sd": by_model.get_group(model).std(ddof=1),
            "auroc_ci_low": own.ci_low,
            "auroc_ci_high": own.ci_high,
        }
        if model != MODEL:
            row |= {"lead": lead.mean, "lead_ci_low": lead.ci_low, "lead_ci_high": lead.ci_high}
        rows.append(row)
    return pd.DataFrame(rows)


def summary_metrics(folds: Sequence[FoldPredictions]) -> dict[str, float]:
    """Mean and s.d. over folds of every metric: `auroc_mean`, `baseline.NAME.auroc_mean`, ..."""
    table = fold_table(folds)
    values: dict[str, float] = {}
    for model, group in table.groupby("model", sort=False):
        mean, sd = metric_names.BASELINE_MEAN, metric_names.BASELINE_SD
        if model == MODEL:
            mean, sd = metric_names.MEAN, metric_names.SD
        for metric in METRICS:
            words = {"model": model, "metric": metric}
            values[mean.format(**words)] = float(group[metric].mean())
            values[sd.format(**words)] = float(group[metric].std(ddof=1))
    return values


def best_fold(folds: Sequence[FoldPredictions]) -> FoldPredictions:
    """The fold with the highest AUROC; ties are broken by AUPRC, then by lower loss."""

    def merit(fold: FoldPredictions) -> tuple[float, float, float]:
        metrics = response_metrics(fold.codes, fold.prob[MODEL])
        return metrics["auroc"], metrics["auprc"], -metrics["loss"]

    return max(folds, key=merit)


def rivals(models: pd.DataFrame) -> pd.DataFrame:
    """The baselines that a response model is compared with, as rows of `model_table`.

    `CONTROLS` are left out.
    """
    return models[~models["model"].isin((MODEL, *CONTROLS))]


def in_words(models: pd.DataFrame, subject: str, n_samples: int) -> str:
    """Say whether the response model beats its baselines, with numbers."""
    ours = models.set_index("model").loc[MODEL]
    others = rivals(models).dropna(subset=["auroc_mean"])
    best = others.sort_values("auroc_mean").iloc[-1]
    name = WORDS.get(best["model"], best["model"])
    if best["lead_ci_low"] > 0:
        finding = f"The response model beats {name}, the best baseline"
    elif best["lead_ci_high"] < 0:
        finding = f"{name[0].upper()}{name[1:]} beats the response model"
    else:
        finding = f"The response model and {name}, the best baseline, cannot be told apart"
    text = (
        f"{subject}: mean fold AUROC {ours['auroc_mean']:.3f} (95% interval "
        f"{ours['auroc_ci_low']:.3f} to {ours['auroc_ci_high']:.3f}, {n_samples} samples). "
        f"{finding} (AUROC {best['auroc_mean']:.3f}, difference {best['lead']:+.3f}, interval "
        f"{best['lead_ci_low']:+.3f} to {best['lead_ci_high']:+.3f})."
    )
    if ours["auroc_mean"] < 0.5:
        text += " An AUROC under 0.5 says that the labels may be inverted; nothing was flipped."
    return text


def target_in_words(models: pd.DataFrame, n_cells: int) -> str:
    """Say how the response model ranks labelled target cells, with numbers.

    Parameters
    ----------
    models
        One row a model: model, auroc, auroc_ci_low, auroc_ci_high, lead, lead_ci_low, lead_ci_high.
    """
    ours = models.set_index("model").loc[MODEL]
    text = (
        f"Target: AUROC {ours['auroc']:.3f} (95% interval {ours['auroc_ci_low']:.3f} to "
        f"{ours['auroc_ci_high']:.3f}, {n_cells} cells)."
    )
    others = models[models["model"] != MODEL].dropna(subset=["auroc"])
    beside = ", ".join(
        f"{WORDS.get(name, name)} {auroc:.3f}"
        for name, auroc in zip(others["model"].tolist(), others["auroc"], strict=True)
    )
    text += f" Beside it: {beside}."
    if ours["auroc"] < 0.5:
        text += " An AUROC under 0.5 says that the labels may be inverted; nothing was flipped."
    return text


def out_of_fold(folds: Sequence[FoldPredictions], ids: npt.NDArray) -> pd.DataFrame:
    """One row a sample, in the order of the source.

    Columns: row, id, fold, truth, threshold (of the fold), and P(resistant) by model.
    """
    parts = [
        pd.DataFrame(
            {
                "row": fold.rows,
                "id": ids[fold.rows],
                "fold": fold.fold,
                "truth": fold.codes,
                "threshold": fold.threshold,
            }
            | {f"prob_{model}": prob for model, prob in fold.prob.items()}
        )
        for fold in folds
    ]
    return pd.concat(parts).sort_values("row", ignore_index=True)
