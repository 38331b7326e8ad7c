"""What candidates answer is what their formulas, or scikit-learn, say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scatd.candidates.candidate import mean_probability
from scatd.candidates.linear import Linear
from scatd.candidates.mean import Mean
from scatd.candidates.network import Network
from scatd.decision import expit
from scatd.training.candidates.trees import additive
from tests.candidates import KINDS, candidate, forest, linear, response_network, rows, trees

X, _ = rows(80, seed=7)
CELLS = torch.from_numpy(X)


@pytest.fixture(scope="module")
def network():
    return response_network()


@pytest.fixture(scope="module")
def z(network):
    with torch.no_grad():
        return network.encode(CELLS)[0]


def test_a_linear_model_adds_weighted_features(z):
    own = linear()
    by_hand = [sum(w * float(v) for w, v in zip(own.weights, x, strict=True)) for x in X]
    np.testing.assert_allclose(own.log_odds(CELLS, z), np.array(by_hand) + 0.25, atol=1e-12)
    both = linear(latent=True)
    more = z.double().numpy() @ both.latent_weights
    np.testing.assert_allclose(both.log_odds(CELLS, z), np.array(by_hand) + 0.25 + more, atol=1e-12)


def test_linear_models_keep_their_form(z):
    own, latent = linear(0), linear(0, latent=True)
    for one in (own, latent):
        odds = one.scaled(3.0, -1.0).log_odds(CELLS, z)
        np.testing.assert_allclose(odds, 3 * one.log_odds(CELLS, z) - 1, atol=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
def test_trees_vote_as_scikit_learn(z, seed):
    votes = additive(forest(seed)).log_odds(CELLS, z)
    np.testing.assert_allclose(votes, forest(seed).predict_proba(X)[:, 1], atol=1e-12)


def test_trees_decide_at_their_thresholds_as_scikit_learn():
    """Features that equal a threshold, rounded both ways and to its neighbours."""
    model, own = forest(), additive(forest())
    cells = []
    for tree in (member.tree_ for member in model.estimators_):
        for node in np.flatnonzero(tree.children_left >= 0):
            near = np.float32(tree.threshold[node])
            steps = (np.nextafter(near, np.float32(-99)), near, np.nextafter(near, np.float32(99)))
            for value in steps:
                cell = X[len(cells) % len(X)].copy()
                cell[tree.feature[node]] = value
                cells.append(cell)
    rows_at = np.array(cells)
    np.testing.assert_allclose(
        own.log_odds(torch.from_numpy(rows_at), None),
        model.predict_proba(rows_at)[:, 1],
        atol=1e-12,
    )
    leaves = own.leaves(rows_at) - own.roots
    np.testing.assert_array_equal(leaves, model.apply(rows_at))


def test_scaled_trees(z):
    votes = additive(forest()).log_odds(CELLS, z)
    np.testing.assert_allclose(trees().log_odds(CELLS, z), 6 * votes - 3, atol=1e-12)


def test_how_deep_trees_are():
    own = additive(forest())
    assert own.depth == max(member.get_depth() for member in forest().estimators_)
    assert own.is_leaf.sum() == sum(member.get_n_leaves() for member in forest().estimators_)


def test_a_mean_is_of_log_odds(network, z):
    own = candidate("mean with network", network)
    odds = [part.log_odds(CELLS, z) for part in own.parts]
    np.testing.assert_allclose(own.log_odds(CELLS, z), sum(odds) / 3, atol=1e-12)
    curved = Mean(own.parts, 0.5, 2.0)
    np.testing.assert_allclose(curved.log_odds(CELLS, z), sum(odds) / 6 + 2, atol=1e-12)


def test_a_network_answers_as_its_softmax(network, z):
    with torch.no_grad():
        expected = network(CELLS).double().softmax(dim=1)[:, 1].numpy()
    own = Network(network)
    np.testing.assert_allclose(own.probability(CELLS, z), expected, atol=1e-7)
    np.testing.assert_allclose(expit(own.log_odds(CELLS, z)), expected, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_probability_is_that_of_the_log_odds(network, z, kind):
    own = candidate(kind, network)
    odds = own.log_odds(CELLS, z)
    np.testing.assert_allclose(own.probability(CELLS, z), 1 / (1 + np.exp(-odds)), atol=1e-6)
    assert odds.std() > 0.1


def test_members_score_by_the_mean_of_their_probabilities(z):
    members = [linear(seed) for seed in range(3)]
    expected = sum(member.probability(CELLS, z) for member in members) / 3
    np.testing.assert_allclose(mean_probability(members, CELLS, z), expected, atol=1e-12)


def test_extreme_log_odds_are_probabilities(recwarn):
    steep = Linear(np.full(12, 1e4), 0.0)
    prob = steep.probability(torch.tensor([[1.0] * 12, [-1.0] * 12, [0.0] * 12]), None)
    np.testing.assert_allclose(prob, [1, 0, 0.5], atol=1e-12)
    assert not recwarn.list
