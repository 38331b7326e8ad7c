"""Inner folds: parts of the training rows of a fold that choose strength and candidate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scatd.data.splits import stratified_folds
from scatd.errors import InputError
from scatd.training.candidates.recipe import Split

INNER_FOLDS = 3
FEW_SHOT_FOLDS = 5
FEWEST_JUDGES = 5
"""Labelled target cells of a class that can choose between models; with fewer, samples do."""


def inner_folds(
    codes: NDArray[np.int_],
    groups: NDArray[np.str_] | None,
    few: NDArray[np.int_] | None,
    seed: int,
) -> list[Split]:
    """Inner folds of the training rows of a fold; empty where there are too few.

    Parameters
    ----------
    codes, groups
        Of the source samples, (n_source,).
    few
        Classes of labelled target cells that stand behind them. Where there are enough of them,
        they alone are scored.
    seed
        Of the folds.
    """
    if few is None:
        return inner_splits(codes, groups, seed)
    cells = len(codes) + np.arange(len(few))
    return few_shot_splits(len(codes), few, seed) or [
        (np.concatenate([train, cells]), val) for train, val in inner_splits(codes, groups, seed)
    ]


def inner_splits(
    codes: NDArray[np.int_], groups: NDArray[np.str_] | None, seed: int
) -> list[Split]:
    """Inner folds of training rows: three, or as many as the rarer class allows; none under two."""
    n_folds = min(INNER_FOLDS, int(np.bincount(codes, minlength=2).min()))
    while n_folds >= 2:
        try:
            return stratified_folds(codes, n_folds, seed, groups)
        except InputError:  # too few groups, or a class that one group holds
            n_folds -= 1
    return []


def few_shot_splits(n_source: int, few: NDArray[np.int_], seed: int) -> list[Split]:
    """Inner folds of labelled target cells: a model for them is judged on them.

    Parameters
    ----------
    n_source
        Training rows before the cells; they are in every training part.
    few
        Classes of the cells.
    """
    n_rarer = int(np.bincount(few, minlength=2).min())
    if n_rarer < FEWEST_JUDGES:
        return []
    n_folds = min(FEW_SHOT_FOLDS, n_rarer)
    source = np.arange(n_source)
    return [
        (np.concatenate([source, n_source + train]), n_source + val)
        for train, val in stratified_folds(few, n_folds, seed)
    ]
