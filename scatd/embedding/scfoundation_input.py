"""Tokens of scFoundation: normalised values of expression, and two tokens of read depth.

Source: scFoundation (Nature Methods 2024), its published program `get_embedding.py`. Arithmetic
up to the tokens is float64, as in that program.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from scatd.embedding.cells import Cells, offsets
from scatd.embedding.settings import ScFoundationSettings, Target, parse_target

N_GENES = 19_264
TARGET_POSITION = N_GENES
SOURCE_POSITION = N_GENES + 1

_SCALE = 10_000


def tokenize(
    X: sparse.csr_matrix,
    settings: ScFoundationSettings,
    *,
    totals: NDArray[np.float64] | None = None,
    median_total: float | None = None,
) -> Cells:
    """Tokens of cells or samples: the genes above zero, then target and source depth.

    A cell without counts, or with a depth that is not a positive number, gets a reason instead of
    tokens. The published program stops at a cell without counts, and replaces such a depth by the
    token of a gene.

    Parameters
    ----------
    X
        Expression (n_obs, 19264) in the published gene order: counts for `pre_normalized` F (bulk:
        any scale without logarithm), log values for T and A.
    settings
        Settings of the embedding.
    totals
        Raw total of each cell (n_obs,), for `pre_normalized` A.
    median_total
        Median of the row sums above zero over the whole cohort, for bulk samples under F.
    """
    X = sparse.csr_matrix(X, dtype=np.float64)
    X.sum_duplicates()
    sums = np.asarray(X.sum(axis=1)).ravel()
    lengths = np.diff(X.indptr)
    with np.errstate(divide="ignore", invalid="ignore"):
        if settings.input_type == "bulk":
            values, depth = _bulk(X, sums, settings, median_total)
            target = source = depth
        else:
            values = X.data
            if settings.pre_normalized == "F":
                values = np.log1p(values / np.repeat(sums, lengths) * _SCALE)
            elif settings.pre_normalized == "A":
                assert totals is not None
                sums = np.asarray(totals, np.float64)
            source = np.log10(sums)
            target = _target_depth(parse_target(settings.tgthighres), sums)
    # The network reads float32, so a gene has a token if its float32 value is above zero.
    return _assemble(X, values.astype(np.float32), _float32(target), _float32(source))


def _bulk(
    X: sparse.csr_matrix,
    sums: NDArray[np.float64],
    settings: ScFoundationSettings,
    median_total: float | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values, and the depth that is both target and source."""
    if settings.pre_normalized == "T":
        return X.data, sums
    assert median_total is not None
    values = np.log1p(X.data / np.repeat(sums / median_total, np.diff(X.indptr)))
    logged = sparse.csr_matrix((values, X.indices, X.indptr), X.shape)
    return values, np.log10(np.asarray(logged.sum(axis=1)).ravel())


def _target_depth(target: Target, totals: NDArray[np.float64]) -> NDArray[np.float64]:
    if target.kind == "f":
        return np.log10(totals * target.number)
    if target.kind == "a":
        return np.log10(totals) + target.number
    return np.full(len(totals), target.number)


def _float32(depth: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return depth.astype(np.float32)


def _assemble(
    X: sparse.csr_matrix,
    values: NDArray[np.float32],
    target: NDArray[np.float32],
    source: NDArray[np.float32],
) -> Cells:
    n_obs = X.shape[0]
    rows = np.repeat(np.arange(n_obs), np.diff(X.indptr))
    is_token = values > 0
    n_genes = np.bincount(rows[is_token], minlength=n_obs)
    reasons = np.full(n_obs, "", object)
    reasons[~((target > 0) & np.isfinite(target))] = "target depth not above 0"
    reasons[~((source > 0) & np.isfinite(source))] = "total too low"
    reasons[n_genes == 0] = "no expressed gene"

    indptr = offsets(n_genes + 2)
    ids = np.empty(indptr[-1], np.int32)
    tokens = np.empty(indptr[-1], np.float32)
    at = np.arange(int(is_token.sum())) + 2 * rows[is_token]
    ids[at], tokens[at] = X.indices[is_token], values[is_token]
    ids[indptr[1:] - 2], tokens[indptr[1:] - 2] = TARGET_POSITION, target
    ids[indptr[1:] - 1], tokens[indptr[1:] - 1] = SOURCE_POSITION, source
    return Cells(ids, tokens, indptr, reasons)
