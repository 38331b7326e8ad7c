"""Closing the gap between bulk and single cell by exchanging feature statistics (AdaIN).

Statistics are computed once, from stated rows, and stored with the model. The published code uses
whatever rows were uploaded together, which makes a cell's score depend on its neighbours (D5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from scatd.keys import AlignmentMethod

COHORT_MINIMUM = 50
"""Fewer cells than this have no mean and s.d. worth imposing."""
SHRINKAGE = 100.0
"""Cohort size at which its own statistics and the stored ones weigh the same."""
EPSILON = 1e-8
CONSTANT = 1e-6
"""An s.d. at or below this share of 1 + |mean| is rounding, not variation."""


@dataclass(frozen=True)
class FeatureStats:
    """Mean and population s.d. of each feature, both (n_features,), over `n_obs` rows."""

    mean: Tensor
    std: Tensor
    n_obs: int


def feature_stats(blocks: Iterable[Tensor]) -> FeatureStats:
    """Mean and population s.d. of each feature over blocks of rows.

    Blocks (n_rows, n_features) are merged pairwise in float64 (Chan's update), so a memory map of
    any length needs one block of memory. The result has the dtype of the blocks.
    """
    n_obs = 0
    mean = squares = torch.zeros(0, dtype=torch.float64)
    dtype = torch.float32
    for block in blocks:
        rows = block.double()
        block_mean = rows.mean(dim=0)
        block_squares = (rows - block_mean).square().sum(dim=0)
        n_rows = len(rows)
        if n_obs == 0:
            mean, squares, dtype = block_mean, block_squares, block.dtype
        else:
            shift = block_mean - mean
            squares = squares + block_squares + shift.square() * (n_obs * n_rows / (n_obs + n_rows))
            mean = mean + shift * (n_rows / (n_obs + n_rows))
        n_obs += n_rows
    if n_obs == 0:
        msg = "feature statistics of no rows"
        raise ValueError(msg)
    return FeatureStats(mean.to(dtype), (squares / n_obs).sqrt().to(dtype), n_obs)


def standardised(x: Tensor, stats: FeatureStats) -> Tensor:
    """Rows x (n_obs, n_features) in s.d. from the mean of each feature.

    A feature that `stats` knows as constant is 0: what differs from a constant by rounding alone
    would otherwise be a million s.d. away in the rows that statistics were not computed from.
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
    """Cohort statistics pulled towards the stored ones; the larger the cohort, the less."""
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
        `adain`: the source takes the reference's style, a target stays where it is, which is the
        style that the classifier learned in. `bi-adain` (published): the source takes the
        reference's style, but a target is given the raw source's (defect D7). `coral`: as adain,
        and the source takes the reference's correlations too (see `scatd.nn.coral`). `mmd`: rows
        stay, and training pulls the latent spaces together. `none`: rows stay.
    source
        Statistics of the training rows of the fold (never of its validation rows).
    reference
        Statistics of the unlabelled single-cell reference.
    """

    method: AlignmentMethod
    source: FeatureStats | None = None
    reference: FeatureStats | None = None

    def move_source(self, x: Tensor) -> Tensor:
        """Source rows (n_obs, n_features) with the mean and s.d. that training gives them."""
        if self.method in ("mmd", "none"):
            return x
        source, reference = self._stored()
        return adain(x, source, reference)

    def move_target(self, x: Tensor, cohort: FeatureStats | None = None) -> Tensor:
        """Target rows as the classifier sees them at inference.

        Parameters
        ----------
        x
            Features (n_obs, n_features) of any number of cells.
        cohort
            Statistics to re-centre with (`--stats cohort`). None (`--stats reference`) uses the
            stored ones, so that a cell's score never depends on the cells beside it.
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

        def moved(stats: FeatureStats | None) -> FeatureStats | None:
            if stats is None:
                return None
            return FeatureStats(stats.mean.to(device), stats.std.to(device), stats.n_obs)

        return Alignment(self.method, moved(self.source), moved(self.reference))
