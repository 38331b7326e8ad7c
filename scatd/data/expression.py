"""Expression as family dist reads it: log(1 + counts scaled to 10,000 a cell)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from scatd.data.features import Features
from scatd.data.lazy import LazyMatrix

LOG1P = "log1p"
AS_GIVEN = "as given"
_TOTAL = 1e4
_LOOKED_AT = 1000


def log_normalised(features: Features) -> tuple[Features, str]:
    """Normalise counts; anything else is left as it is.

    Whole numbers of 0 and more in about a thousand rows from all over the file are taken as counts.

    Returns
    -------
    The features, and the scale that they are on now: "log1p", or "as given" where they were no
    counts.
    """
    X = features.X
    seen = X[:: max(len(X) // _LOOKED_AT, 1)]
    if not (np.all(seen >= 0) and np.all(seen == np.floor(seen))):
        return features, AS_GIVEN
    if isinstance(X, np.ndarray) and not isinstance(X, np.memmap):
        return replace(features, X=log_normalise(X)), LOG1P
    block_rows = getattr(X, "block_rows", 1)
    lazy: Any = LazyMatrix(lambda start, stop: log_normalise(X[start:stop]), X.shape, block_rows)
    return replace(features, X=lazy), LOG1P


def log_normalise(counts: np.ndarray) -> np.ndarray:
    """Log(1 + counts scaled to 10,000 a row) of (n_obs, n_genes); a row without counts stays 0."""
    totals = counts.sum(axis=1, keepdims=True, dtype=np.float64)
    scale = (_TOTAL / np.maximum(totals, 1)).astype(np.float32)
    return np.log1p(counts * scale)
