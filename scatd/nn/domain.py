"""What a model's training cells look like, and how far from them another cell is."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor

Role = Literal["reference", "source"]
"""The cohort that a domain was fitted to."""


@dataclass(frozen=True)
class Domain:
    """Training cells, and how far cells that it was not fitted to lie from them.

    A cell can be foreign in three ways. Its latent may lie where no training cell's does. Its
    features may vary along the directions in which training cells vary, but lie between or beyond
    their clusters; or they may vary along others, which the encoder has never learned to see. In
    the last two cases the latent may look as usual.

    Parameters
    ----------
    role
        Whose cells they are: "reference", or "source" where a model knows no single cells.
    latent_mean
        (n_latent,), of their posterior means.
    latent_whitening
        (n_latent, n_latent): (z - mean) @ whitening has unit covariance.
    feature_mean, axes
        (n_features,) and (n_features, n_axes): mean and first principal axes of their features.
    centres
        (n_clusters, n_axes), of clusters, in the coordinates of the axes.
    place_whitening
        (n_axes, n_axes), of the covariance that the clusters share.
    ranked
        (3, n_ranked), rows ascending: distances, as `distances` gives them, of training cells that
        all of this was not fitted to.
    held_out
        (n_held_out,), ascending: `rarity` of training cells that are not among the ranked either.
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
        """How far out cells lie in each of three ways, (3, n_obs); high is far.

        They are the Mahalanobis distance in latent space; that from the nearest cluster, along the
        axes; and the length of what the axes do not explain.

        Parameters
        ----------
        x
            Features as the encoder sees them, (n_obs, n_features).
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
        """Smallest of the shares of ranked cells that lie farther out in each way, (n_obs,).

        Parameters are those of `distances`; low is far.
        """
        n_ranked = self.ranked.shape[1]
        n_nearer = torch.searchsorted(self.ranked, self.distances(x, z).contiguous())
        return (n_ranked - n_nearer).amin(dim=0).double() / n_ranked

    def p_value(self, x: Tensor, z: Tensor) -> Tensor:
        """How common it is among training cells to lie so far out, (n_obs,) in float64.

        A cell's rarity is ranked among that of held-out cells, itself counted in (split conformal,
        Vovk et al. 2005): of new cells of the domain, a share of at most p has a value of p or
        less, whatever the distribution. Parameters are those of `distances`.
        """
        n_rarer = torch.searchsorted(self.held_out, self.rarity(x, z), right=True)
        return (n_rarer + 1).double() / (len(self.held_out) + 1)

    def tensors(self) -> dict[str, Tensor]:
        """Everything but the role, by name."""
        return {part.name: getattr(self, part.name) for part in fields(self) if part.name != "role"}

    def to(self, device: torch.device) -> Domain:
        """The same domain with its statistics on `device`."""
        moved = {name: value.to(device) for name, value in self.tensors().items()}
        return Domain(role=self.role, **moved)
