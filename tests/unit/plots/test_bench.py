"""Figures of a bench show every model, drug and lead where it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scatd.plots import bench

MODELS = {"trees": "candidate", "logistic_regression": "baseline", "line_mean": "naive mean"}


@pytest.fixture
def results():
    auroc = dict(zip(MODELS, (0.9, 0.7, 0.8), strict=True))
    rows = [
        {"split": split, "model": model, "kind": kind, "auroc": auroc[model] + shift}
        for split, shift in (("random", 0.0), ("tissues", -0.1))
        for model, kind in MODELS.items()
        if (split, model) != ("tissues", "line_mean")
    ]
    table = pd.DataFrame(rows)
    return table.assign(ci_low=table["auroc"] - 0.05, ci_high=table["auroc"] + 0.05)


def test_dots(results):
    figure = bench.dots(results, "lines")
    first, second = figure.axes
    names = [tick.get_text() for tick in first.get_yticklabels()]
    assert names == ["trees", "line mean", "logistic regression"]  # by the mean over splits
    for axes, split in ((first, "random"), (second, "tissues")):
        shown = {}
        for line in axes.lines:
            if line.get_marker() == "o":
                shown |= {names[int(y)]: x for x, y in zip(*line.get_data(), strict=True)}
        own = results[results["split"] == split]
        expected = dict(zip(own["model"].str.replace("_", " "), own["auroc"], strict=True))
        assert shown == pytest.approx(expected)
        assert axes.get_title(loc="left") == f"lines: {split}"


def test_heat_map():
    by_drug = pd.DataFrame(
        {
            "drug": ["B", "B", "A", "A"],
            "model": ["trees", "line_mean"] * 2,
            "auroc": [0.9, 0.5, 0.6, np.nan],
        }
    )
    figure = bench.heat_map(by_drug, "lines")
    axes = figure.axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["B", "A"]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["trees", "line mean"]
    drawn = np.ma.filled(axes.images[0].get_array(), np.nan)
    np.testing.assert_array_equal(drawn, [[0.9, 0.5], [0.6, np.nan]])
    assert sorted(text.get_text() for text in axes.texts) == ["0.50", "0.60", "0.90"]


def test_leads():
    table = pd.DataFrame(
        {
            "split": "random",
            "candidate": "trees",
            "rival": ["logistic_regression", "line_mean"],
            "is_best": [False, True],
            "lead": [0.1, -0.02],
            "ci_low": [0.05, -0.1],
            "ci_high": [0.15, 0.06],
        }
    )
    (axes,) = bench.leads(table, "lines").axes
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert names == ["trees over logistic regression", "trees over line mean"]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [(line.get_xdata()[0], line.get_color()) for line in dots] == [
        (0.1, bench.GUIDE),
        (-0.02, bench.INK),
    ]
