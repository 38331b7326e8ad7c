"""Joint resamples of lines, beside plain loops and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from scatd.evaluation.intervals import Bootstrap, fold_mean_interval
from scatd.evaluation.joint import Scored, joint_auroc

N_LINES, MODELS = 40, ("good", "fair", "constant")
BOOTSTRAP = Bootstrap(n_boot=60, seed=4)


@pytest.fixture(scope="module")
def scored():
    """Two drugs, two seeds, two folds of the same lines."""
    rng = np.random.default_rng(0)
    found = []
    for drug in ("a", "b"):
        lines = rng.permutation(N_LINES)[: 36 if drug == "a" else 30]
        codes = rng.integers(0, 2, N_LINES)
        for seed in (1, 2):
            for part in np.array_split(np.random.default_rng(seed).permutation(lines), 2):
                noise = rng.normal(size=(2, len(part)))
                prob = {
                    "good": 4 * codes[part] + noise[0],
                    "fair": codes[part] + 3 * noise[1],
                    "constant": np.zeros(len(part)),
                }
                prob = {name: 1 / (1 + np.exp(-values)) for name, values in prob.items()}
                found.append(Scored(drug, part, codes[part], prob))
    return found


def by_loop(scored, weights):
    """Mean AUROC by model and drug: each line repeated as often as it was drawn."""
    found = {}
    for model in MODELS:
        for drug in ("a", "b"):
            values = []
            for one in scored:
                repeated = np.repeat(np.arange(len(one.codes)), weights[one.units].astype(int))
                codes = one.codes[repeated]
                if one.drug == drug and len(set(codes)) == 2:
                    values.append(roc_auc_score(codes, one.prob[model][repeated]))
            found[model, drug] = np.mean(values)
    return found


def test_values_and_draws_are_those_of_a_loop(scored):
    joint = joint_auroc(scored, N_LINES, BOOTSTRAP)
    once = by_loop(scored, np.ones(N_LINES))
    drawn = [by_loop(scored, row) for row in next(BOOTSTRAP.weights(N_LINES, None))]
    for model in MODELS:
        for place, drug in enumerate(("a", "b")):
            assert joint.values[model][place] == pytest.approx(once[model, drug])
            expected = [one[model, drug] for one in drawn]
            np.testing.assert_allclose(joint.draws[model][:, place], expected)
            low, high = np.quantile(expected, [0.025, 0.975])
            assert joint.of_drug(model, drug)[1:] == pytest.approx((low, high))
        means = [(one[model, "a"] + one[model, "b"]) / 2 for one in drawn]
        own = joint.mean(model)
        assert own.mean == pytest.approx((once[model, "a"] + once[model, "b"]) / 2)
        assert own[1:] == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))


def test_intervals_of_leads_hold_together(scored):
    joint = joint_auroc(scored, N_LINES, BOOTSTRAP)
    pairs = [("good", "fair"), ("good", "constant"), ("fair", "constant")]
    found = joint.leads(pairs)
    means = {model: joint.draws[model].mean(axis=1) for model in MODELS}
    lead = {(a, b): joint.mean(a).mean - joint.mean(b).mean for a, b in pairs}
    sd = {(a, b): np.std(means[a] - means[b], ddof=1) for a, b in pairs}
    largest = np.max([np.abs(means[a] - means[b] - lead[a, b]) / sd[a, b] for a, b in pairs], 0)
    reach = np.quantile(largest, 0.95)
    for pair in pairs:
        low, high = lead[pair] - reach * sd[pair], lead[pair] + reach * sd[pair]
        assert found[pair] == pytest.approx((lead[pair], low, high))
    # One pair by itself gets a narrower interval.
    (alone,) = joint.leads(pairs[:1]).values()
    assert alone.ci_high - alone.ci_low < found[pairs[0]].ci_high - found[pairs[0]].ci_low
    assert found["good", "fair"].mean > 0


def test_equal_models_have_no_lead(scored):
    twice = [
        Scored(one.drug, one.units, one.codes, {"one": one.prob["fair"], "two": one.prob["fair"]})
        for one in scored
    ]
    joint = joint_auroc(twice, N_LINES, BOOTSTRAP)
    assert joint.leads([("one", "two")]) == {("one", "two"): (0, 0, 0)}


def test_a_fold_of_one_class_has_no_part(scored):
    single = Scored("a", np.arange(3), np.ones(3, dtype=int), dict.fromkeys(MODELS, np.ones(3)))
    whole = joint_auroc([*scored, single], N_LINES, BOOTSTRAP)
    without = joint_auroc(scored, N_LINES, BOOTSTRAP)
    for model in MODELS:
        np.testing.assert_array_equal(whole.values[model], without.values[model])
        np.testing.assert_array_equal(whole.draws[model], without.draws[model])


def test_whole_groups_vary_together():
    """Where a tissue decides the class, resampled tissues vary more than resampled lines."""
    rng = np.random.default_rng(1)
    tissue = np.repeat(np.arange(8), 10)
    shift = rng.normal(size=8)[tissue]
    codes = (shift + 0.5 * rng.normal(size=80) > 0).astype(int)
    prob = {"model": 1 / (1 + np.exp(-shift - rng.normal(size=80)))}
    wide = joint_auroc([Scored("a", tissue, codes, prob)], 8).mean("model")
    narrow = joint_auroc([Scored("a", np.arange(80), codes, prob)], 80).mean("model")
    assert wide.mean == narrow.mean == pytest.approx(roc_auc_score(codes, prob["model"]))
    assert wide.ci_high - wide.ci_low > narrow.ci_high - narrow.ci_low


def test_one_set_of_samples_has_the_intervals_that_cover(scored):
    """A perfect ranking of few cells is not certain, as it is in every resample."""
    codes = np.array([0, 1] * 12)
    prob = {"perfect": codes * 0.8 + 0.1, "coin": np.tile([0.3, 0.7, 0.6, 0.2], 6)}
    joint = joint_auroc([Scored("a", np.arange(24), codes, prob)], 24, BOOTSTRAP)
    own = joint.mean("perfect")
    assert own.mean == 1
    assert 0.7 < own.ci_low < 0.95, "12 of each class"
    assert joint.of_drug("perfect", "a") == own
    (alone,) = joint.leads([("perfect", "coin")]).values()
    together = joint.leads([("perfect", "coin"), ("coin", "perfect")])
    assert together["perfect", "coin"].mean == alone.mean
    assert together["perfect", "coin"].ci_low < alone.ci_low, "two intervals hold together"
    assert not joint_auroc(scored, N_LINES, BOOTSTRAP).once


def test_folds_of_one_drug_have_the_intervals_that_cover():
    """Every resample of perfect folds is perfect; 30 lines are still few."""
    rng = np.random.default_rng(5)
    lines = rng.permutation(30)
    codes = np.tile([0, 1], 15)
    prob = {"perfect": codes * 0.8 + 0.1, "fair": codes + rng.normal(size=30), "coin": np.ones(30)}
    prob = {name: 1 / (1 + np.exp(-values)) for name, values in prob.items()}
    folds = [
        Scored("a", part, codes[part], {name: values[part] for name, values in prob.items()})
        for part in np.array_split(lines, 3)
    ]
    single = Scored("a", np.array([30]), np.array([1]), {name: np.ones(1) for name in prob})
    joint = joint_auroc([*folds, single], 31, BOOTSTRAP)
    for name in prob:
        own = [(one.codes, one.prob[name]) for one in folds]
        expected = np.mean([roc_auc_score(*fold) for fold in own])
        assert joint.mean(name) == joint.of_drug(name, "a")
        assert joint.mean(name).mean == pytest.approx(expected)
        assert joint.mean(name)[1:] == fold_mean_interval(own, bootstrap=BOOTSTRAP)
    assert joint.mean("perfect").ci_low < 0.97
    (lead,) = joint.leads([("perfect", "coin")]).values()
    assert lead.mean == 0.5
    assert lead.ci_low < 0.47
    # The same lines twice, as by a second seed, are resampled jointly.
    assert not joint_auroc([*folds, *folds], 31, BOOTSTRAP).once
