"""Folds whose candidates differ become one model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit, logit

from scatd import artifact
from scatd.nn.classifier import HEAD_PREFIXES
from scatd.workflows.transfer.model import _mean_of_folds, _with_folds
from tests.candidates import KINDS, candidate, response_network, rows, stored

CELLS = torch.from_numpy(rows(40, seed=5)[0])


@pytest.fixture(scope="module")
def network():
    return response_network()


def folds(network, kinds=KINDS):
    """A model a fold, each with another candidate on the same encoder."""
    made = [stored(candidate(kind, network, seed), network) for seed, kind in enumerate(kinds)]
    return dict(enumerate(made, start=1))


def odds_of(model):
    """Log odds of each of its members, (n_members, n_obs)."""
    network = model.classifier()
    with torch.no_grad():
        z = network.encode(CELLS)[0]
        return np.stack([one.log_odds(CELLS, z) for one in model.members(network)])


@pytest.mark.parametrize("best", [1, 2, 5])
def test_other_folds_measure_disagreement(tmp_path, network, best):
    members = folds(network)
    artifact.write(tmp_path, _with_folds(members[best], members))
    model = artifact.read(tmp_path)
    np.testing.assert_array_equal(odds_of(model), odds_of(members[best]))
    assert len(model.fold_heads) == (best != 1)
    others = [one.candidate for fold, one in members.items() if fold not in (1, best)]
    assert [one.name for one in model.fold_candidates] == [one.name for one in others]


def test_what_reads_another_encoder_measures_nothing(network):
    """The encoder of the registered fold was trained; those of the others are the backbone's."""
    trained = stored(candidate("network", network), response_network(seed=8))
    members = {0: trained, **folds(network)}
    model = _with_folds(trained, members)
    assert model.fold_heads == ()
    assert [one.name for one in model.fold_candidates] == ["linear", "trees", "mean"]
    assert not any(one.reads_latent for one in model.fold_candidates)
    # Features mean the same to all of them, so that they remain beside any encoder.
    assert len(_with_folds(members[1], members).fold_candidates) == len(KINDS) - 1


@pytest.mark.parametrize("best", [1, 2])
def test_the_mean_of_unlike_folds_is_that_of_their_log_odds(tmp_path, network, best):
    members = folds(network, KINDS[:5])
    made = _mean_of_folds(members[best], list(members.values()))
    artifact.write(tmp_path, made)
    model = artifact.read(tmp_path)
    expected = np.mean([odds_of(member)[0] for member in members.values()], axis=0)
    (found,) = odds_of(model)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert not any(name.startswith(HEAD_PREFIXES) for name in model.state)
    assert model.card().candidate.in_words.startswith("mean of network and linear (2 times)")


def test_the_mean_of_folds_has_the_mean_of_their_thresholds(network):
    members = folds(network, ["network", "linear", "trees"])
    cuts = {1: 0.5, 2: 0.2, 3: 0.3}
    members = {n: replace(one, threshold=cuts[n]) for n, one in members.items()}
    for best in members:
        made = _mean_of_folds(members[best], list(members.values()))
        assert made.threshold == pytest.approx(expit(np.mean(logit(list(cuts.values())))))
    alike = [replace(one, threshold=1.0) for one in members.values()]
    assert _mean_of_folds(alike[1], alike).threshold == 1


def test_the_mean_of_networks_keeps_their_heads(network):
    members = folds(network, ["network"] * 3)
    model = _mean_of_folds(members[2], list(members.values()))
    assert model.candidate is None
    assert len(model.more_heads) == 2
