"""One finding in words, for every command."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from scatd.evaluation.evidence import MODEL, FoldPredictions, model_table
from scatd.evaluation.finding import finding, in_folds, in_one_sentence, on_target
from scatd.evaluation.standing import Rival, Standing


def beside(value, best, low, high):
    lead = value - best
    rivals = (
        Rival("prevalence", 0.5, value - 0.5, -0.1, 0.1),
        Rival("gradient_boosting", best, lead, low, high),
    )
    return Standing(value, value - 0.05, value + 0.05, rivals)


@pytest.mark.parametrize(
    ("standing", "said"),
    [
        (
            beside(0.8, 0.75, 0.01, 0.09),
            "The response model beats gradient boosting, the best baseline (AUROC 0.800 and 0.750, "
            "difference +0.050, 95% interval +0.010 to +0.090).",
        ),
        (
            beside(0.7, 0.75, -0.09, -0.01),
            "Gradient boosting, the best baseline, beats the response model (AUROC 0.700 and "
            "0.750, difference -0.050, 95% interval -0.090 to -0.010).",
        ),
        (
            beside(0.76, 0.75, -0.03, 0.05),
            "The response model and gradient boosting, the best baseline, cannot be told apart "
            "(AUROC 0.760 and 0.750, difference +0.010, 95% interval -0.030 to +0.050).",
        ),
        (
            Standing(0.4, 0.3, 0.5, (Rival("gradient_boosting", 0.2, 0.2, 0.1, 0.3),)),
            "Neither the response model nor gradient boosting, the best baseline, ranks better "
            "than chance (AUROC 0.400 and 0.200, difference +0.200, 95% interval +0.100 to "
            "+0.300).",
        ),
        (
            beside(0.8, 0.75, math.nan, math.nan),
            "The response model and gradient boosting, the best baseline, were not compared: no "
            "interval of the lead was stored (AUROC 0.800 and 0.750, difference +0.050).",
        ),
        (
            Standing(0.8, 0.7, 0.9, ()),
            "No baseline was scored on these samples, so nothing is compared.",
        ),
    ],
)
def test_each_place_has_its_sentence(standing, said):
    assert finding(standing) == said


def test_bounds_of_zero_cannot_be_told_apart():
    assert Rival("a", 0.6, 0.05, 0.0, 0.1).place == "level"
    assert Rival("a", 0.6, -0.05, -0.1, 0.0).place == "level"
    assert Rival("a", 0.6, 0.05, math.nan, 0.1).place == "unknown"


def test_many_models_are_counted_by_the_same_rule():
    places = ["ahead", "level", "behind", "behind", "unknown"]
    assert in_one_sentence(places) == (
        "Of 4 models with an interval of the lead, 1 beats its best baseline, 2 are beaten by it, "
        "and 1 cannot be told apart from it."
    )
    assert in_one_sentence(["unknown"]).startswith("No interval of a lead is stored")
    assert in_one_sentence(["ahead", "neither", "neither"]).endswith(
        "Of 2, neither model nor baseline ranks better than chance."
    )


def test_nobody_leads_where_both_rank_worse_than_chance():
    low = Standing(0.45, 0.41, 0.49, (Rival("gradient_boosting", 0.3, 0.15, 0.1, 0.2),))
    assert low.place == "neither"
    assert Standing(0.55, 0.5, 0.6, low.rivals).place == "ahead"
    assert Standing(0.2, 0.1, 0.3, low.rivals, metric="mcc").place == "ahead"


def folds(unaligned_shift):
    """Two folds in which logistic regression ranks worse than the model with and without alignment.

    `unaligned_shift` is added to the scores of the unaligned model, sample by sample.
    """
    rng = np.random.default_rng(0)
    made = []
    for number in (1, 2):
        codes = np.tile([0, 1], 30)
        ours = np.clip(0.4 + 0.2 * codes + rng.normal(0, 0.15, 60), 0, 1)
        prob = {
            MODEL: ours,
            "logistic_regression": np.clip(0.45 + 0.1 * codes + rng.normal(0, 0.2, 60), 0, 1),
            "no_adaptation": ours + unaligned_shift * rng.normal(0, 0.02, 60),
        }
        made.append(FoldPredictions(number, np.arange(60), codes, prob))
    return made


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_model_without_alignment_is_a_control_and_no_baseline(shift):
    table = model_table(folds(shift), seed=1)
    assert set(table["model"]) == {MODEL, "logistic_regression", "no_adaptation"}
    standing = Standing.of(table)
    assert [rival.name for rival in standing.rivals] == ["logistic_regression"]
    said = in_folds(table, "DOCETAXEL (sf)", 120)
    assert said.startswith("DOCETAXEL (sf): mean fold AUROC ")
    assert said.endswith(finding(standing))


def test_a_target_names_every_model_beside_it():
    rows = [
        {"model": MODEL, "auroc": 0.4, "auroc_ci_low": 0.3, "auroc_ci_high": 0.5},
        {"model": "logistic_regression", "auroc": 0.7, "lead": -0.3, "lead_ci_low": -0.4,
         "lead_ci_high": -0.2},
        {"model": "no_adaptation", "auroc": 0.9, "lead": -0.5, "lead_ci_low": -0.6,
         "lead_ci_high": -0.4},
    ]  # fmt: skip
    said = on_target(pd.DataFrame(rows), 60)
    assert "Logistic regression, the best baseline, beats the response model" in said
    assert "Beside it: logistic regression 0.700, the same model without alignment 0.900." in said
    assert "labels may be inverted" in said


def test_another_metric_is_compared_at_the_threshold_of_each_fold():
    """MCC by scikit-learn; the folds have thresholds of their own."""
    from sklearn.metrics import matthews_corrcoef

    rng = np.random.default_rng(3)
    made, expected = [], []
    for number, cut in ((1, 0.3), (2, 0.7)):
        codes = np.tile([0, 1], 40)
        prob = {
            MODEL: np.clip(cut + 0.1 * (2 * codes - 1) + rng.normal(0, 0.1, 80), 0.01, 0.99),
            "logistic_regression": rng.uniform(0.01, 0.99, 80),
        }
        made.append(FoldPredictions(number, np.arange(80), codes, prob, cut))
        expected.append(matthews_corrcoef(codes, prob[MODEL] > cut))
    table = model_table(made, "mcc", seed=0).set_index("model")
    assert table.loc[MODEL, "mcc_mean"] == pytest.approx(np.mean(expected))
    ours = table.loc[MODEL]
    assert ours["mcc_ci_low"] < ours["mcc_mean"] < ours["mcc_ci_high"]
    lead = ours["mcc_mean"] - table.loc["logistic_regression", "mcc_mean"]
    assert table.loc["logistic_regression", "lead"] == pytest.approx(lead)
