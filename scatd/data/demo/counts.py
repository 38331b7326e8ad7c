"""Draw raw counts of samples with given cell composition and programme activities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from scatd.data.demo.world import Floats, World

_ROWS_AT_ONCE = 400
"""Limits the memory for a panel of 19,264 genes."""


@dataclass(frozen=True)
class Samples:
    """The true state of each sample or cell, before measurement.

    Parameters
    ----------
    composition
        Share of each cell type, (n_obs, n_cell_types); a single cell has a single 1.
    drugs, states, foreign_states
        Activity of the programmes of `World`, (n_obs, n_programmes) each.
    """

    composition: Floats
    drugs: Floats
    states: Floats
    foreign_states: Floats


@dataclass(frozen=True)
class Platform:
    """The properties of the measurement of a cohort.

    Parameters
    ----------
    group
        Batch or patient of each row, (n_obs,).
    shift
        Log fold change that the measurement adds to a gene in each group, (n_groups, n_genes).
    scale
        Factor on the true log fold change of each gene, (n_genes,).
    depth
        Expected total count of each row, (n_obs,).
    dispersion
        Squared coefficient of variation beyond Poisson noise.
    dropout
        Probability that a gene with an expected count of one is lost; it falls with the expected
        count. 0 for bulk.
    """

    group: NDArray[np.int64]
    shift: Floats
    scale: Floats
    depth: Floats
    dispersion: float
    dropout: float


def sample_counts(
    world: World, samples: Samples, platform: Platform, rng: np.random.Generator
) -> sparse.csr_matrix:
    """Draw negative binomial counts, (n_obs, n_genes) float32 whole numbers."""
    type_profiles = np.exp(world.types)
    shape = np.float32(1.0 / platform.dispersion)
    blocks = []
    for start in range(0, len(platform.depth), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        # A bulk sample is the sum of its cells, so cell types are mixed on the scale of counts.
        change = np.log(samples.composition[rows] @ type_profiles)
        change += samples.drugs[rows] @ world.drugs + samples.states[rows] @ world.states
        change += samples.foreign_states[rows] @ world.foreign_states
        rate = np.exp(world.base + platform.shift[platform.group[rows]] + platform.scale * change)
        expected = rate * (platform.depth[rows, None] / rate.sum(axis=1, keepdims=True))
        noisy = rng.standard_gamma(shape, size=expected.shape, dtype=np.float32) / shape
        counts = rng.poisson(expected * noisy).astype(np.float32)
        if platform.dropout:
            lost = rng.random(expected.shape, dtype=np.float32)
            counts[lost < 2 * platform.dropout / (1 + expected)] = 0
        blocks.append(sparse.csr_matrix(counts))
    return sparse.vstack(blocks, format="csr", dtype=np.float32)
