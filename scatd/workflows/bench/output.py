"""The output of a bench: the runs of its units, and a folder with page, tables and figures."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import pandas as pd

from scatd import keys, tracking
from scatd.data import results
from scatd.data.drugs import drug_key
from scatd.data.files import copy_files
from scatd.data.text.spreadsheets import read_csv, to_csv
from scatd.keys import artifact_paths, metric_names
from scatd.workflows.bench.report import Findings, draw, write_page
from scatd.workflows.bench.request import BenchRequest, BenchSpec
from scatd.workflows.bench.scores import CANDIDATE
from scatd.workflows.bench.units import Unit

REPORT, TASKS = "report.html", "tasks.yaml"


def place_of(request: BenchRequest, spec: BenchSpec) -> tuple[Path, dict[str, str]]:
    """The folder of the results, and the command and file that they are of."""
    short = re.sub(r"[^\w]+", "-", spec.name.lower()).strip("-")
    about = {"command": "bench", "tasks": str(request.tasks.absolute())}
    return request.output or Path(f"bench-{short}"), about


def record_unit(run: tracking.Run, unit: Unit, table: pd.DataFrame, seconds: float) -> None:
    """Store a unit as a nested run, from which a bench that was killed goes on."""
    tags = {
        keys.TAG_LEVEL: keys.LEVEL_UNIT,
        keys.TAG_UNIT: unit.key,
        keys.TAG_DRUG: drug_key(unit.drug),
        keys.TAG_LABEL_KIND: unit.label_kind,
    }
    with run.child(unit.name, tags) as child:
        child.log_settings({"task": unit.task, "split": unit.split, "seed": unit.seed})
        child.log_metrics({metric_names.TRAIN_SECONDS: seconds})
        child.log_checked_table(table, artifact_paths.UNIT_PREDICTIONS)


def stored_table(run: tracking.Run) -> pd.DataFrame:
    """The table of a finished unit, as it was stored.

    Raises
    ------
    InputError
        When it is damaged.
    mlflow.exceptions.MlflowException, OSError
        When it is not there.
    """
    path = run.fetch_checked(artifact_paths.UNIT_PREDICTIONS)
    return read_csv(path)


def record(request: BenchRequest, spec: BenchSpec, found: Findings, run: tracking.Run) -> Path:
    """Write tables, figures and page to the run and to the folder; returns the folder."""
    output, about = place_of(request, spec)
    run.describe("\n\n".join([*found.words, *found.cautions]))
    run.log_metrics(_metrics(found))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, table in found.tables.items():
            to_csv(table, folder / f"{name}.csv")
        found.predictions.to_parquet(folder / "predictions.parquet", index=False)
        shutil.copyfile(request.tasks, folder / TASKS)
        pictures = draw(found, folder / artifact_paths.FIGURES)
        write_page(folder / REPORT, spec, found, pictures)
        run.log_files(folder, "")
        with results.made_anew(output, about):
            copy_files(folder, output)
    return output


def _metrics(found: Findings) -> dict[str, float]:
    values: dict[str, float] = {}
    for row in found.tables["results"].to_dict("records"):
        words = {name: row[name] for name in ("task", "split", "model")}
        values[metric_names.BENCH_AUROC.format(**words)] = row["auroc"]
        for bound in ("ci_low", "ci_high"):
            values[metric_names.BENCH_BOUND.format(**words, bound=bound)] = row[bound]
        if row["kind"] == CANDIDATE:
            for part in ("lead", "lead_ci_low", "lead_ci_high"):
                values[metric_names.BENCH_LEAD.format(**words, part=part)] = row[part]
    return {name: value for name, value in values.items() if value == value}
