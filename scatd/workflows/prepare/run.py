"""Use case: bring a cohort of any kind into the order of a panel of genes."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scatd import __version__, console, keys
from scatd.data.cell_findings import judge_cells, quality_of
from scatd.data.cells import FAILED, failures, with_quality
from scatd.data.findings import Report
from scatd.data.genes import GeneMatch, Panel
from scatd.data.writing import CohortCollector, RowWriter, writing_cohort
from scatd.keys import InputScale
from scatd.parts.cohort_hash import content_hash
from scatd.parts.rows import RowSpan
from scatd.plots.style import save_figure
from scatd.report import Page, Section, ShownInNotebook
from scatd.scheduling import open_cluster
from scatd.scheduling.engine import Engine
from scatd.wording import counted
from scatd.workflows.prepare.inputs import CheckedCohort, checked_cohort
from scatd.workflows.prepare.join import for_joining, note_part
from scatd.workflows.prepare.output import require_output, track, write_report
from scatd.workflows.prepare.parts import Work, rows_of
from scatd.workflows.prepare.request import PrepareRequest

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)

_NORMALISATION: dict[InputScale, str] = {
    "counts": "none: raw counts",
    "cpm": "as given: scaled to a total, no logarithm",
    "log1p": "as given: logarithms",
    "zscore": "as given: z-scores",
    "rma": "as given: logarithms of bulk samples",
}
_UNS_KEY = "prepare"


@dataclass(frozen=True, eq=False, repr=False)
class PrepareResult(ShownInNotebook):
    """A prepared cohort.

    Parameters
    ----------
    output
        The file; None where nothing was written.
    n_obs, n_failed
        Its rows, and how many cells failed QC. Of rows of a cohort, only these count.
    report, match
        Findings of the pre-flight check, and the columns of the panel's genes.
    folder
        Table of genes and figures of quality; None where nothing was written, or only rows of a
        cohort.
    adata
        The prepared cohort; None where it was written to a file.
    """

    output: Path | None
    n_obs: int
    n_failed: int
    report: Report
    match: GeneMatch
    folder: Path | None
    adata: AnnData | None = None

    @property
    def genes(self) -> pd.DataFrame:
        """One row a gene of the panel: whether and where it was found."""
        return self.match.report

    @property
    def cells(self) -> pd.DataFrame:
        """Quality of every cell, before any was removed: see `cells.CellQuality.table`."""
        assert self.report.cells is not None
        return self.report.cells

    @property
    def headline(self) -> str:
        """The result in a sentence or two."""
        n_genes = len(self.match.panel)
        return (
            f"{counted(self.n_obs, 'cell')} x {counted(n_genes, 'gene')}, "
            f"{counted(self.n_failed, 'cell')} failed QC"
        )

    def page(self, folder: Path) -> Page:
        """Genes that were found, and the quality of the cells."""
        from scatd.plots.quality import quality_violins

        match, report = self.match, self.report
        text = [
            f"{counted(self.n_obs, 'cell')} x {counted(len(match.panel), 'gene')} of "
            f"{match.panel.origin}; {counted(match.n_found, 'gene', 'was')} found "
            f"({match.overlap:.0%}). {counted(self.n_failed, 'cell')} failed QC. Read: "
            f"{report.layer}, {report.diagnoses[report.layer].words}.",
            *report.warnings,
            *report.notes,
        ]
        figure = quality_violins(self.cells, report.min_genes, report.path.name)
        pictures = {"Quality of the cells.": save_figure(figure, folder, "quality")[0]}
        counts = pd.DataFrame(match.counts().items(), columns=["genes", "number"])
        sections = [
            Section("In short", text, tone="summary"),
            Section("Genes and cells", tables={"Genes of the panel": counts}, figures=pictures),
        ]
        return Page(f"{report.path.name}, prepared", sections)


@dataclass(frozen=True, eq=False)
class Prepared:
    """The cells that were written.

    Parameters
    ----------
    obs
        Their annotations.
    n_failed
        How many cells failed QC, also of those that were removed.
    about
        Provenance.
    found
        Numbers of cells and of values: see `cells.CellQuality.found`.
    """

    obs: pd.DataFrame
    n_failed: int
    about: dict[str, Any]
    found: dict[str, int]


def prepare(request: PrepareRequest) -> PrepareResult:
    """Write a cohort in the order of a panel, block by block, with the quality of its cells.

    Beside the output, `{name}_report/` gets the table of genes and the QC figures. They go into
    MLflow too where a run is under way (`mlflow run`) or `MLFLOW_TRACKING_URI` names a server.

    Raises
    ------
    InputError
        With every fault that the pre-flight check found; nothing is written then.
    """
    require_output(request)
    assert request.output is not None, "prepare_in_memory needs no output"
    with checked_cohort(request) as checked:
        work = _work(request, checked)
        with (
            open_cluster(request.machines) as cluster,
            writing_cohort(request.output, len(checked.match.panel)) as writer,
        ):
            made = prepare_cells(work, writer, cluster)
        if work.is_part:
            note_part(work, request.output, made.found)
    return _reported(request, checked, made)


def prepare_in_memory(request: PrepareRequest, panel: Panel | None = None) -> PrepareResult:
    """As `prepare`, but the cohort stays in memory.

    Where the request names an output, the folder beside it is written, and nothing else.

    Parameters
    ----------
    panel
        Genes of a model; None takes those of the request.

    Raises
    ------
    InputError
        As `prepare`.
    """
    require_output(request)
    writer = CohortCollector()
    with checked_cohort(request, panel) as checked:
        # Its output is the place of the folder beside it.
        made = prepare_cells(_work(replace(request, output=None), checked), writer)
    return replace(_reported(request, checked, made), adata=writer.cohort)


def _work(request: PrepareRequest, checked: CheckedCohort) -> Work:
    path, span = checked.report.path, request.rows or RowSpan(0, None)
    rows = span.of(checked.cohort.n_obs, str(path))
    return Work(request, checked, rows, "" if request.rows is None else content_hash(path))


def _reported(request: PrepareRequest, checked: CheckedCohort, made: Prepared) -> PrepareResult:
    """Log the findings, write the table of genes and the figures, and track them."""
    report, match = checked.report, checked.match
    for text in report.notes:
        logger.info("%s", text)
    for text in report.warnings:
        logger.warning("%s", text)
    folder = None
    if request.rows is None:  # else the whole is reported when its parts are joined
        if request.output is not None:
            assert report.cells is not None
            about = report.cells, match.report, request.min_genes, report.path.name
            folder = write_report(request.output, *about)
        track(report, match, made.about, folder, simulated=checked.cohort.simulated)
    return PrepareResult(request.output, len(made.obs), made.n_failed, report, match, folder)


def prepare_cells(work: Work, writer: RowWriter, cluster: Engine | None = None) -> Prepared:
    """Give the cells of an opened cohort to a writer: of a file, or of an AnnData in memory.

    Raises
    ------
    InputError
        When a value cannot be read, or no cell expresses a gene.
    """
    request, checked, rows = work.request, work.checked, work.rows
    report, match = checked.report, checked.match
    quality = quality_of(report, checked.matrix)
    with console.progress(len(rows), "Preparing", "cell") as bar:
        for part in rows_of(work, cluster, bar.update):
            writer.add(part.X)
            quality.add_part(part.cells, part.found)
    judge_cells(report, quality, is_part=work.is_part)
    report.faults.raise_if_any()
    cells = report.cells
    assert cells is not None
    obs = checked.obs.iloc[rows.start : rows.stop]
    obs = with_quality(obs, cells, are_counts=report.scale == "counts")
    obs[FAILED] = failures(cells, request.min_genes)
    n_failed = int((obs[FAILED] != "").sum())
    if request.drop:
        obs = obs[obs[FAILED] == ""]
    about = _provenance(request, checked)
    own = {_UNS_KEY: about, **(for_joining(match.report, cells) if work.is_part else {})}
    writer.finish(obs, _var(match), {**checked.cohort.uns, keys.UNS_SCATD: own})
    return Prepared(obs, n_failed, about, quality.found)


def _var(found: GeneMatch) -> pd.DataFrame:
    copies = np.bincount(found.positions[found.positions >= 0], minlength=len(found.panel))
    return pd.DataFrame({"n_columns": copies}, index=pd.Index(found.panel.names))


def _provenance(request: PrepareRequest, checked: CheckedCohort) -> dict[str, Any]:
    report, found, gene_map = checked.report, checked.match, checked.gene_map
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
