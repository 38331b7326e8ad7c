"""Calibration against scikit-learn and a direct optimiser."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression

from scatd.errors import InputError
from scatd.evaluation.calibration import error_between_groups, fit_recalibration
from scatd.evaluation.metrics import response_metrics


def overconfident(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells whose true log odds are a third of what the score says, and shifted."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(0, 3, n)
    codes = (rng.random(n) < 1 / (1 + np.exp(-(odds / 3 - 0.5)))).astype(int)
    return codes, 1 / (1 + np.exp(-odds))


def test_platt_is_the_minimum_of_its_loss():
    codes, prob = overconfident(300, 0)
    n1, n0 = codes.sum(), (1 - codes).sum()
    target = np.where(codes == 1, (n1 + 1) / (n1 + 2), 1 / (n0 + 2))
    odds = np.log(prob / (1 - prob))

    def loss(parameters):
        z = parameters[0] * odds + parameters[1]
        return np.sum(np.logaddexp(0, z) - target * z)

    best = minimize(loss, [1.0, 0.0], tol=1e-12)
    fitted = fit_recalibration(codes, prob, "platt")
    assert (fitted.slope, fitted.intercept) == pytest.approx(tuple(best.x), abs=1e-4)


def test_isotonic_is_that_of_scikit_learn(caplog):
    codes, prob = overconfident(400, 1)
    reference = IsotonicRegression(out_of_bounds="clip").fit(prob, codes)
    grid = np.linspace(0, 1, 501)
    fitted = fit_recalibration(codes, prob, "isotonic")
    np.testing.assert_allclose(fitted(grid), reference.predict(grid), atol=1e-12)
    assert "400 cells are too few for isotonic" in caplog.text


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_held_out_cells_are_better_calibrated_and_ranked_alike(method):
    codes, prob = overconfident(4000, 2)
    fitted = fit_recalibration(codes[:2000], prob[:2000], method)
    before = response_metrics(codes[2000:], prob[2000:])
    after = response_metrics(codes[2000:], fitted(prob[2000:]))
    assert before["ece"] > 0.15
    assert after["ece"] < 0.05
    assert after["brier"] < before["brier"]
    assert after["auroc"] == pytest.approx(before["auroc"], abs=0.01)


def test_perfect_separation_stays_finite():
    fitted = fit_recalibration([0] * 20 + [1] * 20, [0.0] * 20 + [1.0] * 20, "platt")
    assert np.isfinite([fitted.slope, fitted.intercept]).all()
    np.testing.assert_allclose(fitted([0.0, 1.0]), [1 / 22, 21 / 22], atol=1e-3)


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_scores_that_are_upside_down_are_not_turned_around(method):
    codes, prob = overconfident(300, 3)
    with pytest.raises(InputError, match=r"no better than chance \(AUROC 0\.[01234]"):
        fit_recalibration(codes, 1 - prob, method)


@pytest.mark.parametrize("sd", [0.0, 1.5])
def test_the_error_between_groups_is_found(sd):
    """Many groups, whose shifts were drawn; and none where cells are calibrated in each group."""
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(200), 40)
    odds = rng.normal(0, 2, 8000)
    shifted = odds + rng.normal(0, sd, 200)[groups]
    codes = rng.random(8000) < 1 / (1 + np.exp(-shifted))
    found = error_between_groups(codes, 1 / (1 + np.exp(-odds)), groups)
    assert found == pytest.approx(sd, abs=0.25)
