"""Heat map and bars show the numbers of their tables."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scatd.evaluation.fractions import fraction_table
from scatd.plots.screen import MOST_DRUGS, heat_map, stacked_bars


def test_heat_map_shows_every_fraction():
    matrix = pd.DataFrame({"x": [0.25, np.nan], "y": [0.5, 1.0]}, index=["a", "b"])
    axes = heat_map(matrix, "cohort").axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array().filled(np.nan), matrix)
    assert [text.get_text() for text in axes.texts] == ["25%", "50%", "100%"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["x", "y"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]


def test_heat_map_of_many_drugs_shows_those_that_differ():
    spread = np.linspace(0, 1, 100)
    matrix = pd.DataFrame([np.zeros(100), spread], columns=[f"d{n:02d}" for n in range(100)])
    axes = heat_map(matrix, "cohort").axes[0]
    shown = [label.get_text() for label in axes.get_xticklabels()]
    assert shown == [f"d{n:02d}" for n in range(100 - MOST_DRUGS, 100)]
    assert "40 of 100 drugs" in axes.get_title(loc="left")


def test_bars_add_up_to_all_scored_cells():
    responses = np.array(["resistant"] * 2 + ["sensitive"] * 5 + ["abstain"] * 3 + [""] * 4)
    figure = stacked_bars(fraction_table("x", responses), "cohort")
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    np.testing.assert_allclose(widths, [0.5, 0.3, 0.2])
