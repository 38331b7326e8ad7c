"""The distance of a cohort from a reference counts only what was measured."""

from __future__ import annotations

import numpy as np
import pytest

from scatd.evaluation.nearness import RowSums, few_genes_sentence, nearness


@pytest.fixture
def reference():
    rng = np.random.default_rng(1)
    return rng.normal(size=125), rng.uniform(0.5, 2, 125)


def cohort_at(reference, shift, n=50):
    """Cells whose mean lies `shift` s.d. from the reference in each feature, on the two sides."""
    mean, std = reference
    sides = np.where(np.arange(len(mean)) % 2, 1, -1)
    noise = np.random.default_rng(2).normal(size=(n, len(mean)))
    return mean + std * (shift * sides + noise - noise.mean(axis=0))


def test_a_whole_cohort_has_the_distance_that_it_was_moved_by(reference):
    found = nearness(RowSums.of(cohort_at(reference, 0.7)), *reference)
    assert found.distance == pytest.approx(0.7)
    assert (found.n_measured, found.n_missing) == (125, 0)
    assert found.is_far
    assert found.sentence == (
        "The cohort lies 0.70 s.d. from the model's reference (median over features)."
    )
    assert not nearness(RowSums.of(cohort_at(reference, 0.4)), *reference).is_far


def test_missing_genes_have_no_part_in_the_distance():
    """Regression: 94 of 125 z-scored genes that held 0 made a cohort lie at 0.00 s.d."""
    reference = np.zeros(125), np.ones(125)
    cells = cohort_at(reference, 0.9)
    missing = np.arange(125) >= 31
    cells[:, missing] = 0
    for said in (missing, None):  # a user may have filled them
        found = nearness(RowSums.of(cells), *reference, missing=said, scale="zscore")
        assert found.distance == pytest.approx(0.9)
        assert (found.n_measured, found.n_missing) == (31, 94)
        assert not found.is_known
        assert not found.is_far
        assert found.sentence.startswith(
            "31 of 125 model genes were measured; those lie 0.90 s.d. from its reference "
            "(median). 94 genes are missing. Missing genes are filled with 0, which is the mean of "
            "z-scores."
        )
        assert "cannot be called near" in found.sentence


def test_a_few_missing_genes_leave_the_distance_known(reference):
    missing = np.arange(125) < 20
    cells = cohort_at(reference, 0.2)
    cells[:, missing] = 0
    found = nearness(RowSums.of(cells), *reference, missing=missing, scale="log1p")
    assert found.distance == pytest.approx(0.2)
    assert found.is_known
    filled = "Missing genes are filled with 0, as if no cell expressed them."
    assert f"20 genes are missing. {filled}" in found.sentence
    assert "near" not in found.sentence


@pytest.mark.parametrize(("n_missing", "warned"), [(0, False), (62, False), (63, True)])
def test_most_missing_genes_are_warned_of(n_missing, warned):
    missing = np.arange(125) < n_missing
    said = few_genes_sentence(missing if n_missing else None)
    assert bool(said) == warned
    if warned:
        assert said.startswith("62 of 125 model genes were measured: with most genes")


def test_genes_that_hold_nothing_in_the_reference_are_no_distance_of_zero():
    mean, std = np.zeros(125), np.zeros(125)
    mean[:20], std[:20] = 1.0, 0.5
    cells = np.zeros((30, 125))
    cells[:, :20] = np.random.default_rng(0).normal(1.0 + 0.6 * 0.5, 0.001, (30, 20))
    assert nearness(RowSums.of(cells), mean, std, scale="log1p").distance == pytest.approx(
        0.6, abs=0.01
    )
    alone = nearness(RowSums.of(cells), np.zeros(125), np.zeros(125))
    assert not alone.is_known
    assert "no distance" in alone.sentence
