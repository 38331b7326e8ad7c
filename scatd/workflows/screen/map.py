"""A map of cells (UMAP) for pictures: the cohort's own, or one made from the model's latent."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scatd import keys

if TYPE_CHECKING:
    from anndata import AnnData

MAP_KEY = "X_umap"
MOST_CELLS, FEWEST_CELLS = 5000, 10
"""Above these many cells a map takes minutes; below them there is none to make."""
_NEIGHBOURS = 15


def cell_map(cohort: AnnData, family: str) -> NDArray[np.float64] | None:
    """Coordinates (n_obs, 2) of every cell; NaN for those without a latent.

    `obsm["X_umap"]` where the cohort has one; else scanpy's neighbours and UMAP of the posterior
    means that `predict` wrote, with a fixed seed.

    Parameters
    ----------
    cohort
        As `predict` wrote it.
    family
        Of the model.

    Returns
    -------
    None when there are too many or too few cells.
    """
    if MAP_KEY in cohort.obsm and np.ndim(cohort.obsm[MAP_KEY]) == 2:
        own = np.asarray(cohort.obsm[MAP_KEY], dtype=float)
        return own[:, :2] if own.shape[1] >= 2 else None
    latent = np.asarray(cohort.obsm[keys.latent_key(family)])
    has_latent = np.isfinite(latent).all(axis=1)
    if not FEWEST_CELLS <= has_latent.sum() <= MOST_CELLS:
        return None
    xy = np.full((len(latent), 2), np.nan)
    xy[has_latent] = _umap(latent[has_latent])
    return xy


def _umap(latent: NDArray[np.float32]) -> NDArray[np.float32]:
    import anndata
    import scanpy

    cells = anndata.AnnData(obsm={"latent": latent}, shape=(len(latent), 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numba and umap, about their own settings
        n_neighbors = min(_NEIGHBOURS, len(latent) - 1)
        scanpy.pp.neighbors(cells, n_neighbors=n_neighbors, use_rep="latent", random_state=0)
        scanpy.tl.umap(cells, random_state=0)
    return cells.obsm[MAP_KEY]
