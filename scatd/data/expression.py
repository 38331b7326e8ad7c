"""Expression for family dist: the genes of a model, log(1 + counts scaled to 10,000 a cell)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, overload

import numpy as np
from scipy import sparse

from scatd.data.features import Features
from scatd.data.files import release
from scatd.data.genes import Combine, Panel, aligned, match
from scatd.data.lazy import LazyMatrix
from scatd.data.limits import REFUSED_BELOW, WARNED_BELOW
from scatd.data.scale import Diagnosis
from scatd.errors import FaultKind, InputError, of_kind
from scatd.keys import InputScale
from scatd.wording import counted

logger = logging.getLogger(__name__)

LOG1P: InputScale = "log1p"
AS_GIVEN = "as given"
_TOTAL = 1e4
_LOOKED_AT = 1000


def holds_counts(X: np.ndarray) -> bool:
    """True when about a thousand rows of a matrix hold whole numbers of at least 0."""
    seen = X[:: max(len(X) // _LOOKED_AT, 1)]
    return bool(np.all(seen >= 0) and np.all(seen == np.floor(seen)))


def log_normalised(features: Features) -> tuple[Features, str]:
    """Normalise counts; other values are not changed.

    Returns
    -------
    The features, and their new scale: "log1p", or "as given" if they were not counts.
    """
    if not holds_counts(features.X):
        return features, AS_GIVEN
    return _row_wise(features, log_normalise, features.n_features), LOG1P


@overload
def log_normalise(counts: np.ndarray) -> np.ndarray: ...


@overload
def log_normalise(counts: sparse.csr_matrix) -> sparse.csr_matrix: ...


def log_normalise(counts: np.ndarray | sparse.csr_matrix) -> np.ndarray | sparse.csr_matrix:
    """Log(1 + counts scaled to 10,000 a row) of (n_obs, n_genes); rows without counts stay 0."""
    totals = np.asarray(counts.sum(axis=1, dtype=np.float64)).reshape(-1, 1)
    scale = (_TOTAL / np.maximum(totals, 1)).astype(np.float32)
    if sparse.issparse(counts):
        return (sparse.diags(scale.ravel()) @ counts).log1p().tocsr()
    return np.log1p(counts * scale)


def as_log1p(X: np.ndarray, held: Diagnosis) -> np.ndarray | None:
    """Convert expression on any known scale to the result of `log_normalise` on counts.

    Parameters
    ----------
    X
        (n_obs, n_genes) on the scale in `held`.

    Returns
    -------
    The same shape; None if the scale cannot be undone: logarithms of unknown totals, z-scores.
    """
    if held.logarithm == LOG1P:
        return log_normalise(np.expm1(X))
    if held.logarithm:
        return log_normalise(np.exp2(X) - 1)
    return log_normalise(X) if held.scale in ("counts", "cpm") else None


@of_kind(FaultKind.FEW_GENES)
def on_panel(features: Features, panel: Panel, combine: Combine) -> Features:
    """The genes of a panel, in its order; missing genes are 0.

    Counts must be put into this order before they are normalised: `predict` scales a cell to the
    genes of the model, and training must do the same.

    Parameters
    ----------
    features
        Expression with gene names.
    combine
        How several columns of one gene are combined: "sum" for counts, else "mean".

    Raises
    ------
    InputError
        When fewer than a fifth of the panel's genes are found; below four fifths, a warning is
        logged.
    """
    if features.names == panel.names:
        return features
    found = match(features.names or (), panel)
    if found.overlap < REFUSED_BELOW:
        what = f"... has {found.n_found} of the {counted(len(panel), 'gene')} of {panel.origin}"
        expected = f"at least {REFUSED_BELOW:.0%}"
        raise InputError(what, where=str(features.path), expected=expected)
    if found.overlap < WARNED_BELOW:
        logger.warning(
            "%s has only %s of %s; the others count as 0.",
            *(features.path, counted(found.n_found, "gene", of=len(panel)), panel.origin),
        )

    def arranged(rows: np.ndarray) -> np.ndarray:
        return aligned(sparse.csr_matrix(rows), found, combine).toarray()

    arranged_all = _row_wise(features, arranged, len(panel))
    missing = found.missing
    return replace(arranged_all, names=panel.names, missing=missing if missing.any() else None)


def _row_wise(
    features: Features, change: Callable[[np.ndarray], np.ndarray], n_features: int
) -> Features:
    """Convert rows now if they are in memory, else when they are read."""
    X = features.X
    if isinstance(X, np.ndarray) and not isinstance(X, np.memmap):
        return replace(features, X=change(X))
    shape = (features.n_obs, n_features)

    def changed(start: int, stop: int) -> np.ndarray:
        rows = change(np.asarray(X[start:stop]))
        release(X)
        return rows

    lazy: Any = LazyMatrix(changed, shape, getattr(X, "block_rows", 1))
    return replace(features, X=lazy)
