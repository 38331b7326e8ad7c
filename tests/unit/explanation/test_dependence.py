"""Smoothing and partners, against formulas and against a plain loop."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scatd.explanation.dependence import interactions, smoothed


def test_a_straight_line_stays_one():
    x = np.random.default_rng(0).normal(size=300)
    line = smoothed(x, 3 * x - 1)
    assert line["value"].is_monotonic_increasing
    np.testing.assert_allclose(line["attribution"], 3 * line["value"] - 1, atol=1e-9)


def test_an_outlier_does_not_bend_it():
    x = np.linspace(0, 1, 101)
    y = x.copy()
    y[50] = 40
    np.testing.assert_allclose(smoothed(x, y)["attribution"], smoothed(x, y)["value"], atol=1e-3)


def test_too_few_values_have_no_line():
    assert smoothed([1, 1, 2, 2], [0, 1, 2, 3]).empty


def plain(values: pd.DataFrame, attributions: pd.Series) -> dict[str, float]:
    """The rule written out: numpy's correlation, feature by feature and bin by bin."""
    order = np.argsort(values[attributions.name].to_numpy(), kind="stable")
    size = min(len(order) // 10, 50)
    found = {}
    for name in values.columns.drop(attributions.name):
        x, y = values[name].to_numpy()[order], attributions.to_numpy()[order]
        parts = [(x[i : i + size], y[i : i + size]) for i in range(0, len(x) - size + 1, size)]
        found[name] = sum(
            abs(np.corrcoef(a, b)[0, 1]) for a, b in parts if a.std() > 0 and b.std() > 0
        )
    return found


def test_partners_are_those_of_the_plain_loop_and_the_true_one_leads():
    rng = np.random.default_rng(1)
    X = pd.DataFrame(rng.normal(size=(230, 8)), columns=list("abcdefgh"))
    X["h"] = 1.0
    attribution = pd.Series(X["a"] * (1 + (X["d"] > 0)) + 0.1 * rng.normal(size=230), name="a")
    found = interactions(X, attribution)
    assert found.index[0] == "d"
    assert "a" not in found.index
    assert found["h"] == 0
    expected = plain(X, attribution)
    np.testing.assert_allclose([found[name] for name in expected], list(expected.values()))


def test_few_cells_are_one_bin_each_two():
    X = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [0.0, 5.0, 1.0]})
    assert np.isfinite(interactions(X, pd.Series([1.0, 2.0, 0.0], name="a"))["b"])
