"""`scatd.check`: what a cohort holds, and whether models can read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scatd.api.arguments import called
from scatd.api.docstrings import documented
from scatd.cli.check import check as command
from scatd.cli.requests import filled
from scatd.data.limits import MIN_GENES
from scatd.report import Page, Section, ShownInNotebook
from scatd.wording import counted

if TYPE_CHECKING:
    import pandas as pd

    from scatd.api.arguments import Cells, File
    from scatd.data.findings import Report


@dataclass(frozen=True, eq=False, repr=False)
class CheckResult(ShownInNotebook):
    """What a check found.

    Parameters
    ----------
    report
        All findings.
    """

    report: Report

    @property
    def faults(self) -> list[str]:
        """What stops every model, with the remedy of each; empty where nothing does."""
        return [str(fault) for fault in self.report.faults]

    @property
    def warnings(self) -> list[str]:
        """What may do harm."""
        return self.report.warnings

    @property
    def notes(self) -> list[str]:
        """What was decided about the cohort."""
        return self.report.notes

    @property
    def matrices(self) -> pd.DataFrame:
        """One row a matrix of the cohort: its scale, what it holds, and whether it is used."""
        import pandas as pd

        rows = [
            {"matrix": name, "scale": found.scale, "holds": found.words,
             "used": name == self.report.layer}
            for name, found in self.report.diagnoses.items()
        ]  # fmt: skip
        return pd.DataFrame(rows)

    @property
    def genes(self) -> pd.DataFrame:
        """One row a list of genes: how many of them the cohort has (`overlap`, 0 to 1)."""
        import pandas as pd

        rows = [
            {"panel": name, "found": one.n_found, "of": len(one.panel), "overlap": one.overlap}
            for name, one in self.report.matches.items()
        ]
        return pd.DataFrame(rows, columns=["panel", "found", "of", "overlap"])

    @property
    def cells(self) -> pd.DataFrame:
        """Quality of every cell: total_counts, n_genes_by_counts, pct_counts_mt (percent)."""
        assert self.report.cells is not None
        return self.report.cells

    @property
    def headline(self) -> str:
        """The result in a sentence or two."""
        found = counted(len(self.faults), "fault") if self.faults else "no faults"
        report = self.report
        return f"{counted(report.n_obs, 'cell')} x {counted(report.n_columns, 'gene')}, {found}"

    def page(self, folder: Path) -> Page:
        """Faults, warnings, notes and tables."""
        from scatd.plots.quality import quality_violins
        from scatd.plots.style import save_figure

        report = self.report
        figure = quality_violins(self.cells, report.min_genes, report.path.name)
        pictures = {"Quality of the cells.": save_figure(figure, folder, "quality")[0]}
        said = [*self.faults, *self.warnings]
        short = f"{counted(report.n_obs, 'cell')} x {counted(report.n_columns, 'gene')}. "
        short += f"{counted(len(self.faults), 'fault')}." if self.faults else "No faults."
        tables = {"Matrices": self.matrices, "Genes that models read": self.genes}
        sections = [Section("In short", [short, *self.notes], tone="summary")]
        if said:
            sections.append(Section("Read this first", said, tone="caution"))
        sections.append(Section("Content", tables=tables, figures=pictures))
        return Page(f"{report.path.name}, checked", sections)


@documented(command)
def check(
    adata: Cells,
    *,
    panel: File | None = None,
    gene_map: File | None = None,
    scale: str | None = None,
    layer: str | None = None,
    min_genes: int = MIN_GENES,
    quiet: bool = False,
    verbose: bool = False,
) -> CheckResult:
    """Show what a cohort holds, and whether models can read it.

    As `scatd check` does. Nothing is written. Faults are listed, not raised.

    Parameters
    ----------
    adata
        Cells or samples with expression by genes, or the path of a file that `scatd check` reads.
    {options}

    Returns
    -------
    A result that a notebook shows. `faults`, `warnings` and `notes` are lists of sentences; a fault
    stops every model. `matrices`, `genes` and `cells` are DataFrames.

    Raises
    ------
    InputError
        When the file cannot be read at all.

    Examples
    --------
    >>> import scatd
    >>> scatd.check(scatd.datasets.demo().target_raw).faults  # doctest: +SKIP
    """
    from scatd.workflows.check import CheckRequest
    from scatd.workflows.check import check as work

    given = locals()
    with called(command, given, input="adata") as read:
        return CheckResult(work(filled(CheckRequest, read())))
