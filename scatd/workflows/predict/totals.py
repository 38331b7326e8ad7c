"""Numbers of a prediction that add up over its chunks and parts."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from scatd import keys
from scatd.data.cell_findings import CellCounts
from scatd.evaluation.nearness import RowSums
from scatd.workflows.cohorts.scoring_input import FeatureRows


@dataclass(eq=False)
class Totals:
    """Numbers of a cohort that was scored in chunks; those of its parts can be added.

    Parameters
    ----------
    n_obs, n_failed, n_resistant, n_abstained
        Cells; those without a score, called resistant, and without a call.
    n_by_p
        Number of scored cells by their p-value; empty where the model does not know its domain.
    cells
        Cells to warn of.
    sample
        Some of the rows, added up; None where none of them was scored.
    """

    n_obs: int = 0
    n_failed: int = 0
    n_resistant: int = 0
    n_abstained: int = 0
    n_by_p: Counter[float] = field(default_factory=Counter)
    cells: CellCounts = field(default_factory=CellCounts)
    sample: RowSums | None = None

    @classmethod
    def of(cls, table: pd.DataFrame, rows: FeatureRows, every: int) -> Totals:
        """Count in the table of a chunk; `every` so many rows are sampled."""
        is_scored = (table["reason"] == "").to_numpy()
        called = table["response"].value_counts()
        sampled = rows.X[is_scored & (np.arange(rows.start, rows.stop) % every == 0)]
        return cls(
            n_obs=len(table),
            n_failed=int((~is_scored).sum()),
            n_resistant=int(called.get(keys.RESISTANT, 0)),
            n_abstained=int(called.get(keys.ABSTAIN, 0)),
            n_by_p=Counter(table["ood_p"][is_scored].tolist() if "ood_p" in table else []),
            cells=rows.counts or CellCounts(),
            sample=RowSums.of(sampled) if len(sampled) else None,
        )

    def add(self, other: Totals) -> None:
        """Add the numbers of other cells."""
        self.n_obs += other.n_obs
        self.n_failed += other.n_failed
        self.n_resistant += other.n_resistant
        self.n_abstained += other.n_abstained
        self.n_by_p.update(other.n_by_p)
        self.cells += other.cells
        if other.sample is not None:
            self.sample = other.sample if self.sample is None else self.sample + other.sample

    def to_mapping(self) -> dict[str, Any]:
        """The numbers as plain values, for JSON."""
        sample = None
        if self.sample is not None:
            used = np.flatnonzero(self.sample.is_used).tolist()
            sample = [self.sample.n_rows, self.sample.sums.tolist(), used]
        return {
            "counts": [self.n_obs, self.n_failed, self.n_resistant, self.n_abstained],
            "n_by_p": sorted(self.n_by_p.items()),
            "cells": list(astuple(self.cells)),
            "sample": sample,
        }

    @classmethod
    def from_mapping(cls, held: dict[str, Any]) -> Totals:
        """The numbers that `to_mapping` gave."""
        sample = None
        if held["sample"] is not None:
            n_rows, sums, used = held["sample"]
            is_used = np.zeros(len(sums), dtype=bool)
            is_used[used] = True
            sample = RowSums(n_rows, np.array(sums), is_used)
        n_obs, n_failed, n_resistant, n_abstained = held["counts"]
        n_by_p = Counter({float(value): int(count) for value, count in held["n_by_p"]})
        cells = CellCounts(*held["cells"])
        return cls(n_obs, n_failed, n_resistant, n_abstained, n_by_p, cells, sample)
