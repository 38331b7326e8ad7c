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


def whole_groups(groups: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """The fold of each row, from 1, where no group is split; folds are about equally large.

    Groups are put into the smallest fold, large ones first. Those of about the same size (within a
    factor of two) come in a random order.

    Raises
    ------
    InputError
        When there are fewer groups than folds.
    """
    names, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < n_folds:
        what = f"{counted(len(names), 'group')} cannot be split into {counted(n_folds, 'fold')}"
        raise InputError(what, expected="at least one group a fold", remedy="Use fewer folds.")
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = sorted(shuffled, key=lambda group: -int(np.log2(sizes[group])))
    held, fold_of = np.zeros(n_folds, dtype=int), np.zeros(len(names), dtype=int)
    for group in order:
        fold = int(held.argmin())
        fold_of[group] = fold + 1
        held[fold] += sizes[group]
    return np.asarray(fold_of[member])


def unlabelled_folds(
    n_obs: int, n_folds: int, seed: int, groups: np.ndarray | None = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Shuffled folds of rows without classes; with groups (n_obs,), no group is split.

    Raises
    ------
    InputError
        When there are too few rows, or fewer groups than folds.
    """
    if groups is None:
        return shuffled_folds(n_obs, n_folds, seed)
    member = whole_groups(groups, n_folds, seed)
    numbers = range(1, n_folds + 1)
    return [(np.flatnonzero(member != n), np.flatnonzero(member == n)) for n in numbers]


def fold_seed(seed: int, number: int) -> int:
    """Seed of all draws of a fold: different for each fold, the same in every run."""
    return seed + number
