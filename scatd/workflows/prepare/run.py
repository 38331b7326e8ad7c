"""Use case: a cohort of any kind becomes a sparse file in the order of a panel."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scatd import __version__, console, keys
from scatd.data import results
from scatd.data.cells import FAILED, CellQuality, failures, with_quality
from scatd.data.cohort import Cohort
from scatd.data.demo_files import given_or_demo
from scatd.data.files import atomic_path, check_writable
from scatd.data.genes import Combine, GeneMap, GeneMatch, aligned
from scatd.data.io import open_cohort
from scatd.data.limits import MIN_GENES
from scatd.data.patients import join_patients
from scatd.data.preflight import Report, Requirements, judge_cells, look, quality_of
from scatd.data.writing import CohortWriter, require_store_name, writing_cohort
from scatd.keys import InputScale, artifact_paths, metric_names
from scatd.ranges import CountOrNone, check_fields
from scatd.workflows.cohorts.genes import find_gene_map, find_panel

logger = logging.getLogger(__name__)

_NORMALISATION: dict[InputScale, str] = {
    "counts": "none: raw counts",
    "cpm": "as given: scaled to a total, no logarithm",
    "log1p": "as given: logarithms",
    "zscore": "as given: z-scores",
    "rma": "as given: logarithms of bulk samples",
}
_UNS_KEY = "prepare"


@dataclass(frozen=True)
class PrepareRequest:
    """What to prepare, for which genes.

    Parameters
    ----------
    input, output
        A cohort of any kind (None is the demo's raw counts); `.h5ad` or `.zarr`.
    panel
        The genes wanted, in order; None takes the 19,264 genes (for a demo cohort, the demo's).
    gene_map
        What genes are called; None takes the one in the cache, if any.
    scale, layer
        What the file holds in the user's words, and where; None asks for counts and looks for them.
    min_genes, drop
        Expressed genes that a cell needs; whether cells with fewer are removed, or kept and marked.
    survival
        A table of patients or samples to join to `obs` (TCGA).
    """

    input: Path | None
    output: Path
    panel: Path | None = None
    gene_map: Path | None = None
    scale: InputScale | None = None
    layer: str | None = None
    min_genes: CountOrNone = MIN_GENES
    drop: bool = False
    survival: Path | None = None

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)


@dataclass(frozen=True, eq=False)
class PrepareResult:
    """Where the cohort is, its rows, how many failed QC, what was found, and where that is told."""

    output: Path
    n_obs: int
    n_failed: int
    report: Report
    match: GeneMatch
    folder: Path


def prepare(request: PrepareRequest) -> PrepareResult:
    """Write a cohort in the order of a panel, block by block, with the quality of its cells.

    Beside the output, `{name}_report/` gets the table of genes and the QC figures. They go into
    MLflow too where a run is under way (`mlflow run`) or `MLFLOW_TRACKING_URI` names a server.

    Raises
    ------
    InputError
        With every fault that the pre-flight check found; nothing is written then.
    """
    require_store_name(request.output)
    check_writable(request.output)
    results.require_own(*_report_place(request))
    gene_map = find_gene_map(request.gene_map)
    with open_cohort(given_or_demo(request.input, "target_raw")) as cohort:
        panel = find_panel(request.panel, cohort)
        report = look(
            cohort,
            {"panel": panel},
            gene_map,
            layer=request.layer,
            scale=request.scale,
            requires=Requirements(min_genes=request.min_genes),
        )
        report.faults.raise_if_any()
        obs = cohort.obs
        if request.survival is not None:
            obs, note = join_patients(obs, request.survival)
            report.notes.append(note)
        found = report.matches["panel"]
        with writing_cohort(request.output, len(panel)) as writer:
            quality = write_aligned(writer, cohort, report, request)
            judge_cells(report, quality)
            report.faults.raise_if_any()
            assert report.cells is not None
            reasons = failures(report.cells, request.min_genes)
            obs = with_quality(obs, report.cells, are_counts=report.scale == "counts")
            obs[FAILED] = reasons
            n_failed = int((obs[FAILED] != "").sum())
            if request.drop:
                obs = obs[obs[FAILED] == ""]
            var = _var(found)
            about = _about(request, report, gene_map)
            uns = {**cohort.uns, keys.UNS_SCATD: {_UNS_KEY: about}}
            writer.finish(obs, var, uns)
    for text in report.notes:
        logger.info("%s", text)
    for text in report.warnings:
        logger.warning("%s", text)
    folder = _write_report(request, report, found)
    _track(report, about, folder, simulated=cohort.simulated)
    return PrepareResult(request.output, len(obs), n_failed, report, found, folder)


def aligned_blocks(
    cohort: Cohort, report: Report, found: GeneMatch
) -> Iterator[tuple[sparse.csr_matrix, sparse.csr_matrix]]:
    """Blocks of rows of the chosen matrix: as they are in the file, and in the panel's order.

    Columns that are one gene are added up where they are counts, and averaged where they are not.
    """
    combine: Combine = "sum" if report.scale == "counts" else "mean"
    for _, block in cohort.matrices[report.layer].blocks():
        yield block, aligned(block, found, combine)


def write_aligned(
    writer: CohortWriter, cohort: Cohort, report: Report, request: PrepareRequest
) -> CellQuality:
    """Write every row in the panel's order, and measure its quality on the way."""
    quality = quality_of(report, cohort.matrices[report.layer])
    with console.progress(cohort.n_obs, "Preparing", "cell") as bar:
        for block, wanted in aligned_blocks(cohort, report, report.matches["panel"]):
            n_genes = quality.add(block)
            if request.drop:
                wanted = wanted[np.flatnonzero(n_genes >= request.min_genes)]
            writer.add(wanted)
            bar.update(block.shape[0])
    return quality


def _var(found: GeneMatch) -> pd.DataFrame:
    copies = np.bincount(found.positions[found.positions >= 0], minlength=len(found.panel))
    return pd.DataFrame({"n_columns": copies}, index=pd.Index(found.panel.names))


def _about(request: PrepareRequest, report: Report, gene_map: GeneMap | None) -> dict[str, Any]:
    found = report.matches["panel"]
    return {
        "source": str(report.path),
        "layer": report.layer,
        "input_scale": report.scale,
        "holds": report.diagnoses[report.layer].words,
        "normalisation": _NORMALISATION[report.scale],
        "duplicates": "summed" if report.scale == "counts" else "averaged",
        "panel": found.panel.origin,
        "panel_sha256": found.panel.sha256,
        "gene_map": "" if gene_map is None else gene_map.origin,
        "gene_map_sha256": "" if gene_map is None else gene_map.sha256,
        "genes": found.counts(),
        "min_genes": request.min_genes,
        "failed_cells": "removed" if request.drop else "kept",
        "scatd_version": __version__,
    }


def _write_report(request: PrepareRequest, report: Report, found: GeneMatch) -> Path:
    folder, about = _report_place(request)
    with results.made_anew(folder, about):
        _write_tables(folder, request, report, found)
    return folder


def _write_tables(folder: Path, request: PrepareRequest, report: Report, found: GeneMatch) -> None:
    from scatd.plots.quality import quality_scatter, quality_violins
    from scatd.plots.style import save_figure

    with atomic_path(folder / "genes.csv") as temporary:
        found.report.to_csv(temporary, index=False)
    assert report.cells is not None
    subject = report.path.name
    save_figure(
        quality_violins(report.cells, request.min_genes, subject), folder, "quality_violins"
    )
    save_figure(
        quality_scatter(report.cells, request.min_genes, subject), folder, "quality_scatter"
    )


def _report_place(request: PrepareRequest) -> tuple[Path, dict[str, str]]:
    """The folder of tables and figures, which belongs to the output."""
    folder = request.output.with_name(f"{request.output.stem}_report")
    return folder, {"command": "prepare", "output": str(request.output.absolute())}


def _track(report: Report, about: dict[str, Any], folder: Path, *, simulated: bool) -> None:
    """Log tables and figures where a run is under way or a store was named: others need none."""
    if not (os.environ.get("MLFLOW_RUN_ID") or os.environ.get("MLFLOW_TRACKING_URI")):
        return
    from scatd import tracking

    with tracking.parent_run(
        "prepare",
        name=f"prepare {report.path.name}",
        tags={keys.TAG_SIMULATED: str(simulated).lower()},
        settings=about,
    ) as run:
        found = report.matches["panel"]
        run.log_metrics(
            {metric_names.GENE_OVERLAP: found.overlap, metric_names.N_OBS: float(report.n_obs)}
        )
        run.log_table(found.report, artifact_paths.GENES)
        run.log_files(folder, artifact_paths.REPORT)
