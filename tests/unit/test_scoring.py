"""A stored model scores the same numbers, alone and in a crowd."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from scatd import artifact
from scatd.artifact import Artifact
from scatd.data.limits import BLOCK
from scatd.errors import InputError
from scatd.nn.alignment import Alignment, adain, feature_stats
from scatd.nn.classifier import HEAD_PREFIXES, ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, Sizes
from scatd.scoring import RowScorer, ScoreOptions, Scorer, rows_at_once
from scatd.training.domain import fit_domain

SIZES = Sizes(12, 6, (10, 8), (8, 10))


@pytest.fixture
def cells():
    return np.random.default_rng(0).normal(1.0, 2.0, size=(1300, 12)).astype(np.float32)


@pytest.fixture
def source_and_reference():
    rng = np.random.default_rng(1)
    source = torch.from_numpy(rng.normal(3, 0.5, size=(80, 12)).astype(np.float32))
    reference = torch.from_numpy(rng.normal(1, 2, size=(90, 12)).astype(np.float32))
    return feature_stats([source]), feature_stats([reference])


def make(folder, alignment, family="sf"):
    torch.manual_seed(3)
    model = ResponseClassifier(SIZES, DESIGNS[family])
    model.train()(torch.randn(64, 12))  # settles the spectral vectors and running statistics
    artifact.write(
        folder,
        Artifact("response", family, family, SIZES, model.state_dict(), alignment, 0.4),
    )
    return model.eval()


def by_hand(model, x):
    with torch.no_grad():
        return model(x).softmax(dim=1)[:, 1].numpy()


@pytest.mark.parametrize("family", ["sf", "gf", "dist"])
def test_round_trip_scores_what_the_network_says(tmp_path, cells, family):
    model = make(tmp_path, Alignment("none"), family)
    scores = Scorer(tmp_path).score(cells, options=ScoreOptions(keep_latent=True))
    expected = by_hand(model, torch.from_numpy(cells))
    np.testing.assert_allclose(scores.prob_resistant, expected, atol=1e-6)
    assert list(scores.responses) == ["resistant" if p > 0.4 else "sensitive" for p in expected]
    assert scores.latent.shape == (1300, 6)


def test_a_cell_alone_and_in_the_crowd(tmp_path, cells, source_and_reference):
    make(tmp_path, Alignment("bi-adain", *source_and_reference))
    scorer = Scorer(tmp_path)
    crowd = scorer.score(cells).prob_resistant
    alone = [scorer.score(cells[[row]]).prob_resistant[0] for row in (0, 700, 1299)]
    np.testing.assert_allclose(alone, crowd[[0, 700, 1299]], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(scorer.score(cells).prob_resistant, crowd)


def test_adain_leaves_the_target_where_it_is(tmp_path, cells, source_and_reference):
    model = make(tmp_path, Alignment("adain", *source_and_reference))
    scores = Scorer(tmp_path).score(cells)
    expected = by_hand(model, torch.from_numpy(cells))
    np.testing.assert_allclose(scores.prob_resistant, expected, atol=1e-6)


def test_bi_adain_gives_the_target_the_source_style(tmp_path, cells, source_and_reference):
    source, reference = source_and_reference
    model = make(tmp_path, Alignment("bi-adain", source, reference))
    x = torch.from_numpy(cells)
    expected = by_hand(model, adain(x, reference, source))
    np.testing.assert_allclose(Scorer(tmp_path).score(cells).prob_resistant, expected, atol=1e-5)
    options = ScoreOptions(stats="cohort", shrunk=False)
    published = Scorer(tmp_path).score(cells, options=options).prob_resistant
    moved = adain(x, feature_stats([x]), source)
    np.testing.assert_allclose(published, by_hand(model, moved), atol=1e-5)


def test_cohort_statistics_need_a_cohort(tmp_path, cells, source_and_reference):
    make(tmp_path, Alignment("adain", *source_and_reference))
    with pytest.raises(InputError, match=r"49 cells .* at least 50"):
        Scorer(tmp_path).score(cells[:49], options=ScoreOptions(stats="cohort"))


def test_blocks_are_scored_together_and_give_the_bits_of_each_alone(tmp_path, monkeypatch):
    """A thread scores one block: with one block at a time, all other threads would wait."""
    monkeypatch.setattr("torch.get_num_threads", lambda: 3)
    assert rows_at_once(3072) == (48 << 20) // (4 * 3072 * BLOCK) * BLOCK  # by what is read
    assert rows_at_once(100_000) == 3 * BLOCK  # by the threads
    make(tmp_path, Alignment("none"))
    scorer = Scorer(tmp_path)
    X = np.random.default_rng(5).normal(size=(2 * BLOCK + 3, 12)).astype(np.float32)
    n_given, together = [], RowScorer.score

    def score(self, start, rows):
        n_given.append(len(rows))
        return together(self, start, rows)

    monkeypatch.setattr(RowScorer, "score", score)
    scores = scorer.score(X)
    assert n_given == [len(X)]
    rows = scorer.by_rows()
    alone = [rows.score(start, X[start : start + BLOCK]) for start in range(0, len(X), BLOCK)]
    np.testing.assert_array_equal(
        scores.prob_resistant, np.concatenate([part.prob_resistant for part in alone])
    )


def test_posterior_draws_are_seeded_and_spread(tmp_path, cells):
    make(tmp_path, Alignment("none"))
    scorer = Scorer(tmp_path)
    first = scorer.score(cells[:20], mc_samples=30, options=ScoreOptions(seed=1))
    again = scorer.score(cells[:20], mc_samples=30, options=ScoreOptions(seed=1))
    other = scorer.score(cells[:20], mc_samples=30, options=ScoreOptions(seed=2))
    np.testing.assert_array_equal(first.prob_resistant, again.prob_resistant)
    assert (first.prob_resistant != other.prob_resistant).any()
    assert (first.prob_sd > 0).all()


def test_without_a_domain_nothing_is_assessed(tmp_path, cells):
    make(tmp_path, Alignment("none"))
    assert Scorer(tmp_path).score(cells).ood_p is None


def test_a_domain_travels_with_the_model(tmp_path, cells):
    model = make(tmp_path, Alignment("none"))
    with torch.no_grad():
        z = model.encode(torch.from_numpy(cells))[0]
    known, new = torch.from_numpy(cells[:600]), torch.from_numpy(cells[600:])
    domain = fit_domain(known, z[:600], "reference", seed=0)
    artifact.write(tmp_path, replace(artifact.read(tmp_path), domain=domain))
    scorer = Scorer(tmp_path)
    p = scorer.score(cells[600:]).ood_p
    np.testing.assert_allclose(p, domain.p_value(new, z[600:]), atol=1e-9)
    assert scorer.score(cells[[603]]).ood_p[0] == p[3]
    assert (scorer.score(cells + 50).ood_p < 0.05).all()
    # The card says what is stored, whatever it said before.
    artifact.write(tmp_path, replace(artifact.read(tmp_path), domain=None))
    assert Scorer(tmp_path).score(cells).ood_p is None


def test_disagreement_of_folds_leaves_the_score_alone(tmp_path, cells):
    model = make(tmp_path, Alignment("none"))
    alone = Scorer(tmp_path).score(cells)
    with pytest.raises(InputError, match="holds nothing of other folds"):
        Scorer(tmp_path).score(cells, options=ScoreOptions(fold_sd=True))
    probs, heads = [by_hand(model, torch.from_numpy(cells))], []
    for factor in (0.5, -1.0):
        head = {f"fc4.{name}": value * factor for name, value in model.fc4.state_dict().items()}
        other = copy.deepcopy(model)
        other.load_state_dict(head, strict=False)
        probs.append(by_hand(other, torch.from_numpy(cells)))
        heads.append({n: v for n, v in other.state_dict().items() if n.startswith(HEAD_PREFIXES)})
    artifact.write(tmp_path, replace(artifact.read(tmp_path), fold_heads=tuple(heads)))
    scores = Scorer(tmp_path).score(cells, options=ScoreOptions(fold_sd=True))
    np.testing.assert_array_equal(scores.prob_resistant, alone.prob_resistant)
    np.testing.assert_allclose(scores.prob_sd_folds, np.std(probs, axis=0), atol=1e-6)
    assert Scorer(tmp_path).score(cells).prob_sd_folds is None


def test_wrong_width_is_refused(tmp_path, cells):
    make(tmp_path, Alignment("none"))
    with pytest.raises(InputError, match=r"\(1300, 11\).*\(n_obs, 12\)"):
        Scorer(tmp_path).score(cells[:, :11])


def test_damaged_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="no model folder"):
        artifact.read(tmp_path)
    make(tmp_path, Alignment("none"))
    (tmp_path / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(InputError, match=r"model\.safetensors is damaged or was changed"):
        artifact.read(tmp_path)
    (tmp_path / "checksums.json").unlink()
    with pytest.raises(InputError, match=r"lacks checksums\.json"):
        artifact.read(tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps(card | {"schema_version": 1}))
    with pytest.raises(InputError, match="cannot be read"):
        artifact.read(tmp_path)
    (tmp_path / "card.json").write_text(json.dumps(card | {"schema_version": 99}))
    with pytest.raises(InputError, match="schema version 99"):
        artifact.read(tmp_path)
