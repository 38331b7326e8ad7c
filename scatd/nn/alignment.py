"""Alignment of bulk and single-cell features: feature statistics are exchanged (AdaIN).

Statistics are computed once, from rows that are named, and stored with the model. The published
code computes them from the uploaded cells, so the score of a cell depends on the other cells (D5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from scatd.keys import AlignmentMethod
from scatd.nn.moving import doubles

COHORT_MINIMUM = 50
"""Smaller cohorts have no reliable mean and s.d."""
SHRINKAGE = 100.0
"""Cohort size at which its own statistics and the stored statistics have equal weight."""
EPSILON = 1e-8
CONSTANT = 1e-6
"""A feature with an s.d. of at most this share of 1 + |mean| is constant, up to rounding."""


@dataclass(frozen=True)
class FeatureStats:
    """Mean and population s.d. of each feature, both (n_features,), over `n_obs` rows."""

    mean: Tensor
    std: Tensor
    n_obs: int

    def to(self, device: torch.device) -> FeatureStats:
        """The same statistics on `device`."""
        return FeatureStats(self.mean.to(device), self.std.to(device), self.n_obs)


def feature_stats(blocks: Iterable[Tensor]) -> FeatureStats:
    """Mean and population s.d. of each feature over blocks of rows.

    Blocks (n_rows, n_features) are merged pairwise in float64 (Chan's update), so a memory map of
    any length needs one block of memory. The result has the dtype of the blocks and is where they
    are. The sums are made on the processor: they are the same on every device.
    """
    n_obs = 0
    mean = squares = torch.zeros(0, dtype=torch.float64)
    like = torch.zeros(0)
    for block in blocks:
        rows = doubles(block)
        block_mean = rows.mean(dim=0)
        block_squares = (rows - block_mean).square().sum(dim=0)
        n_rows = len(rows)
        if n_obs == 0:
            mean, squares, like = block_mean, block_squares, block[:0]
        else:
            shift = block_mean - mean
            squares = squares + block_squares + shift.square() * (n_obs * n_rows / (n_obs + n_rows))
            mean = mean + shift * (n_rows / (n_obs + n_rows))
        n_obs += n_rows
    if n_obs == 0:
        msg = "feature statistics of no rows"
        raise ValueError(msg)
    std = (squares / n_obs).sqrt()
    return FeatureStats(mean.to(like.dtype), std.to(like.dtype), n_obs).to(like.device)


def standardised(x: Tensor, stats: FeatureStats) -> Tensor:
    """Rows x (n_obs, n_features) in s.d. from the mean of each feature.

    A feature that is constant in `stats` becomes 0. Otherwise a rounding difference from the
    constant would be a million s.d. in rows that were not used for the statistics.
    """
    is_constant = stats.std <= CONSTANT * (1 + stats.mean.abs())
    moved = (x - stats.mean) / (stats.std + EPSILON)
    return moved.masked_fill(is_constant, 0.0)


def adain(x: Tensor, content: FeatureStats, style: FeatureStats) -> Tensor:
    """Give x (n_obs, n_features) the style's mean and s.d. in place of the content's.

    Source: scATD, (x - mean) / (std + 1e-8) * std_style + mean_style.
    """
    return standardised(x, content) * style.std + style.mean


def shrink(cohort: FeatureStats, stored: FeatureStats) -> FeatureStats:
    """Pull cohort statistics towards the stored ones; a large cohort is pulled less."""
    weight = cohort.n_obs / (cohort.n_obs + SHRINKAGE)
    variance = weight * cohort.std.square() + (1 - weight) * stored.std.square()
    mean = weight * cohort.mean + (1 - weight) * stored.mean
    return FeatureStats(mean, variance.sqrt(), cohort.n_obs)


@dataclass(frozen=True)
class Alignment:
    """How source rows were moved in training and how target rows are moved at inference.

    Parameters
    ----------
    method
        `adain`: the source takes the style (mean and s.d.) of the reference; the target is not
        moved, because the classifier was trained in the reference's style. `bi-adain` (published):
        the source takes the style of the reference, but the target takes the style of the raw
        source (D7). `coral`: as adain, and the source also takes the correlations of the reference
        (see `scatd.nn.coral`). `mmd`: no rows are moved; training pulls the latent spaces together.
        `none`: no rows are moved.
    source
        Statistics of the training rows of the fold (never of its validation rows).
    reference
        Statistics of the unlabelled single-cell reference.
    """

    method: AlignmentMethod
    source: FeatureStats | None = None
    reference: FeatureStats | None = None

    def move_source(self, x: Tensor) -> Tensor:
        """Move source rows (n_obs, n_features) as in training."""
        if self.method in ("mmd", "none"):
            return x
        source, reference = self._stored()
        return adain(x, source, reference)

    def move_target(self, x: Tensor, cohort: FeatureStats | None = None) -> Tensor:
        """Move target rows as at inference.

        Parameters
        ----------
        x
            Features (n_obs, n_features) of any number of cells.
        cohort
            Statistics of the cohort, to re-centre with (`--stats cohort`). None (`--stats
            reference`) uses the stored ones, so that the score of a cell never depends on the other
            cells.
        """
        if self.method == "none":
            return x
        source, reference = self._stored()
        if self.method == "bi-adain":
            return adain(x, reference if cohort is None else cohort, source)
        return x if cohort is None else adain(x, cohort, reference)

    def _stored(self) -> tuple[FeatureStats, FeatureStats]:
        if self.source is None or self.reference is None:
            msg = f"alignment '{self.method}' needs source and reference statistics"
            raise ValueError(msg)
        return self.source, self.reference

    def to(self, device: torch.device) -> Alignment:
        """The same alignment with its statistics on `device`."""
        source, reference = (
            None if stats is None else stats.to(device) for stats in (self.source, self.reference)
        )
        return Alignment(self.method, source, reference)
