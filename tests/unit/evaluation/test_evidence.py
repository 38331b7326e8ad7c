"""The finding in words: which baseline the response model is compared with."""

from __future__ import annotations

import numpy as np
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


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_model_without_alignment_is_in_the_table_and_no_baseline(shift):
    table = model_table(folds(shift), seed=1)
    assert set(table["model"]) == {MODEL, "logistic_regression", "no_adaptation"}
    assert list(rivals(table)["model"]) == ["logistic_regression"]
    said = in_words(table, "DOCETAXEL (sf)", 120)
    assert "logistic regression, the best baseline" in said
    assert "without alignment" not in said
