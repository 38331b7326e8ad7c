"""Every candidate is scored by the same scorer, and each cell for itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scatd import artifact
from scatd.candidates.mean import Mean
from scatd.candidates.network import Network
from scatd.cards.card import About
from scatd.errors import InputError
from scatd.nn.alignment import Alignment, feature_stats
from scatd.nn.classifier import HEAD_PREFIXES
from scatd.scores import ScoreOptions
from scatd.scoring import Scorer
from scatd.training.domain import fit_domain
from tests.candidates import KINDS, candidate, response_network, rows, stored

CELLS, _ = rows(1300, seed=11)
OTHERS = KINDS[1:]


@pytest.fixture(scope="module")
def network():
    return response_network()


def scorer_of(folder, kind, network, **changes):
    artifact.write(folder, replace(stored(candidate(kind, network), network), **changes))
    return Scorer(folder)


def by_hand(kind, network, cells):
    x = torch.from_numpy(cells)
    with torch.no_grad():
        z = network.encode(x)[0]
        return candidate(kind, network).probability(x, z), z


@pytest.mark.parametrize("method", ["none", "adain", "bi-adain"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_does_not_depend_on_its_neighbours(tmp_path, network, kind, method):
    statistics = [feature_stats([torch.from_numpy(rows(70, seed)[0] * 2 + 1)]) for seed in (1, 2)]
    scorer = scorer_of(tmp_path, kind, network, alignment=Alignment(method, *statistics))
    crowd = scorer.score(CELLS).prob_resistant
    np.testing.assert_array_equal(scorer.score(CELLS).prob_resistant, crowd)
    turned = scorer.score(CELLS[::-1]).prob_resistant[::-1]
    np.testing.assert_allclose(turned, crowd, rtol=0, atol=1e-7)
    for cell in (0, 511, 512, 700, 1299):
        for some in ([cell], [cell, 3, 900], [9, cell]):
            few = scorer.score(CELLS[some]).prob_resistant[some.index(cell)]
            assert abs(few - crowd[cell]) <= 1e-7
    assert np.ptp(crowd) > 0.3


@pytest.mark.parametrize("kind", KINDS)
def test_a_scorer_gives_what_the_candidate_says(tmp_path, network, kind):
    scores = scorer_of(tmp_path, kind, network).score(
        CELLS, threshold=0.4, options=ScoreOptions(keep_latent=True)
    )
    expected, z = by_hand(kind, network, CELLS)
    np.testing.assert_allclose(scores.prob_resistant, expected, atol=1e-6)
    np.testing.assert_allclose(scores.latent, z.numpy(), atol=1e-5)
    called = np.where(scores.prob_resistant > 0.4, "resistant", "sensitive")
    assert list(scores.responses) == list(called)
    assert scores.ood_p is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_training_domain_is_that_of_the_encoder(tmp_path, network, kind):
    """P-values do not depend on what scores: every model keeps the encoder."""
    x = torch.from_numpy(CELLS)
    _, z = by_hand("linear", network, CELLS)
    domain = fit_domain(x[:600], z[:600], "reference", seed=0)
    scorer = scorer_of(tmp_path, kind, network, domain=domain)
    p = scorer.score(CELLS[600:]).ood_p
    np.testing.assert_allclose(p, domain.p_value(x[600:], z[600:]), atol=1e-9)
    assert scorer.score(CELLS[[603]]).ood_p[0] == p[3]
    assert (scorer.score(CELLS + 50).ood_p < 0.05).all()


@pytest.mark.parametrize("kind", KINDS)
def test_folds_of_every_kind_disagree(tmp_path, network, kind):
    other = response_network(seed=9)
    head = {n: v for n, v in other.state_dict().items() if n.startswith(HEAD_PREFIXES)}
    folds = tuple(candidate(name, network, seed=4) for name in OTHERS)
    scorer = scorer_of(tmp_path, kind, network, fold_candidates=folds, fold_heads=(head,))
    scores = scorer.score(CELLS, options=ScoreOptions(fold_sd=True))
    own, z = by_hand(kind, network, CELLS)
    x = torch.from_numpy(CELLS)
    members = [Network(network.with_head(head)), *folds]
    each = np.stack([own, *(member.probability(x, z) for member in members)])
    np.testing.assert_allclose(scores.prob_resistant, own, atol=1e-6)
    np.testing.assert_allclose(scores.prob_sd_folds, each.std(axis=0), atol=1e-6)
    assert scorer.score(CELLS[:5]).prob_sd_folds is None
    alone = scorer.score(CELLS[[700]], options=ScoreOptions(fold_sd=True)).prob_sd_folds[0]
    assert abs(alone - scores.prob_sd_folds[700]) <= 1e-7


def test_folds_that_score_together_disagree(tmp_path, network):
    parts = tuple(candidate(name, network, seed=4) for name in ("linear", "trees", "mean"))
    model = replace(stored(Mean(parts), network), about=About(select="mean-of-folds"))
    scores = Scorer(model).score(CELLS, options=ScoreOptions(fold_sd=True))
    x, z = torch.from_numpy(CELLS), by_hand("linear", network, CELLS)[1]
    each = np.stack([part.probability(x, z) for part in parts])
    np.testing.assert_allclose(scores.prob_sd_folds, each.std(axis=0), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_without_other_folds_nothing_disagrees(tmp_path, network, kind):
    scorer = scorer_of(tmp_path, kind, network)
    with pytest.raises(InputError, match="nothing of other folds"):
        scorer.score(CELLS[:5], options=ScoreOptions(fold_sd=True))


@pytest.mark.parametrize("kind", OTHERS)
def test_draws_are_refused_where_they_change_nothing(tmp_path, network, kind):
    scorer = scorer_of(tmp_path, kind, network)
    with pytest.raises(InputError, match=r"--mc-samples.*uncertainty folds"):
        scorer.score(CELLS[:5], mc_samples=10)
    assert scorer.score(CELLS[:5]).prob_sd is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("kind", KINDS)
def test_features_that_are_no_numbers_have_no_score(tmp_path, network, kind, value):
    """Trees would send them right and a linear model would be sure of them."""
    spoiled = CELLS[:8].copy()
    spoiled[2, 5] = value
    scorer = scorer_of(tmp_path, kind, network)
    with pytest.raises(InputError, match="1 of 8 scores is not finite"):
        scorer.score(spoiled)
    scorer.score(np.delete(spoiled, 2, axis=0))


@pytest.mark.parametrize("kind", KINDS)
def test_cells_far_from_all_others_have_a_score(tmp_path, network, kind):
    prob = scorer_of(tmp_path, kind, network).score(CELLS[:9] * 1e6).prob_resistant
    assert ((prob >= 0) & (prob <= 1)).all()
