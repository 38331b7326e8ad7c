"""The variance of an AUROC is DeLong's; its interval is a score interval that covers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm
from sklearn.metrics import roc_auc_score

from scatd.evaluation.delong import (
    auroc_interval,
    auroc_variance,
    interval_of_mean,
    normal_variance,
    perfect_bound,
    ranking,
)
from scatd.evaluation.intervals import Bootstrap
from scatd.evaluation.resampling import resampled


def by_hand(codes, scores):
    """DeLong et al. 1988, from all pairs of a resistant and a sensitive sample."""
    resistant, sensitive = scores[codes == 1], scores[codes == 0]
    pairs = np.array([[(r > s) + 0.5 * (r == s) for s in sensitive] for r in resistant])
    own, other = pairs.mean(axis=1), pairs.mean(axis=0)
    return pairs.mean(), own.var(ddof=1) / len(own) + other.var(ddof=1) / len(other)


@pytest.mark.parametrize("decimals", [8, 0], ids=["no ties", "ties"])
@pytest.mark.parametrize("n", [8, 60])
def test_it_is_the_published_formula(n, decimals):
    rng = np.random.default_rng(n)
    codes = np.arange(n) % 3 == 0
    scores = np.round(rng.normal(size=n) + codes, decimals)
    auroc, variance = auroc_variance(codes.astype(int), scores)
    assert (auroc, variance) == pytest.approx(by_hand(codes, scores), abs=1e-12)
    assert auroc == pytest.approx(roc_auc_score(codes, scores), abs=1e-12)


def test_it_is_near_the_variance_of_a_bootstrap():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], 100)
    scores = rng.normal(size=200) + 0.7 * codes
    # The AUROC of a draw is the share of its pairs whose order is right.
    is_right = scores[:100, None] < scores[100:]
    assert is_right.mean() == pytest.approx(roc_auc_score(codes, scores), abs=1e-12)
    draws = [
        is_right[rng.integers(100, size=100)][:, rng.integers(100, size=100)].mean()
        for _ in range(1000)
    ]
    assert auroc_variance(codes, scores)[1] == pytest.approx(np.var(draws), rel=0.15)


def test_reversed_scores():
    codes, scores = np.array([0, 0, 1, 1, 1]), np.array([0.1, 0.7, 0.3, 0.8, 0.9])
    auroc, variance = auroc_variance(codes, scores)
    assert auroc_variance(codes, -scores) == pytest.approx((1 - auroc, variance))
    assert auroc_variance(codes, scores * 7 - 3) == pytest.approx((auroc, variance))


def test_too_few_samples_of_a_class():
    assert auroc_variance([0, 0, 1], [0.1, 0.2, 0.3]) == (1.0, 0.25)
    auroc, variance = auroc_variance([0, 0], [0.1, 0.2])
    assert np.isnan(auroc)
    assert variance == 0.25
    assert auroc_variance([0, 0, 1, 1], [1, 1, 1, 1]) == (0.5, 0.0)


def of_normals(auroc, n_resistant, n_sensitive):
    """Variance of the AUROC of two normals, from the bivariate normal distribution."""
    at = norm.ppf(auroc)
    both = multivariate_normal(cov=[[1, 0.5], [0.5, 1]]).cdf([at, at]) - auroc**2
    own = auroc * (1 - auroc) + (n_resistant + n_sensitive - 2) * both
    return own / (n_resistant * n_sensitive)


def simulated(auroc, n_resistant, n_sensitive, n_draws, seed=0):
    """Codes, and normal scores (n_draws, n_obs) of that AUROC."""
    codes = np.repeat([1, 0], [n_resistant, n_sensitive])
    noise = np.random.default_rng(seed).normal(size=(n_draws, len(codes)))
    return codes, noise + np.sqrt(2) * norm.ppf(auroc) * codes


@pytest.mark.parametrize("auroc", [0.5, 0.7, 0.97])
def test_the_variance_of_normals_is_exact(auroc):
    assert normal_variance(auroc, 12, 30) == pytest.approx(of_normals(auroc, 12, 30), rel=1e-4)
    codes, scores = simulated(auroc, 12, 30, 20_000)
    found = ranking(codes, scores).auroc.var()
    assert normal_variance(auroc, 12, 30) == pytest.approx(found, rel=0.05)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_the_ends_are_what_the_samples_just_do_not_contradict(seed):
    codes, scores = simulated(0.8, 15, 25, 1, seed=seed)
    auroc, variance = by_hand(codes, scores[0])
    pairs = scores[0][codes == 1][:, None] > scores[0][codes == 0]
    inner = [((part > 0) & (part < 1)).sum() for part in (pairs.mean(axis=0), pairs.mean(axis=1))]
    ratio = variance / of_normals(auroc, 15, 25)
    pull = 3 if ratio > 1 else 10
    ratio = (ratio * min(inner) + pull) / (min(inner) + pull)
    for end in auroc_interval(codes, scores[0]):
        reach = 1.959964 * np.sqrt(ratio * of_normals(end, 15, 25))
        assert abs(end - auroc) == pytest.approx(reach, rel=1e-3)


def test_near_perfect_ranks_of_66_cells_are_covered_where_a_bootstrap_is_too_narrow():
    codes, scores = simulated(0.97, 10, 56, 4000)
    low, high = interval_of_mean([ranking(codes, scores)])
    assert 0.93 <= np.mean((low <= 0.97) & (high >= 0.97)) <= 0.97
    hits = 0
    for prob in norm.cdf(scores[:300]):
        bootstrap = Bootstrap(n_boot=200)
        drawn = resampled(codes, prob, ["auroc"], 0.5, bootstrap.weights(66, None))
        low, high = bootstrap.bounds(drawn["auroc"])
        hits += low <= 0.97 <= high
    assert hits / 300 < 0.9


@pytest.mark.parametrize("sizes", [(10, 20), (15, 15), (33, 33), (10, 90)])
@pytest.mark.parametrize("auroc", [0.5, 0.8, 0.99])
def test_intervals_hold_the_true_value_as_often_as_they_say(sizes, auroc):
    low, high = interval_of_mean([ranking(*simulated(auroc, *sizes, 4000))])
    assert 0.93 <= np.mean((low <= auroc) & (auroc <= high)) <= 0.97


def test_intervals_of_a_mean_over_small_folds_hold_it_too():
    for auroc in (0.6, 0.9, 0.97):
        folds = [ranking(*simulated(auroc, 3, 10, 3000, seed=fold)) for fold in range(5)]
        low, high = interval_of_mean(folds)
        assert 0.93 <= np.mean((low <= auroc) & (auroc <= high)) <= 0.975


def test_a_mean_is_surer_than_its_folds_and_one_fold_is_itself():
    folds = [ranking(*simulated(0.8, 10, 20, 1, seed=fold)) for fold in range(5)]
    widths = [float(np.diff(interval_of_mean([fold]), axis=0)[0, 0]) for fold in folds]
    low, high = interval_of_mean(folds)
    assert (high - low).item() == pytest.approx(np.mean(widths) / np.sqrt(5), rel=0.15)


def test_a_perfect_ranking_is_not_certain():
    """Its lower end depends on the numbers of samples; the mirror image has the upper end."""
    codes = np.repeat([0, 1], [33, 33])
    low, high = auroc_interval(codes, np.arange(66))
    assert high == 1
    assert low == pytest.approx(perfect_bound(33, 33))
    # The value at which an AUROC of 1 lies 1.96 s.d. away.
    assert (1 - low) ** 2 == pytest.approx(1.959964**2 * of_normals(low, 33, 33), rel=1e-3)
    assert auroc_interval(codes, -np.arange(66)) == pytest.approx((0, 1 - low))
    bounds = [perfect_bound(n, n) for n in (1, 2, 3, 10, 33, 250)]
    assert bounds == sorted(bounds)
    assert bounds[0] < 0.25
    assert 0.99 < bounds[-1] < 1


@pytest.mark.parametrize("n", [(10, 20), (33, 33)])
def test_one_error_less_never_lowers_the_interval(n):
    codes = np.repeat([1, 0], n)
    scores = np.concatenate([np.arange(n[0]) + n[1], np.arange(n[1])]).astype(float)
    ends = []
    for errors in range(4, -1, -1):  # the lowest resistant sample falls under so many sensitive
        moved = scores.copy()
        moved[0] -= errors + 0.5 * bool(errors)
        ends.append(auroc_interval(codes, moved))
    assert ends == sorted(ends)


def test_scores_that_are_all_equal_rank_nothing():
    assert auroc_interval([0, 0, 1, 1], [0.3] * 4) == (0.5, 0.5)


def test_ties_are_covered():
    codes, scores = simulated(0.85, 20, 30, 3000)
    rounded = np.digitize(scores, [0.0, 1.0, 2.0])
    edges = np.array([-np.inf, 0, 1, 2, np.inf])
    resistant = np.diff(norm.cdf(edges - np.sqrt(2) * norm.ppf(0.85)))
    sensitive = np.diff(norm.cdf(edges))
    under = np.cumsum(sensitive) - sensitive
    truth = float(resistant @ (under + sensitive / 2))
    low, high = interval_of_mean([ranking(codes, rounded)])
    assert 0.93 <= np.mean((low <= truth) & (truth <= high)) <= 0.975


def test_one_class_has_no_interval():
    assert auroc_interval([0, 0], [0.1, 0.2]) == (0.0, 1.0)
    assert np.isnan(interval_of_mean([ranking([0, 0], [0.1, 0.2])])).all()
    low, high = auroc_interval([0, 0, 0, 1], [1.0, 2.0, 4.0, 3.0])
    assert 0 < low < 2 / 3 < high < 1
