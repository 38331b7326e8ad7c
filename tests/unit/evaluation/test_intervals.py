"""Intervals of metrics: explicit resampling, formulas, and honest coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from sklearn.metrics import f1_score, roc_auc_score

from scatd.errors import InputError
from scatd.evaluation import intervals, resampling
from scatd.evaluation.intervals import (
    Bootstrap,
    bootstrap_interval,
    compare_models,
    few_groups_in_words,
    fold_mean_interval,
    intervals_table,
    wilson_interval,
)
from scatd.evaluation.metrics import METRICS, response_metrics, weighted_metrics


def scores(
    rng: np.random.Generator, n_sensitive: int, n_resistant: int, shift: float = 1.2
) -> tuple[np.ndarray, np.ndarray]:
    """Two normal score distributions `shift` apart, mapped to 0-1: AUROC norm.cdf(shift/sqrt2)."""
    codes = np.repeat([0, 1], [n_sensitive, n_resistant])
    return codes, norm.cdf(rng.normal(size=len(codes)) + shift * codes)


def test_resamples_are_scored_like_explicit_resamples() -> None:
    rng = np.random.default_rng(1)
    codes, prob = scores(rng, 70, 30)
    prob = np.round(prob, 1)  # ties
    drawn_rows = rng.integers(0, 100, size=(50, 100))
    weights = np.stack([np.bincount(rows, minlength=100) for rows in drawn_rows]).astype(float)
    values = weighted_metrics(codes, prob, weights, ["auroc", "f1"])
    for index, rows in enumerate(drawn_rows):
        expected = roc_auc_score(codes[rows], prob[rows])
        assert values["auroc"][index] == pytest.approx(expected, abs=1e-12)
        expected = f1_score(codes[rows], prob[rows] > 0.5)
        assert values["f1"][index] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", ["brier", "f1"])
def test_interval_is_that_of_a_plain_bootstrap_loop(metric: str) -> None:
    rng = np.random.default_rng(2)
    codes, prob = scores(rng, 120, 80)
    looped = []
    for _ in range(4000):
        rows = rng.integers(0, 200, size=200)
        truth, called = codes[rows] == 1, prob[rows] > 0.5
        hits, wrong = (truth & called).sum(), (truth != called).sum()
        f1 = 2 * hits / (2 * hits + wrong)
        looped.append(f1 if metric == "f1" else np.mean((prob[rows] - truth) ** 2))
    expected = np.quantile(looped, [0.025, 0.975])
    ours = bootstrap_interval(codes, prob, metric, bootstrap=Bootstrap(n_boot=4000, seed=3))
    # By chance, such a quantile of 4000 resamples has an s.d. of 0.04 of theirs.
    np.testing.assert_allclose(ours, expected, atol=0.2 * np.std(looped))


@pytest.mark.parametrize("seed", [0, 1])
def test_coverage_of_the_truth(seed: int) -> None:
    """In 100 simulated cohorts the 95% interval holds the true AUROC 90 to 98 times."""
    rng = np.random.default_rng(seed)
    truth = norm.cdf(1.2 / math.sqrt(2))
    hits = 0
    for repeat in range(100):
        codes, prob = scores(rng, 90, 60)
        low, high = bootstrap_interval(codes, prob, bootstrap=Bootstrap(n_boot=500, seed=repeat))
        hits += low <= truth <= high
    assert 90 <= hits <= 98


def test_groups_are_resampled_whole() -> None:
    """Cells that only repeat their patient add nothing: the interval of one cell a patient."""
    rng = np.random.default_rng(5)
    codes, prob = scores(rng, 25, 15)
    patient = np.arange(40)
    repeated = [np.repeat(values, 20) for values in (codes, prob, patient)]
    one_each = bootstrap_interval(codes, prob)
    grouped = bootstrap_interval(
        *repeated[:2], groups=repeated[2], bootstrap=Bootstrap(n_boot=2000)
    )
    cells = bootstrap_interval(*repeated[:2])
    np.testing.assert_allclose(grouped, one_each, atol=0.03)
    assert cells[1] - cells[0] < 0.4 * (grouped[1] - grouped[0])


def test_a_perfect_ranking_of_groups_is_as_sure_as_one_cell_a_group() -> None:
    codes = np.repeat([0, 1, 0, 1, 0, 1], 50)
    prob = np.where(codes == 1, 0.8, 0.2) + np.linspace(0, 0.1, 300)
    groups = np.repeat(list("abcdef"), 50)
    expected = bootstrap_interval([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    assert bootstrap_interval(codes, prob, groups=groups) == pytest.approx(expected)
    assert expected[0] < 0.6
    low, high = bootstrap_interval(codes, 1 - prob, groups=groups)
    assert (low, high) == pytest.approx((0, 1 - expected[0]))
    table = intervals_table(codes, prob, groups=groups).set_index("metric")
    assert tuple(table.loc["auroc", ["ci_low", "ci_high"]]) == pytest.approx(expected)


def test_few_groups_are_said() -> None:
    assert few_groups_in_words(10) is None
    assert "only 9 groups: with under 10" in str(few_groups_in_words(9))
    assert "only 1 group:" in str(few_groups_in_words(1))


def test_group_names_may_be_words_and_must_be_one_each() -> None:
    codes, prob = scores(np.random.default_rng(6), 10, 10)
    low, high = bootstrap_interval(codes, prob, groups=np.array(["a", "b"] * 10))
    assert low <= high
    with pytest.raises(InputError, match="19 groups for 20 labels"):
        bootstrap_interval(codes, prob, groups=["a"] * 19)


def test_table_has_every_metric_with_its_value_inside() -> None:
    codes, prob = scores(np.random.default_rng(7), 300, 100)
    table = intervals_table(codes, prob, threshold=0.7).set_index("metric")
    assert list(table.index) == list(METRICS)
    values = response_metrics(codes, prob, 0.7)
    for name in METRICS:
        assert table.loc[name, "value"] == values[name]
        assert table.loc[name, "ci_low"] < values[name] < table.loc[name, "ci_high"]
    single = bootstrap_interval(codes, prob, "mcc", threshold=0.7)
    assert tuple(table.loc["mcc", ["ci_low", "ci_high"]]) == single


def test_fractions_have_the_interval_of_wilson() -> None:
    codes, prob = scores(np.random.default_rng(7), 30, 12)
    table = intervals_table(codes, prob, threshold=0.7).set_index("metric")
    called = prob > 0.7
    counts = {
        "prevalence": (12, 42),
        "recall": (called[codes == 1].sum(), 12),
        "specificity": ((~called)[codes == 0].sum(), 30),
        "precision": (codes[called].sum(), called.sum()),
        "accuracy": ((called == codes).sum(), 42),
    }
    for name, (hits, trials) in counts.items():
        expected = binomtest(int(hits), int(trials)).proportion_ci(0.95, method="wilson")
        found = tuple(table.loc[name, ["ci_low", "ci_high"]])
        assert found == pytest.approx((expected.low, expected.high)), name
    nobody = intervals_table(codes, prob, threshold=1.0).set_index("metric")
    assert np.isnan(nobody.loc["precision", "ci_low"])


def test_same_seed_same_interval_and_wider_level_wider_interval() -> None:
    codes, prob = scores(np.random.default_rng(8), 60, 40)
    assert bootstrap_interval(codes, prob, "mcc") == bootstrap_interval(codes, prob, "mcc")
    other = bootstrap_interval(codes, prob, "mcc", bootstrap=Bootstrap(seed=1))
    assert bootstrap_interval(codes, prob, "mcc") != other
    for metric in ("auroc", "recall", "mcc"):
        narrow, wide = (
            bootstrap_interval(codes, prob, metric, bootstrap=Bootstrap(level=level))
            for level in (0.8, 0.99)
        )
        assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_blocks_bound_memory_not_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, prob = scores(np.random.default_rng(9), 60, 40)
    whole = bootstrap_interval(codes, prob, "mcc", bootstrap=Bootstrap(n_boot=1000))
    monkeypatch.setattr(resampling, "_BLOCK", 700)  # 7 resamples a block, the last one short
    assert list(resampling._blocks(20, 100)) == [7, 7, 6]
    np.testing.assert_allclose(
        bootstrap_interval(codes, prob, "mcc", bootstrap=Bootstrap(n_boot=1000)), whole, atol=0.02
    )


def test_one_class_has_no_interval() -> None:
    assert all(map(math.isnan, bootstrap_interval([1, 1, 1], [0.2, 0.5, 0.7])))
    folds = [([0, 1], [0.2, 0.8]), ([1, 1], [0.2, 0.8])]
    assert all(map(math.isnan, fold_mean_interval(folds)))


def test_rare_class_missing_from_some_resamples_is_no_obstacle() -> None:
    codes = [1] + [0] * 9  # a third of the resamples hold no resistant sample
    prob = [0.5, *np.linspace(0.1, 0.9, 9)]
    low, high = bootstrap_interval(codes, prob)
    assert 0 <= low < high <= 1


def test_fold_interval_keeps_folds_and_classes_apart() -> None:
    """Folds whose scores lie on different scales: pooled AUROC is 0.75, each fold's is 1."""
    folds = [
        (np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.4])),
        (np.array([0, 0, 1, 1]), np.array([0.6, 0.7, 0.8, 0.9])),
    ]
    low, high = fold_mean_interval(folds)
    assert high == 1
    assert bootstrap_interval(*folds[0])[0] < low < 1


def paired_folds(gain: float) -> tuple[list, list]:
    """Five folds; B scores the noise that A also has, A sees the classes `gain` further apart."""
    rng = np.random.default_rng(10)
    folds_a, folds_b = [], []
    for _ in range(5):
        codes = np.repeat([0, 1], [30, 20])
        noise = rng.normal(size=50)
        folds_a.append((codes, norm.cdf(noise + (0.8 + gain) * codes)))
        folds_b.append((codes, norm.cdf(noise + 0.8 * codes)))
    return folds_a, folds_b


def lead(folds_a: list, folds_b: list) -> intervals.Estimate:
    return compare_models({"a": folds_a, "b": folds_b}, "a")["b"].lead


def test_lead_is_the_mean_difference_of_fold_values() -> None:
    folds_a, folds_b = paired_folds(gain=0.3)
    found = lead(folds_a, folds_b)
    expected = np.mean([roc_auc_score(*fold) for fold in folds_a]) - np.mean(
        [roc_auc_score(*fold) for fold in folds_b]
    )
    assert found.mean == pytest.approx(expected, abs=1e-12)
    assert 0 < found.ci_low < found.mean < found.ci_high


def test_a_model_has_the_interval_that_it_has_alone() -> None:
    folds_a, folds_b = paired_folds(gain=0.3)
    found = compare_models({"a": folds_a, "b": folds_b}, "b", bootstrap=Bootstrap(seed=3))
    for name, folds in (("a", folds_a), ("b", folds_b)):
        own = found[name].own
        assert (own.ci_low, own.ci_high) == fold_mean_interval(folds, bootstrap=Bootstrap(seed=3))
        assert own.mean == pytest.approx(np.mean([roc_auc_score(*fold) for fold in folds]))


def test_pairing_is_sharper_than_two_separate_intervals() -> None:
    folds_a, folds_b = paired_folds(gain=0.3)
    found = lead(folds_a, folds_b)
    low, high = fold_mean_interval(folds_a)
    assert found.ci_high - found.ci_low < 0.6 * (high - low)


def test_a_model_never_differs_from_itself_and_signs_swap() -> None:
    folds_a, folds_b = paired_folds(gain=0.3)
    assert lead(folds_a, folds_a) == (0, 0, 0)
    forth, back = lead(folds_a, folds_b), lead(folds_b, folds_a)
    np.testing.assert_allclose(back, [-forth.mean, -forth.ci_high, -forth.ci_low], atol=1e-12)


def test_two_perfect_models_are_not_certain_to_be_equal() -> None:
    rng = np.random.default_rng(11)
    folds = [
        [(np.repeat([0, 1], [6, 4]), np.r_[rng.uniform(0, 0.4, 6), rng.uniform(0.6, 1, 4)])]
        for _ in range(2)
    ]
    found = lead(*folds)
    assert found.mean == 0
    assert -0.5 < found.ci_low < -0.1
    assert 0.1 < found.ci_high < 0.5


def test_other_metrics_are_compared_on_the_same_resamples() -> None:
    folds_a, folds_b = paired_folds(gain=0.3)
    found = compare_models({"a": folds_a, "b": folds_b}, "a", "brier")["b"].lead
    gaps = [
        np.mean((prob_a - codes) ** 2 - (prob_b - codes) ** 2)
        for (codes, prob_a), (_, prob_b) in zip(folds_a, folds_b, strict=True)
    ]
    assert found.mean == pytest.approx(np.mean(gaps))
    assert found.ci_low < found.mean < found.ci_high
    low, high = fold_mean_interval(folds_a, "brier")
    assert found.ci_high - found.ci_low < high - low


def test_unpaired_folds_are_refused() -> None:
    folds_a, folds_b = paired_folds(gain=0.3)
    with pytest.raises(InputError, match="5 folds compared with 4"):
        lead(folds_a, folds_b[:4])
    codes, prob = folds_b[2]
    folds_b[2] = (codes[::-1], prob)
    with pytest.raises(InputError, match="fold 3: labels differ"):
        lead(folds_a, folds_b)


@pytest.mark.parametrize(("successes", "trials"), [(0, 12), (3, 10), (40, 40), (7, 200)])
def test_wilson_equals_scipy(successes: int, trials: int) -> None:
    expected = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    low, high = wilson_interval(successes, trials)
    assert low == pytest.approx(expected.low, abs=1e-12)
    assert high == pytest.approx(expected.high, abs=1e-12)


def test_wilson_without_trials_is_nan() -> None:
    low, high = wilson_interval([0, 1], [0, 2])
    assert np.isnan(low[0])
    assert np.isnan(high[0])
    assert 0 < low[1] < high[1] < 1
