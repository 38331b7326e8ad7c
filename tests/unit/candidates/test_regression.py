"""A regression in a model folder: stored, checked, and asked for numbers by the scorer."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from scatd import artifact
from scatd.candidates.conformal import Residuals, cv_plus
from scatd.candidates.network import Network
from scatd.candidates.regression import Regression, RegressionSaid, said_of_members
from scatd.cards.reading import read_card
from scatd.cards.writing import to_mapping
from scatd.errors import InputError
from scatd.scores import ScoreOptions
from scatd.scoring import Scorer
from tests.candidates import linear, response_network, rows, stored, trees

N_LINES = 50


def regression(members, **said):
    rng = np.random.default_rng(0)
    none = np.zeros(N_LINES, dtype=bool)
    fold = (np.arange(N_LINES) % len(members)).astype(np.int32)
    group = (np.arange(N_LINES) % 2).astype(np.int32)
    missed = rng.normal(size=N_LINES) * (1 + 5 * group)
    named = {"column": "tissue", "groups": ("lung", "skin"), **said}
    about = RegressionSaid("AUC", said_of_members(members), **named)
    return Regression(about, members, Residuals(missed, none, fold, group))


@pytest.fixture
def model():
    network = response_network()
    members = (linear(1), linear(2, latent=True), trees())
    return replace(stored(linear(), network), regression=regression(members))


def test_the_scorer_gives_numbers_with_intervals(model, tmp_path):
    artifact.write(tmp_path / "model", model)
    scorer = Scorer(tmp_path / "model")
    X, _ = rows(40)
    found = scorer.score(X, options=ScoreOptions(numbers=True)).numbers
    x = torch.from_numpy(X)
    with torch.no_grad():
        z = model.classifier().encode(x)[0]
    predicted = np.column_stack([one.log_odds(x, z) for one in model.regression.members])
    expected = [predicted.mean(axis=1), *cv_plus(predicted, model.regression.residuals)]
    np.testing.assert_allclose(found, np.column_stack(expected), atol=1e-5)
    assert scorer.score(X).numbers is None
    assert np.array_equal(scorer.score(X).prob_resistant, Scorer(model).score(X).prob_resistant)

    groups = scorer.regression.codes(np.array(["lung", "skin"] * 20))
    by_rows = scorer.by_rows(options=ScoreOptions(numbers=True), groups=groups)
    ends = by_rows.score(0, X).numbers[:, 1:].T
    np.testing.assert_allclose(
        ends, cv_plus(predicted, model.regression.residuals, groups), atol=1e-5
    )
    width = ends[1] - ends[0]
    assert np.median(width[groups == 1]) > 2 * np.median(width[groups == 0])


def test_a_card_says_what_the_numbers_are(model):
    text = json.dumps(to_mapping(model.card()))
    assert read_card(text, "a test") == model.card()
    assert "never a dose for a person" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one.update(units="mg"), 'units is "mg"'),
        (lambda one: one.update(members=one["members"][:1]), "predicts numbers by 1 model"),
        (lambda one: one["members"].append({"name": "network"}), "of which none is a network"),
        (lambda one: one.update(level=1.5), "level is 1.5"),
        (lambda one: one.update(dose=1), "the entry 'dose'"),
    ],
)
def test_a_card_that_says_something_else(model, change, message):
    said = to_mapping(model.card())
    change(said["regression"])
    with pytest.raises(InputError, match=message):
        read_card(json.dumps(said), "a test")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("fold", np.full(N_LINES, 3, dtype=np.int32), "names a fold that is not there"),
        ("group", np.full(N_LINES, 2, dtype=np.int32), "names a group that is not there"),
        ("missed", np.full(N_LINES, np.nan), "NaN or infinite"),
        ("is_least", np.zeros(N_LINES - 1, dtype=bool), "tensor 'is_least' is of shape"),
    ],
)
def test_tensors_that_contradict_the_card(model, tmp_path, name, value, message):
    held = model.regression
    damaged = replace(held, residuals=replace(held.residuals, **{name: value}))
    with pytest.raises(InputError, match=message):
        artifact.write(tmp_path / "model", replace(model, regression=damaged))
    assert not (tmp_path / "model").exists()


def test_no_member_is_a_network(model, tmp_path):
    network = response_network()
    held = regression((linear(1), Network(network)))
    with pytest.raises(InputError, match="of which none is a network"):
        artifact.write(tmp_path / "model", replace(model, regression=held))
