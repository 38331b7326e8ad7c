"""Naive means, by their formula; no label outside of the training pairs is read."""

from __future__ import annotations

import numpy as np
import pytest

from scatd.evaluation.naive import PRIOR, naive_means


@pytest.fixture
def pairs():
    rng = np.random.default_rng(3)
    codes = rng.integers(-1, 2, (30, 5)).astype(np.int8)
    tissues = rng.choice(["lung", "skin", ""], 30)
    is_training = (codes >= 0) & (rng.random(codes.shape) < 0.7)
    return codes, is_training, tissues


SUBSTANCES = ("a", "b", "c", "a", "d")  # the first and the fourth are one substance


def by_loop(codes, is_training, drug, tissues):
    """The same means, pair by pair."""
    own = [place for place, name in enumerate(SUBSTANCES) if name == SUBSTANCES[drug]]
    n_lines, n_drugs = codes.shape
    every = [(i, j) for i in range(n_lines) for j in range(n_drugs) if is_training[i, j]]

    def share(some, towards=None):
        labels = [int(codes[pair]) for pair in some]
        if towards is None:
            return sum(labels) / len(labels)
        return (sum(labels) + PRIOR * towards) / (len(labels) + PRIOR)

    overall = share(every)
    of_drug = share([pair for pair in every if pair[1] in own])
    found = {"drug_mean": [], "tissue_mean": [], "line_mean": []}
    for line in range(n_lines):
        alike = [
            (i, j) for i, j in every if j in own and tissues[i] == tissues[line] and tissues[i]
        ]
        others = [(i, j) for i, j in every if i == line and j not in own]
        found["drug_mean"].append(of_drug)
        found["tissue_mean"].append(share(alike, of_drug))
        found["line_mean"].append(share(others, overall))
    return found


@pytest.mark.parametrize("drug", range(5))
def test_every_mean_is_its_formula(pairs, drug):
    codes, is_training, tissues = pairs
    found = naive_means(codes, is_training, drug, SUBSTANCES, tissues)
    expected = by_loop(codes, is_training, drug, tissues)
    assert list(found) == ["drug_mean", "tissue_mean", "line_mean"]
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-12)


def test_labels_outside_of_training_change_nothing(pairs):
    codes, is_training, tissues = pairs
    inverted = np.where(is_training | (codes < 0), codes, 1 - codes).astype(np.int8)
    assert (inverted != codes).any()
    before = naive_means(codes, is_training, 0, SUBSTANCES, tissues)
    after = naive_means(inverted, is_training, 0, SUBSTANCES, tissues)
    for name, values in before.items():
        np.testing.assert_array_equal(values, after[name])


def test_a_line_mean_knows_nothing_of_the_drug_itself(pairs):
    codes, is_training, tissues = pairs
    inverted = codes.copy()
    for column in (0, 3):  # two names of the substance
        known = codes[:, column] >= 0
        inverted[known, column] = 1 - codes[known, column]
    share = codes[is_training].mean()
    inverted_share = inverted[is_training].mean()
    before = naive_means(codes, is_training, 0, SUBSTANCES, tissues)["line_mean"]
    after = naive_means(inverted, is_training, 0, SUBSTANCES, tissues)["line_mean"]
    n = (is_training[:, [1, 2, 4]]).sum(axis=1)
    # Only the overall share, which is the same for all lines, may have moved.
    moved = PRIOR * (inverted_share - share) / (n + PRIOR)
    np.testing.assert_allclose(after - before, moved, atol=1e-12)


def test_without_training_pairs_the_wider_share_is_taken():
    codes = np.array([[0, 1], [1, 1], [1, 0], [0, 1]], dtype=np.int8)
    tissues = np.array(["lung", "lung", "skin", "skin"])
    of_other = np.zeros((4, 2), dtype=bool)
    of_other[:, 1] = True  # the first drug is left out
    found = naive_means(codes, of_other, 0, ("a", "b"), tissues)
    assert set(found["drug_mean"]) == {0.75}
    np.testing.assert_allclose(found["tissue_mean"], (np.array([2, 2, 1, 1]) + 1.5) / 4)
    np.testing.assert_allclose(found["line_mean"], (np.array([1, 1, 0, 1]) + 1.5) / 3)
    left_out = of_other.copy()
    left_out[0] = False  # and a line
    alone = naive_means(codes, left_out, 0, ("a", "b"))
    assert alone["line_mean"][0] == pytest.approx(2 / 3)
    assert "tissue_mean" not in alone
