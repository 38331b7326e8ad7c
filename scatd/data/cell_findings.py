"""What reading every row of a cohort finds: the quality of its cells, and values of no use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.data.cells import N_GENES, PCT_MITO, CellQuality, of_another
from scatd.data.cohort import Matrix
from scatd.data.findings import Report
from scatd.data.genes import is_mitochondrial, spellings
from scatd.notes import Advised
from scatd.wording import counted

_HIGH_MITO = 20
"""In percent."""


def measure(
    report: Report, matrix: Matrix, progress: Callable[[int], object] = lambda _: None
) -> None:
    """Read every row of the chosen matrix: quality of cells, and values that no model can read.

    Adds to the cells, faults and warnings of the report. `progress` is called with the number of
    rows of each block.
    """
    quality = quality_of(report, matrix)
    for _, block in matrix.blocks():
        quality.add(block)
        progress(block.shape[0])
    judge_cells(report, quality)


def quality_of(report: Report, matrix: Matrix) -> CellQuality:
    """A measurement of the cells of the chosen matrix, with its mitochondrial and foreign genes."""
    return CellQuality(mitochondrial(matrix), report.others, report.other_species)


def judge_cells(report: Report, quality: CellQuality, *, is_part: bool = False) -> None:
    """Add the measured quality of the cells to a report; `is_part` where there are more cells."""
    judge_values(report, quality, is_part=is_part)
    report.cells = quality.table()
    report.warnings += CellCounts.of(report.cells, report.min_genes).warnings(report)


def judge_values(report: Report, quality: CellQuality, *, is_part: bool = False) -> None:
    """Add the faults of the values to a report."""
    negative_allowed = report.scale == "zscore"
    quality.judge(report.faults, negative_allowed=negative_allowed, may_be_empty=is_part)


@dataclass(frozen=True)
class CellCounts:
    """Numbers of cells that a report warns of; those of parts of a cohort can be added.

    Parameters
    ----------
    n_cells
        All cells.
    n_few, n_others, n_high, n_silent
        Cells with too few genes, of another species, with a high mitochondrial share, and without
        any gene.
    """

    n_cells: int = 0
    n_few: int = 0
    n_others: int = 0
    n_high: int = 0
    n_silent: int = 0

    @classmethod
    def of(cls, cells: pd.DataFrame, min_genes: int) -> CellCounts:
        """Count in the table of `cells.CellQuality`."""
        n_few = int((cells[N_GENES] < min_genes).sum())
        n_high = int((cells[PCT_MITO] > _HIGH_MITO).sum())
        n_silent = int((cells[N_GENES] == 0).sum())
        return cls(len(cells), n_few, int(of_another(cells).sum()), n_high, n_silent)

    def __add__(self, other: CellCounts) -> CellCounts:
        pairs = zip(astuple(self), astuple(other), strict=True)
        return CellCounts(*(mine + theirs for mine, theirs in pairs))

    def warnings(self, report: Report) -> list[str]:
        """The numbers as sentences."""
        found: list[str] = []
        if self.n_few and report.scale != "zscore":
            what = (
                f"{counted(self.n_few, 'cell', 'expresses', of=self.n_cells)} fewer than "
                f"{counted(report.min_genes, 'gene')}"
            )
            said = f"{what}. Such cells are kept and marked."
            found.append(Advised(said, "To remove them: --drop."))
        if self.n_others:
            what = (
                f"{counted(self.n_others, 'cell', 'has', of=self.n_cells)} most counts in genes of"
            )
            found.append(f"{what} {report.other_species}. Such cells are marked and not scored.")
        if self.n_high and report.scale == "counts":
            what = f"{counted(self.n_high, 'cell', 'is', of=self.n_cells)} more than {_HIGH_MITO}%"
            found.append(f"{what} mitochondrial. Such cells may be dying.")
        return found


def mitochondrial(matrix: Matrix) -> NDArray[np.bool_]:
    """True for columns that are genes of the mitochondrial genome, by any of their names."""
    rows = zip(*spellings(matrix.var), strict=True)
    return np.array([any(map(is_mitochondrial, names)) for names in rows], dtype=bool)
