"""The rows of a cohort, block by block, as tokens and as embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from scatd.data.ahead import read_ahead
from scatd.data.cells import OF_ANOTHER, CellQuality, of_another
from scatd.data.cohort import Cohort, Matrix
from scatd.data.findings import Report
from scatd.data.genes import Combine, GeneMatch, aligned
from scatd.data.limits import BLOCK
from scatd.embedding import runner, scfoundation_input
from scatd.embedding.cells import Cells
from scatd.embedding.geneformer import Geneformer
from scatd.embedding.geneformer_dictionaries import GeneVocabulary
from scatd.embedding.geneformer_tokens import MAX_TOKENS, RankTokenizer
from scatd.embedding.scfoundation import ScFoundation
from scatd.embedding.settings import ScFoundationSettings
from scatd.embedding.store import EmbeddingStore
from scatd.errors import Faults, InputError

TOTAL_COLUMNS = ("total_counts", "n_counts", "nCount_RNA", "total")
"""Where the raw total of a cell is looked for under `pre_normalized` A."""


class FoundationModel(Protocol):
    """A loaded foundation model, as `cohorts.embedder.Embedder` is one.

    `slot` names its embedding in `obsm`; `vocabulary` is None for scFoundation; `store` keeps
    embeddings by their tokens.
    """

    slot: str
    settings: ScFoundationSettings
    vocabulary: GeneVocabulary | None
    encoder: ScFoundation | Geneformer
    store: EmbeddingStore


class CohortRanks:
    """Geneformer's tokens of a cohort's rows, for columns under any names.

    Ties stand in the order of the vocabulary, so that the order of the columns does not matter.
    Columns of one gene are added up. Rows without such columns are ranked as they are.
    """

    def __init__(
        self, found: GeneMatch, vocabulary: GeneVocabulary, max_tokens: int = MAX_TOKENS
    ) -> None:
        positions = found.positions
        known = positions[positions >= 0]
        self._found: GeneMatch | None = None
        genes = found.panel.names
        order = np.arange(len(genes))
        if len(np.unique(known)) < len(known):
            self._found = found
        else:
            genes = tuple(genes[place] if place >= 0 else "" for place in positions.tolist())
            order = positions
        self._tokenizer = RankTokenizer(genes, vocabulary, max_tokens=max_tokens, tie_order=order)

    def tokenize(self, X: sparse.csr_matrix) -> Cells:
        """Tokens of raw counts (n_rows, n_columns)."""
        # The total is that of all genes that were measured, as published.
        n_counts = np.asarray(X.sum(axis=1), np.float64).ravel()
        genes = X if self._found is None else aligned(X, self._found)
        return self._tokenizer.tokenize(genes, n_counts)


class RowEmbedder:
    """Embeds the rows of one cohort, block by block.

    Raises
    ------
    InputError
        When a total is asked for that the cohort does not have.
    """

    def __init__(self, embedder: FoundationModel, cohort: Cohort, report: Report) -> None:
        self._embedder = embedder
        self._where = str(cohort.path)
        self._matrix = cohort.matrices[report.layer]
        self._others = report.others, report.other_species
        self._found: GeneMatch = report.matches[embedder.slot]
        self._combine: Combine = "sum" if report.scale == "counts" else "mean"
        self._ranks: CohortRanks | None = None
        self._totals: NDArray[np.float64] | None = None
        self._median_total: float | None = None
        settings, vocabulary = embedder.settings, embedder.vocabulary
        if vocabulary is not None:
            assert isinstance(embedder.encoder, Geneformer)
            self._ranks = CohortRanks(self._found, vocabulary, embedder.encoder.max_tokens)
        elif settings.pre_normalized == "A":
            self._totals = _totals(cohort, self._matrix)
        elif (settings.input_type, settings.pre_normalized) == ("bulk", "F"):
            self._median_total = self._median_of_totals()

    def blocks(
        self, rows: range | slice | None = None, progress: Callable[[int], object] = lambda _: None
    ) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.object_]]]:
        """Embed rows of the cohort in blocks of `BLOCK`, which start at its multiples.

        The embedding of a block has the same bits, whichever rows are asked for beside it.

        Parameters
        ----------
        rows
            Rows of the cohort, without a step; None for all.
        progress
            Called with the number of cells that are done.

        Yields
        ------
        Number of the first row; embeddings (n_rows, width), NaN where there is a reason; and
        reasons (n_rows,) of text, empty where there is an embedding.

        Raises
        ------
        InputError
            When values are not finite, or below zero.
        """
        n_obs = self._matrix.shape[0]
        wanted = rows if isinstance(rows, range) else range(n_obs)[rows or slice(None)]
        # More rows are read at once than are embedded: files store many rows together.
        piece = max(self._matrix.block_rows // BLOCK, 1) * BLOCK
        pieces = [
            (max(first, wanted.start), min(first + piece, wanted.stop))
            for first in range(wanted.start - wanted.start % piece, wanted.stop, piece)
        ]
        read = read_ahead(lambda ends: self._matrix.rows(*ends), pieces)
        for (start, end), held in zip(pieces, read, strict=True):
            for low in range(start - start % BLOCK, end, BLOCK):
                begin, stop = max(low, start), min(low + BLOCK, end)
                found = self.embed(begin, held[begin - start : stop - start], progress)
                yield begin, *found

    def embed(
        self, start: int, X: sparse.csr_matrix, progress: Callable[[int], object] = lambda _: None
    ) -> tuple[NDArray[np.float32], NDArray[np.object_]]:
        """Embeddings of a block of rows, and reasons why some have none.

        Parameters
        ----------
        start
            Number of the first row of the block.
        X
            The block as the matrix of the report gives it, (n_rows, n_columns).
        progress
            Called with the number of cells that are done.

        Returns
        -------
        (n_rows, width), NaN where the second, (n_rows,) of text, is not empty.

        Raises
        ------
        InputError
            When values are not finite, or below zero.
        """
        cells = self.tokens(start, X)
        embedded = runner.embed(
            cells, self._embedder.encoder, self._embedder.store, progress=progress
        )
        return embedded, cells.reasons

    def _measured(self, X: sparse.csr_matrix) -> pd.DataFrame:
        """Quality of a block of rows, once its values are checked."""
        no_gene = np.zeros(X.shape[1], bool)
        quality = CellQuality(no_gene, *self._others)
        quality.add(X)
        faults = Faults(self._where)
        quality.judge(faults, negative_allowed=False)
        faults.raise_if_any()
        return quality.table()

    def tokens(self, start: int, X: sparse.csr_matrix) -> Cells:
        """Tokens of a block of rows; parameters and faults are those of `embed`."""
        measured = self._measured(X)
        cells = self._tokens(start, X)
        cells.reasons[of_another(measured)] = OF_ANOTHER
        return cells

    def _tokens(self, start: int, X: sparse.csr_matrix) -> Cells:
        if self._ranks is not None:
            return self._ranks.tokenize(X)
        genes = aligned(X, self._found, self._combine)
        totals = None if self._totals is None else self._totals[start : start + X.shape[0]]
        return scfoundation_input.tokenize(
            genes, self._embedder.settings, totals=totals, median_total=self._median_total
        )

    def _median_of_totals(self) -> float:
        sums = [
            np.asarray(aligned(block, self._found, self._combine).sum(axis=1, dtype=np.float64))
            for _, block in self._matrix.blocks()
        ]
        totals = np.concatenate(sums)
        return float(np.median(totals[totals > 0])) if (totals > 0).any() else 1.0


def _totals(cohort: Cohort, matrix: Matrix) -> NDArray[np.float64]:
    """Raw total of each cell, from a column of `obs` or of the matrix."""
    for name in TOTAL_COLUMNS:
        if name in cohort.obs:
            return cohort.obs[name].to_numpy(np.float64)
        if name in matrix.var.index:
            column = matrix.var.index.get_loc(name)
            parts = [block[:, [column]].toarray().ravel() for _, block in matrix.blocks()]
            return np.concatenate(parts).astype(np.float64)
    what = "--pre-normalized A needs the raw total of each cell, and there is none"
    expected = f"a column of obs (or of a table) named {' or '.join(TOTAL_COLUMNS)}"
    raise InputError(what, where=str(cohort.path), expected=expected)
