"""Clusters of a cohort's cells, where no column says which cells belong together."""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.errors import InputError
from scatd.wording import counted
from scatd.workflows.cohorts.scoring_input import ScoringInput

MOST_CELLS = 50_000
"""Of a cohort that is clustered: all of its features are in memory."""
WITHOUT = "without features"
"""Group of the cells that have no features."""
_COMPONENTS, _NEIGHBOURS = 50, 15


def require_igraph() -> None:
    """Refuse where the package that clusters is not installed.

    Raises
    ------
    InputError
        With the command that installs it.
    """
    if importlib.util.find_spec("igraph") is None:
        what, remedy = "igraph is not installed", 'pip install "scatd[clusters]"'
        raise InputError(what, where="--clusters leiden", remedy=remedy)


def leiden(given: ScoringInput, seed: int) -> pd.Categorical[str]:
    """Leiden clusters (Traag et al. 2019) of the features, (n_obs,): `cluster 1` is the largest.

    As scanpy does it: 50 principal components, 15 neighbours, resolution 1.

    Raises
    ------
    InputError
        When there are more than `MOST_CELLS` cells.
    """
    require_igraph()
    if given.n_obs > MOST_CELLS:
        what = f"{counted(given.n_obs, 'cell', 'is')} too many to cluster here"
        remedy = "Cluster them with scanpy, and name the column: --group-by COLUMN."
        where, expected = "--clusters leiden", f"at most {MOST_CELLS:,} cells"
        raise InputError(what, where=where, expected=expected, remedy=remedy)
    blocks = list(given.blocks(range(given.n_obs)))
    known = np.concatenate([block.reasons == "" for block in blocks])
    X = np.concatenate([block.X for block in blocks])[known]
    words = np.full(given.n_obs, WITHOUT, dtype=object)
    words[known] = _clusters(X, seed)
    names = sorted(set(words), key=lambda word: (word == WITHOUT, len(word), word))
    return pd.Categorical(words, categories=names)


def _clusters(X: NDArray[np.float32], seed: int) -> NDArray[np.object_]:
    import anndata
    import scanpy
    from sklearn.decomposition import PCA

    n_components = min(_COMPONENTS, len(X) - 1, X.shape[1])
    if n_components < 2:
        return np.full(len(X), "cluster 1", dtype=object)
    components = PCA(n_components, svd_solver="randomized", random_state=seed).fit_transform(X)
    cells = anndata.AnnData(obsm={"components": components}, shape=(len(X), 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numba and umap, about their own settings
        n_neighbors = min(_NEIGHBOURS, len(X) - 1)
        scanpy.pp.neighbors(cells, n_neighbors=n_neighbors, use_rep="components", random_state=seed)
        scanpy.tl.leiden(cells, flavor="igraph", n_iterations=2, directed=False, random_state=seed)
    numbers = cells.obs["leiden"].astype(int).to_numpy()
    order = np.argsort(-np.bincount(numbers), kind="stable")
    rank = np.empty(len(order), dtype=int)
    rank[order] = np.arange(1, len(order) + 1)
    return np.array([f"cluster {rank[one]}" for one in numbers], dtype=object)
