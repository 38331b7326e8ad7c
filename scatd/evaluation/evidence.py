"""Results of the folds of a drug: the response model and its baselines, as tables.

Everything is computed from out-of-fold predictions, so it can be computed again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from scatd import keys
from scatd.decision import expit, logit
from scatd.evaluation.intervals import Bootstrap, Fold, compare_models, wilson_interval
from scatd.evaluation.metrics import METRICS, response_metrics
from scatd.evaluation.resampling import means_over_folds
from scatd.keys import metric_names

MODEL = "response_model"
NO_ADAPTATION = "no_adaptation"
CONTROLS = (NO_ADAPTATION,)
"""Models beside the response model that are no baselines: the same method with a part left out."""
WORDS = {
    "prevalence": "the prevalence",
    "logistic_regression": "logistic regression",
    "gradient_boosting": "gradient boosting",
    "random_forest": "a random forest",
    "group_mean": "the mean of the group",
    "target_only": "a model of the few-shot cells alone",
    NO_ADAPTATION: "the model without adaptation",
}


def named(model: str) -> str:
    """A baseline as a sentence names it."""
    return WORDS.get(model, model.replace("_", " "))


def in_legend(model: str) -> str:
    """A model as a table or a legend names it."""
    return "response model" if model == MODEL else named(model).removeprefix("the ")


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


def model_table(
    folds: Sequence[FoldPredictions], metric: str = "auroc", *, seed: int
) -> pd.DataFrame:
    """One row a model: a metric over folds, its interval, and the response model's lead over it.

    Columns: model, METRIC_mean, METRIC_sd, METRIC_ci_low, METRIC_ci_high, lead, lead_ci_low,
    lead_ci_high. `lead` is the mean over folds of the response model minus that of this model,
    paired by sample. It is empty for the response model itself.

    Parameters
    ----------
    metric
        A ranking metric, or one of calls at the fold's threshold.
    """
    models = {model: [_cut_at_half(fold, model) for fold in folds] for model in folds[0].prob}
    by_model = fold_table(folds).groupby("model")[metric]
    rows = []
    bootstrap = Bootstrap(seed=seed)
    for model, (own, lead) in compare_models(models, MODEL, metric, bootstrap=bootstrap).items():
        row = {
            "model": model,
            f"{metric}_mean": by_model.get_group(model).mean(),
            f"{metric}_sd": by_model.get_group(model).std(ddof=1),
            f"{metric}_ci_low": own.ci_low,
            f"{metric}_ci_high": own.ci_high,
        }
        if model != MODEL:
            row |= {"lead": lead.mean, "lead_ci_low": lead.ci_low, "lead_ci_high": lead.ci_high}
        rows.append(row)
    return pd.DataFrame(rows)


def metrics_table(
    folds: Sequence[FoldPredictions], models: pd.DataFrame, *, seed: int
) -> pd.DataFrame:
    """Every metric of the response model: its mean over folds, and one interval.

    The mean is the number that the run, the card and the gate have. The interval of AUROC is that
    of `models`, and the prevalence has Wilson's. The others are from resamples within each fold and
    class.

    Parameters
    ----------
    models
        Of `model_table`, for AUROC.

    Returns
    -------
    Columns `metric`, `value`, `ci_low`, `ci_high`; one row for each of `METRICS`.
    """
    by_fold = fold_table(folds)
    means = by_fold[by_fold["model"] == MODEL][list(METRICS)].mean()
    bootstrap = Bootstrap(seed=seed)
    scored = [(fold.codes, fold.prob[MODEL], fold.threshold) for fold in folds]
    drawn = means_over_folds(scored, METRICS, bootstrap)
    bounds = {name: bootstrap.bounds(values) for name, values in drawn.items()}
    ours = models[models["model"] == MODEL].iloc[0]
    bounds["auroc"] = (ours["auroc_ci_low"], ours["auroc_ci_high"])
    codes = np.concatenate([fold.codes for fold in folds])
    low, high = wilson_interval([int(codes.sum())], [len(codes)])
    bounds["prevalence"] = (float(low[0]), float(high[0]))
    rows = [(name, means[name], *bounds[name]) for name in METRICS]
    return pd.DataFrame(rows, columns=["metric", "value", "ci_low", "ci_high"])


def auroc_bounds(models: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Bounds of the AUROC of each model, as a legend names it, from a table of models."""
    bounds = models[["auroc_ci_low", "auroc_ci_high"]].to_numpy(dtype=float)
    return {
        in_legend(str(name)): (float(low), float(high))
        for name, (low, high) in zip(models["model"], bounds, strict=True)
    }


def _cut_at_half(fold: FoldPredictions, model: str) -> Fold:
    """Truth and scores of a fold, moved so that its threshold is 0.5: folds have their own."""
    prob = fold.prob[model]
    if fold.threshold == 0.5:
        return fold.codes, prob
    return fold.codes, expit(logit(prob) - logit(fold.threshold))


def summary_metrics(folds: Sequence[FoldPredictions]) -> dict[str, float]:
    """Mean and s.d. over folds of every metric, as a card names them.

    Names are `auroc_mean`, `baseline.NAME.auroc_mean`, ...: those of cards since 0.1.
    """
    values: dict[str, float] = {}
    for model, group in fold_table(folds).groupby("model", sort=False):
        before = "" if model == MODEL else f"baseline.{model}."
        for metric in METRICS:
            values[f"{before}{metric}_mean"] = float(group[metric].mean())
            values[f"{before}{metric}_sd"] = float(group[metric].std(ddof=1))
    return values


def metrics_over_folds(table: pd.DataFrame) -> dict[str, float]:
    """Mean over folds of every metric of every model, and s.d. of the response model's.

    Parameters
    ----------
    table
        Of `fold_table`.

    Returns
    -------
    By name in MLflow, where a run of scatd before 0.3 has them.
    """
    values: dict[str, float] = {}
    for model, group in table.groupby("model", sort=False):
        mean = metric_names.MEAN if model == MODEL else metric_names.BASELINE_MEAN
        for metric in METRICS:
            words = {"model": model, "metric": metric}
            values[mean.format(**words)] = float(group[metric].mean())
            if model == MODEL:
                values[metric_names.SD.format(**words)] = float(group[metric].std(ddof=1))
    return values


def predictions(
    ids: npt.NDArray, codes: npt.NDArray[np.int_], prob: Mapping[str, npt.NDArray[np.float64]]
) -> pd.DataFrame:
    """One row for each model and sample.

    Columns: model, id, truth (sensitive or resistant) and prob_resistant, P(resistant).

    Parameters
    ----------
    ids, codes
        (n_obs,) names, and truth: 0 sensitive, 1 resistant.
    prob
        (n_obs,) P(resistant) by model.
    """
    truth = pd.Categorical.from_codes(codes, categories=pd.Index(keys.RESPONSES))
    parts = [
        pd.DataFrame({"model": model, "id": ids, "truth": truth, "prob_resistant": values})
        for model, values in prob.items()
    ]
    return pd.concat(parts, ignore_index=True)


def fold_predictions(folds: Sequence[FoldPredictions], ids: npt.NDArray) -> pd.DataFrame:
    """As `predictions`, out of fold, with a column `fold` (number, from 1)."""
    parts = [
        predictions(ids[fold.rows], fold.codes, fold.prob).assign(fold=fold.fold) for fold in folds
    ]
    return pd.concat(parts, ignore_index=True)


def best_fold(folds: Sequence[FoldPredictions]) -> FoldPredictions:
    """The fold with the highest AUROC; ties are broken by AUPRC, then by lower loss."""

    def merit(fold: FoldPredictions) -> tuple[float, float, float]:
        metrics = response_metrics(fold.codes, fold.prob[MODEL])
        return metrics["auroc"], metrics["auprc"], -metrics["loss"]

    return max(folds, key=merit)


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
