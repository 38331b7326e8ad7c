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
import pandas as pd

from benchmarks import common
from scatd import keys
from scatd.evaluation.evidence import CONTROLS, MODEL
from scatd.evaluation.intervals import Bootstrap
from scatd.evaluation.joint import Joint, Scored, joint_auroc
from scatd.keys import artifact_paths

FIRST_SEED = 42
N_BOOT = 500


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
    joint = _joint(tables, models)
    print(_summary(joint).to_string(float_format="{:.4f}".format))
    by_drug = pd.DataFrame(joint.values, index=joint.drugs)
    print(by_drug.to_string(float_format="{:.3f}".format))


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


def _joint(tables: Sequence[dict[str, pd.DataFrame]], models: Sequence[str]) -> Joint:
    """AUROC over seeds, drugs and folds, with joint resamples of the source."""
    n_rows = 1 + max(int(t["row"].max()) for of_seed in tables for t in of_seed.values())
    scored = [
        Scored(
            drug,
            fold["row"].to_numpy(),
            fold["truth"].to_numpy(),
            {model: fold[f"prob_{model}"].to_numpy() for model in models},
        )
        for of_seed in tables
        for drug, table in of_seed.items()
        for _, fold in table.groupby("fold")
    ]
    return joint_auroc(scored, n_rows, Bootstrap(n_boot=N_BOOT))


def _summary(joint: Joint) -> pd.DataFrame:
    """One row a model: AUROC with interval, and the lead with a simultaneous interval."""
    pairs = [(MODEL, other) for other in joint.models if other not in (MODEL, *CONTROLS)]
    leads = joint.leads(pairs)
    rows = []
    for model in joint.models:
        value, low, high = joint.mean(model)
        row: dict[str, object] = {"model": model, "auroc": value, "ci_low": low, "ci_high": high}
        if (MODEL, model) in leads:
            row |= dict(zip(("lead", "lead_low", "lead_high"), leads[MODEL, model], strict=True))
        rows.append(row)
    return pd.DataFrame(rows).set_index("model")


if __name__ == "__main__":
    main()
