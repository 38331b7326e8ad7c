"""Features that are made as cells are read: from expression, or by a foundation model."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import console
from scatd.data.ahead import read_ahead
from scatd.data.cell_findings import CellCounts, measure, quality_of
from scatd.data.cells import add_no_expression, failures
from scatd.data.cohort import Matrix
from scatd.data.expression import log_normalise
from scatd.data.features import Features
from scatd.data.files import take_room
from scatd.data.findings import Report
from scatd.data.genes import Combine, GeneMatch, Panel, aligned
from scatd.data.ids import held_ids
from scatd.data.lazy import IN_MEMORY_BYTES, LazyMatrix
from scatd.data.opened import OpenedInput
from scatd.errors import Faults
from scatd.workflows.cohorts.scoring_input import FeatureRows, ScoringInput
from scatd.workflows.cohorts.token_rows import RowEmbedder


class FromExpression(ScoringInput):
    """Rows of family dist: in the order of the model's genes and on its scale.

    Parameters
    ----------
    report
        Of the check that chose the matrix; it has no faults.
    panel, found
        The model's genes, and their columns.
    normalises
        Whether counts are normalised.
    """

    def __init__(
        self,
        opened: OpenedInput,
        report: Report,
        panel: Panel,
        found: GeneMatch,
        *,
        normalises: bool,
    ) -> None:
        cohort = opened.cohort
        super().__init__(
            *(opened, held_ids(cohort.obs.index), len(panel)),
            simulated=cohort.simulated,
            missing=found.missing if found.missing.any() else None,
            notes=[*report.warnings, *report.notes],
        )
        self._report, self._panel, self._found = report, panel, found
        self._combine: Combine = "sum" if report.scale == "counts" else "mean"
        self._normalises = normalises
        self._quality = quality_of(report, self._matrix)

    @property
    def names(self) -> tuple[str, ...]:
        """Genes of the features."""
        return self._panel.names

    @property
    def _matrix(self) -> Matrix:
        return self.opened.cohort.matrices[self._report.layer]

    def blocks(self, rows: range) -> Iterator[FeatureRows]:
        """Read, measure and align cells in their order."""
        pieces, min_genes = [*self.pieces(rows)], self._report.min_genes
        read = read_ahead(lambda piece: self._matrix.rows(piece.start, piece.stop), pieces)
        for piece, block in zip(pieces, read, strict=True):
            cells = self._quality.measure(block)
            if self._quality.n_not_finite or self._quality.n_negative:
                self._refuse_values()
            reasons = np.array(failures(cells, min_genes), dtype=object)
            X = self._aligned(block, reasons)
            yield FeatureRows(piece.start, X, reasons, CellCounts.of(cells, min_genes))

    def _refuse_values(self) -> None:
        """Refuse values that no model can read; the message counts them in the whole cohort."""
        found = Faults(str(self._report.path))
        self._quality.judge(found, negative_allowed=self._report.scale == "zscore")
        if found:
            self._measure()

    def _aligned(self, block: Any, reasons: NDArray[np.object_]) -> NDArray[np.float32]:
        X = aligned(block, self._found, self._combine).toarray()
        X = log_normalise(X) if self._normalises else X
        X[reasons != ""] = 0
        return X

    def warnings(self, counts: CellCounts) -> list[str]:
        """Cells with few genes, of another species, or with a high mitochondrial share."""
        # A part may well have no cell that expresses a gene.
        if counts.n_silent == self.n_obs:
            faults = Faults(str(self._report.path))
            add_no_expression(faults)
            faults.raise_if_any()
        return counts.warnings(self._report)

    def _measure(self) -> None:
        report = self._report
        if report.cells is not None:  # a worker may meet a fault of the values in several parts
            report.faults.raise_if_any()
            return
        with console.progress(self.n_obs, "Checking cells", "cell") as bar:
            measure(report, self._matrix, bar.update)
        report.faults.raise_if_any()

    @cached_property
    def reasons(self) -> NDArray[np.object_]:
        """(n_obs,) text; all cells are read for it."""
        report = self._report
        self._measure()
        assert report.cells is not None
        self.notes[:0] = CellCounts.of(report.cells, report.min_genes).warnings(report)
        return np.array(failures(report.cells, report.min_genes), dtype=object)

    @cached_property
    def features(self) -> Features:
        """All cells; a row is made when it is read."""
        reasons = self.reasons

        def rows(start: int, stop: int) -> NDArray[np.float32]:
            return self._aligned(self._matrix.rows(start, stop), reasons[start:stop])

        lazy: Any = LazyMatrix(rows, (self.n_obs, self.n_features))
        made = features_of(self.opened, lazy, self._report.layer, self._panel)
        return replace(made, missing=self.missing)


class Embedded(ScoringInput):
    """Rows of family sf or gf, embedded from counts.

    Parameters
    ----------
    stack
        Removes the scratch file of `features`.
    rows
        Embeds rows of the cohort.
    report
        Of the check.
    slot, backend, width
        Name of the embedding in `obsm`, the foundation model, and features of an embedding.
    """

    def __init__(
        self,
        opened: OpenedInput,
        stack: contextlib.ExitStack,
        rows: RowEmbedder,
        report: Report,
        slot: str,
        backend: str,
        width: int,
    ) -> None:
        cohort = opened.cohort
        super().__init__(
            *(opened, held_ids(cohort.obs.index), width),
            simulated=cohort.simulated,
            notes=[*report.warnings, *report.notes],
        )
        self._stack, self._rows, self._slot, self._backend = stack, rows, slot, backend
        self._is_kept = False

    def keep(self) -> None:
        """Embed all cells now."""
        _ = self._all
        self._is_kept = True

    def blocks(self, rows: range) -> Iterator[FeatureRows]:
        """Embed cells in their order, or read those that are kept."""
        if self._is_kept:
            X, reasons = self._all
            for piece in self.pieces(rows):
                yield FeatureRows(piece.start, np.asarray(X[piece]), reasons[piece])
            return
        for start, made, why in self._rows.blocks(rows):
            made[why != ""] = 0
            yield FeatureRows(start, made, why)

    @cached_property
    def _all(self) -> tuple[NDArray[np.float32], NDArray[np.object_]]:
        shape = self.n_obs, self.n_features
        X: NDArray[np.float32]
        if 4 * shape[0] * shape[1] > IN_MEMORY_BYTES:
            scratch = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="scatd-"))
            place = Path(scratch) / "X.npy"
            X = np.lib.format.open_memmap(place, "w+", np.float32, shape)
            with place.open("r+b") as file:
                take_room(file, place.stat().st_size)
        else:
            X = np.empty(shape, np.float32)
        reasons = np.full(self.n_obs, "", dtype=object)
        with console.progress(self.n_obs, f"Embedding ({self._backend})", "cell") as bar:
            for block in self.blocks(range(self.n_obs)):
                rows = slice(block.start, block.stop)
                X[rows], reasons[rows] = block.X, block.reasons
                bar.update(len(block.X))
        return X, reasons

    @cached_property
    def features(self) -> Features:
        """All cells, in memory or in a scratch file."""
        return features_of(self.opened, self._all[0], self._slot, None)

    @property
    def reasons(self) -> NDArray[np.object_]:
        """(n_obs,) text; all cells are embedded for it."""
        return self._all[1]


def features_of(opened: OpenedInput, X: Any, key: str, panel: Panel | None) -> Features:
    """Features that were made from the expression of an opened cohort."""
    cohort = opened.cohort
    ids = cohort.obs.index.astype(str)
    return Features(
        X,
        ids.to_numpy(dtype=str),
        not np.array_equal(ids, np.arange(cohort.n_obs).astype(str)),
        pd.DataFrame(cohort.obs).set_axis(ids, axis=0),
        cohort.path,
        key,
        cohort.simulated,
        None if panel is None else panel.names,
    )
