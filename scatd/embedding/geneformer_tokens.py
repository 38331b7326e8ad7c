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

        tokens = map(vocabulary.tokens.get, gene_ids, itertools.repeat(-1))
        self._tokens = np.fromiter(tokens, np.int32, len(gene_ids))
        found = map(vocabulary.medians.get, gene_ids, itertools.repeat(np.inf))
        medians = np.fromiter(found, np.float64, len(gene_ids))
        self._per_median = 1.0 / medians  # 0 for an unknown gene
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
        rows = [*itertools.pairwise(indptr.tolist())]
        scores = self._scores(columns, values, rows, n_counts)
        is_used = scores > 0
        n_used = [int(np.count_nonzero(is_used[start:stop])) for start, stop in rows]
        order = _descending(scores, rows, n_used, self._tie_order, columns)
        kept = np.minimum(np.array(n_used, np.int64), self._max_tokens)
        if kept.sum() < len(order):
            firsts = itertools.accumulate(n_used, initial=0)
            parts = [order[first : first + n] for first, n in zip(firsts, kept, strict=False)]
            order = np.concatenate(parts)
        return self._tokens.take(columns.take(order)), kept

    def _scores(
        self,
        columns: NDArray[np.int32],
        values: NDArray[np.floating],
        rows: Sequence[tuple[int, int]],
        n_counts: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Value / n_counts * 10,000 / median, in float32 up to the median, as published.

        0 for what becomes no token: columns that are not in the vocabulary, and values that are not
        above 0.
        """
        scaled, counts = np.empty(len(values), np.float32), values.astype(np.float32, copy=False)
        with np.errstate(divide="ignore", invalid="ignore"):
            per_count = np.float32(1) / n_counts.astype(np.float32)
            for (start, stop), factor in zip(rows, per_count, strict=True):
                np.multiply(counts[start:stop], factor, out=scaled[start:stop])
            scaled *= np.float32(_SCALE)
            scores = scaled * self._per_median.take(columns)
        return np.fmax(scores, 0, out=scores)  # also 0 for NaN


def _descending(
    scores: NDArray[np.float64],
    rows: Sequence[tuple[int, int]],
    n_used: Sequence[int],
    tie_order: NDArray[np.integer],
    columns: NDArray[np.int32],
) -> NDArray[np.int64]:
    """Places of the scores above 0 of each row, highest first; ties by the order of their columns.

    Numbers are sorted several times as fast as places by numbers. So the place of a score is
    written into its last bits: floats that are not negative have the order of their bits. The few
    scores whose other bits are equal are sorted again.
    """
    mask = (1 << max(len(scores) - 1, 1).bit_length()) - 1
    bits = scores.view(np.int64) | mask
    sorted_ = np.subtract(np.arange(mask, mask + len(bits)), bits, out=bits)
    for start, stop in rows:
        sorted_[start:stop].sort()
    used = [sorted_[start : start + n] for (start, _), n in zip(rows, n_used, strict=True)]
    found = np.concatenate(used) if used else sorted_
    order = found & mask
    apart = found[1:] ^ found[:-1]
    if len(apart) and apart.min() <= mask:
        is_close = np.zeros(len(found), bool)
        is_close[1:] = apart <= mask
        starts = np.array([*itertools.accumulate(n_used)][:-1], np.int64)
        is_close[starts[starts < len(found)]] = False
        # A group starts at the last place that is not close; the whole group is sorted.
        in_group = is_close.copy()
        in_group[:-1] |= is_close[1:]
        places = np.flatnonzero(in_group)
        group = np.cumsum(~is_close)[places]
        close = order[places]
        by_score = np.lexsort((tie_order[columns[close]], -scores[close], group))
        order[places] = close[by_score]
    return order
