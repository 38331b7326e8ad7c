"""Files and records of a preparation: the table of genes, figures of quality, the tracked run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scatd import keys
from scatd.data import results
from scatd.data.files import atomic_path, check_writable
from scatd.data.findings import Report
from scatd.data.genes import GeneMatch
from scatd.data.text.spreadsheets import to_csv
from scatd.data.writing import require_store_name
from scatd.keys import artifact_paths, metric_names
from scatd.workflows.prepare.request import PrepareRequest

if TYPE_CHECKING:
    import pandas as pd


def require_output(request: PrepareRequest) -> None:
    """Refuse an output before anything is computed for it.

    Raises
    ------
    InputError
        When the cohort or the folder of its report cannot be written.
    """
    if request.output is not None:
        require_place(request.output, reports=request.rows is None)


def require_place(output: Path, *, reports: bool = True) -> None:
    """Refuse an output that cannot be written; `reports` where it gets a folder of its report.

    Raises
    ------
    InputError
        When the cohort or the folder of its report cannot be written.
    """
    require_store_name(output)
    check_writable(output)
    if reports:
        results.require_own(*_report_place(output))


def write_report(
    output: Path, cells: pd.DataFrame, genes: pd.DataFrame | str, min_genes: int, subject: str
) -> Path:
    """Write the table of genes and the figures of quality beside the output; returns the folder.

    Parameters
    ----------
    cells
        Quality of every cell, before any was removed.
    genes
        One row a gene; or the text of this table.
    min_genes
        Expressed genes that a cell needs.
    subject
        Name of the cohort.
    """
    from scatd.plots.quality import quality_scatter, quality_violins
    from scatd.plots.style import save_figure

    folder, about = _report_place(output)
    with results.made_anew(folder, about):
        with atomic_path(folder / "genes.csv") as temporary:
            text = genes if isinstance(genes, str) else table_text(genes)
            temporary.write_text(text, encoding="utf-8", newline="")
        save_figure(quality_violins(cells, min_genes, subject), folder, "quality_violins")
        save_figure(quality_scatter(cells, min_genes, subject), folder, "quality_scatter")
    return folder


def table_text(table: pd.DataFrame) -> str:
    """The text of `genes.csv`."""
    return to_csv(table)


def _report_place(output: Path) -> tuple[Path, dict[str, str]]:
    """The folder of tables and figures, which belongs to the output."""
    folder = output.with_name(f"{output.stem}_report")
    return folder, {"command": "prepare", "output": str(output.absolute())}


def track(
    report: Report,
    found: GeneMatch,
    about: Mapping[str, Any],
    folder: Path | None,
    *,
    simulated: bool,
) -> None:
    """Log tables and figures under `mlflow run`, or where `MLFLOW_TRACKING_URI` names a store."""
    if not (os.environ.get("MLFLOW_RUN_ID") or os.environ.get("MLFLOW_TRACKING_URI")):
        return
    from scatd import tracking

    with tracking.parent_run(
        "prepare",
        name=f"prepare {report.path.name}",
        tags={keys.TAG_SIMULATED: str(simulated).lower()},
        settings=dict(about),
    ) as run:
        run.log_metrics(
            {metric_names.GENE_OVERLAP: found.overlap, metric_names.N_OBS: float(report.n_obs)}
        )
        run.log_table(found.report, artifact_paths.GENES)
        if folder is not None:
            run.log_files(folder, artifact_paths.REPORT)
