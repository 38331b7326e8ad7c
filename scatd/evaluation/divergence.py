"""Divergence between the distributions of a feature in two cohorts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scatd.errors import InputError
from scatd.evaluation.metrics import Array

_BLOCK = 64
"""Number of features binned at once: their values stay in the cache of the processor."""

_FLOOR = 1e-10
"""Added to every bin, so that an empty bin gives a large but finite divergence."""


def kl_per_feature(source: npt.NDArray, style: npt.NDArray, n_bins: int = 30) -> Array:
    """Kullback-Leibler divergence of `source` from `style` for each feature.

    The published definition (scATD, Bi-AdaIN report): equal bins over the pooled range of both
    cohorts; each histogram is normalised to sum 1; 1e-10 is added to every bin; it is normalised
    again; the result is the sum of p*ln(p/q) with p = `source`. Bins include their lower edge, the
    last bin both edges.

    One difference: a feature with too small a range for `n_bins` bins in floating point counts as
    constant and has divergence 0. The published code crashes there, or bins rounding noise.

    Parameters
    ----------
    source
        (n_obs, n_features), on the scale of `style`.
    style
        (n_obs_style, n_features).
    n_bins
        Number of histogram bins.

    Returns
    -------
    (n_features,), in nats. 0: equal histograms. 23: the histograms share no bin.

    Raises
    ------
    InputError
        When the numbers of features differ, a cohort is empty or a value is not finite.
    """
    if source.ndim != 2 or style.ndim != 2 or source.shape[1] != style.shape[1]:
        what = f"feature tables of shapes {source.shape} and {style.shape} cannot be compared"
        raise InputError(what, expected="two tables with the same features")
    if not len(source) or not len(style):
        raise InputError("a cohort without rows has no distribution", expected="at least one row")
    blocks = [
        _kl_of_block(
            source[:, start : start + _BLOCK].astype(np.float64),
            style[:, start : start + _BLOCK].astype(np.float64),
            n_bins,
        )
        for start in range(0, source.shape[1], _BLOCK)
    ]
    return np.concatenate(blocks) if blocks else np.empty(0)


def _kl_of_block(source: Array, style: Array, n_bins: int) -> Array:
    low = np.minimum(source.min(axis=0), style.min(axis=0))
    high = np.maximum(source.max(axis=0), style.max(axis=0))
    if not np.isfinite(low + high).all():
        raise InputError("features are NaN or infinite", expected="finite numbers")
    edges = np.linspace(low, high, n_bins + 1, axis=1)
    varies = (np.diff(edges, axis=1) > 0).all(axis=1)
    p, q = (_histogram(cells[:, varies], edges[varies]) + _FLOOR for cells in (source, style))
    p /= p.sum(axis=1, keepdims=True)
    q /= q.sum(axis=1, keepdims=True)
    divergence = np.zeros(len(edges))
    divergence[varies] = np.sum(p * np.log(p / q), axis=1)
    return divergence


def _histogram(values: Array, edges: Array) -> Array:
    """Fraction of a feature's values in each bin, (n_features, n_bins).

    Parameters
    ----------
    values
        (n_obs, n_features).
    edges
        Equally spaced, strictly increasing, (n_features, n_bins + 1).
    """
    n_features, n_bins = edges.shape[0], edges.shape[1] - 1
    low, high = edges[:, 0], edges[:, -1]
    where = ((values - low) / (high - low) * n_bins).astype(np.intp)
    np.clip(where, 0, n_bins - 1, out=where)
    # The product can be rounded across an edge, so the value is compared with the edge itself.
    at = where + np.arange(n_features) * (n_bins + 1)
    flat = edges.ravel()
    up = (values >= flat[at + 1]) & (where < n_bins - 1)
    where += up.astype(np.intp) - (values < flat[at])
    where += np.arange(n_features) * n_bins
    counts = np.bincount(where.ravel(), minlength=n_features * n_bins)
    return counts.reshape(n_features, n_bins) / len(values)
