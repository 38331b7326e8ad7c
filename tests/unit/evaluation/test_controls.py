"""Controls' arithmetic, thresholds by Youden's index."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_curve

from scatd.evaluation.controls import (
    learning_curve_in_words,
    learning_curve_table,
    null_in_words,
    null_summary,
)
from scatd.evaluation.thresholds import youden


def test_null_summary():
    null = np.linspace(0.3, 0.7, 41)
    summary = null_summary(null, 0.655, "null")
    assert summary["null_mean"] == pytest.approx(0.5)
    assert summary["null_p975"] == pytest.approx(np.quantile(null, 0.975))
    assert summary["null_p_value"] == pytest.approx((1 + 5) / 42)  # 0.66 to 0.70
    assert null_summary(null, 2.0, "null")["null_p_value"] == pytest.approx(1 / 42)


def test_a_null_in_words():
    null = np.linspace(0.3, 0.7, 41)
    assert null_in_words(null, 0.75, "target") == (
        "Permuted labels, 41 times: target AUROC 0.500 on average; with the true labels 0.750, "
        "above the 97.5th percentile 0.690 (p = 0.024)."
    )
    assert "0.600, NOT above the 97.5th percentile" in null_in_words(null, 0.6, "mean fold")


def test_learning_curve_table():
    records = [
        {"model": model, "fold": fold, "n_train": n, "auroc": base + fold / 10 + n / 1000}
        for model, base in (("a", 0.5), ("b", 0.4))
        for fold in (1, 2)
        for n in (10, 20 + fold)
    ]
    table = learning_curve_table(records)
    assert table["model"].tolist() == ["a", "a", "b", "b"]
    assert table["n_train"].tolist() == [10, 21.5, 10, 21.5]
    assert table["auroc_mean"].tolist() == pytest.approx([0.66, 0.6715, 0.56, 0.5715])
    expected = np.std([0.61, 0.71], ddof=1)
    assert table["auroc_sd"].iloc[0] == pytest.approx(expected)
    assert isinstance(table, pd.DataFrame)
    words = learning_curve_in_words(table, "a")
    assert words == "AUROC by number of training samples: 0.660 with 10, 0.671 with 22."


@pytest.mark.parametrize("seed", range(5))
def test_youden_is_the_best_of_the_roc_curve(seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2, 60)
    prob = np.clip(rng.normal(0.4 + 0.2 * codes, 0.2), 0.01, 0.99)
    cut = youden(codes, prob)
    fpr, tpr, _ = roc_curve(codes, prob)
    called = prob > cut
    ours = called[codes == 1].mean() - called[codes == 0].mean()
    assert ours == pytest.approx((tpr - fpr).max())
    assert 0 < cut < 1


def test_of_equal_cuts_the_middle_one():
    assert youden([0, 0, 1, 1], [0.1, 0.2, 0.9, 0.95]) == pytest.approx(0.55)
