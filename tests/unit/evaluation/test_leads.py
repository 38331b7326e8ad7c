"""The interval of a lead: DeLong's with many samples, honest with few, and 0 for equal ranks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from scatd.evaluation.delong import auroc_interval, ranking
from scatd.evaluation.leads import lead_interval


def drawn(aurocs, correlation, sizes, n_draws, seed=0):
    """Codes, and scores (n_draws, n_obs) of two models, correlated within the classes."""
    rng = np.random.default_rng(seed)
    codes = np.repeat([1, 0], sizes)
    first, second = rng.normal(size=(2, n_draws, len(codes)))
    noises = first, correlation * first + np.sqrt(1 - correlation**2) * second
    return codes, *(
        noise + np.sqrt(2) * norm.ppf(auroc) * codes
        for noise, auroc in zip(noises, aurocs, strict=True)
    )


def lead_of(codes, a, b):
    low, high = lead_interval([ranking(codes, a)], [ranking(codes, b)])
    return float(low), float(high)


def test_with_many_samples_it_is_the_published_one():
    """DeLong et al. 1988, from all pairs of a resistant and a sensitive sample."""
    codes, a, b = (values.squeeze() for values in drawn((0.8, 0.7), 0.5, (400, 500), 1))
    pairs = [(scores[codes == 1][:, None] > scores[codes == 0]).astype(float) for scores in (a, b)]
    apart = pairs[0] - pairs[1]
    variance = apart.mean(axis=1).var(ddof=1) / 400 + apart.mean(axis=0).var(ddof=1) / 500
    reach = 1.959964 * np.sqrt(variance)
    expected = apart.mean() - reach, apart.mean() + reach
    assert lead_of(codes, a, b) == pytest.approx(expected, abs=0.03 * reach)


@pytest.mark.parametrize("correlation", [0.0, 0.9])
@pytest.mark.parametrize("aurocs", [(0.6, 0.6), (0.8, 0.7), (0.9, 0.6), (0.97, 0.6)])
@pytest.mark.parametrize("sizes", [[(33, 33)], [(4, 9)] * 5])
def test_it_holds_the_truth(sizes, aurocs, correlation):
    """Of 66 samples at once, and of as many in five folds; too wide rather than too narrow."""
    folds = [drawn(aurocs, correlation, fold, 1500, seed=seed) for seed, fold in enumerate(sizes)]
    ours, other = ([ranking(fold[0], fold[model]) for fold in folds] for model in (1, 2))
    low, high = lead_interval(ours, other)
    truth = aurocs[0] - aurocs[1]
    assert 0.93 <= np.mean((low <= truth) & (truth <= high)) <= 0.985


def test_equal_ranks_have_no_lead():
    codes, a, b = drawn((0.8, 0.7), 0.5, (10, 20), 1)
    assert lead_of(codes, a[0], np.exp(a[0])) == (0, 0)
    low, high = lead_of(codes, a[0], b[0])
    assert low < high
    back = lead_of(codes, b[0], a[0])
    assert back == pytest.approx((-high, -low))


def test_two_perfect_models_are_not_certain_to_be_equal():
    codes = np.repeat([1, 0], [10, 56])
    scores = np.arange(66.0, 0, -1)
    other = scores.copy()
    other[:10] = other[:10][::-1]
    other[10:] = other[10:][::-1]
    low, high = lead_of(codes, scores, other)
    alone = 1 - auroc_interval(codes, scores)[0]
    assert (low, high) == pytest.approx((-alone, alone))  # they share no error
    other = scores.copy()
    other[[0, 1]] = other[[1, 0]]
    nearly = lead_of(codes, scores, other)
    assert low < nearly[0] < 0 < nearly[1] < high


def test_a_constant_baseline_adds_no_doubt():
    codes, a, _ = drawn((0.8, 0.7), 0.5, (10, 20), 1)
    low, high = auroc_interval(codes, a[0])
    assert lead_of(codes, a[0], np.zeros(30)) == pytest.approx((low - 0.5, high - 0.5))


def test_without_both_classes_there_is_none():
    assert np.isnan(lead_of([1, 1], [0.1, 0.2], [0.2, 0.1])).all()


def test_one_sample_of_a_class_has_a_wide_one():
    low, high = lead_of([1, 0, 0, 0], [0.9, 0.1, 0.2, 0.3], [0.1, 0.2, 0.3, 0.05])
    assert -1 <= low < 2 / 3 < high <= 1
    assert high - low > 0.5
