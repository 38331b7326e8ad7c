"""The published metrics table: same targets, same probabilities, same numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scatd.evaluation.metrics import response_metrics

PUBLISHED_NAMES = {
    "AUC": "auroc",
    "MCC": "mcc",
    "F1 Score": "f1",
    "Recall": "recall",
    "Accuracy": "accuracy",
    "Precision": "precision",
    "average_precision": "auprc",
}

pytestmark = pytest.mark.golden


def test_published_table_at_both_thresholds(golden: Path) -> None:
    published = json.loads((golden / "scatd/common/metrics.json").read_text())
    assert [result["threshold"] for result in published["results"]] == [0.5, 0.05]
    for result in published["results"]:
        ours = response_metrics(published["targets"], published["prob_class1"], result["threshold"])
        for theirs, name in PUBLISHED_NAMES.items():
            assert ours[name] == pytest.approx(result[theirs], rel=0, abs=1e-12), name


def test_a_probability_at_the_threshold_is_not_called_resistant(golden: Path) -> None:
    """The fixture holds probabilities of exactly 0.5 and 0.05: strictly greater decides."""
    published = json.loads((golden / "scatd/common/metrics.json").read_text())
    prob = published["prob_class1"]
    for result in published["results"]:
        assert result["threshold"] in prob
        assert sum(value > result["threshold"] for value in prob) == result["n_predicted_1"]
