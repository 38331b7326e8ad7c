"""The ridge of many drugs is scikit-learn's, reduced as the formula says, and sees no other row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge as TheirRidge
from sklearn.preprocessing import StandardScaler

from scatd.candidates.linear import Linear
from scatd.candidates.mean import Mean
from scatd.training.candidates import multi_drug, trees
from scatd.training.candidates.inner import inner_splits
from scatd.training.candidates.many_drugs import DrugValues, Strength
from scatd.training.candidates.recipe import TrainingRows
from scatd.training.candidates.selection import contest
from scatd.training.standardised import Standardised

STRENGTH = Strength(penalty=0.3, rank=2)


@pytest.fixture
def small_forests(monkeypatch):
    monkeypatch.setattr(trees, "FEWEST_TREES", 12)
    monkeypatch.setattr(trees, "MOST_TREES", 12)


def training_rows(n_obs=90, n_features=30, n_drugs=6, seed=0, has_numbers=False):
    """Drugs whose responses are made of two directions that they share."""
    rng = np.random.default_rng(seed)
    X = rng.normal(1, 2, size=(n_obs, n_features)).astype(np.float32)
    shared = X[:, :10] @ rng.normal(size=(10, 2))
    values = shared @ rng.normal(size=(2, n_drugs)) + 4 * rng.normal(size=(n_obs, n_drugs))
    codes = (values[:, 0] > np.median(values[:, 0])).astype(np.int64)
    values[rng.random(values.shape) < 0.2] = np.nan
    values[:, 0] = 2.0 * codes - 1
    return TrainingRows(
        X=X,
        codes=codes,
        standardised=Standardised(X),
        latent=Standardised(X[:, :3]),
        inner=inner_splits(codes, None, 0),
        seed=0,
        many_drugs=DrugValues(values, STRENGTH, has_numbers),
    )


def known_of(rows):
    assert rows.many_drugs is not None
    return rows.many_drugs


def changed(rows, places):
    """The same rows with other responses of some of them, to every drug."""
    values = known_of(rows).values.copy()
    values[places] = 100 - 7 * np.nan_to_num(values[places])
    return replace(rows, many_drugs=replace(known_of(rows), values=values))


@pytest.mark.parametrize("weighted", [False, True])
def test_a_ridge_of_columns_is_scikit_learns(weighted):
    rng = np.random.default_rng(3)
    T, wanted = rng.normal(1, 2, size=(40, 12)), rng.normal(size=(40, 5))
    weights = rng.uniform(0.2, 3, 40) if weighted else np.ones(40)
    wanted -= np.average(wanted, axis=0, weights=weights)
    centred = T - np.average(T, axis=0, weights=weights)
    length = np.average((centred**2).sum(axis=1), weights=weights)
    theirs = TheirRidge(0.7 * length).fit(T, wanted, sample_weight=weights)
    ours = multi_drug.ridge_of_columns(T, wanted, weights, 0.7)
    np.testing.assert_allclose(ours.coef, theirs.coef_.T, rtol=1e-8)
    np.testing.assert_allclose((T - ours.centre) @ ours.coef, theirs.predict(T), atol=1e-8)


@pytest.mark.parametrize("rank", [1, 3])
def test_reduced_answers_are_the_nearest_of_their_rank(rank):
    rng = np.random.default_rng(4)
    T, wanted = rng.normal(size=(50, 9)), rng.normal(size=(50, 6))
    ridge = multi_drug.ridge_of_columns(T, wanted - wanted.mean(axis=0), np.ones(50), 0.1)
    answers = (T - ridge.centre) @ ridge.coef
    left, lengths, right = np.linalg.svd(answers, full_matrices=False)
    expected = left[:, :rank] * lengths[:rank] @ right[:rank]
    np.testing.assert_allclose((T - ridge.centre) @ ridge.of_rank(rank), expected, atol=1e-10)
    np.testing.assert_allclose(ridge.of_rank(6), ridge.coef, atol=1e-10)
    np.testing.assert_allclose(ridge.of_rank(82), ridge.coef, atol=1e-10)


def test_columns_are_standardised_by_what_is_known():
    values = np.array([[1.0, 5.0, np.nan], [3.0, np.nan, np.nan], [5.0, 5.0, np.nan]])
    weights = np.array([1.0, 1.0, 2.0])
    found = multi_drug.standardised_columns(values, weights)
    mean, spread = 3.5, np.sqrt((2.5**2 + 0.5**2 + 2 * 1.5**2) / 4)
    np.testing.assert_allclose(found[:, 0], (values[:, 0] - mean) / spread)
    np.testing.assert_array_equal(found[:, 1:], 0)


@pytest.mark.parametrize("has_numbers", [False, True])
def test_a_fit_is_that_of_all_standardised_features(has_numbers):
    rows = training_rows(has_numbers=has_numbers)
    Z = StandardScaler().fit_transform(rows.X.astype(np.float64))
    values = known_of(rows).values
    wanted = np.nan_to_num((values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0))
    answers = TheirRidge(STRENGTH.penalty * Z.shape[1]).fit(Z, wanted).predict(Z)
    *_, right = np.linalg.svd(answers - answers.mean(axis=0), full_matrices=False)
    expected = answers @ right[:2].T @ right[:2, 0]
    expected /= expected.std()
    if has_numbers:
        expected += answers[:, 1] / answers[:, 1].std()
    ours = multi_drug.fit(rows, known_of(rows))
    np.testing.assert_allclose(rows.X @ ours.weights + ours.bias, expected, atol=1e-4)


def test_an_inner_fold_is_held_out_for_every_drug():
    rows = training_rows()
    scores = multi_drug.inner_scores(rows, known_of(rows))
    assert np.isfinite(scores).all()
    for train, val in rows.inner:
        other = changed(rows, val)
        found = multi_drug.inner_scores(other, known_of(other))
        np.testing.assert_array_equal(found[val], scores[val])
        assert (found[train] != scores[train]).all()


def test_drugs_help_each_other():
    """Alone, the drug's noise hides what it has in common with the others."""
    gains = []
    for seed in range(6):
        rows = training_rows(seed=seed, n_features=80, n_drugs=30)
        known = known_of(rows)
        alone = replace(known, values=known.values[:, :1])
        for one, sign in ((known, 1), (alone, -1)):
            scores = multi_drug.inner_scores(rows, one)
            truth = np.corrcoef(scores, rows.codes)[0, 1]
            gains.append(sign * truth)
    assert np.sum(gains) > 0


@pytest.mark.usefixtures("small_forests")
@pytest.mark.parametrize("choice", ["auto", "mean"])
def test_the_part_is_kept_where_inner_folds_rank_higher_with_it(choice):
    kept = []
    for seed in range(4):
        rows = training_rows(seed=seed, n_features=60, n_drugs=25)
        found = contest(rows, choice)
        tried = {one.variant: one for one in found.tried if one.candidate == "mean"}
        assert set(tried) == {"", "with multi-drug ridge", "multi-drug ridge alone"}
        is_better = tried["with multi-drug ridge"].auroc > tried[""].auroc
        assert tried["with multi-drug ridge"].is_strength == is_better
        assert tried[""].is_strength != is_better
        mean = found.fitted["mean"]
        assert isinstance(mean, Mean)
        assert len(mean.parts) == 2 + is_better
        assert found.scored["mean"].auroc == max(
            tried[""].auroc, tried["with multi-drug ridge"].auroc
        )
        if is_better:
            assert isinstance(mean.parts[-1], Linear)
            own = multi_drug.fit(rows, known_of(rows))
            ratio = mean.parts[-1].weights / own.weights
            np.testing.assert_allclose(ratio, ratio[0])
            assert ratio[0] > 0
        kept.append(is_better)
    assert any(kept)


@pytest.mark.usefixtures("small_forests")
def test_other_drugs_have_no_part_in_single_candidates():
    rows = training_rows()
    plain = replace(rows, many_drugs=None)
    for choice in ("linear", "trees"):
        ours, theirs = (contest(some, choice).fitted[choice] for some in (rows, plain))
        x, z = torch.from_numpy(rows.X), torch.zeros(len(rows.X), 3)
        np.testing.assert_array_equal(ours.log_odds(x, z), theirs.log_odds(x, z))
    assert {one.variant for one in contest(plain, "mean").tried if one.candidate == "mean"} == {""}


def test_mean_without_inner_folds():
    rows = replace(training_rows(), inner=())
    assert list(contest(rows, "mean").fitted) == ["linear"]
