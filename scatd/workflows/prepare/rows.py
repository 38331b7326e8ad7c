"""Cells in the order of a panel, with their quality, as the cohort is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from scipy import sparse

from scatd.data.cell_findings import quality_of
from scatd.data.cells import Columns, failures
from scatd.data.cohort import Matrix
from scatd.data.findings import Report
from scatd.data.genes import Combine, GeneMatch, aligned


@dataclass(frozen=True)
class Recipe:
    """How cells are prepared. It travels to workers, which so decide nothing themselves.

    Parameters
    ----------
    report, found
        The check that chose the matrix, and the columns of the panel's genes.
    drop_under
        Expressed genes that a cell needs to be kept; None keeps all cells.
    """

    report: Report
    found: GeneMatch
    drop_under: int | None


@dataclass(frozen=True, eq=False)
class PreparedRows:
    """Consecutive cells.

    Parameters
    ----------
    X
        (n_kept, n_panel) expression of those that are kept.
    cells
        Columns of their quality, also of those that are not kept: see `cells.CellQuality.columns`.
    found
        Numbers of cells and of values: see `cells.CellQuality.found`.
    """

    X: sparse.csr_matrix
    cells: Columns
    found: dict[str, int]


def prepared_rows(
    recipe: Recipe, matrix: Matrix, rows: range, progress: Callable[[int], object] = int
) -> Iterator[PreparedRows]:
    """Read cells, measure their quality, and put their genes in order.

    Columns that are one gene are added up where they are counts, and averaged where they are not.

    Parameters
    ----------
    progress
        Called with the number of cells since the last call.
    """
    combine: Combine = "sum" if recipe.report.scale == "counts" else "mean"
    quality = quality_of(recipe.report, matrix)
    for _, block in matrix.blocks(rows):
        quality.begin()
        measured = quality.add(block)
        X = aligned(block, recipe.found, combine)
        if recipe.drop_under is not None:
            reasons = failures(measured, recipe.drop_under)
            X = X[[row for row, reason in enumerate(reasons) if not reason]]
        yield PreparedRows(X, quality.columns(), quality.found)
        progress(block.shape[0])
