"""Cross-validation folds."""

from __future__ import annotations

import numpy as np

from scatd.errors import InputError
from scatd.wording import counted


def stratified_folds(
    codes: np.ndarray, n_folds: int = 5, seed: int = 42, groups: np.ndarray | None = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Shuffled stratified folds of scikit-learn, as in the published code.

    Parameters
    ----------
    codes
        Response codes of labelled samples only, (n_samples,).
    n_folds
        Number of folds, at least 2.
    seed
        Equal seeds give equal folds.
    groups
        Group of each sample, such as its patient, (n_samples,): no group is split between folds.

    Returns
    -------
    list of (train_indices, validation_indices)
        Positions in `codes`, ascending.

    Raises
    ------
    InputError
        When there are fewer groups than folds, or a fold has only one class because of the groups.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    if np.any(codes < 0):
        raise ValueError("stratified_folds takes labelled samples only")
    if n_folds < 2:
        raise InputError(f"{counted(n_folds, 'fold')} cannot be made", expected="at least 2 folds")
    rows = np.zeros((len(codes), 1))
    if groups is None:
        splitter = StratifiedKFold(n_splits=n_folds, shuffle=True, random_state=seed)
        return list(splitter.split(rows, codes))
    n_groups = len(np.unique(groups))
    if n_groups < n_folds:
        raise InputError(
            f"{counted(n_groups, 'group')} cannot be split into {counted(n_folds, 'fold')}",
            expected="at least one group a fold",
            remedy="Use fewer folds.",
        )
    grouped = StratifiedGroupKFold(n_splits=n_folds, shuffle=True, random_state=seed)
    folds = list(grouped.split(rows, codes, groups))
    for number, (train, validation) in enumerate(folds, start=1):
        if min(len(np.unique(codes[train])), len(np.unique(codes[validation]))) < 2:
            raise InputError(
                f"fold {number} of {n_folds} has only one class when groups stay together",
                remedy="Use fewer folds, or another grouping.",
            )
    return folds


def shuffled_folds(n_obs: int, n_folds: int, seed: int = 42) -> list[tuple[np.ndarray, np.ndarray]]:
    """Shuffled folds of unlabelled rows, of scikit-learn as in the published code.

    Returns
    -------
    list of (train_indices, validation_indices)
        Ascending.

    Raises
    ------
    InputError
        When there are not at least two training rows and one validation row for each fold.
    """
    from sklearn.model_selection import KFold

    if n_obs < max(n_folds, 3):
        what = f"{counted(n_obs, 'row')} cannot be split into {counted(n_folds, 'fold')}"
        raise InputError(what, expected=f"at least {max(n_folds, 3)}", remedy="Use fewer folds.")
    splitter = KFold(n_splits=n_folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros((n_obs, 1))))


def fold_seed(seed: int, number: int) -> int:
    """Seed of all draws of a fold: different for each fold, the same in every run."""
    return seed + number
