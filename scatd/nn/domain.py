"""The training domain of a model, and the distance of a cell from it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor

from scatd.nn.moving import doubles

Role = Literal["reference", "source"]
"""The cohort on which a training domain was fitted."""


@dataclass(frozen=True)
class TooFewCells:
    """What stands in place of a training domain where there were too few cells to fit one.

    Parameters
    ----------
    role
        The cohort of the cells.
    n_cells
        Their number.
    """

    role: Role
    n_cells: int


@dataclass(frozen=True)
class Domain:
    """Statistics of the training cells, and the distances of other cells from them.

    A cell can differ from the training cells in three ways. First, its latent may lie far from
    all training latents. Second, its features may lie far from all clusters of training cells,
    although they vary along the same axes. Third, its features may vary along other axes, which the
    encoder has not learned. In the last two cases the latent may look normal.

    Parameters
    ----------
    role
        The cohort of the training cells: "reference", or "source" for a model without a reference.
    latent_mean
        (n_latent,), mean of the posterior means of the training cells.
    latent_whitening
        (n_latent, n_latent): (z - mean) @ whitening has unit covariance.
    feature_mean, axes
        (n_features,) and (n_features, n_axes): mean and first principal axes of the features.
    centres
        (n_clusters, n_axes), cluster centres, in the coordinates of the axes.
    place_whitening
        (n_axes, n_axes), whitens the covariance within clusters.
    ranked
        (3, n_ranked), rows ascending: `distances` of training cells that were not used to fit the
        statistics above.
    held_out
        (n_held_out,), ascending: `rarity` of training cells that were used neither for the
        statistics nor for `ranked`. It is in double precision, on the processor.
    """

    role: Role
    latent_mean: Tensor
    latent_whitening: Tensor
    feature_mean: Tensor
    axes: Tensor
    centres: Tensor
    place_whitening: Tensor
    ranked: Tensor
    held_out: Tensor

    def distances(self, x: Tensor, z: Tensor) -> Tensor:
        """Compute three distances of cells from the training cells, (3, n_obs); high is far.

        They are the Mahalanobis distance in latent space, the Mahalanobis distance from the nearest
        cluster along the axes, and the length of the residual that the axes do not explain.

        Parameters
        ----------
        x
            Features as the encoder reads them, (n_obs, n_features).
        z
            Their posterior means, (n_obs, n_latent).
        """
        length = torch.linalg.vector_norm
        latent = length((z - self.latent_mean) @ self.latent_whitening, dim=1)
        centred = x - self.feature_mean
        place = centred @ self.axes
        apart = (place[:, None] - self.centres) @ self.place_whitening
        residual = centred - place @ self.axes.T
        return torch.stack([latent, length(apart, dim=2).amin(dim=1), length(residual, dim=1)])

    def rarity(self, x: Tensor, z: Tensor) -> Tensor:
        """Smallest share of ranked cells that lie farther, over the distances, (n_obs,).

        Parameters are those of `distances`. Low is far.
        """
        return doubles(self.n_farther(x, z)) / self.ranked.shape[1]

    def n_farther(self, x: Tensor, z: Tensor) -> Tensor:
        """Smallest number of ranked cells that lie farther, over the distances, (n_obs,).

        It is counted where the cells are. Parameters are those of `distances`.
        """
        n_nearer = torch.searchsorted(self.ranked, self.distances(x, z).contiguous())
        return (self.ranked.shape[1] - n_nearer).amin(dim=0)

    def p_value(self, x: Tensor, z: Tensor) -> Tensor:
        """Conformal p-value of each cell, (n_obs,), float64; low means unlike the training cells.

        The rarity of a cell is ranked among the rarities of held-out training cells, with the cell
        itself counted (split conformal, Vovk et al. 2005). Of new cells from the training domain, a
        share of at most p has a p-value of at most p, for any distribution. Parameters are those of
        `distances`.
        """
        return self.p_of(self.n_farther(x, z))

    def p_of(self, n_farther: Tensor) -> Tensor:
        """The p-values that belong to `n_farther` (n_obs,), on the processor."""
        rarity = doubles(n_farther) / self.ranked.shape[1]
        n_rarer = torch.searchsorted(self.held_out, rarity, right=True)
        return doubles(n_rarer + 1) / (len(self.held_out) + 1)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name; the role is not among them."""
        return {part.name: getattr(self, part.name) for part in fields(self) if part.name != "role"}

    def to(self, device: torch.device) -> Domain:
        """The same domain with its statistics on `device`; `held_out` is read on the processor."""
        stays = "held_out"
        moved = {
            name: value.to("cpu" if name == stays else device)
            for name, value in self.tensors().items()
        }
        return Domain(role=self.role, **moved)
