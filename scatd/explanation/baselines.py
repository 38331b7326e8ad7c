"""Baselines: the input whose features count as absent, with which a cell is compared.

Source: scATD's attribution scripts (bbaf268) for zero, mean, random and mix. `reference` (cells
that the model calls sensitive) is our addition.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scatd.data.files import row_blocks
from scatd.errors import InputError
from scatd.explanation.settings import BaselineName

N_RANDOM = 10
"""Rows of `random` and `mix`, drawn with replacement, as published."""
N_REFERENCE = 50
"""Rows of `reference` when a pool of baselines is needed."""


def baseline_pool(
    name: BaselineName,
    X: Any,
    usable: NDArray[np.bool_],
    sensitive: NDArray[np.bool_],
    seed: int,
) -> NDArray[np.float32]:
    """Choose baselines, on the scale of `X`: one row for zero, mean and mix, else several rows.

    Integrated Gradients starts from their mean. GradientSHAP draws from them.

    Parameters
    ----------
    X
        Features (n_obs, n_features), not aligned; read by rows.
    usable
        (n_obs,), cells that have features.
    sensitive
        (n_obs,), cells that the model calls sensitive.
    seed
        Of the random rows.

    Raises
    ------
    InputError
        For `reference` when the model calls no cell sensitive.
    """
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(usable)
    if name == "zero":
        return np.zeros((1, X.shape[1]), np.float32)
    if name == "mean":
        return _mean(X, usable)
    if name == "reference":
        rows = np.flatnonzero(usable & sensitive)
        if not len(rows):
            what = "the model calls no cell of this cohort sensitive"
            remedy = "Take --baseline mean, or zero."
            raise InputError(what, where="--baseline reference", remedy=remedy)
        if len(rows) > N_REFERENCE:
            rows = rng.choice(rows, N_REFERENCE, replace=False)
        return _rows(X, rows)
    drawn = _rows(X, rng.choice(rows, N_RANDOM))
    if name == "random":
        return drawn
    return 0.5 * _mean(X, usable) + 0.5 * drawn.mean(axis=0, keepdims=True)


def _rows(X: Any, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Read rows of a matrix that can only be read in ascending order."""
    places, back = np.unique(rows, return_inverse=True)
    return np.asarray(X[places], dtype=np.float32)[back]


def _mean(X: Any, usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    total = np.zeros(X.shape[1])
    for block in row_blocks(X):
        total += np.asarray(X[block], np.float64)[usable[block]].sum(axis=0)
    return (total / usable.sum()).astype(np.float32)[None]
