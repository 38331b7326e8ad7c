"""Sets of drugs: shares left against plain loops, intervals against simulation."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import t

from scatd.evaluation.combinations import (
    Cells,
    Spread,
    dependence_bounds,
    lead,
    left_by,
    mean_products,
    table,
)

DRUGS = ("a", "b", "c", "d")


@pytest.fixture
def prob():
    return np.random.default_rng(0).random((300, 4))


@pytest.mark.parametrize("rows_at_once", [1 << 14, 7])
def test_the_mean_product_of_every_set(prob, rows_at_once, monkeypatch):
    monkeypatch.setattr("scatd.evaluation.combinations._ROWS_AT_ONCE", rows_at_once)
    found = mean_products(prob, 3)
    assert len(found) == 4 + 6 + 4
    for size in (1, 2, 3):
        for places in combinations(range(4), size):
            by_hand = sum(np.prod([row[one] for one in places]) for row in prob) / len(prob)
            assert found[places] == pytest.approx(by_hand, rel=1e-12)


def test_dependence_is_bounded_by_what_random_dependence_reaches():
    """Frechet's bounds, cell by cell: nested and disjoint events reach them."""
    prob = np.array([[0.8, 0.7], [0.4, 0.3]])
    assert dependence_bounds(Cells(("a", "b"), prob), (0, 1)) == (
        pytest.approx((0.5 + 0.0) / 2),
        pytest.approx((0.7 + 0.3) / 2),
    )


def test_the_best_pair_is_not_always_made_of_the_best_drugs():
    """Two clones: a and b leave the same small one, c leaves the large one alone."""
    small = np.array([0.99, 0.99, 0.01])
    large = np.array([0.05, 0.10, 0.60])
    prob = np.vstack([np.tile(small, (30, 1)), np.tile(large, (70, 1))])
    found = table(Cells(("a", "b", "c"), prob), size=2)
    pairs = found[found["n_drugs"] == 2].set_index("drugs")
    assert pairs.index[pairs["chosen"]].tolist() == ["a + c"]
    assert pairs.index[pairs["plain_ranking"]].tolist() == ["a + b"]
    assert pairs.loc["a + c", "left"] == pytest.approx(0.3 * 0.99 * 0.01 + 0.7 * 0.05 * 0.6)
    more, low, high = lead(Cells(("a", "b", "c"), prob), (0, 2), (0, 1))
    assert more == pytest.approx(pairs.loc["a + b", "left"] - pairs.loc["a + c", "left"])
    assert 0 < low < more < high


def test_an_interval_over_cells_covers_the_share_that_they_were_drawn_from():
    rng = np.random.default_rng(1)
    n_held, n_trials = 0, 600
    for _ in range(n_trials):
        kill = rng.beta(0.5, 0.5, (200, 2))
        low, high = left_by(Cells(("a", "b"), kill), (0, 1)).interval("cells")
        n_held += low < 0.25 < high
    assert 0.87 < n_held / n_trials < 0.93


def test_an_interval_over_patients_covers_the_share_of_all_patients():
    """Patients differ: the interval over cells is far too narrow, that over patients is not."""
    rng = np.random.default_rng(2)
    held = {"cells": 0, "patients": 0}
    n_trials = 400
    for _ in range(n_trials):
        patients = np.repeat(np.arange(8), 50)
        level = rng.uniform(0.2, 0.6, 8)[patients]
        prob = np.clip(level + rng.normal(0, 0.1, 400), 0, 1)[:, None]
        left = left_by(Cells(("a",), prob, patients), (0,))
        for part in held:
            low, high = left.interval(part)
            held[part] += low < 0.4 < high
    assert held["cells"] / n_trials < 0.6
    assert 0.86 < held["patients"] / n_trials < 0.94


def test_models_of_folds_give_the_variance_of_a_mean():
    """The jackknife: leaving out a fifth of n samples gives the variance of their mean."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(2000):
        samples = rng.normal(0, 1, 50).reshape(5, 10)
        by_fold = np.array([np.delete(samples, fold, axis=0).mean() for fold in range(5)])
        found.append(Spread.of(np.zeros(2), None, by_fold).models)
    # Folds are trained on 40 of 50 samples, hence not exactly 1 / 50.
    assert np.mean(found) == pytest.approx(1 / 50, rel=0.05)


def test_an_error_of_groups_gives_the_variance_of_shifted_groups(prob):
    """Against drawn shifts of the log odds, which are small."""
    rng, groups = np.random.default_rng(4), np.arange(300) % 5
    cells = Cells(DRUGS, prob, groups=groups, errors=((0.1, 6), (0.2, 6), None, (0.1, 3)))
    found = left_by(cells, (0, 1)).spread
    odds, shares = np.log(prob / (1 - prob)), []
    for shift in rng.normal(0, 1, (4000, 5, 2)) * [0.1, 0.2]:
        moved = 1 / (1 + np.exp(-odds[:, :2] - shift[groups]))
        shares.append(moved.prod(axis=1).mean())
    assert found.groups == pytest.approx(np.var(shares), rel=0.1)
    # Satterthwaite: between the 5 degrees of freedom of one drug and the 10 of both.
    assert 5 < found.free_groups < 10
    assert found.known == ("cells", "groups")
    assert left_by(cells, (0, 2)).spread.groups is None, "of one of them nothing is known"
    low, high = left_by(cells, (0, 1)).interval()
    alone = left_by(Cells(DRUGS, prob), (0, 1)).interval()
    assert low < alone[0] < alone[1] < high


def test_the_lead_does_not_change_with_a_drug_that_both_sets_hold_in_full(prob):
    """The errors of the shared drug do not cancel, those of the others count once."""
    groups = np.zeros(300, int)
    cells = Cells(DRUGS, prob, groups=groups, errors=((0.3, 5), (0.0, 5), (0.0, 5), None))
    mean, low, high = lead(cells, (0, 1), (0, 2))
    plain = lead(Cells(DRUGS, prob), (0, 1), (0, 2))
    slope = (prob[:, 0] * (1 - prob[:, 0]) * (prob[:, 2] - prob[:, 1])).mean()
    assert mean == plain[0]
    assert (high - low) >= (plain[2] - plain[1])
    more = (prob[:, 0] * (prob[:, 2] - prob[:, 1])).var() / 300
    total = more + (0.3 * slope) ** 2
    free = total**2 / ((0.3 * slope) ** 4 / 4)
    assert high - low == pytest.approx(2 * t.ppf(0.95, free) * np.sqrt(total))


def test_what_is_not_known_is_missing(prob):
    found = table(Cells(DRUGS, prob, of_folds=(None, *[prob[None, :, 0]] * 3)), size=2)
    assert found["patients_low"].isna().all()
    assert found["models_low"].isna().all()  # one fold shows no disagreement
    assert found["ci_low"].notna().all()
    assert found["reference_left"].isna().all()


def test_a_reference_group_is_spared_by_the_drugs_that_leave_it(prob):
    spared = np.array([[0.9, 0.5, 0.1, 1.0], [0.8, 0.5, 0.1, 1.0]])
    found = table(Cells(DRUGS, prob, reference=spared), size=1).set_index("drugs")
    assert found.loc["a", "reference_left"] == pytest.approx(0.85)
    assert found.loc["d", "reference_left"] == 1


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_share_without_doubt_has_no_width(value):
    prob = np.full((20, 2), value)
    assert left_by(Cells(("a", "b"), prob), (0, 1)).interval() == (value, value)
