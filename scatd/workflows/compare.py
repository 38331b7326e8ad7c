"""Use case: compare the newest runs of all drugs, from the tracking store."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import pandas as pd
from mlflow.exceptions import MlflowException

from scatd import keys, registry, tracking
from scatd.data.drugs import resolve_drug
from scatd.errors import InputError
from scatd.evaluation.finding import SHORT
from scatd.evaluation.standing import Standing
from scatd.keys import metric_names
from scatd.tracking import FinishedRun
from scatd.workflows.models import stored_evidence
from scatd.workflows.models.doubts import Doubt, in_production

logger = logging.getLogger(__name__)

COLUMNS = (
    "drug",
    "family",
    "metric",
    "mean",
    "sd",
    "ci_low",
    "ci_high",
    "n_samples",
    "best_baseline",
    "baseline_mean",
    "lead",
    "lead_ci_low",
    "lead_ci_high",
    "finding",
    "target",
    "target_ci_low",
    "target_ci_high",
    "target_finding",
    "evidence_against",
    "label_kind",
    "stage",
    "simulated",
    "started",
    "run_id",
)


def compare(
    drugs: Sequence[str] = (), family: str | None = None, metric: str = "auroc"
) -> pd.DataFrame:
    """One row a drug and family, from its newest finished transfer.

    Parameters
    ----------
    drugs
        Drugs to show, in any spelling; all when empty.
    family
        Only this family.
    metric
        One of the gate's metrics; high values are better.

    Returns
    -------
    Columns `COLUMNS`, by drug, then family. `mean`, `sd`, `ci_low`, `ci_high`: over validation
    folds. `lead`: `mean` minus that of the best baseline on the same folds. `target`: the metric
    on labelled target cells, if there were any. `finding`, `target_finding`: what the interval of
    the lead tells on the folds and on the target (`scatd.evaluation.finding.SHORT`).
    `evidence_against`: what target cells show against the version in production, also where it is
    an older one.
    `label_kind`: what the labels of the source say. Intervals are stored for AUROC only. Values
    that a run does not hold are missing.

    Raises
    ------
    InputError
        For a drug without a finished run (names the nearest).
    """
    newest: dict[tuple[str, str], FinishedRun] = {}
    for run in tracking.finished_runs({keys.TAG_LEVEL: keys.LEVEL_DRUG}):
        newest.setdefault((run.tags[keys.TAG_DRUG], run.tags[keys.TAG_FAMILY]), run)
    known = {drug for drug, _ in newest}
    wanted = {resolve_drug(name, known, where="--drug") for name in drugs} or known
    shown = sorted(
        (drug, keys.FAMILIES.index(of_family))
        for drug, of_family in newest
        if drug in wanted and family in (None, of_family)
    )
    stages = registry.stages_by_run()
    doubts = {(ref.drug, ref.family): doubt for ref, doubt in in_production().items()}
    rows = []
    for drug, number in shown:
        run = newest[drug, keys.FAMILIES[number]]
        doubt = doubts.get((drug, keys.FAMILIES[number]))
        found = {
            "stage": stages.get(run.run_id),
            "evidence_against": "" if doubt is None else _said_beside(doubt, run),
        }
        rows.append(_row(run, metric) | found)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _said_beside(doubt: Doubt, run: FinishedRun) -> str:
    """What speaks against the version in production; the run may have trained a newer one."""
    if registry.training_run(doubt.ref) == run.run_id:
        return doubt.said
    return f"version {doubt.ref.version}, which is in production: {doubt.said}"


def _row(run: FinishedRun, metric: str) -> dict[str, object]:
    values = _over_folds(run, metric)
    standing = _of_folds(run, values, metric)
    best = standing.best
    counts = [
        tracking.metric(values, metric_names.N_RESPONSE, response=word) for word in keys.RESPONSES
    ]
    row: dict[str, object] = {
        "drug": run.tags[keys.TAG_DRUG],
        "family": run.tags[keys.TAG_FAMILY],
        "metric": metric,
        "mean": standing.value,
        "sd": tracking.metric(values, metric_names.SD, metric=metric),
        "ci_low": standing.low,
        "ci_high": standing.high,
        "n_samples": None if None in counts else int(sum(filter(None, counts))),
        "finding": SHORT[standing.place],
        "label_kind": run.tags.get(keys.TAG_LABEL_KIND, keys.UNSAID),
        "simulated": run.tags.get(keys.TAG_SIMULATED) == "true",
        "started": run.started.isoformat(timespec="seconds"),
        "run_id": run.run_id,
    }
    if best is not None:
        row |= {"best_baseline": best.name, "baseline_mean": best.value, "lead": best.lead}
        row |= {"lead_ci_low": best.low, "lead_ci_high": best.high}
    return row | _of_target(run, metric)


def _over_folds(run: FinishedRun, metric: str) -> Mapping[str, float]:
    """Metrics of a run, with the means of its folds; without them where nothing can be read."""
    try:
        of_store = tracking.Run(tracking.connect(), run.run_id)
        return stored_evidence.over_folds(of_store, run.metrics, metric)
    except InputError as error:
        logger.warning("No %s is shown for run %s: %s", metric, run.run_id, error)
    except (MlflowException, OSError) as error:  # deleted by hand, or a store that is not here
        tracking.raise_if_lost(error)
    return run.metrics


def _of_folds(run: FinishedRun, values: Mapping[str, float], metric: str) -> Standing:
    """Where the model stands on its folds; without intervals where their table cannot be read."""
    if metric == "auroc":
        try:
            return stored_evidence.of_folds(tracking.Run(tracking.connect(), run.run_id), metric)
        except InputError as error:
            logger.warning("No interval of the lead is shown for run %s: %s", run.run_id, error)
        except (MlflowException, OSError) as error:  # deleted by hand, or a store that is not here
            tracking.raise_if_lost(error)
    return stored_evidence.of_means(values, metric)


def _of_target(run: FinishedRun, metric: str) -> dict[str, object]:
    """The target of a transfer, where it had labels."""
    shown = stored_evidence.of_transfer(run.run_id, run.metrics, run.tags)
    if shown is None or metric != "auroc":
        return {"target": tracking.metric(run.metrics, metric_names.TARGET, metric=metric)}
    standing = shown.standing
    return {
        "target": standing.value,
        "target_ci_low": standing.low,
        "target_ci_high": standing.high,
        "target_finding": SHORT[standing.place],
    }
