"""The output of a screen: a tracked run, and a folder with page, tables, figures and cells."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from scatd import keys, tracking
from scatd.data import results
from scatd.data.files import copy_files, sha256_file
from scatd.data.given import path_of
from scatd.data.text.spreadsheets import to_csv
from scatd.keys import artifact_paths, metric_names
from scatd.report import write_report
from scatd.workflows.screen.report import Screening, counts_in_words, draw, page
from scatd.workflows.screen.request import ScreenRequest
from scatd.workflows.screen.scores import Screened

REPORT = "report.html"
_ROW_GROUP = 1 << 16


def place_of(request: ScreenRequest) -> tuple[Path, dict[str, str]] | None:
    """The folder of the results, and the command and cohort that they are of; None for none."""
    if not request.writes:
        return None
    cohort = path_of(request.cohort)
    output = request.output or Path(f"screen-{cohort.name.partition('.')[0]}")
    return output, {"command": "screen", "cohort": str(cohort.absolute())}


def record(request: ScreenRequest, screening: Screening) -> tuple[str, Path | None]:
    """Track a screen and write its folder; returns the run and the folder."""
    found, subject = screening.found, path_of(request.cohort).name
    place = place_of(request)
    with tracking.parent_run(
        "screen",
        name=f"screen {subject}",
        tags={
            keys.TAG_LEVEL: keys.LEVEL_SCREEN,
            keys.TAG_SIMULATED: str(found.simulated).lower(),
        },
        settings=_settings(request, found),
    ) as run:
        _log_numbers(run, request, screening)
        run.describe("\n\n".join([*screening.words, *screening.cautions]))
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            for name, table in screening.tables.items():
                to_csv(counts_in_words(table, found), folder / f"{name}.csv")
            write_cells(found, request.groups_are, folder / "cells.parquet")
            pictures = draw(screening, subject, folder / artifact_paths.FIGURES)
            write_report(folder / REPORT, page(screening, pictures, subject))
            run.log_files(folder, "")
            if place is not None:
                with results.made_anew(*place):
                    copy_files(folder, place[0])
    return run.run_id, None if place is None else place[0]


def cells_table(found: Screened, group_by: str | None, rows: slice = slice(None)) -> pd.DataFrame:
    """One row a cell: barcode, its group, and P(resistant), response and `ood` of every drug."""
    columns: dict[str, object] = {"barcode": found.ids[rows]}
    if group_by is not None and found.groups is not None:
        columns[group_by] = np.asarray(found.groups[rows])
    for drug, scores in found.drugs.items():
        columns[keys.prob_column(drug)] = scores.prob[rows]
        columns[keys.response_column(drug)] = scores.responses(rows)
        if scores.outside is not None:
            columns[keys.ood_column(drug)] = scores.outside[rows]
    return pd.DataFrame(columns)


def write_cells(found: Screened, group_by: str | None, path: Path) -> None:
    """Write the table of cells as Parquet, some thousand rows at once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with contextlib.ExitStack() as stack:
        writer = None
        for start in range(0, len(found.ids), _ROW_GROUP):
            table = cells_table(found, group_by, slice(start, start + _ROW_GROUP))
            part = pa.Table.from_pandas(table, preserve_index=False)
            writer = writer or stack.enter_context(pq.ParquetWriter(path, part.schema))
            writer.write_table(part)


def _settings(request: ScreenRequest, found: Screened) -> dict[str, object]:
    return {
        "drugs": ",".join(found.drugs),
        "group_by": request.group_by,
        "clusters": request.clusters,
        "combinations": request.combinations,
        "patients": request.patients,
        "reference_group": request.reference_group,
        "stage": request.stage,
        "seed": request.seed,
        "models": ",".join(f"{one.ref.name}/{one.ref.version}" for one in found.drugs.values()),
    }


def _log_numbers(run: tracking.Run, request: ScreenRequest, screening: Screening) -> None:
    found, drugs = screening.found, screening.tables["drugs"]
    cohort = path_of(request.cohort)
    run.log_dataset(
        cohort.stem,
        str(cohort),
        digest=sha256_file(cohort) if cohort.is_file() else "",
        n_rows=len(found.ids),
        n_features=len(found.drugs),
        context="screen",
    )
    known = drugs.dropna(subset="fraction_resistant")
    run.log_metrics(
        {
            metric_names.RESISTANT_FRACTION.format(drug=drug): float(fraction)
            for drug, fraction in zip(known["drug"], known["fraction_resistant"], strict=True)
        }
    )
