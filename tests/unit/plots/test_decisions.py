"""Figures of thresholds show the numbers of their tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scatd.evaluation.curves import threshold_table
from scatd.evaluation.selective import risk_coverage_table
from scatd.plots import decisions

SUBJECT = "DOCETAXEL (sf)"


@pytest.fixture
def scored() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    codes = (rng.random(200) < 0.4).astype(int)
    return codes, np.clip(rng.normal(0.4 + 0.2 * codes, 0.2), 0.01, 0.99)


def drawn(axes, label: str):
    (found,) = [line for line in axes.lines if str(line.get_label()).startswith(label)]
    return found


def test_confusion_shows_counts_and_shares_of_each_truth():
    table = pd.DataFrame(
        {"sensitive": [60, 5], "resistant": [20, 15], "abstain": [20, 0]},
        index=["sensitive", "resistant"],
    )
    (axes,) = decisions.confusion(table, SUBJECT).axes
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["60\n60%", "20\n20%", "20\n20%", "5\n25%", "15\n75%", "0\n0%"]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(table.columns)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(table.index)


def test_threshold_curves_are_those_of_the_table(scored):
    table = threshold_table(*scored)
    (axes,) = decisions.threshold_curves(table, 0.37, SUBJECT).axes
    np.testing.assert_array_equal(drawn(axes, "recall").get_ydata(), table["recall"])
    np.testing.assert_array_equal(drawn(axes, "precision").get_ydata(), table["precision"])
    assert drawn(axes, "threshold 0.37").get_xdata() == [0.37, 0.37]


def test_risk_coverage_marks_where_the_version_stands(scored):
    table = risk_coverage_table(*scored, 0.5)
    (axes,) = decisions.risk_coverage(table, 0.8, SUBJECT).axes
    np.testing.assert_array_equal(drawn(axes, "error").get_ydata(), table["error"])
    assert drawn(axes, "answered now (80%)").get_xdata() == [0.8, 0.8]


def test_a_group_without_a_metric_keeps_its_row():
    table = pd.DataFrame(
        {
            "group": ["p1", "p2"],
            "n": [40, 3],
            "auroc": [0.8, np.nan],
            "auroc_ci_low": [0.7, np.nan],
            "auroc_ci_high": [0.9, np.nan],
        }
    )
    (axes,) = decisions.groups(table, SUBJECT).axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["p1 (n = 40)", "p2 (n = 3, one class)"]
    assert axes.get_xlabel() == "AUROC, 95% interval"
    np.testing.assert_array_equal(drawn(axes, "AUROC of the group").get_xdata(), [0.8, np.nan])
