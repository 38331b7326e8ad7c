"""How far the reference lies from the source: how well trees tell their rows apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scatd.data.splits import stratified_folds
from scatd.evaluation.delong import auroc_variance

NEAR = 0.75
"""AUROC of telling source from reference under which the reference is like the source.

Of ccle_gdsc, tissues that were left out are told from the others at 0.87 to 1.00.
"""
_MOST_ROWS = 500
_N_TREES, _LEAF, _FOLDS = 100, 5, 3


def domain_auroc(source: NDArray[np.float32], reference: NDArray[np.float32], seed: int) -> float:
    """AUROC, out of fold, of trees that tell source rows from reference rows.

    Parameters
    ----------
    source
        Samples (n_obs, n_features), moved as in training.
    reference
        Cells (n_cells, n_features).
    seed
        Of the rows that are drawn, the folds and the trees.

    Returns
    -------
    0.5 or less where they cannot be told apart, 1 where each row can. With fewer than six rows of
    either, 1.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    rng = np.random.default_rng(seed)
    parts = [_some(rows, rng) for rows in (source, reference)]
    if min(map(len, parts)) < 2 * _FOLDS:
        return 1.0
    X = np.concatenate(parts)
    codes = np.repeat([0, 1], [len(part) for part in parts])
    told = np.empty(len(codes))
    for train, val in stratified_folds(codes, _FOLDS, seed):
        trees = ExtraTreesClassifier(
            _N_TREES, min_samples_leaf=_LEAF, class_weight="balanced", random_state=seed
        )
        told[val] = trees.fit(X[train], codes[train]).predict_proba(X[val])[:, 1]
    return auroc_variance(codes, told)[0]


def _some(rows: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    if len(rows) <= _MOST_ROWS:
        return rows
    return rows[np.sort(rng.choice(len(rows), _MOST_ROWS, replace=False))]
