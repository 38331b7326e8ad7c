"""Inner folds choose strength and candidate by the rules, from training rows alone."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from scatd.candidates.linear import Linear
from scatd.candidates.mean import Mean
from scatd.evaluation.delong import auroc_variance
from scatd.training.candidates import inner as folds
from scatd.training.candidates import selection
from scatd.training.candidates.inner import inner_splits
from scatd.training.candidates.linear import TARGET_ONLY
from scatd.training.candidates.recipe import Recipe, Setting, TrainingRows
from scatd.training.candidates.selection import NETWORK_MARGIN, contest
from scatd.training.standardised import Standardised

N = 90


def training_rows(inner=None, **changes):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 12)).astype(np.float32)
    codes = (X[:, 0] + 0.5 * rng.normal(size=N) > 0.2).astype(np.int64)
    inner = inner_splits(codes, None, 0) if inner is None else inner
    rows = Standardised(X)
    return replace(TrainingRows(X, codes, rows, Standardised(X[:, :4]), inner, seed=0), **changes)


def scores_of(rows, auroc, seed=0):
    """Scores whose AUROC is near this in every inner fold."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=len(rows.codes))
    shift = math.sqrt(2) * torch.special.ndtri(torch.tensor(float(auroc))).item()
    return noise + shift * rows.codes


class MadeUp(Recipe[Linear]):
    """Inner scores that are given; what it fits says at which setting."""

    name = "linear"

    def __init__(self, scores):
        self.scores = scores
        self.fallback = next(iter(scores))

    def settings(self, rows):
        return tuple(self.scores)

    def inner_scores(self, rows):
        return self.scores

    def fit(self, rows, setting):
        return Linear(np.zeros(rows.X.shape[1]), setting.strength)


def odds_of(candidate, rows):
    X = torch.from_numpy(rows.X)
    return candidate.log_odds(X, X[:, :4])


def strengths_of(made, choice="linear"):
    return [one.strength for one in made.tried if one.is_strength and one.candidate == choice]


def with_recipe(monkeypatch, scores):
    monkeypatch.setattr(selection, "_LINEAR", MadeUp(scores))


def test_the_strongest_penalty_within_one_standard_error(monkeypatch):
    rows = training_rows()
    grid = {0.1: 0.6, 0.2: 0.78, 0.3: 0.80, 0.4: 0.82, 0.5: 0.75}
    scores = {Setting("a", c): scores_of(rows, auroc) for c, auroc in grid.items()}
    with_recipe(monkeypatch, scores)

    def judged(values):
        found = [auroc_variance(rows.codes[val], values[val]) for _, val in rows.inner]
        mean = np.mean([auroc for auroc, _ in found])
        return mean, np.sqrt(np.sum([variance for _, variance in found])) / len(found)

    by_hand = {setting.strength: judged(values) for setting, values in scores.items()}
    best = max(by_hand, key=lambda c: by_hand[c][0])
    enough = by_hand[best][0] - by_hand[best][1]
    expected = next(c for c in grid if by_hand[c][0] >= enough)
    assert expected < best
    made = contest(rows, "linear")
    assert strengths_of(made) == [expected]
    for one in made.tried:
        assert (one.auroc, one.se) == pytest.approx(by_hand[one.strength])


@pytest.mark.parametrize(("cost", "expected"), [(0.05, ("a", 2.0)), (1.5, ("b", 6.0))])
def test_the_plainest_variant_within_one_standard_error(monkeypatch, cost, expected):
    rows = training_rows()
    best, worse = scores_of(rows, 0.9), scores_of(rows, 0.55)
    scores = {
        Setting("a", 1.0): worse,
        Setting("a", 2.0): best - cost * rows.codes,
        Setting("b", 5.0): worse,
        Setting("b", 6.0): best,
        Setting("b", 7.0): best,
    }
    with_recipe(monkeypatch, scores)
    chosen = contest(rows, "linear").decide()
    (one,) = [one for one in chosen.tried if one.is_strength]
    assert (one.variant, one.strength) == expected
    assert chosen.strength == f"{one.variant}, C {one.strength:g}"


def platt(scores, codes):
    """Slope and intercept of Platt's curve (1999), without a penalty by scikit-learn."""
    n_resistant, n_sensitive = codes.sum(), (1 - codes).sum()
    target = np.where(codes == 1, (n_resistant + 1) / (n_resistant + 2), 1 / (n_sensitive + 2))
    column = ((scores - scores.mean()) / scores.std())[:, None]
    model = LogisticRegression(C=1e10, tol=1e-10).fit(
        np.concatenate([column, column]),
        np.repeat([1, 0], len(codes)),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    slope = model.coef_[0, 0] / scores.std()
    return slope, model.intercept_[0] - slope * scores.mean()


@pytest.mark.parametrize("n_scored", [N, 60])
def test_a_candidate_is_calibrated_on_inner_folds(monkeypatch, n_scored):
    rows = training_rows()
    splits = inner_splits(rows.codes[:n_scored], None, 0)
    rows = replace(rows, inner=splits)
    scores = scores_of(rows, 0.85) * 30 + 400
    scores[n_scored:] = np.nan  # rows that no inner fold scores
    with_recipe(monkeypatch, {Setting("a", 500.0): scores})
    chosen = contest(rows, "linear").decide()
    slope, intercept = platt(scores[:n_scored], rows.codes[:n_scored])
    assert slope > 0
    assert chosen.candidate.bias == pytest.approx(slope * 500 + intercept, rel=1e-4)


@pytest.mark.parametrize("auroc", [0.2, 0.5])
def test_no_order_is_reversed(monkeypatch, auroc):
    rows = training_rows()
    scores = -np.abs(scores_of(rows, auroc)) * rows.codes if auroc < 0.5 else np.zeros(N)
    with_recipe(monkeypatch, {Setting("a", 2.0): scores, Setting("a", 3.0): scores})
    made = contest(rows, "linear")
    (one,) = [one for one in made.tried if one.is_strength]
    low = selection._calibrated(rows, one, scores)
    assert low.slope > 0
    np.testing.assert_allclose(expit(low.odds), rows.codes.mean(), atol=2e-3)


def test_scores_that_differ_by_rounding_are_equal(monkeypatch):
    rows = training_rows()
    scores = 400 + np.random.default_rng(0).choice([0, 1e-13, -1e-13], N) + 1e-13 * rows.codes
    with_recipe(monkeypatch, {Setting("a", 2.0): scores})
    (one,) = contest(rows, "linear").tried
    assert 0 < selection._calibrated(rows, one, scores).slope < 1


def test_a_mean_is_of_calibrated_parts():
    rows = training_rows()
    made = contest(rows, "auto")
    assert set(made.fitted) == {"linear", "trees", "mean"}
    mean = made.fitted["mean"]
    assert isinstance(mean, Mean)
    assert mean.parts == (made.fitted["linear"], made.fitted["trees"])
    assert mean.slope > 0
    for name, one in made.fitted.items():
        odds = odds_of(one, rows)
        assert roc_auc_score(rows.codes, odds) > 0.8, name
        assert abs(expit(odds).mean() - rows.codes.mean()) < 0.1, name
    assert {one.candidate for one in made.tried} == {"linear", "trees", "mean"}


def few_rows():
    """Rows of which the last twelve are target cells; another feature decides their class."""
    rows = training_rows()
    X, codes = rows.X.copy(), rows.codes.copy()
    codes[-12:] = [0, 1] * 6
    X[-12:, 7] = codes[-12:] * 2 + X[-12:, 8] / 4
    inner = folds.few_shot_splits(N - 12, codes[-12:], 0)
    return replace(rows, X=X, codes=codes, standardised=Standardised(X), inner=inner, n_few=12)


def test_target_cells_alone_are_a_part_of_the_mean():
    made = contest(few_rows(), "auto")
    assert len(made.fitted["mean"].parts) == 3
    linear = [one for one in made.tried if one.is_strength and one.candidate == "linear"]
    assert len(linear) == 2
    best = max(linear, key=lambda one: one.auroc)
    assert made.scored["linear"] == best
    assert made.fitted["linear"] in made.fitted["mean"].parts
    assert made.share == few_rows().codes[-12:].mean()
    assert len(contest(training_rows(), "auto").fitted["mean"].parts) == 2
    chosen = contest(few_rows(), "linear").decide()
    variants = {one.variant for one in chosen.tried if one.is_chosen}
    assert best.variant in variants
    assert (TARGET_ONLY in variants) == (best.variant == TARGET_ONLY)
    strength = chosen.strength
    assert strength == f"{best.variant}, C {best.strength:g}"  # not those of both linear models


def test_a_tie_of_linear_models_goes_to_the_one_that_knows_the_source(monkeypatch):
    rows = few_rows()
    alone = selection._TARGET_ONLY.inner_scores(rows)
    (scores,) = alone.values()
    with_recipe(monkeypatch, {Setting("a", 2.0): scores})
    chosen = contest(rows, "linear").decide()
    assert chosen.strength == "a, C 2"
    assert not chosen.candidate.weights.any()


@pytest.mark.parametrize("choice", ["linear", "trees", "mean"])
def test_the_candidate_that_was_asked_for(choice):
    chosen = contest(training_rows(), choice).decide()
    assert chosen.name == choice
    assert chosen.candidate.name == choice
    assert f"Model {choice} was asked for" in chosen.reason
    assert {one.candidate for one in chosen.tried if one.is_chosen} == {choice}
    words = {"linear": 1, "trees": 1, "mean": 2}
    assert len(chosen.strength.split("; ")) == words[choice]


def probabilities(rows, auroc):
    """P(resistant) by networks of the inner folds, with exactly this mean AUROC in them."""
    prob = np.full(N, np.nan)
    for _, val in rows.inner:
        codes = rows.codes[val]
        n_pairs = codes.sum() * (1 - codes).sum()
        order = np.argsort(codes, kind="stable")
        prob[val[order]] = np.linspace(0.1, 0.9, len(val))
        wrong = round((1 - auroc) * n_pairs)
        resistant, sensitive = val[codes == 1], val[codes == 0]
        whole, rest = divmod(wrong, len(sensitive))
        prob[resistant[:whole]] = 0.01
        ranked = np.sort(prob[sensitive])
        if rest:
            prob[resistant[whole]] = ranked[-rest] - 1e-6
    return prob


def test_the_best_candidate_wins_and_the_network_when_it_is_near():
    rows = training_rows()
    made = contest(rows, "auto")
    best = max(made.scored, key=lambda name: made.scored[name].auroc)
    top = made.scored[best].auroc
    without = made.decide()
    assert without.name == best
    assert without.candidate is made.fitted[best]
    network = probabilities(rows, 1.0)
    won = made.decide(network)
    assert (won.name, won.candidate) == ("network", None)
    assert won.tried[-1].auroc == 1.0
    for gap, expected in ((0.5, "network"), (1.5, best)):
        made_up = replace(made.scored[best], auroc=won.tried[-1].auroc + gap * NETWORK_MARGIN)
        close = replace(made, scored={**made.scored, best: made_up})
        chosen = close.decide(network)
        assert chosen.name == expected
        assert f"{expected} is {'within 0.002 of the best' if gap < 1 else 'best'}" in chosen.reason
    bad = made.decide(probabilities(rows, 0.6))
    assert bad.name == best
    assert 0.5 < bad.tried[-1].auroc < top
    assert {one.candidate for one in bad.tried if one.is_chosen} == {best}
    assert bad.tried[-1].candidate == "network"


@pytest.mark.parametrize(
    ("choice", "expected"),
    [("auto", "linear"), ("linear", "linear"), ("mean", "linear"), ("trees", "trees")],
)
def test_too_few_rows_for_inner_folds(choice, expected):
    chosen = contest(training_rows(inner=[]), choice).decide()
    assert chosen.name == expected
    assert chosen.candidate.name == expected
    assert chosen.tried == ()
    assert "Too few" in chosen.reason
    odds = odds_of(chosen.candidate, training_rows())
    assert roc_auc_score(training_rows().codes, odds) > 0.8


def test_a_table_of_all_that_was_tried():
    chosen = contest(training_rows(), "auto").decide()
    for one in chosen.tried:
        row = one.row()
        assert tuple(row) == selection.TRIED
        low, high = row["inner_auroc_ci_low"], row["inner_auroc_ci_high"]
        assert 0 <= low <= row["inner_auroc"] <= high <= 1
        if low > 0 and high < 1:
            assert high - low == pytest.approx(2 * 1.959964 * one.se)
    by_candidate = [one.candidate for one in chosen.tried if one.is_strength]
    assert sorted(by_candidate) == ["linear", "mean", "trees"]


# Inner folds -----------------------------------------------------------------------------------
def test_inner_folds_are_stratified_and_score_each_row_once():
    codes = np.repeat([0, 1], [40, 20])
    splits = inner_splits(codes, None, 0)
    assert len(splits) == 3
    scored = np.concatenate([val for _, val in splits])
    assert sorted(scored) == list(range(60))
    for train, val in splits:
        assert not set(train) & set(val)
        assert len(train) + len(val) == 60
        assert abs(codes[val].mean() - 1 / 3) < 0.05


def test_inner_folds_keep_groups_whole():
    rng = np.random.default_rng(0)
    groups = rng.integers(12, size=80).astype(str)
    codes = rng.integers(2, size=80)
    splits = inner_splits(codes, groups, 0)
    assert len(splits) == 3
    for train, val in splits:
        assert not set(groups[train]) & set(groups[val])
        assert len(set(codes[val])) == 2


@pytest.mark.parametrize(
    ("codes", "groups", "n_folds"),
    [
        ([0] * 20 + [1] * 2, None, 2),
        ([0] * 20 + [1], None, 0),
        ([0] * 20, None, 0),
        ([0, 1] * 10, ["a", "b"] * 10, 0),
        ([0, 1, 1, 0] * 5, ["a", "a", "b", "b"] * 5, 2),
        ([0, 1] * 10, ["a"] * 20, 0),
    ],
)
def test_as_many_inner_folds_as_there_can_be(codes, groups, n_folds):
    groups = None if groups is None else np.array(groups)
    assert len(inner_splits(np.array(codes), groups, 0)) == n_folds


def test_inner_folds_of_few_target_cells():
    splits = folds.few_shot_splits(30, np.repeat([0, 1], 6), 0)
    assert len(splits) == 5
    assert sorted(np.concatenate([val for _, val in splits])) == list(range(30, 42))
    for train, val in splits:
        assert set(range(30)) <= set(train)
        assert not set(train) & set(val)
    assert folds.few_shot_splits(30, np.array([0, 1] * 4), 0) == []


def test_inner_folds_with_fewer_target_cells_than_can_be_scored():
    codes, few = np.repeat([0, 1], [20, 10]), np.array([0, 1])
    without = folds.inner_folds(codes, None, None, 0)
    found = folds.inner_folds(codes, None, few, 0)
    assert len(found) == len(without) == 3
    for (train, val), (source, same) in zip(found, without, strict=True):
        np.testing.assert_array_equal(val, same)
        np.testing.assert_array_equal(train, [*source, 30, 31])
    enough = folds.inner_folds(codes, None, np.array([0, 1] * 5), 0)
    assert min(min(val) for _, val in enough) == 30
