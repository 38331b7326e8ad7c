"""The stored threshold and calibration are applied in the same way everywhere."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from scatd import artifact
from scatd.artifact import Artifact
from scatd.cards.card import About, Band, Calibrated
from scatd.cards.reading import read_card
from scatd.cards.writing import to_mapping
from scatd.decision import Decision, Isotonic, Platt, logit
from scatd.errors import InputError
from scatd.nn.alignment import Alignment
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, Sizes
from scatd.registry import pyfunc
from scatd.scoring import Scorer

SIZES = Sizes(12, 6, (10, 8), (8, 10))
ISOTONIC = Isotonic((0.1, 0.4, 0.4001, 0.9), (0.0, 0.2, 0.6, 0.95))


def test_platt_is_its_formula():
    prob = np.array([0.001, 0.2, 0.5, 0.99])
    expected = 1 / (1 + np.exp(-(1.7 * np.log(prob / (1 - prob)) - 0.4)))
    np.testing.assert_allclose(Platt(1.7, -0.4)(prob), expected, rtol=1e-12)


def test_certain_scores_stay_finite():
    assert np.isfinite(logit([0.0, 1.0])).all()
    assert Platt(1.0, 0.0)([0.0, 1.0]) == pytest.approx([0, 1], abs=1e-12)


@pytest.mark.parametrize("stored", [Platt(1.23456789012345, -0.1), ISOTONIC])
def test_the_card_gives_back_the_same_numbers(stored, plain):
    made = replace(plain, about=About(calibration=Calibrated(probability=stored)))
    card = read_card(json.dumps(to_mapping(made.card())), "card")
    assert card.decision.recalibration == stored


def test_a_method_of_a_newer_scatd_is_refused(plain):
    made = replace(plain, about=About(calibration=Calibrated(probability=ISOTONIC)))
    text = json.dumps(to_mapping(made.card())).replace('"isotonic"', '"beta"')
    with pytest.raises(InputError, match=r"beta.*platt or isotonic"):
        read_card(text, "card")


def test_a_band_abstains_above_its_lower_end_up_to_its_upper_one():
    decision = Decision(0.5, abstain=(0.4, 0.6))
    prob = [0.1, 0.4, 0.41, 0.5, 0.6, 0.61]
    words = ["sensitive", "sensitive", "abstain", "abstain", "abstain", "resistant"]
    assert decision.responses(prob).tolist() == words
    # The band was chosen around the stored threshold.
    assert decision.responses(prob, 0.45).tolist() == ["sensitive"] * 3 + ["resistant"] * 3


@pytest.fixture
def cells():
    return np.random.default_rng(0).normal(1.0, 2.0, size=(700, 12)).astype(np.float32)


@pytest.fixture
def plain(tmp_path):
    torch.manual_seed(3)
    model = ResponseClassifier(SIZES, DESIGNS["sf"])
    model.train()(torch.randn(64, 12))
    stored = Artifact("response", "sf", "sf", SIZES, model.state_dict(), Alignment("none"), 0.4)
    artifact.write(tmp_path / "plain", stored)
    return stored


@pytest.mark.parametrize("recalibration", [Platt(2.5, 0.75), ISOTONIC])
def test_a_stored_calibration_is_applied_by_scorer_and_server(
    tmp_path, cells, plain, recalibration
):
    own = Scorer(tmp_path / "plain").score(cells)
    np.testing.assert_array_equal(own.own, own.prob_resistant)
    expected = recalibration(own.prob_resistant)
    low, high = np.quantile(expected, [0.3, 0.6]).tolist()
    about = About(calibration=Calibrated(probability=recalibration, abstain=Band(low, high)))
    artifact.write(tmp_path / "new", replace(plain, threshold=(low + high) / 2, about=about))
    scores = Scorer(tmp_path / "new").score(cells)
    np.testing.assert_allclose(scores.prob_resistant, expected, atol=1e-12)
    np.testing.assert_array_equal(scores.own, own.own)
    words = np.where(expected > high, "resistant", np.where(expected > low, "abstain", "sensitive"))
    assert scores.responses.tolist() == words.tolist()
    assert set(words) == {"sensitive", "resistant", "abstain"}

    script = Path(pyfunc.__file__).parent / "response.py"
    served = runpy.run_path(str(script))["ResponseModel"]()
    served.load_context(
        SimpleNamespace(artifacts={"model": str(tmp_path / "new")}, model_config=None)
    )
    table = served.predict(None, cells)
    np.testing.assert_array_equal(table["prob_resistant"], scores.prob_resistant)
    assert table["response"].tolist() == scores.responses.tolist()


def test_draws_are_calibrated_one_by_one(tmp_path, cells, plain):
    about = About(calibration=Calibrated(probability=Platt(2.5, 0.75)))
    artifact.write(tmp_path / "new", replace(plain, about=about))
    own = Scorer(tmp_path / "plain").score(cells, mc_samples=4)
    new = Scorer(tmp_path / "new").score(cells, mc_samples=4)
    np.testing.assert_allclose(new.own, own.prob_resistant, atol=1e-12)
    assert not np.allclose(new.prob_sd, own.prob_sd, atol=1e-3)
    # The mean of a curve is not the curve of the mean.
    assert np.abs(new.prob_resistant - Platt(2.5, 0.75)(own.prob_resistant)).max() > 1e-6
