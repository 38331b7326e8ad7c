"""The map on which cells are drawn: the AnnData's own, or one of the model's latent."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import keys
from scatd.data.cell_map import FEWEST_CELLS, MAP_KEY, latent_map
from scatd.errors import InputError
from scatd.pl.scored import WHERE, Scored
from scatd.wording import counted

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)


def coordinates(adata: AnnData, found: Scored) -> NDArray[np.float64]:
    """Coordinates (n_obs, 2) of every cell; NaN for cells that the map does not have.

    A map that is made here is kept in obsm, and hashes of the rows that it was made of in uns. It
    is used again for the same cells and for some of them, but not when they are scored by another
    model, or when cells of several maps have been put together.

    Raises
    ------
    InputError
        When there is neither a map nor a latent, or too few cells have one.
    """
    if MAP_KEY in adata.obsm:
        return _two(np.asarray(adata.obsm[MAP_KEY], dtype=float))
    family = _family(adata, found)
    latent = np.asarray(adata.obsm[keys.latent_key(family)])
    key = keys.latent_map_key(family)
    rows = pd.util.hash_pandas_object(pd.DataFrame(latent), index=False).to_numpy()
    if key in adata.obsm and np.isin(rows, adata.uns.get(key, ())).all():
        return _two(np.asarray(adata.obsm[key], dtype=float))
    n_cells = int(np.isfinite(latent).all(axis=1).sum())
    if n_cells < FEWEST_CELLS:
        what = f"{counted(n_cells, 'cell', 'has')} a latent of family {family}"
        remedy = "Draw scatd.pl.scores instead."
        raise InputError(what, where=WHERE, expected=f"at least {FEWEST_CELLS}", remedy=remedy)
    said = counted(n_cells, "cell")
    logger.info("Making a UMAP of %s from obsm['%s'].", said, keys.latent_key(family))
    xy = latent_map(latent)
    if not adata.is_view:  # a view would become a copy, with a warning
        adata.obsm[key], adata.uns[key] = xy, rows
    return xy


def _family(adata: AnnData, found: Scored) -> str:
    """The family whose latent the AnnData has: that of the scores where they say it."""
    families = [found.about["family"]] if "family" in found.about else list(keys.FAMILIES)
    there = [family for family in families if keys.latent_key(family) in adata.obsm]
    if not there:
        names = " or ".join(f"obsm['{keys.latent_key(family)}']" for family in families)
        what = f"... has neither obsm['{MAP_KEY}'] nor {names}"
        remedy = (
            f"Run scatd.predict(adata, drug={found.drug!r}), or scanpy's sc.pp.neighbors and "
            "sc.tl.umap, first."
        )
        raise InputError(what, where=WHERE, remedy=remedy)
    return there[0]


def _two(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    if xy.ndim != 2 or xy.shape[1] < 2:
        what = f"... is a map of shape {xy.shape}"
        expected = "two columns"
        raise InputError(what, where=f"{WHERE}: obsm['{MAP_KEY}']", expected=expected)
    return xy[:, :2]
