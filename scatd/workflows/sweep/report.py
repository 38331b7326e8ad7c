"""Rows, table and figure of a sweep over many drugs."""

from __future__ import annotations

import logging
import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from scatd import keys, registry, tracking
from scatd.data.text.spreadsheets import read_csv
from scatd.errors import InputError, ScatdError
from scatd.evaluation import finding
from scatd.evaluation.evidence import MODEL
from scatd.evaluation.standing import Place, Rival, Standing
from scatd.keys import artifact_paths, metric_names
from scatd.plots.comparison import drugs_and_families
from scatd.wording import counted
from scatd.workflows.transfer.integrity import log_doubts
from scatd.workflows.transfer.task import DrugTask

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

FINISHED, FAILED = "finished", "failed"
METRICS = ("auroc", "auprc", "mcc", "f1", "balanced_accuracy", "brier", "loss")
"""Of the response model, in the table; all others are in each drug's run."""
COLUMNS = (
    "drug",
    "status",
    "candidate",
    "n_sensitive",
    "n_resistant",
    *(f"{metric}_{part}" for metric in METRICS for part in ("mean", "sd")),
    "auroc_ci_low",
    "auroc_ci_high",
    "best_baseline",
    "best_baseline_auroc",
    "lead",
    "lead_ci_low",
    "lead_ci_high",
    "stage",
    "version",
    "run_id",
    "reason",
)
"""Behind them, AUROC and lead beside each baseline: `NAME_auroc`, `NAME_lead`."""

Row = dict[str, Any]


def row(run: tracking.Run, drug: str, models: pd.DataFrame) -> Row:
    """One finished drug.

    Parameters
    ----------
    run
        Of the drug.
    models
        Of `evidence.model_table`.
    """
    summary = run.metrics()
    by_model = models.set_index("model")
    ours, others = by_model.loc[MODEL], by_model.drop(index=MODEL)
    found: Row = {
        "drug": drug,
        "status": FINISHED,
        "candidate": run.tags().get(keys.TAG_CANDIDATE, "network"),
        **{
            f"n_{word}": int(_value(summary, metric_names.N_RESPONSE, response=word))
            for word in keys.RESPONSES
        },
        **{
            f"{metric}_{part}": _value(summary, name, metric=metric)
            for metric in METRICS
            for part, name in (("mean", metric_names.MEAN), ("sd", metric_names.SD))
        },
        "auroc_ci_low": ours["auroc_ci_low"],
        "auroc_ci_high": ours["auroc_ci_high"],
        "run_id": run.run_id,
    }
    best = Standing.of(models).best
    assert best is not None  # the prevalence is always there
    found |= {"best_baseline": best.name, "best_baseline_auroc": best.value}
    found |= {"lead": best.lead, "lead_ci_low": best.low, "lead_ci_high": best.high}
    for name, values in others.iterrows():
        found |= {f"{name}_auroc": values["auroc_mean"], f"{name}_lead": values["lead"]}
    return found


def _value(summary: Mapping[str, float], name: str, **words: str) -> float:
    value = tracking.metric(summary, name, **words)
    if value is None:
        what = f"the run of a drug has no metric {name.format(**words)}"
        raise InputError(what, remedy="Learn the drug anew.")
    return value


def adopted(drug: str, run_id: str) -> Row:
    """A drug that another process, or `transfer`, has finished.

    Raises
    ------
    InputError
        When its table is damaged.
    mlflow.exceptions.MlflowException, OSError
        When its table is not there.
    """
    run = tracking.Run(tracking.connect(), run_id)
    models = read_csv(run.fetch_checked(artifact_paths.MODELS))
    return row(run, drug, models)


def failure(drug: str, counts: tuple[int, int], error: ScatdError) -> Row:
    """A drug that could not be learned, with its sensitive and resistant samples."""
    numbers = {f"n_{word}": n for word, n in zip(keys.RESPONSES, counts, strict=True)}
    return {"drug": drug, "status": FAILED, **numbers, "reason": str(error)}


def write(
    run: tracking.Run, rows: Sequence[Row], family: str, labels: str
) -> tuple[pd.DataFrame, str]:
    """Log table, figure, counts and the finding; returns table and finding.

    Parameters
    ----------
    labels
        What the labels mean, in sentences, for the description of the run.
    """
    baselines = [name for row in rows for name in row if name not in COLUMNS]
    table = pd.DataFrame(rows, columns=[*COLUMNS, *dict.fromkeys(baselines)])
    stages = registry.stages_by_run()
    table["stage"] = table["stage"].where(table["stage"].notna(), table["run_id"].map(stages))
    table = table.sort_values("auroc_mean", ascending=False, ignore_index=True)
    finished = table[table["status"] == FINISHED]
    sentence = _in_words(table, finished)
    run.log_table(table, artifact_paths.SWEEP)
    run.log_metrics(
        {
            metric_names.DRUGS_FINISHED: len(finished),
            metric_names.DRUGS_FAILED: len(table) - len(finished),
            metric_names.DRUGS_IN_PRODUCTION: int((finished["stage"] == keys.PRODUCTION).sum()),
        }
    )
    run.describe(f"{sentence}\n\n{labels}")
    if len(finished):
        run.log_figures({artifact_paths.SWEEP_FIGURE: draw(table, family)})
    return table, sentence


def draw(table: pd.DataFrame, family: str) -> Figure:
    """The finished drugs of a table, each beside its best baseline."""
    finished = table[table["status"] == FINISHED]
    shown = finished.assign(
        drug=finished["drug"] + " (" + finished["candidate"] + ")",
        family=family,
        mean=finished["auroc_mean"],
        target=float("nan"),
        ci_low=finished["auroc_ci_low"],
        ci_high=finished["auroc_ci_high"],
        baseline_mean=finished["best_baseline_auroc"],
    )
    return drugs_and_families(shown, "AUROC", f"{counted(len(shown), 'drug')} ({family})")


def integrity(run: tracking.Run, task: DrugTask, table: pd.DataFrame) -> None:
    """Log the findings of `scatd audit` in the source and all of its labels, once for all drugs.

    Parameters
    ----------
    task
        Of any drug.
    table
        Of `write`: an AUROC may say that labels are inverted.
    """
    names = ["auroc_mean", "auroc_ci_low", "auroc_ci_high"]
    finished = table[table["status"] == FINISHED].set_index("drug")[names].astype(float)
    auroc = {str(drug): tuple(row) for drug, row in finished.T.items()}
    doubts = log_doubts(run, task, auroc, of_drug=False)
    if doubts:
        said = counted(len(doubts), "doubt")
        logger.warning("%s about labels or samples: see tables/integrity.csv of the run.", said)


def _place(row: Mapping[Hashable, Any]) -> Place:
    """Of a drug's model beside its best baseline."""
    bounds = (float(row[name]) for name in ("lead", "lead_ci_low", "lead_ci_high"))
    best = Rival(row["best_baseline"], float(row["best_baseline_auroc"]), *bounds)
    return Standing(float(row["auroc_mean"]), math.nan, math.nan, (best,)).place


def _in_words(table: pd.DataFrame, finished: pd.DataFrame) -> str:
    text = finding.in_one_sentence(map(_place, finished.to_dict("records")))
    text += f" {int((finished['stage'] == keys.PRODUCTION).sum())} are in production."
    names = table.loc[table["status"] == FAILED, "drug"].tolist()
    if names:
        text += f" {len(names)} could not be learned: {', '.join(names)}."
    return text
