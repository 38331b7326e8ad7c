"""Labels that are worth having: each formula against plain numbers or simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from scatd.decision import expit
from scatd.evaluation import suggesting
from scatd.evaluation.combinations import slopes_of
from scatd.evaluation.suggesting import (
    Choices,
    after_labels,
    before_labels,
    suggest_labels,
    width,
)


@pytest.fixture
def belief():
    """Three groups and four drugs, of which the first two are nearly as good as each other."""
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1, 2], [50, 30, 20])
    means = np.array([[-2, -1.5, 1, 2], [-1, -2, 0, 2], [0, 0.5, -1, 2]])
    return before_labels(expit(means[groups] + rng.normal(0, 0.5, (100, 4))), groups)


def moved(belief, group, drug, by):
    odds = belief.odds.copy()
    odds[belief.groups == group, drug] += by
    return expit(odds)


def test_the_variance_of_a_shift_is_that_of_the_folds_and_the_shared_one():
    """The jackknife of the log odds of a group's mean."""
    folds = np.random.default_rng(1).random((5, 6))
    groups = np.array([0, 0, 0, 1, 1, 1])
    found = before_labels(np.full((6, 2), 0.3), groups, [folds, None], groups).variance
    by_fold = [np.log(row[:3].mean() / (1 - row[:3].mean())) for row in folds]
    own = 4 / 5 * sum((one - np.mean(by_fold)) ** 2 for one in by_fold)
    assert found[0, 0] == pytest.approx(suggesting.SHARED_SD**2 + own)
    assert found[0, 1] == found[1, 1] == suggesting.SHARED_SD**2


def test_the_information_of_a_label_is_its_mean_over_the_shift(belief):
    def integrand(shift, odds, sd):
        prob = expit(odds + shift)
        return float(prob * (1 - prob)) * norm.pdf(shift, scale=sd)

    for cell, drug in ((0, 0), (60, 2), (99, 3)):
        sd = np.sqrt(belief.variance[belief.groups[cell], drug])
        exact = quad(integrand, -8 * sd, 8 * sd, args=(belief.odds[cell, drug], sd))[0]
        assert belief.information[cell, drug] == pytest.approx(exact, rel=1e-3)


def test_slopes_are_those_of_small_shifts(belief):
    for drugs in ((0,), (0, 2), (0, 1, 3)):
        for group in range(3):
            for drug in range(4):
                up, down = (
                    moved(belief, group, drug, by)[:, drugs].prod(axis=1).mean()
                    for by in (1e-5, -1e-5)
                )
                expected = (up - down) / 2e-5
                found = slopes_of(belief.prob, belief.groups, drugs)[group, drug]
                assert found == pytest.approx(expected, abs=1e-9)


def test_after_labels_the_shift_is_the_most_probable_one(belief):
    cells, resistant = np.arange(12), np.arange(12) % 3 == 0
    found = after_labels(belief, cells, np.zeros(12, int), resistant)
    grid = np.linspace(-4, 4, 80_001)
    odds = belief.odds[cells, 0][:, None] + grid
    likelihood = np.where(resistant[:, None], -np.logaddexp(0, -odds), -np.logaddexp(0, odds))
    posterior = likelihood.sum(axis=0) - grid**2 / (2 * belief.variance[0, 0])
    assert found.shift[0, 0] == pytest.approx(grid[posterior.argmax()], abs=2e-4)
    assert 0 < found.variance[0, 0] < belief.variance[0, 0]
    others = np.ones((3, 4), bool)
    others[0, 0] = False
    assert (found.shift[others] == 0).all()
    assert (found.variance[others] == belief.variance[others]).all()


@pytest.mark.parametrize("answer", [True, False])
def test_labels_that_surprise_move_the_shift_far_and_end(answer):
    """Odds far from what is found: Newton's method alone would leap."""
    belief = before_labels(np.full((40, 1), 1 - 1e-6 if not answer else 1e-6), np.zeros(40, int))
    found = after_labels(belief, np.arange(40), np.zeros(40, int), np.full(40, answer))
    slope = 40 * (float(answer) - expit(belief.odds[0, 0] + found.shift[0, 0]))
    assert found.shift[0, 0] == pytest.approx(slope * belief.variance[0, 0], rel=1e-4)


def test_the_interval_of_the_lead_is_that_of_drawn_shifts(belief):
    """The straight line holds for shifts that are not large."""
    sure = type(belief)(belief.odds, belief.groups, belief.shift, np.full((3, 4), 0.04))
    choice = Choices(sure, 1).closest(sure.variance)
    rng = np.random.default_rng(2)
    leads = []
    for shift in rng.normal(0, 0.2, (4000, 3, 4)):
        prob = expit(belief.odds + shift[belief.groups])
        leads.append(prob[:, choice.rival].mean() - prob[:, choice.drugs].mean())
    from_shifts = choice.variance(sure.variance) - choice.fixed
    assert np.std(leads) == pytest.approx(np.sqrt(from_shifts), rel=0.05)
    assert width(1.0) == pytest.approx(2 * norm.ppf(0.95))


def test_the_first_label_reduces_the_width_most_of_all(belief):
    """Against every cell and drug, one by one."""
    (first,) = suggest_labels(belief, 1, 1).labels
    choice = Choices(belief, 1).closest(belief.variance)
    before, best = width(choice.variance(belief.variance)), (0.0, None)
    for cell in range(100):
        for drug in range(4):
            variance = belief.variance.copy()
            at = belief.groups[cell], drug
            variance[at] = 1 / (1 / variance[at] + belief.information[cell, drug])
            best = max(best, (before - width(choice.variance(variance)), (cell, drug)))
    assert best == (pytest.approx(first.reduction), (first.cell, first.drug))


def test_labels_of_one_kind_are_worth_less_and_less_and_no_cell_is_taken_twice(belief):
    plan = suggest_labels(belief, 2, 60)
    cells = [one.cell for one in plan.labels]
    assert len(set(cells)) == len(cells) == 60
    kinds = {(one.group, one.drug) for one in plan.labels}
    assert len(kinds) > 1, "it does not end with one kind"
    assert (plan.variance <= belief.variance).all()
    again = suggest_labels(belief, 2, 10, tested=np.array(cells[:5]))
    assert not {one.cell for one in again.labels} & set(cells[:5])


def test_any_cell_of_a_group_has_the_mean_information(belief):
    (first,) = suggest_labels(belief, 1, 1, any_cell=True).labels
    gained = belief.information[belief.groups == first.group, first.drug].mean()
    choice = Choices(belief, 1).closest(belief.variance)
    variance = belief.variance.copy()
    old = variance[first.group, first.drug]
    variance[first.group, first.drug] = 1 / (1 / old + gained)
    saved = width(choice.variance(belief.variance)) - width(choice.variance(variance))
    assert first.cell is None
    assert first.reduction == pytest.approx(saved)


def test_where_nothing_depends_on_a_label_none_is_suggested():
    """Drugs that leave every cell for certain."""
    belief = before_labels(np.ones((10, 2)), np.zeros(10, int))
    sure = type(belief)(np.full((10, 2), 800.0), belief.groups, belief.shift, belief.variance)
    assert suggest_labels(sure, 1, 5).labels == []
    with pytest.raises(ValueError, match="fewer than two"):
        Choices(sure, 2)


def test_the_drug_is_better_after_suggested_labels_than_after_random_ones():
    """Models that are wrong by a shift of each group, as the method says."""
    rng = np.random.default_rng(3)
    regret = {"suggested": [], "random": []}
    for _ in range(400):
        groups = np.repeat(np.arange(5), 40)
        means = rng.normal(0, 1.5, (5, 8))[groups]
        belief = before_labels(expit(means + rng.normal(0, 0.5, (200, 8))), groups)
        shift = rng.normal(0, suggesting.SHARED_SD, (5, 8))
        true = expit(belief.odds + shift[groups])
        resistant, left = rng.random((200, 8)) < true, true.mean(axis=0)
        plan = suggest_labels(belief, 1, 15).labels
        drawn = {
            "suggested": ([one.cell for one in plan], [one.drug for one in plan]),
            "random": (rng.permutation(200)[:15], rng.integers(8, size=15)),
        }
        for name, (cells, drugs) in drawn.items():
            cells, drugs = np.array(cells), np.array(drugs)
            found = after_labels(belief, cells, drugs, resistant[cells, drugs])
            regret[name].append(left[found.prob.mean(axis=0).argmin()] - left.min())
    less = np.subtract(regret["random"], regret["suggested"])
    assert less.mean() > 2 * less.std() / np.sqrt(len(less))


def test_log_odds_of_certain_cells_are_finite():
    assert np.isfinite(before_labels(np.array([[0.0, 1.0]]), np.zeros(1, int)).odds).all()
