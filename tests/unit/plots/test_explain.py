"""Content of each figure of an attribution, and that it is written whole, in three formats."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from docs import _simulated as figures
from scatd.explanation.dependence import smoothed
from scatd.plots.colours import RESPONSE_COLOURS
from scatd.plots.explain.bars import importance_bars
from scatd.plots.explain.beeswarm import beeswarm, swarm
from scatd.plots.explain.curves import deletion_insertion
from scatd.plots.explain.dependence import dependence, interaction
from scatd.plots.explain.gene_sets import gene_sets
from scatd.plots.explain.heatmaps import by_cell, by_group
from scatd.plots.explain.local import force, local_bars, waterfall
from scatd.plots.explain.look import value_colours
from scatd.plots.explain.ranks import importance_ranks

SUBJECT = figures.SUBJECT
DRIVER, SWITCH = figures.DRIVER, figures.SWITCH


@pytest.fixture(scope="module")
def data() -> figures.Explained:
    return figures.explained(n_cells=120, n_genes=40)


def title(axes: Axes) -> str:
    return axes.get_title(loc="left")


def tick_texts(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def legend_texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def colour_of(patch) -> str:
    from matplotlib.colors import to_hex

    return to_hex(patch.get_facecolor()).upper()


def test_beeswarm_holds_every_cell_of_the_leading_features(data) -> None:
    figure = beeswarm(data.expression, data.attributions, SUBJECT, n_features=5)
    axes, bar = figure.axes
    leading = list(data.attributions.abs().mean().nlargest(5).index)
    assert tick_texts(axes) == leading
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "the most important stands on top"
    for row, (points, name) in enumerate(zip(axes.collections, leading, strict=True)):
        x, y = points.get_offsets().T
        np.testing.assert_allclose(x, data.attributions[name], rtol=1e-6)
        assert np.abs(y - row).max() <= 0.4 + 1e-9
    assert "resistant" in axes.get_xlabel()
    assert "value" in bar.get_ylabel()


def test_a_swarm_keeps_equal_values_apart_and_centred() -> None:
    heights = swarm(np.zeros(9))
    assert len(set(heights)) == 9
    assert heights.max() == -heights.min() == 0.4
    assert swarm(np.array([0.0, 1.0, 2.0])).tolist() == [0, 0, 0]


def test_colours_end_at_percentiles_and_constants_have_the_middle_one() -> None:
    values = pd.Series(np.r_[np.arange(100.0), 1e6])
    colours = value_colours(values)
    assert (colours[0], colours[-1]) == (0, 1)
    assert colours[50] == pytest.approx(0.5)
    assert set(value_colours(pd.Series([3.0, 3.0]))) == {0.5}
    # Expressed in fewer cells than the percentiles reach: still seen.
    assert value_colours(pd.Series([0.0] * 99 + [2.0]))[-1] == 1


def test_bars_are_as_long_as_the_importance_and_coloured_by_direction() -> None:
    table = pd.DataFrame(
        {"feature": ["a", "b"], "mean_abs_resistant": [1.0, 3.0], "mean_resistant": [0.5, -2.0]}
    )
    (axes,) = importance_bars(table, SUBJECT).axes
    assert tick_texts(axes) == ["b", "a"]
    drawn = {(p.get_y() + p.get_height() / 2, p.get_width()): colour_of(p) for p in axes.patches}
    assert drawn[(0, 3)] == RESPONSE_COLOURS["sensitive"]
    assert drawn[(1, 1)] == RESPONSE_COLOURS["resistant"]
    assert legend_texts(axes) == ["towards resistant", "towards sensitive"]


def test_both_classes_have_a_bar_each_and_their_sum_decides_the_order() -> None:
    columns = {"mean_abs_resistant": [1.0, 0.9], "mean_abs_sensitive": [0.1, 0.9]}
    table = pd.DataFrame({"feature": ["a", "b"], "mean_resistant": [0.0, 0.0], **columns})
    (axes,) = importance_bars(table, SUBJECT).axes
    assert tick_texts(axes) == ["b", "a"]
    assert sorted(patch.get_width() for patch in axes.patches) == [0.1, 0.9, 0.9, 1.0]
    assert legend_texts(axes) == ["to resistant", "to sensitive"]


def test_ranks_fall_and_name_what_is_asked_for() -> None:
    table = pd.DataFrame({"feature": list("abcd"), "mean_abs_resistant": [0.1, 10.0, 0.0, 1.0]})
    left, right = importance_ranks(table, SUBJECT, marked=["a", "c", "absent"]).axes
    assert sum(patch.get_height() for patch in left.patches) == 4
    np.testing.assert_allclose(right.collections[0].get_offsets(), [(1, 1), (2, 0), (3, -1)])
    np.testing.assert_allclose(right.collections[1].get_offsets(), [(3, -1)])
    assert [text.get_text() for text in right.texts] == ["a"]
    assert title(right) == "by rank (1 gene has none)"


def test_dependence_shows_the_cells_their_line_and_both_margins(data) -> None:
    figure = dependence(data.expression, data.attributions, DRIVER, SUBJECT, "log1p")
    joint, above, beside = (
        next(axes for axes in figure.axes if axes.get_label() == name)
        for name in ("joint", "above", "beside")
    )
    points = joint.collections[0].get_offsets()
    expected = np.stack([data.expression[DRIVER], data.attributions[DRIVER]], axis=1)
    np.testing.assert_allclose(points, expected, rtol=1e-6)
    assert joint.get_xlabel() == f"{DRIVER} (log1p); line: LOWESS"
    zero, line = joint.lines
    assert set(zero.get_ydata()) == {0}
    smooth = smoothed(data.expression[DRIVER], data.attributions[DRIVER])
    np.testing.assert_allclose(line.get_ydata(), smooth["attribution"])
    assert sum(patch.get_height() for patch in above.patches) == 120
    assert sum(patch.get_width() for patch in beside.patches) == 120
    assert above.get_xlim() == joint.get_xlim()
    assert beside.get_ylim() == joint.get_ylim()


def test_an_interaction_is_coloured_by_the_partner_that_it_finds(data) -> None:
    figure = interaction(data.expression, data.attributions, DRIVER, SUBJECT, "log1p")
    axes, bar = figure.axes
    assert title(axes) == f"{SUBJECT}: {DRIVER} with {SWITCH}"
    np.testing.assert_allclose(axes.collections[0].get_array(), data.expression[SWITCH])
    assert bar.get_ylabel() == f"{SWITCH} (log1p)"


def test_a_waterfall_goes_from_the_baseline_to_the_score() -> None:
    pushes = pd.Series({"a": 0.5, "b": -2.0, "c": 0.25, "d": 0.25})
    values = pd.Series({"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0})
    (axes,) = waterfall(pushes, values, 1.0, SUBJECT, n_features=2).axes
    assert tick_texts(axes) == ["b = 2", "a = 1", "2 others"]
    spans = {
        patch.get_y() + 0.35: (patch.get_x(), patch.get_x() + patch.get_width())
        for patch in axes.patches
    }
    assert {round(row): span for row, span in spans.items()} == {
        2: (1.0, 1.5),  # from the baseline
        1: (1.5, 2.0),
        0: (2.0, 0.0),  # to the score
    }
    assert title(axes).endswith("from 1.00 at the baseline (dashed) to 0.00")


def test_force_meets_at_the_score() -> None:
    pushes = pd.Series({"a": 1.5, "b": -0.5, "c": 0.25, "d": -0.125})
    (axes,) = force(pushes, 0.0, SUBJECT, n_features=2).axes
    spans = [sorted((p.get_x(), p.get_x() + p.get_width())) for p in axes.patches]
    total = 1.125
    assert spans == [
        [total - 1.5, total],
        [total - 1.75, total - 1.5],  # beyond the leading features
        [total, total + 0.5],
        [total + 0.5, total + 0.625],
    ]
    assert "1.12" in title(axes)


def test_local_bars_show_each_row_s_own_leaders(data) -> None:
    rows = data.attributions.iloc[:2]
    figure = local_bars(rows, SUBJECT, n_features=3)
    for axes, (name, row) in zip(figure.axes, rows.iterrows(), strict=True):
        top = row[row.abs().nlargest(3).index]
        assert title(axes) == name
        assert tick_texts(axes) == list(top.index)
        np.testing.assert_allclose([patch.get_width() for patch in axes.patches], top)


def test_groups_are_columns_around_zero() -> None:
    table = pd.DataFrame({"P1": [1.0, -2.0], "P2": [0.0, 0.5]}, index=["a", "b"])
    axes, bar = by_group(table, SUBJECT, "patient").axes
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), table)
    low, high = image.get_clim()
    assert low == -high
    assert [label.get_text() for label in axes.get_xticklabels()] == ["P1", "P2"]
    assert "attribution" in bar.get_ylabel()


def test_cells_are_sorted_by_group_and_those_without_are_left_out() -> None:
    table = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0]}, index=list("wxyz"))
    groups = pd.Series([1, 0, None, 0], list("wxyz"), name="OS")
    figure = by_cell(table, groups, SUBJECT, "log1p", is_attribution=False)
    cells, band = (
        next(axes for axes in figure.axes if axes.get_label() == name) for name in ("cells", "band")
    )
    assert cells.images[0].get_array().tolist() == [[2.0, 4.0, 1.0]]
    assert [label.get_text() for label in band.get_xticklabels()] == ["0.0", "1.0"]


def test_gene_sets_stand_in_the_order_of_their_tables() -> None:
    listed, ranked = figures.enriched()
    left, right, _ = gene_sets(listed, ranked, SUBJECT).axes
    assert tick_texts(left) == [
        *("DRUG_EFFLUX", "HYPOXIA", "EPITHELIAL_MESENCHYMAL_TRANSITION", "APOPTOSIS", "G2M")
    ]
    np.testing.assert_allclose(left.collections[0].get_offsets()[:, 0], listed["fold"])
    np.testing.assert_allclose(left.collections[0].get_array(), -np.log10(listed["fdr"]))
    np.testing.assert_allclose([patch.get_width() for patch in right.patches], ranked["nes"])
    is_pale = [patch.get_alpha() < 1 for patch in right.patches]
    assert is_pale == [False, True, True, False, True], "an FDR of 0.05 and more is pale"


def test_the_list_s_curve_lies_over_those_of_chance() -> None:
    table = figures.curves()
    deletion, insertion = deletion_insertion(table, SUBJECT).axes
    assert (title(deletion), title(insertion)) == (f"{SUBJECT}: deleted", f"{SUBJECT}: inserted")
    assert legend_texts(insertion) == ["chance", "importance"]
    own = table[table["order"] == "list"]
    np.testing.assert_allclose(deletion.lines[-1].get_ydata(), own["deleted"])
    np.testing.assert_allclose(insertion.lines[-1].get_ydata(), own["inserted"])
    assert len(deletion.lines) == 4


def test_a_swarm_of_many_cells_is_small_in_every_format(data, written_whole) -> None:
    figure = beeswarm(data.expression, data.attributions, SUBJECT)
    files = written_whole(figure, "beeswarm", ("png", "pdf", "svg"))
    assert [file.suffix for file in files] == [".png", ".pdf", ".svg"]
    assert all(5_000 < file.stat().st_size < 1_000_000 for file in files)
