"""Quality of cells: counts, expressed genes and mitochondrial share, added up block by block."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from scatd.errors import Faults

N_COUNTS, N_GENES, MITO_SHARE = "n_counts", "n_genes", "mito_share"
"""Columns of `obs`: total, number of genes above zero, mitochondrial part of the total (0 to 1)."""
OTHER_SHARE = "other_species_share"
"""Column of `obs` where genes of two species were counted: the part of those that are not human."""
OF_ANOTHER = "most counts are of another species' genes"
"""Why a cell of another species is not scored."""
_MOSTLY = 0.5
FAILED = "scatd_qc_reason"
"""Column of `obs`: why a cell failed QC; empty where it passed."""


class CellQuality:
    """What is measured of every cell while its matrix passes by.

    Parameters
    ----------
    mitochondrial
        (n_columns,) which columns are genes of the mitochondrial genome.
    others, other
        (n_columns,) which columns are genes of another species than man, and which species; they
        are no expressed genes.
    """

    def __init__(
        self,
        mitochondrial: NDArray[np.bool_],
        others: NDArray[np.bool_] | None = None,
        other: str = "",
    ) -> None:
        self._mitochondrial = mitochondrial.astype(np.float64)
        self._others = np.zeros(len(mitochondrial)) if others is None else others.astype(float)
        self._other = other
        self._parts: list[pd.DataFrame] = []
        self.n_not_finite = 0
        self.n_negative = 0

    def add(self, block: sparse.csr_matrix) -> pd.DataFrame:
        """Measure the next rows; returns their part of `table`."""
        data = block.data
        if data.dtype.kind == "f":
            self.n_not_finite += int(np.count_nonzero(~np.isfinite(data)))
        self.n_negative += int(np.count_nonzero(data < 0))
        ones = np.ones(block.shape[1])
        expressed = sparse.csr_matrix((data > 0, block.indices, block.indptr), block.shape)
        totals = block @ ones
        mito = block @ self._mitochondrial
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(totals > 0, mito / totals, 0.0)
            other_share = np.where(totals > 0, block @ self._others / totals, 0.0)
        n_genes = (expressed @ (ones - self._others)).astype(np.int64)
        measured = {N_COUNTS: totals, N_GENES: n_genes, MITO_SHARE: share}
        if self._other:
            measured[OTHER_SHARE] = other_share
        self._parts.append(pd.DataFrame(measured))
        return self._parts[-1]

    def table(self) -> pd.DataFrame:
        """One row a cell: `n_counts`, `n_genes`, `mito_share`."""
        return pd.concat(self._parts, ignore_index=True)

    def judge(self, faults: Faults, *, negative_allowed: bool) -> None:
        """Add what makes the whole matrix unusable to `faults`."""
        if self.n_not_finite:
            what = f"{self.n_not_finite} values are NaN or infinite"
            faults.add(what, expected="finite numbers", remedy="Set them to 0, or remove the rows.")
        if self.n_negative and not negative_allowed:
            what = f"{self.n_negative} values are below zero"
            faults.add(what, expected="expression of 0 and more")
        if self._parts and not any(part[N_GENES].any() for part in self._parts):
            faults.add("no cell expresses any gene", expected="values above zero")


def of_another(cells: pd.DataFrame) -> NDArray[np.bool_]:
    """Which cells have most of their counts in genes of another species than man."""
    if OTHER_SHARE not in cells:
        return np.zeros(len(cells), bool)
    return (cells[OTHER_SHARE] > _MOSTLY).to_numpy()


def failures(cells: pd.DataFrame, min_genes: int) -> list[str]:
    """Why each cell fails QC, from its `n_genes` and its species; empty where it passes."""
    return [
        OF_ANOTHER
        if is_other
        else "no counts"
        if count == 0
        else f"{count} expressed genes, {min_genes} needed"
        if count < min_genes
        else ""
        for count, is_other in zip(cells[N_GENES], of_another(cells), strict=True)
    ]
