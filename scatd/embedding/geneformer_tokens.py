"""Tokens of Geneformer: the genes of a cell, ranked by expression relative to their own median.

Source: Geneformer (Nature 2023), the 30M models; scATD's edited tokenizer. In the published code
the order of ties depends on the processor; here ties stay in column order.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from scatd.embedding.cells import Cells, offsets
from scatd.embedding.geneformer_dictionaries import GeneVocabulary

MAX_TOKENS = 2048
_SCALE = 10_000
_ROWS = 64
"""Cells that are ranked together: what is computed on the way stays in a processor's cache."""


class RankTokenizer:
    """Converts counts to tokens, for one set of columns.

    Parameters
    ----------
    gene_ids
        Ensembl id of each column, without version. Columns that are not in the vocabulary are left
        out. A gene with several columns gives several tokens.
    vocabulary
        Tokens and medians.
    max_tokens
        Number of ranks of a cell that are kept.
    tie_order
        (n_columns,) sort key of ties; None keeps the order of the columns.
    """

    def __init__(
        self,
        gene_ids: Sequence[str],
        vocabulary: GeneVocabulary,
        *,
        max_tokens: int = MAX_TOKENS,
        tie_order: NDArray[np.integer] | None = None,
    ) -> None:
        self._tie_order = np.arange(len(gene_ids)) if tie_order is None else tie_order
        known = [gene in vocabulary.tokens for gene in gene_ids]
        self.is_known = np.array(known, bool)
        self._knows_all = bool(self.is_known.all())
        self._tokens = np.array([vocabulary.tokens.get(gene, -1) for gene in gene_ids], np.int32)
        medians = np.array([vocabulary.medians.get(gene, np.nan) for gene in gene_ids])
        self._per_median = 1.0 / medians
        self._max_tokens = max_tokens

    def tokenize(self, X: sparse.csr_matrix, n_counts: NDArray[np.float64]) -> Cells:
        """Tokens of cells, best rank first; a cell without a known gene gets a reason.

        Parameters
        ----------
        X
            Raw counts (n_obs, n_columns). Stored zeros count as absent.
        n_counts
            Total of each cell (n_obs,) over all measured genes, known or not.
        """
        tokens, kept = [np.zeros(0, np.int32)], np.zeros(X.shape[0], np.int64)
        for start in range(0, X.shape[0], _ROWS):
            rows = slice(start, start + _ROWS)
            ends = X.indptr[start : start + _ROWS + 1]
            values = slice(ends[0], ends[-1])
            ranked, kept[rows] = self._ranked(
                X.indices[values], X.data[values], ends - ends[0], n_counts[rows]
            )
            tokens.append(ranked)
        reasons = np.full(X.shape[0], "", object)
        reasons[kept == 0] = "no expressed gene that Geneformer knows"
        return Cells(np.concatenate(tokens), None, offsets(kept), reasons)

    def _ranked(
        self,
        columns: NDArray[np.int32],
        values: NDArray[np.floating],
        indptr: NDArray[np.integer],
        n_counts: NDArray[np.float64],
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Tokens of some cells one after the other, and the number of each cell's."""
        columns, values, starts = self._used(columns, values, indptr)
        lengths = np.diff(starts)
        scores = self._scores(columns, values, lengths, n_counts)
        order = _descending(scores, starts, self._tie_order, columns)
        kept = np.minimum(lengths, self._max_tokens)
        if kept.sum() < len(order):
            ends = offsets(kept)
            within = np.arange(ends[-1]) - np.repeat(ends[:-1], kept)
            order = order[np.repeat(starts[:-1], kept) + within]
        return self._tokens[columns[order]], kept

    def _used(
        self,
        columns: NDArray[np.int32],
        values: NDArray[np.floating],
        indptr: NDArray[np.integer],
    ) -> tuple[NDArray[np.int32], NDArray[np.floating], NDArray[np.int64]]:
        """Columns and values that become tokens, and the start of each cell."""
        is_used = values > 0
        if not self._knows_all:
            is_used &= self.is_known[columns]
        places = np.flatnonzero(is_used)
        if len(places) == len(values):
            return columns, values, indptr.astype(np.int64)
        return columns[places], values[places], np.searchsorted(places, indptr)

    def _scores(
        self,
        columns: NDArray[np.int32],
        values: NDArray[np.floating],
        lengths: NDArray[np.int64],
        n_counts: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Value / n_counts * 10,000 / median, in float32 up to the median, as published."""
        with np.errstate(divide="ignore"):
            per_count = np.float32(1) / n_counts.astype(np.float32)
        scaled = values.astype(np.float32, copy=False) * np.repeat(per_count, lengths)
        scaled *= np.float32(_SCALE)
        return scaled * self._per_median[columns]


def _descending(
    scores: NDArray[np.float64],
    starts: NDArray[np.int64],
    tie_order: NDArray[np.integer],
    columns: NDArray[np.int32],
) -> NDArray[np.intp]:
    """Order of each cell's scores, highest first; ties by the `tie_order` of their columns.

    An unstable sort is several times as fast as a stable one. The few ties are sorted afterwards.
    """
    order = np.empty(len(scores), np.intp)
    negated = -scores
    for start, stop in itertools.pairwise(starts.tolist()):
        order[start:stop] = negated[start:stop].argsort()
    order += np.repeat(starts[:-1], np.diff(starts))
    ranked = negated[order]
    is_tied = np.zeros(len(order), bool)
    is_tied[1:] = ranked[1:] == ranked[:-1]
    is_tied[starts[(starts > 0) & (starts < len(order))]] = False
    if is_tied.any():
        # A group of ties starts at the last place without a tie; the whole group is sorted.
        in_group = is_tied.copy()
        in_group[:-1] |= is_tied[1:]
        places = np.flatnonzero(in_group)
        group = np.cumsum(~is_tied)[places]
        tied = order[places]
        order[places] = tied[np.lexsort((tie_order[columns[tied]], group))]
    return order
