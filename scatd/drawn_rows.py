"""Rows of features that belong to no patient, drawn from the statistics that a model stores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scatd.artifact import Artifact
from scatd.keys import InputScale
from scatd.nn.moving import doubles

_NEVER_NEGATIVE: tuple[InputScale, ...] = ("counts", "cpm", "log1p")


def drawn_rows(stored: Artifact, n_rows: int, *, seed: int) -> NDArray[np.float32]:
    """Draw rows, each feature by itself, from a normal distribution.

    Its mean and s.d. are those of the reference, else of the source. A model without statistics
    has mean 0 and s.d. 1.

    Parameters
    ----------
    stored
        The model.
    n_rows, seed
        Number of rows, and the seed of the draws.

    Returns
    -------
    (n_rows, n_features), on the scale that the model reads. Expression that cannot be negative is 0
    or more.
    """
    rows = np.random.default_rng(seed).normal(size=(n_rows, stored.sizes.n_features))
    alignment = stored.alignment
    stats = None if alignment is None else alignment.reference or alignment.source
    if stats is not None:
        rows = doubles(stats.mean).numpy() + rows * doubles(stats.std).numpy()
    if stored.about.input_scale in _NEVER_NEGATIVE:
        rows = rows.clip(min=0)
    return rows.astype(np.float32)
