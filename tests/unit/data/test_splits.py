from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from scatd.data.splits import stratified_folds
from scatd.errors import InputError


@given(
    n_sensitive=st.integers(5, 40),
    n_resistant=st.integers(5, 40),
    n_folds=st.integers(2, 5),
    seed=st.integers(0, 2**31),
)
def test_folds_partition_the_samples_and_keep_the_classes(
    n_sensitive: int, n_resistant: int, n_folds: int, seed: int
) -> None:
    codes = np.repeat(np.array([0, 1], dtype=np.int8), [n_sensitive, n_resistant])
    folds = stratified_folds(codes, n_folds, seed)
    held_out = np.concatenate([validation for _, validation in folds])
    assert sorted(held_out) == list(range(len(codes)))
    for train, validation in folds:
        assert sorted([*train, *validation]) == list(range(len(codes)))
        for code, n_class in ((0, n_sensitive), (1, n_resistant)):
            assert abs((codes[validation] == code).sum() - n_class / n_folds) < 1


def test_folds_are_those_of_scikit_learn() -> None:
    codes = np.random.default_rng(0).integers(0, 2, 53)
    reference = StratifiedKFold(4, shuffle=True, random_state=7).split(codes[:, None], codes)
    for (train, validation), (train_, validation_) in zip(
        stratified_folds(codes, 4, 7), reference, strict=True
    ):
        np.testing.assert_array_equal(train, train_)
        np.testing.assert_array_equal(validation, validation_)


def test_a_group_is_never_split() -> None:
    groups = np.repeat(np.arange(20), 5)
    codes = np.random.default_rng(1).integers(0, 2, 100)
    for train, validation in stratified_folds(codes, 5, groups=groups):
        assert not set(groups[train]) & set(groups[validation])


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(InputError, match="2 groups cannot be split into 5 folds"):
        stratified_folds(np.tile([0, 1], 10), 5, groups=np.repeat([0, 1], 10))


def test_groups_that_leave_a_class_out_are_refused() -> None:
    codes = np.repeat([0, 1], 10)
    with pytest.raises(InputError, match="only one class when groups stay together"):
        stratified_folds(codes, 2, groups=codes * 2 + np.arange(20) // 15)


def test_one_fold_is_refused() -> None:
    with pytest.raises(InputError, match="at least 2"):
        stratified_folds(np.tile([0, 1], 10), 1)


def test_unlabelled_samples_never_make_a_class_of_their_own() -> None:
    with pytest.raises(ValueError, match="labelled"):
        stratified_folds(np.array([0, 1, -1] * 5))
