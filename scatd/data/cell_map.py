"""A map of cells (UMAP) for pictures: the cohort's own, or one made from the model's latent."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.data.opened import OpenedInput
from scatd.data.readers.stores import read_element

MAP_KEY = "X_umap"
MOST_CELLS, FEWEST_CELLS = 5000, 10
"""Above these many cells a map takes minutes; below them there is none to make."""
_NEIGHBOURS = 15


def own_map(
    opened: OpenedInput, rows: NDArray[np.intp] | slice = slice(None)
) -> NDArray[np.float64] | None:
    """The cohort's own coordinates of some cells, (n_rows, 1 or more); None where it has none."""
    held = opened.embeddings.get(MAP_KEY)
    if held is None:
        return None
    in_memory = isinstance(held, np.ndarray | pd.DataFrame)
    values = np.asarray(held if in_memory else read_element(held))
    return values[rows].astype(float) if values.ndim == 2 else None


def cell_map(
    latent: NDArray[np.float32], own: NDArray[np.float64] | None = None
) -> NDArray[np.float64] | None:
    """Coordinates (n_obs, 2) of every cell; NaN for those without a latent.

    The cohort's own map where it has one; else scanpy's neighbours and UMAP of the latent, with a
    fixed seed.

    Parameters
    ----------
    latent
        Posterior means, (n_obs, n_latent); NaN for a cell without a score.
    own
        Of `own_map`.

    Returns
    -------
    None when there are too many or too few cells, or the own map has one dimension.
    """
    if own is not None:
        return own[:, :2] if own.shape[1] >= 2 else None
    if not FEWEST_CELLS <= np.isfinite(latent).all(axis=1).sum() <= MOST_CELLS:
        return None
    return latent_map(latent)


def latent_map(latent: NDArray[np.floating]) -> NDArray[np.float64]:
    """Coordinates (n_obs, 2) of every cell by its latent, as in `cell_map`, for any number."""
    has_latent = np.isfinite(latent).all(axis=1)
    xy = np.full((len(latent), 2), np.nan)
    xy[has_latent] = _umap(latent[has_latent])
    return xy


def _umap(latent: NDArray[np.floating]) -> NDArray[np.float32]:
    import anndata
    import scanpy

    cells = anndata.AnnData(obsm={"latent": latent}, shape=(len(latent), 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numba and umap, about their own settings
        n_neighbors = min(_NEIGHBOURS, len(latent) - 1)
        scanpy.pp.neighbors(cells, n_neighbors=n_neighbors, use_rep="latent", random_state=0)
        scanpy.tl.umap(cells, random_state=0)
    return cells.obsm[MAP_KEY]
