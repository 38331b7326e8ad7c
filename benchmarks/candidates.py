"""Row "candidates": out-of-fold AUROC of what is registered, beside its baselines, over many seeds.

Each seed is a sweep of the command line, with its own folds. The paired bootstrap resamples samples
of the source, jointly over drugs and seeds; the interval of the smallest lead over the baselines is
simultaneous (max-t).

    python -m benchmarks.candidates --source lines.h5ad --labels response.csv --drugs A,B,C
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks import common
from scatd import keys
from scatd.evaluation.evidence import CONTROLS, MODEL
from scatd.evaluation.metrics import counts_by_rank
from scatd.keys import artifact_paths

FIRST_SEED = 42
N_BOOT = 500
Values = NDArray[np.float64]


def main() -> None:
    """Run the sweeps, and print the table of models and of the leads over the baselines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--drugs", required=True)
    parser.add_argument("--scale", default="zscore")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="keeps the store; what is there is not run")
    options, further = parser.parse_known_args()
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        tables = [
            _tables(folder, options, further, seed)
            for seed in range(FIRST_SEED, FIRST_SEED + options.seeds)
        ]
    models = [
        column.removeprefix("prob_")
        for column in next(iter(tables[0].values())).columns
        if column.startswith("prob_")
    ]
    drawn = _drawn(tables, models)
    print(_summary(drawn).to_string(float_format="{:.4f}".format))
    by_drug = pd.DataFrame(
        {drug: _means([{drug: table[drug]} for table in tables], models) for drug in tables[0]}
    )
    print(by_drug.T.to_string(float_format="{:.3f}".format))


def _tables(
    folder: Path, options: argparse.Namespace, further: Sequence[str], seed: int
) -> dict[str, pd.DataFrame]:
    """Out-of-fold predictions of each drug of one seed."""
    folder.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(f"sqlite:///{folder.absolute()}/mlflow.db")
    if not _runs(folder, seed):
        source = str(options.source.absolute())
        taken = common.run_scatd(
            folder,
            *("transfer", "--family", "dist", "--drug", options.drugs, "--scale", options.scale),
            *("--source", source, "--reference", source),
            *("--labels", str(options.labels.absolute()), "--seed", str(seed), *further),
        )
        print(f"seed {seed}: {taken.seconds:.0f} s, {taken.peak_gb:.2f} GB", flush=True)
    return {
        drug: pd.read_csv(mlflow.artifacts.download_artifacts(f"runs:/{run_id}/{name}"))
        for drug, run_id in _runs(folder, seed).items()
        for name in [artifact_paths.OUT_OF_FOLD]
    }


def _runs(folder: Path, seed: int) -> dict[str, str]:
    """Finished runs of drugs with this seed, by drug key."""
    if not (folder / "mlflow.db").exists():
        return {}
    found = mlflow.search_runs(
        search_all_experiments=True,
        filter_string=f"tags.`{keys.TAG_LEVEL}` = '{keys.LEVEL_DRUG}' and status = 'FINISHED' "
        f"and params.`cfg.seed` = '{seed}'",
        output_format="list",
    )
    return {run.data.tags[keys.TAG_DRUG]: run.info.run_id for run in found}


def _means(
    tables: Sequence[dict[str, pd.DataFrame]], models: Sequence[str], weights: Values | None = None
) -> dict[str, float]:
    """Mean AUROC over seeds, drugs and folds of each model, with a weight for each source row."""
    found: dict[str, list[float]] = {model: [] for model in models}
    for of_seed in tables:
        for table in of_seed.values():
            for _, fold in table.groupby("fold"):
                rows = fold["row"].to_numpy()
                own = np.ones(len(rows)) if weights is None else weights[rows]
                codes = fold["truth"].to_numpy(dtype=np.float64)
                for model in models:
                    found[model].append(_auroc(codes, fold[f"prob_{model}"].to_numpy(), own))
    return {model: float(np.nanmean(values)) for model, values in found.items()}


def _auroc(codes: Values, prob: Values, weights: Values) -> float:
    """AUROC of weighted samples; ties count half."""
    _, resistant, sensitive = counts_by_rank(codes, prob, weights[None])
    pairs = resistant[0, -1] * sensitive[0, -1]
    steps = np.diff(resistant[0], prepend=0), np.diff(sensitive[0], prepend=0)
    under = sensitive[0, -1] - sensitive[0] + steps[1] / 2
    return float(steps[0] @ under / pairs) if pairs else float("nan")


def _drawn(
    tables: Sequence[dict[str, pd.DataFrame]], models: Sequence[str]
) -> dict[str, tuple[float, Values]]:
    """Mean AUROC of each model, and of resamples of the source, (N_BOOT,)."""
    n_rows = 1 + max(int(t["row"].max()) for of_seed in tables for t in of_seed.values())
    rng = np.random.default_rng(0)
    once = _means(tables, models)
    draws: dict[str, list[float]] = {model: [] for model in models}
    for _ in range(N_BOOT):
        weights = np.bincount(rng.integers(n_rows, size=n_rows), minlength=n_rows).astype(float)
        for model, value in _means(tables, models, weights).items():
            draws[model].append(value)
    return {model: (once[model], np.array(draws[model])) for model in models}


def _summary(drawn: dict[str, tuple[float, Values]]) -> pd.DataFrame:
    """One row a model: AUROC with interval, and the lead with a simultaneous interval."""
    ours, our_draws = drawn[MODEL]
    others = [model for model in drawn if model not in (MODEL, *CONTROLS)]
    leads = {model: (ours - drawn[model][0], our_draws - drawn[model][1]) for model in others}
    spread = {model: float(draws.std(ddof=1)) for model, (_, draws) in leads.items()}
    largest = np.max(
        [np.abs(draws - lead) / spread[model] for model, (lead, draws) in leads.items()], axis=0
    )
    reach = float(np.quantile(largest, 0.95))
    rows = []
    for model, (value, draws) in drawn.items():
        low, high = np.quantile(draws, [0.025, 0.975])
        row = {"model": model, "auroc": value, "ci_low": low, "ci_high": high}
        if model in leads:
            lead = leads[model][0]
            row |= {
                "lead": lead,
                "lead_low": lead - reach * spread[model],
                "lead_high": lead + reach * spread[model],
            }
        rows.append(row)
    return pd.DataFrame(rows).set_index("model")


if __name__ == "__main__":
    main()
