"""The runs of the main commands in MLflow equal a record, so that a refactoring keeps all numbers.

The record is `tests/data/recorded_run.json`. It holds names (parameters, tags, metrics, files,
columns) and numbers. Names must agree to the letter. Numbers must agree to a thousandth, because
another kind of processor rounds a training differently; on one machine they agree to the last bit.
`RECORD=1 pytest tests/integration/test_recorded_run.py` writes the record anew.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scatd import tracking

RECORD = Path(__file__).parents[1] / "data" / "recorded_run.json"
OF_THIS_RUN = ("seconds", "sha256", "created", "run_id", "path", "version", "cfg.backbone")
"""Parts of names whose values are of one run or one machine."""


@pytest.fixture(scope="module")
def folder(task, run_scatd, migrated_store, tmp_path_factory) -> Path:
    """A working folder in which each of the main commands has run."""
    folder = tmp_path_factory.mktemp("recorded")
    shutil.copy(migrated_store, folder / "mlflow.db")
    table = pd.read_csv(task.labels, index_col=0)[["DOCETAXEL"]]
    swapped = table["DOCETAXEL"].map({"resistant": "sensitive", "sensitive": "resistant"})
    wrong = np.random.default_rng(8).random(len(table)) < 0.1
    table["NOISY"] = table["DOCETAXEL"].where(~wrong, swapped)
    table.to_csv(folder / "drugs.csv")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.chdir(folder)
        one, steps = task.transfer_arguments(), ("--min-steps", "300")  # the default
        words = "1=resistant,0=sensitive,resistant=resistant,sensitive=sensitive"
        truth = ("--target", task.target, "--target-labels", "truth", "--label-map", words)
        # Not auto: rounding of another processor may turn a narrow choice.
        run_scatd(*one, *truth, "--model", "network", *steps)
        many = task.transfer_arguments("all")
        many[many.index("--labels") + 1] = "drugs.csv"
        run_scatd(*many, "--epochs", "6", "--folds", "2", "--model", "mean", *steps)
        stage = ("--stage", "staging")
        labels = ("--labels", "truth", "--label-map", "1=resistant,0=sensitive")
        run_scatd("evaluate", "--drug", "docetaxel", task.target, *labels, *stage)
        run_scatd("screen", task.target, "--drugs", "all", *stage)
        run_scatd("explain", "--drug", "docetaxel", task.target, *stage, "-o", "explained.csv")
        run_scatd("predict", "--drug", "noisy", task.target, *stage, "-o", "scored.csv")
    return folder


def values_of(table: pd.DataFrame) -> dict[str, object]:
    """Rows, and of each column the mean, or the first word."""
    about: dict[str, object] = {"rows": len(table)}
    for name in table.columns:
        column = table[name].dropna()
        if is_of_this_run(name):
            about[name] = None
        elif pd.api.types.is_numeric_dtype(column.dtype) and len(column):
            about[name] = float(column.astype(float).mean())
        else:
            about[name] = str(column.iloc[0]) if len(column) else None
    return about


def is_of_this_run(name: str) -> bool:
    return any(part in name for part in OF_THIS_RUN)


def contents(folder: Path) -> list[dict[str, object]]:
    """The content of every run, in the order of their start."""
    client = tracking.connect()
    runs = client.search_runs(
        [tracking.experiment_id(client)], order_by=["attributes.start_time ASC"]
    )
    found = []
    for run in runs:
        one = tracking.Run(client, run.info.run_id)
        files = sorted(files_of(client, run.info.run_id))
        tables = {}
        for name in files:
            if name.endswith(".csv"):
                tables[name] = values_of(pd.read_csv(one.fetch(name)))
        tags = {name: value for name, value in run.data.tags.items() if name.startswith("scatd.")}
        found.append(
            {
                "name": run.info.run_name,
                "status": run.info.status,
                "parameters": {
                    name: None if is_of_this_run(name) else value
                    for name, value in sorted(run.data.params.items())
                },
                "tags": sorted(tags),
                "metrics": {
                    name: None if is_of_this_run(name) else value
                    for name, value in sorted(run.data.metrics.items())
                },
                "files": files,
                "tables": tables,
            }
        )
    found.sort(key=lambda run: (run["name"], json.dumps(run["parameters"], sort_keys=True)))
    scored = values_of(pd.read_csv(folder / "scored.csv"))
    return [*found, {"name": "scored.csv", "tables": {"scored.csv": scored}}]


def files_of(client, run_id, place=None):
    for item in client.list_artifacts(run_id, place):
        if item.is_dir:
            yield from files_of(client, run_id, item.path)
        else:
            yield item.path


def differences(here, there, at=""):
    """Where two records differ, in words."""
    if isinstance(here, dict) and isinstance(there, dict):
        for name in sorted({*here, *there}):
            if name not in here or name not in there:
                yield f"{at}/{name} is only in the {'record' if name in there else 'run'}"
            elif not is_of_this_run(name):
                yield from differences(here[name], there[name], f"{at}/{name}")
    elif isinstance(here, list) and isinstance(there, list) and at.endswith(("files", "tags")):
        for name in sorted({*here} ^ {*there}):
            yield f"{at}: {name} is only in the {'record' if name in there else 'run'}"
    elif isinstance(here, float) and isinstance(there, float):
        if here != pytest.approx(there, rel=1e-3, abs=1e-3, nan_ok=True):
            yield f"{at}: {here} in the run, {there} in the record"
    elif here != there:
        yield f"{at}: {here!r} in the run, {there!r} in the record"


@pytest.mark.as_shipped("fits")
def test_the_main_commands_leave_what_they_left_before(folder, monkeypatch):
    monkeypatch.chdir(folder)
    found = contents(folder)
    if os.environ.get("RECORD"):
        RECORD.parent.mkdir(exist_ok=True)
        RECORD.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    recorded = json.loads(RECORD.read_text())
    assert [run["name"] for run in found] == [run["name"] for run in recorded]
    wrong = [
        difference
        for here, there in zip(found, recorded, strict=True)
        for difference in differences(here, there, here["name"])
    ]
    assert wrong == []
