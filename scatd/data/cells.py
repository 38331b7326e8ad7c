"""Quality of cells: counts, expressed genes and mitochondrial share, block by block."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from scatd.errors import FaultKind, Faults
from scatd.wording import counted

TOTAL, N_GENES, PCT_MITO = "total_counts", "n_genes_by_counts", "pct_counts_mt"
"""Columns of `obs`, named as scanpy names them: total, number of genes above zero, and the
mitochondrial part of the total in percent."""
_OLDER_NAMES = {"n_counts": TOTAL, "n_genes": N_GENES, "mito_share": PCT_MITO}
"""Earlier names of these columns; `mito_share` was a share of 1, not percent."""
OTHER_SHARE = "other_species_share"
"""Column of `obs` for cohorts with genes of two species: the share of the second species."""
OF_ANOTHER = "most counts are of another species' genes"
"""The reason why a cell of another species is not scored."""
_MOSTLY = 0.5
FAILED = "scatd_qc_reason"
"""Column of `obs`: the reason why a cell failed QC; empty if it passed."""


Columns = dict[str, NDArray[np.generic]]
"""Columns of a table of cells, by name."""


class CellQuality:
    """Measures the quality of cells, from blocks of their matrix.

    The columns of the table are kept as arrays: 24 bytes a cell, 32 with a second species.

    Parameters
    ----------
    mitochondrial
        (n_columns,) True for genes of the mitochondrial genome.
    others, other
        (n_columns,) True for genes of a second species beside man, and the name of that species.
        These genes do not count as expressed genes.
    """

    def __init__(
        self,
        mitochondrial: NDArray[np.bool_],
        others: NDArray[np.bool_] | None = None,
        other: str = "",
    ) -> None:
        self._mitochondrial = mitochondrial
        self._others = np.zeros(len(mitochondrial), bool) if others is None else others
        self._other = other
        self.begin()

    def begin(self) -> None:
        """Forget the cells that were measured."""
        self._parts: dict[str, list[NDArray[np.generic]]] = {}
        self.n_cells = self.n_expressing = 0
        self.n_not_finite = self.n_negative = 0

    def add(self, block: sparse.csr_matrix) -> pd.DataFrame:
        """Measure the next rows, keep their part of `table`, and return it."""
        measured = self.measure(block)
        self._keep({str(name): measured[name].to_numpy() for name in measured})
        return measured

    def add_part(self, cells: Columns, found: Mapping[str, int]) -> None:
        """Take the next rows as another measurement found them.

        Parameters
        ----------
        cells
            Its `columns`.
        found
            Its `found`.
        """
        self._keep(cells)
        self.n_cells += found["cells"]
        self.n_expressing += found["expressing"]
        self.n_not_finite += found["not finite"]
        self.n_negative += found["negative"]

    @property
    def found(self) -> dict[str, int]:
        """Numbers of cells and of values, by which `judge` finds faults."""
        return {
            "cells": self.n_cells,
            "expressing": self.n_expressing,
            "not finite": self.n_not_finite,
            "negative": self.n_negative,
        }

    def measure(self, block: sparse.csr_matrix) -> pd.DataFrame:
        """Measure some rows for `judge`, and return what `table` would hold of them."""
        data = block.data
        if data.dtype.kind == "f":
            self.n_not_finite += int(np.count_nonzero(~np.isfinite(data)))
        self.n_negative += int(np.count_nonzero(data < 0))
        totals = block @ np.ones(block.shape[1])
        mito = _sums_of(block, self._mitochondrial)
        with np.errstate(invalid="ignore", divide="ignore"):
            percent = np.where(totals > 0, 100 * (mito / totals), 0.0)
        is_expressed = data > 0
        if self._other:
            is_expressed &= ~self._others[block.indices]
        n_genes = np.diff(block.indptr).astype(np.int64)
        if not is_expressed.all():
            n_genes = np.diff(np.searchsorted(np.flatnonzero(is_expressed), block.indptr))
        measured = {TOTAL: totals, N_GENES: n_genes, PCT_MITO: percent}
        if self._other:
            with np.errstate(invalid="ignore", divide="ignore"):
                share = _sums_of(block, self._others) / totals
                measured[OTHER_SHARE] = np.where(totals > 0, share, 0.0)
        self.n_cells += block.shape[0]
        self.n_expressing += int(np.count_nonzero(n_genes))
        return pd.DataFrame(measured)

    def table(self) -> pd.DataFrame:
        """One row a cell: `total_counts`, `n_genes_by_counts`, `pct_counts_mt`."""
        return pd.DataFrame(self.columns(), copy=False)

    def columns(self) -> Columns:
        """The columns of `table`, (n_cells,) each."""
        for name, parts in self._parts.items():
            self._parts[name] = [np.concatenate(parts)]
        return {name: whole for name, (whole,) in self._parts.items()}

    def _keep(self, cells: Columns) -> None:
        for name, values in cells.items():
            self._parts.setdefault(name, []).append(values)

    def judge(self, faults: Faults, *, negative_allowed: bool, may_be_empty: bool = False) -> None:
        """Add the faults that make the whole matrix unusable to `faults`.

        Parameters
        ----------
        negative_allowed
            True for z-scores.
        may_be_empty
            True for a part of a cohort: other parts may have cells that express genes.
        """
        if self.n_not_finite:
            what = f"{counted(self.n_not_finite, 'value', 'is')} NaN or infinite"
            remedy = "Set them to 0, or remove the rows."
            faults.add(what, expected="finite numbers", remedy=remedy, kind=FaultKind.VALUES)
        if self.n_negative and not negative_allowed:
            what = f"{counted(self.n_negative, 'value', 'is')} below zero"
            faults.add(what, expected="expression of 0 and more", kind=FaultKind.VALUES)
        if self.n_cells and not self.n_expressing and not may_be_empty:
            add_no_expression(faults)


def _sums_of(block: sparse.csr_matrix, is_wanted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Sum of each row (n_rows,) over the wanted columns."""
    places = np.flatnonzero(is_wanted[block.indices])
    rows = np.searchsorted(block.indptr, places, side="right") - 1
    return np.asarray(np.bincount(rows, block.data[places], block.shape[0]), np.float64)


def add_no_expression(faults: Faults) -> None:
    """Add the fault of a cohort in which no cell expresses a gene."""
    what = "no cell expresses any gene"
    faults.add(what, expected="values above zero", kind=FaultKind.NO_EXPRESSION)


def with_quality(obs: pd.DataFrame, cells: pd.DataFrame, *, are_counts: bool) -> pd.DataFrame:
    """Add the quality of cells to the annotations of a cohort.

    Parameters
    ----------
    obs
        Columns of an older scatd are renamed to the current names.
    cells
        From `CellQuality.table`, in the order of `obs`.
    are_counts
        True when counts were measured. If not, columns of `obs` with the same names stay: they
        describe the counts, which the matrix no longer holds.
    """
    if "mito_share" in obs:
        obs = obs.assign(mito_share=100 * obs["mito_share"])
        obs = obs.drop(columns=list(_OLDER_NAMES.values()), errors="ignore")
        obs = obs.rename(columns=_OLDER_NAMES)
    measured = cells.set_axis(obs.index, axis=0)
    if not are_counts:
        measured = measured.drop(columns=obs.columns, errors="ignore")
    return pd.concat([obs.drop(columns=measured.columns, errors="ignore"), measured], axis=1)


def of_another(cells: pd.DataFrame) -> NDArray[np.bool_]:
    """True for cells with most of their counts in genes of another species than man."""
    if OTHER_SHARE not in cells:
        return np.zeros(len(cells), bool)
    return (cells[OTHER_SHARE] > _MOSTLY).to_numpy()


def failures(cells: pd.DataFrame, min_genes: int) -> list[str]:
    """Reason why each cell fails QC: its expressed genes or its species; empty if it passes."""
    return [
        OF_ANOTHER
        if is_other
        else "no counts"
        if count == 0
        else f"{counted(count, 'expressed gene')}, {min_genes} needed"
        if count < min_genes
        else ""
        for count, is_other in zip(cells[N_GENES], of_another(cells), strict=True)
    ]
