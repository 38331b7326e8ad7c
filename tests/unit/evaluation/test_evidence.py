"""The finding in words: which baseline the response model is compared with."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scatd.evaluation.evidence import MODEL, FoldPredictions, in_words, model_table, rivals


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


def test_the_same_ranks_without_alignment_are_no_baseline():
    table = model_table(folds(0.0), seed=1)
    assert set(table["model"]) == {MODEL, "logistic_regression", "no_adaptation"}
    assert list(rivals(table)["model"]) == ["logistic_regression"]
    said = in_words(table, "DOCETAXEL (sf)", 120)
    assert "logistic regression, the best baseline" in said
    assert "without alignment" not in said


def test_other_ranks_without_alignment_are_one():
    table = model_table(folds(1.0), seed=1)
    assert set(rivals(table)["model"]) == {"logistic_regression", "no_adaptation"}
    assert "the same model without alignment, the best baseline" in in_words(table, "D", 120)


@pytest.mark.parametrize("column", ["lead", "lead_ci_low", "lead_ci_high"])
def test_only_a_lead_of_nothing_with_no_interval_is_the_same(column):
    row = {"model": "no_adaptation", "lead": 0.0, "lead_ci_low": 0.0, "lead_ci_high": 0.0}
    assert rivals(pd.DataFrame([row])).empty
    assert len(rivals(pd.DataFrame([row | {column: 0.01}]))) == 1
