"""Use case: compare the newest runs of all drugs, from the tracking store."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

import pandas as pd
from mlflow.exceptions import MlflowException

from scatd import keys, registry, tracking
from scatd.data.drugs import resolve_drug
from scatd.data.files import HASH_SUFFIX, reading
from scatd.errors import InputError
from scatd.evaluation.evidence import CONTROLS
from scatd.keys import artifact_paths, metric_names
from scatd.tracking import FinishedRun

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
    "target",
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
    on labelled target cells, if there were any. Intervals are stored for AUROC only. Values that
    a run does not hold are missing.

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
    rows = []
    for drug, number in shown:
        run = newest[drug, keys.FAMILIES[number]]
        rows.append(_row(run, metric) | {"stage": stages.get(run.run_id)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(run: FinishedRun, metric: str) -> dict[str, object]:
    values = run.metrics
    read = partial(tracking.metric, values, metric=metric)
    baselines = tracking.metric_by(values, metric_names.BASELINE_MEAN, "model", metric=metric)
    mean = read(metric_names.MEAN)
    mean = float("nan") if mean is None else mean
    # NaN compares as smaller than nothing: such a baseline is not compared.
    baselines = {
        name: value for name, value in baselines.items() if value == value and name not in CONTROLS
    }
    best = max(baselines, key=lambda name: baselines[name], default=None)
    counts = [
        tracking.metric(values, metric_names.N_RESPONSE, response=word) for word in keys.RESPONSES
    ]
    row: dict[str, object] = {
        "drug": run.tags[keys.TAG_DRUG],
        "family": run.tags[keys.TAG_FAMILY],
        "metric": metric,
        "mean": mean,
        "sd": read(metric_names.SD),
        "ci_low": read(metric_names.CI_LOW),
        "ci_high": read(metric_names.CI_HIGH),
        "n_samples": None if None in counts else int(sum(filter(None, counts))),
        "best_baseline": best,
        "target": read(metric_names.TARGET),
        "simulated": run.tags.get(keys.TAG_SIMULATED) == "true",
        "started": run.started.isoformat(timespec="seconds"),
        "run_id": run.run_id,
    }
    if best is not None:
        row |= {"baseline_mean": baselines[best], "lead": mean - baselines[best]}
        if metric == "auroc":
            row |= _lead_interval(run.run_id, best)
    return row


def _lead_interval(run_id: str, baseline: str) -> dict[str, float]:
    """Bounds of the paired difference, from the table that the run stores."""
    run = tracking.Run(tracking.connect(), run_id)
    try:
        # Of a run of scatd before 0.2 there is no hash.
        is_checked = run.holds(artifact_paths.MODELS + HASH_SUFFIX)
        path = (
            run.fetch_checked(artifact_paths.MODELS)
            if is_checked
            else run.fetch(artifact_paths.MODELS)
        )
        with reading(path, "a table of models"):
            rows = pd.read_csv(path).set_index("model")
            bounds = {name: rows[name].get(baseline) for name in ("lead_ci_low", "lead_ci_high")}
            return {name: float(value) for name, value in bounds.items() if value is not None}
    except InputError as error:
        logger.warning("No interval of the lead is shown for run %s: %s", run_id, error)
    except (MlflowException, OSError):  # deleted by hand, or a store that is not here
        pass
    return {}
