"""A cohort scored as a stream: chunks of cells in their order, and what they add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import console, keys
from scatd.data.preflight import CellCounts
from scatd.evaluation.domain import is_outside
from scatd.evaluation.nearness import RowSums
from scatd.scoring import RowScorer, Scores
from scatd.workflows.cohorts.scoring_input import FeatureRows, ScoringInput

SAMPLED_ROWS = 2000
"""About so many rows tell how far a cohort lies from the reference."""


@dataclass(frozen=True, eq=False)
class Chunk:
    """Consecutive cells that were scored.

    Parameters
    ----------
    start
        Number of the first cell.
    table
        One row a cell: see `score_table`.
    latent
        Posterior means (n_rows, n_latent), NaN for a cell without a score; None unless wanted.
    totals
        What these cells add to the numbers of the cohort.
    """

    start: int
    table: pd.DataFrame
    latent: NDArray[np.float32] | None
    totals: Totals


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


def scored_chunks(
    given: ScoringInput,
    scorer: RowScorer,
    label: str,
    *,
    rows: range | None = None,
    progress: Callable[[int], object] = int,
) -> Iterator[Chunk]:
    """Score an opened cohort as it is read.

    Parameters
    ----------
    label
        Stands before the bar.
    rows
        Which cells; None scores all.
    progress
        Called with the number of cells scored since the last call.

    Raises
    ------
    InputError
        When a value cannot be read by the model, or a score is not finite.
    """
    rows = range(given.n_obs) if rows is None else rows
    every = max(given.n_obs // SAMPLED_ROWS, 1)
    with console.progress(len(rows), label, "cell") as bar:
        for block in given.blocks(rows):
            scores = scorer.score(block.start, block.X)
            is_scored = block.reasons == ""
            table = score_table(given.ids[block.start : block.stop], block.reasons, scores)
            if scores.latent is not None:
                scores.latent[~is_scored] = np.nan
            yield Chunk(block.start, table, scores.latent, Totals.of(table, block, every))
            bar.update(len(table))
            progress(len(table))


def score_table(
    ids: NDArray[np.str_], reasons: NDArray[np.object_], scores: Scores
) -> pd.DataFrame:
    """The table of a prediction, one row a cell.

    Parameters
    ----------
    ids, reasons
        (n_obs,) names of the cells, and reasons why they have no features; empty where they have.
    """
    is_scored = reasons == ""
    table = pd.DataFrame(
        {
            "barcode": ids,
            "prob_resistant": np.where(is_scored, scores.prob_resistant, np.nan),
            "response": np.where(is_scored, scores.responses, ""),
            # Missing where a cell has no score, or the model does not know its training domain.
            "ood": _outside(scores, is_scored),
            "reason": reasons,
        }
    )
    for name in ("prob_sd", "prob_sd_folds", "ood_p"):
        values = getattr(scores, name)
        if values is not None:
            table[name] = np.where(is_scored, values, np.nan)
    return table


def _outside(scores: Scores, is_scored: NDArray[np.bool_]) -> Any:
    """Cells outside the training domain: true, false or not known."""
    outside = pd.array([pd.NA] * len(is_scored), dtype="boolean")
    if scores.ood_p is not None:
        outside[is_scored] = is_outside(scores.ood_p[is_scored])
    return outside
