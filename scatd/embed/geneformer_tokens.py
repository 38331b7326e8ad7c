"""Geneformer's input: a cell as its genes, ranked by how far they lie above their own median.

Source: Geneformer (Nature 2023), the 30M models; scATD's edited tokenizer. Ties, which the
published code leaves to the processor, stay in column order here.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from scatd.embed.cells import Cells, offsets
from scatd.embed.geneformer_dictionaries import GeneVocabulary

MAX_TOKENS = 2048
_SCALE = 10_000


class RankTokenizer:
    """Turns counts into tokens, for one set of columns.

    Parameters
    ----------
    gene_ids
        Ensembl id of each column, without version; columns that the vocabulary does not know are
        left out, and a gene of several columns gives several tokens.
    vocabulary
        Tokens and medians.
    max_tokens
        How many ranks a cell keeps.
    """

    def __init__(
        self, gene_ids: Sequence[str], vocabulary: GeneVocabulary, *, max_tokens: int = MAX_TOKENS
    ) -> None:
        known = [gene in vocabulary.tokens for gene in gene_ids]
        self.is_known = np.array(known, bool)
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
            Total of each cell (n_obs,) over all genes that were measured, known or not.
        """
        n_obs = X.shape[0]
        rows = np.repeat(np.arange(n_obs), np.diff(X.indptr))
        is_used = self.is_known[X.indices] & (X.data > 0)
        rows, columns, values = rows[is_used], X.indices[is_used], X.data[is_used]
        scores = self._scores(rows, columns, values, n_counts)
        lengths = np.bincount(rows, minlength=n_obs)
        starts = offsets(lengths)
        order = _descending(scores, starts)

        kept = np.minimum(lengths, self._max_tokens)
        indptr = offsets(kept)
        within = np.arange(indptr[-1]) - np.repeat(indptr[:-1], kept)
        picked = order[np.repeat(starts[:-1], kept) + within]
        reasons = np.full(n_obs, "", object)
        reasons[lengths == 0] = "no expressed gene that Geneformer knows"
        return Cells(self._tokens[columns[picked]], None, indptr, reasons)

    def _scores(
        self,
        rows: NDArray[np.intp],
        columns: NDArray[np.int32],
        values: NDArray[np.floating],
        n_counts: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Value / n_counts * 10,000 / median, rounded as the published code does: float32 first."""
        with np.errstate(divide="ignore"):
            per_count = (np.float32(1) / n_counts.astype(np.float32))[rows]
        return (
            values.astype(np.float32) * per_count * np.float32(_SCALE) * self._per_median[columns]
        )


def _descending(scores: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.intp]:
    """Order of each cell's scores, highest first, ties as they stand.

    Sorting without regard to ties is several times as fast as a stable sort; the few ties are put
    in order afterwards.
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
        # A group of ties begins at the last untied place; both ends of each are sorted by column.
        in_group = is_tied.copy()
        in_group[:-1] |= is_tied[1:]
        places = np.flatnonzero(in_group)
        group = np.cumsum(~is_tied)[places]
        order[places] = order[places][np.lexsort((order[places], group))]
    return order
