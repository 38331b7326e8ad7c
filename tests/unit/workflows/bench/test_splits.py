"""What is left out is left out: no line, tissue or drug of a fold is trained on."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

from scatd.data.splits import whole_groups
from scatd.errors import InputError
from scatd.workflows.bench.splits import Pairs, parts, split

N_LINES, N_FOLDS = 90, 3


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 2, (N_LINES, 4)).astype(np.int8)
    codes[rng.random(codes.shape) < 0.2] = -1
    codes[:5] = -1  # lines without any label
    tissues = rng.choice(["lung", "skin", "blood", "breast", "bone", ""], N_LINES)
    return Pairs(codes, ("a", "b", "a", "c"), tissues)


@pytest.mark.parametrize("kind", ["random", "lines", "tissues", "drugs"])
def test_every_pair_with_a_label_is_left_out_once(pairs, kind):
    folds = split(kind, pairs, N_FOLDS, 42)
    expected = pairs.codes >= 0
    if kind == "tissues":
        expected &= (pairs.tissues != "")[:, None]
    np.testing.assert_array_equal(folds > 0, expected)
    assert folds.max() == N_FOLDS  # of split drugs, the number of substances


def test_random_folds_are_those_of_a_transfer(pairs):
    folds = split("random", pairs, N_FOLDS, 7)
    for drug in range(4):
        rows = np.flatnonzero(pairs.codes[:, drug] >= 0)
        splitter = StratifiedKFold(N_FOLDS, shuffle=True, random_state=7)
        theirs = list(splitter.split(rows[:, None], pairs.codes[rows, drug]))
        found = parts(folds, drug)
        assert [number for number, _, _ in found] == [1, 2, 3]
        for (_, train, val), (their_train, their_val) in zip(found, theirs, strict=True):
            np.testing.assert_array_equal(train, rows[their_train])
            np.testing.assert_array_equal(val, rows[their_val])


def test_a_line_is_left_out_for_all_drugs(pairs):
    folds = split("lines", pairs, N_FOLDS, 42)
    for row in folds:
        assert len(set(row[row > 0])) <= 1
    sizes = np.bincount(folds.max(axis=1))[1:]
    assert sizes.max() - sizes.min() <= 1


def test_a_tissue_is_left_out_for_all_drugs(pairs):
    folds = split("tissues", pairs, N_FOLDS, 42)
    held = {}
    for tissue in set(pairs.tissues) - {""}:
        own = folds[pairs.tissues == tissue]
        (held[tissue],) = set(own[own > 0])
    assert set(held.values()) == {1, 2, 3}
    for drug in range(4):
        for _, train, val in parts(folds, drug):
            assert not set(pairs.tissues[train]) & set(pairs.tissues[val])
            assert "" not in pairs.tissues[np.concatenate([train, val])]


def test_a_drug_is_left_out_with_its_other_names(pairs):
    folds = split("drugs", pairs, N_FOLDS, 42)
    numbers = [set(column[column > 0]) for column in folds.T]
    assert numbers == [{1}, {2}, {1}, {3}]


@pytest.mark.parametrize("kind", ["random", "lines", "tissues", "drugs"])
def test_equal_seeds_give_equal_folds(pairs, kind):
    once, again = (split(kind, pairs, N_FOLDS, 5) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    if kind in ("random", "lines"):
        assert (once != split(kind, pairs, N_FOLDS, 6)).any()


def test_groups_fill_folds_evenly():
    groups = np.repeat(["a", "b", "c", "d", "e", "f"], [40, 30, 20, 10, 10, 10])
    found = whole_groups(groups, 3, 0)
    sizes = np.bincount(found)[1:]
    assert sizes.max() <= 50
    assert sizes.sum() == 120


def test_too_few_groups_and_drugs_are_refused(pairs):
    with pytest.raises(InputError, match="5 groups cannot be split into 6 folds"):
        split("tissues", pairs, 6, 0)
    with pytest.raises(InputError, match="at least two drugs"):
        split("drugs", Pairs(pairs.codes[:, [0, 2]], ("a", "a")), 3, 0)
