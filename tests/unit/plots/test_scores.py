"""Figures of scores and of cells on a map: colours, counts, and nothing is cut off."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from scatd.plots.cells import cell_map, class_map
from scatd.plots.colours import CALL_COLOURS, CATEGORIES
from scatd.plots.scores import score_histogram, scores_by_group

RNG = np.random.default_rng(0)
PROB = np.r_[np.nan, RNG.random(299)]
CALLS = np.select([PROB > 0.6, PROB > 0.5], ["resistant", "abstain"], "sensitive")
XY = RNG.normal(size=(300, 2))
GROUPS = pd.Series(pd.Categorical(RNG.choice(["A", "a rather long name"], 300)), name="patient")


def shades(collection) -> list[str]:
    return [to_hex(colour).upper() for colour in collection.get_facecolors()]


def test_a_cell_without_a_call_has_the_colour_of_no_call():
    (axes,) = score_histogram(PROB, CALLS, 0.55, "x (sf)").axes
    counts = {to_hex(bar.get_facecolor()).upper(): bar.get_data()[0].sum() for bar in axes.patches}
    expected = {colour: word for word, colour in CALL_COLOURS.items()}
    known = CALLS[np.isfinite(PROB)]
    assert counts == {colour: (known == word).sum() for colour, word in expected.items()}


def test_calls_that_no_cell_has_are_left_out_only_where_models_rarely_give_them():
    (axes,) = score_histogram([0.9], ["resistant"], 0.5, "x").axes
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["sensitive (0 cells)", "resistant (1 cell)", "threshold 0.5"]


def test_every_scored_cell_of_a_group_is_a_point_of_its_row_and_colour():
    (axes,) = scores_by_group(PROB, CALLS, GROUPS, 0.55, "x").axes
    rows = [points for points in axes.collections if len(points.get_offsets())]
    for row, (name, points) in enumerate(zip(GROUPS.cat.categories, rows, strict=True)):
        own = (name == GROUPS).to_numpy() & np.isfinite(PROB)
        np.testing.assert_allclose(points.get_offsets()[:, 0], PROB[own])
        assert np.abs(points.get_offsets()[:, 1] - row).max() <= 0.4 + 1e-9
        assert shades(points) == [CALL_COLOURS[call].upper() for call in CALLS[own]]


def test_a_group_without_scores_is_an_empty_row():
    groups = pd.Series(pd.Categorical(["A", "B"]), name="patient")
    (axes,) = scores_by_group([np.nan, 0.5], ["", "resistant"], groups, 0.4, "x").axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["A (n = 0)", "B (n = 1, 100% resistant)"]


def test_words_on_a_map_have_their_colour_and_count():
    words = np.array(["A"] * 100 + ["B"] * 199 + [""])
    (axes,) = class_map(
        XY, words, "x", what="patient", colours={"A": CATEGORIES[0], "B": CATEGORIES[1]}
    ).axes
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["none (1)", "A (100)", "B (199)"]
    drawn = axes.collections[1]
    of_a = drawn.get_offsets()[np.array(shades(drawn)) == CATEGORIES[0]]
    assert set(map(tuple, of_a)) == set(map(tuple, XY[:100]))


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("histogram", lambda: score_histogram(PROB, CALLS, 0.55, "x (sf)")),
        ("by_group", lambda: scores_by_group(PROB, CALLS, GROUPS, 0.55, "x (sf)")),
        ("map", lambda: cell_map(XY, PROB, "x (sf)")),
        ("numbers", lambda: cell_map(XY, 1e4 * PROB, "x (sf)", what="counts", limits=None)),
        (
            "words",
            lambda: class_map(
                XY, GROUPS.to_numpy(str), "x", what="patient",
                colours={"A": CATEGORIES[0], "a rather long name": CATEGORIES[1]},
            ),
        ),
    ],
)  # fmt: skip
def test_every_figure_is_legible_and_written_whole(name, draw, legible, written_whole):
    figure = draw()
    legible(figure)
    written_whole(figure, name, ("png",))
