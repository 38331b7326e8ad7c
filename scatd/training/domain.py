"""Fitting the training domain of a model.

What is measured was chosen on the demo's foreign cells (other cell types and programmes), over two
or three seeds. For families sf and gf, each distance alone marks all of them. The backbone of dist
has learned its training cells by heart, so that no new cell is far in latent space, and what axes
do not explain of single genes is noise; there the distance from the nearest cluster finds 97 % and
more, that from one centre 60 %, and the three together 90 to 95 %. Of the target, 3 to 6 % are
marked. A reconstruction error would mark 30 to 40 % of it.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from scatd.evaluation.domain import FEWEST
from scatd.nn.domain import Domain, Role, TooFewCells
from scatd.nn.moving import doubles, like
from scatd.training.cores import one_thread

MOST_AXES, MOST_CLUSTERS = 50, 16
VARIANCE = 0.95
"""Share of the features' variance that the axes are to hold, if so many are enough."""
CLUSTER_CELLS = 50
"""Cells to a cluster, at least on average."""
_MORE_AXES, _ITERATIONS = 10, 4
"""Of the randomised SVD (Halko et al. 2011): what it computes beyond the axes, and how often."""


def fit_domain(x: Tensor, z: Tensor, role: Role, seed: int) -> Domain | TooFewCells:
    """Fit one half of the cells, rank by a quarter, calibrate on the rest.

    Parameters
    ----------
    x, z
        Features of training cells as the encoder sees them, (n_obs, n_features), and their
        posterior means, (n_obs, n_latent).
    role
        Whose cells they are.
    seed
        Of the split, the randomised SVD and the clustering.

    Returns
    -------
    The number of cells instead, where there are fewer than `FEWEST`.
    """
    if len(z) < FEWEST:
        return TooFewCells(role, len(z))
    order = torch.randperm(len(z), generator=torch.Generator().manual_seed(seed))
    fitted, ranked, held_out = order.tensor_split((len(z) // 2, len(z) * 3 // 4))
    latent, features = z[fitted], x[fitted]
    feature_mean, axes = features.mean(dim=0), principal_axes(features, seed)
    place = (features - feature_mean) @ axes
    centres, nearest = clusters(place, seed)
    domain = Domain(
        role=role,
        latent_mean=latent.mean(dim=0),
        latent_whitening=_whitening(latent - latent.mean(dim=0)),
        feature_mean=feature_mean,
        axes=axes,
        centres=centres,
        place_whitening=_whitening(place - centres[nearest]),
        ranked=torch.zeros(3, 0),
        held_out=torch.zeros(0),
    )
    far = domain.distances(x[ranked], z[ranked])
    domain = replace(domain, ranked=far.sort(dim=1).values)
    return replace(domain, held_out=domain.rarity(x[held_out], z[held_out]).sort().values)


def principal_axes(x: Tensor, seed: int) -> Tensor:
    """Orthonormal axes (n_features, n_axes) that hold most of the variance of x's features.

    They are as few as hold `VARIANCE` of it, and at most `MOST_AXES`.
    """
    centred = x - x.mean(dim=0)
    n_computed = min(MOST_AXES + _MORE_AXES, *x.shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _, singular, axes = torch.svd_lowrank(centred, q=n_computed, niter=_ITERATIONS)
    explained = singular.square().cumsum(0) / centred.square().sum()
    n_axes = min(int((explained < VARIANCE).sum()) + 1, MOST_AXES, n_computed)
    return axes[:, :n_axes].contiguous()


def clusters(place: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Centres (n_clusters, n_axes) of a mixture of Gaussians of one covariance.

    Returns
    -------
    The centres, and which of them each row of `place` (n_obs, n_axes) belongs to, (n_obs,).
    """
    from sklearn.mixture import GaussianMixture

    n_clusters = min(max(len(place) // CLUSTER_CELLS, 1), MOST_CLUSTERS)
    rows = doubles(place).numpy()
    with one_thread():
        found = GaussianMixture(n_clusters, covariance_type="tied", random_state=seed).fit(rows)
        nearest = found.predict(rows)
    return like(found.means_, place), torch.from_numpy(nearest).to(place.device)


def shrunken_covariance(centred: Tensor) -> Tensor:
    """Covariance (n_features, n_features) of centred rows, pulled to a multiple of 1.

    Source: Ledoit and Wolf, J. Multivar. Anal. 88 (2004), the pull that costs the least squared
    error.
    """
    from sklearn.covariance import ledoit_wolf

    covariance, _ = ledoit_wolf(doubles(centred).numpy(), assume_centered=True)
    return torch.from_numpy(covariance)


def _whitening(centred: Tensor) -> Tensor:
    """Factor that gives rows like these unit covariance: Cholesky's, of the inverse."""
    inverse = torch.linalg.inv(shrunken_covariance(centred))
    return like(torch.linalg.cholesky(inverse), centred)
