"""Which cells get no answer, and how much this lowers the error."""

from __future__ import annotations

import numpy as np
import pytest

from scatd.decision import Decision
from scatd.errors import InputError
from scatd.evaluation.selective import (
    BandGoal,
    choose_band,
    read_band_goal,
    risk_coverage_table,
)


def calibrated(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells whose probability is true."""
    rng = np.random.default_rng(seed)
    prob = 1 / (1 + np.exp(-rng.normal(0, 2, n)))
    return (rng.random(n) < prob).astype(int), prob


@pytest.mark.parametrize("threshold", [0.5, 0.2])
def test_every_row_is_what_its_band_gives(threshold):
    codes, prob = calibrated(300, 0)
    table = risk_coverage_table(codes, prob, threshold)
    assert table["coverage"].iloc[-1] == 1
    truth = np.where(codes == 1, "resistant", "sensitive")
    for row in table.iloc[::37].itertuples():
        words = Decision(threshold, abstain=(row.low, row.high)).responses(prob)
        answered = words != "abstain"
        assert answered.sum() == row.n_answered
        assert (words != truth)[answered].mean() == pytest.approx(row.error)
        assert row.low <= threshold <= row.high


def test_ties_are_answered_together():
    table = risk_coverage_table([0, 1, 1, 0], [0.05, 0.9, 0.6, 0.6], 0.5)
    assert table["coverage"].tolist() == [0.25, 0.5, 1.0]
    assert table["error"].tolist() == [0.0, 0.0, 0.25]


@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_the_answers_that_are_left_are_those_most_often_right(threshold):
    """Where probabilities are true, an answer is right as often as they say, on either side."""
    codes, prob = calibrated(20_000, 5)
    certainty = np.where(prob > threshold, prob, 1 - prob)
    table = risk_coverage_table(codes, prob, threshold)
    row = table[table["coverage"] >= 0.7].iloc[0]
    answered = (prob <= row["low"]) | (prob > row["high"])
    best = np.sort(certainty)[-int(0.7 * len(prob)) :]
    assert certainty[answered].mean() == pytest.approx(best.mean(), abs=0.005)


def test_scores_that_are_upside_down_abstain_around_the_threshold():
    codes, prob = calibrated(400, 6)
    row = risk_coverage_table(1 - codes, prob, 0.5).iloc[50]
    assert row["low"] == pytest.approx(1 - row["high"])


def test_coverage_is_kept_and_not_more_than_needed():
    codes, prob = calibrated(1000, 1)
    band = choose_band(codes, prob, 0.5, BandGoal("coverage", 0.8))
    assert band["coverage"] == pytest.approx(0.8, abs=0.002)
    assert band["coverage"] >= 0.8
    assert band["goal"] == "coverage=0.8"


def test_error_holds_on_other_cells():
    broken, coverage = 0, []
    for seed in range(100):
        codes, prob = calibrated(800, seed)
        band = choose_band(codes, prob, 0.5, BandGoal("error", 0.15))
        others, score = calibrated(20_000, seed + 1000)
        words = Decision(0.5, abstain=(band["low"], band["high"])).responses(score)
        answered = words != "abstain"
        truth = np.where(others == 1, "resistant", "sensitive")
        broken += (words != truth)[answered].mean() > 0.15
        coverage.append(answered.mean())
    assert broken <= 12
    assert np.mean(coverage) > 0.5  # it is not kept by answering nobody


def test_an_error_that_cannot_be_promised_is_refused():
    codes, prob = calibrated(60, 3)
    with pytest.raises(InputError, match=r"error=0\.01 cannot be promised.*the lowest error"):
        choose_band(codes, prob, 0.5, BandGoal("error", 0.01))


def test_no_band_is_needed_where_all_answers_are_right():
    codes = np.repeat([0, 1], 50)
    band = choose_band(codes, np.repeat([0.1, 0.9], 50), 0.5, BandGoal("error", 0.1))
    assert (band["low"], band["high"]) == pytest.approx((0.5, 0.5))
    assert band["coverage"] == 1


@pytest.mark.parametrize("text", ["0.1", "error", "error=0", "coverage=1", "risk=0.1", "error=x"])
def test_what_is_no_goal_is_refused(text):
    with pytest.raises(InputError, match=f"'{text}' is no goal"):
        read_band_goal(text)
