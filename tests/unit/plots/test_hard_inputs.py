"""Inputs that make a panel empty, or are many or long: words in place of nothing, all legible."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from docs import _simulated as simulated
from scatd.data.cells import N_GENES, PCT_MITO, TOTAL
from scatd.evaluation import curves
from scatd.evaluation.fractions import fraction_matrix, fraction_table
from scatd.plots import (
    bench,
    candidates,
    cells,
    comparison,
    decisions,
    performance,
    quality,
    screen,
    survival,
)
from scatd.plots import scores as spread
from scatd.plots.agreement import rank_agreement
from scatd.plots.colours import CALL_COLOURS, COLOURS
from scatd.plots.explain import bars, beeswarm, gene_sets, heatmaps
from scatd.plots.style import shortened
from scatd.plots.training import loss_curves

S = "A-DRUG-WITH-A-RATHER-LONG-NAME (dist)"
LONG = "CD8 positive, alpha-beta cytotoxic T cell of the tumour margin"


def texts(figure) -> str:
    """Everything that is written in a figure, but for numbers at ticks."""
    said = [figure._supxlabel, *(text for axes in figure.axes for text in axes.texts)]
    return " ".join(text.get_text() for text in said if text is not None)


def hatched(axes) -> bool:
    return axes.patch.get_hatch() is not None


def panel(figure, column: str):
    """The axes that show a measure of quality, if there are some."""
    return [axes for axes in figure.axes if axes.get_ylabel() == quality._NAMES[column]]


def test_a_measure_that_is_the_same_in_every_cell_has_words_and_no_panel():
    measured = simulated.quality(50).assign(**{PCT_MITO: 0.0})
    for draw in (quality.quality_violins, quality.quality_scatter):
        figure = draw(measured, 600, "t.h5ad")
        assert "The mitochondrial share is 0 in every cell." in texts(figure)
        assert not panel(figure, PCT_MITO)
        assert panel(figure, N_GENES)
    figure = quality.quality_violins(measured.assign(**{TOTAL: 10_000.0}), 600, "t.h5ad")
    assert "The total is 10,000 in every cell." in texts(figure)
    assert len(figure.axes) == 1
    nothing = measured.assign(**{TOTAL: np.nan, N_GENES: 0.0})
    said = texts(quality.quality_violins(nothing, 600, "t.h5ad"))
    assert "number of expressed genes is 0 in every cell" in said
    assert "total is not known" in said
    assert quality.quality_scatter(nothing, 600, "t.h5ad").axes


def test_quality_shows_every_cell_and_marks_those_under_the_limit():
    measured = simulated.quality(200)
    left, right = quality.quality_scatter(measured, 900, "t").axes
    low = (measured[N_GENES] < 900).to_numpy()
    high, under = left.collections
    np.testing.assert_array_equal(high.get_offsets(), measured.loc[~low, [TOTAL, N_GENES]])
    np.testing.assert_array_equal(under.get_offsets(), measured.loc[low, [TOTAL, N_GENES]])
    assert len(right.collections) == 2


def test_cells_without_a_value_are_crosses_that_the_legend_counts():
    xy = np.random.default_rng(0).normal(size=(30, 2))
    values = np.where(np.arange(30) < 4, np.nan, np.linspace(0, 1, 30))
    axes, bar = cells.cell_map(xy, values, S).axes
    crosses, dots = axes.collections
    np.testing.assert_array_equal(crosses.get_offsets(), xy[:4])
    np.testing.assert_array_equal(dots.get_array(), values[4:])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["no value (4 cells)"]
    assert bar.get_ylabel() == "P(resistant), 0 to 1"
    (axes,) = cells.cell_map(xy, np.full(30, np.nan), S).axes
    assert [text.get_text() for text in axes.texts] == ["No cell has a value of P(resistant)."]


def test_cells_of_a_heat_map_without_a_value_are_hatched_and_named():
    matrix = pd.DataFrame({"x": [0.25, np.nan], "y": [0.5, 1.0]}, index=["a", "b"])
    axes, bar = screen.heat_map(matrix, S).axes
    assert hatched(axes)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["no cell has an answer"]
    assert "0 to 1" in bar.get_ylabel()
    assert not hatched(screen.heat_map(matrix.fillna(0.1), S).axes[0])
    assert hatched(screen.heat_map(matrix * np.nan, S).axes[0])
    by_drug = pd.DataFrame({"drug": ["a", "b"], "model": "trees", "auroc": [0.7, np.nan]})
    axes, bar = bench.heat_map(by_drug, S).axes
    assert hatched(axes)
    assert bar.get_ylabel().startswith("AUROC")
    ranks = pd.DataFrame({"a": [1, 2], "b": [np.nan, 1]}, index=["g1", "g2"])
    left, right, first, second = rank_agreement(
        pd.DataFrame(np.eye(2), ["a", "b"], ["a", "b"]), ranks
    ).axes
    assert (hatched(left), hatched(right)) == (False, True)
    assert "Spearman" in first.get_ylabel()
    assert "log" in second.get_ylabel()
    means = pd.DataFrame({"P1": [0.1, -0.2], "P2": [np.nan, np.nan]}, index=["g1", "g2"])
    assert hatched(heatmaps.by_group(means, S, "patient").axes[0])


def test_without_scores_or_classes_words_stand_in_place_of_a_figure():
    nobody = np.full(5, np.nan), np.array([""] * 5)
    assert "No cell has a score." in texts(spread.score_histogram(*nobody, 0.5, S))
    table = pd.DataFrame({"group": ["a"], "n": [9], "auroc": np.nan})
    table = table.assign(auroc_ci_low=np.nan, auroc_ci_high=np.nan)
    assert "No group has both classes" in texts(decisions.groups(table, S))
    tried = simulated.tried(2).assign(outer_auroc=np.nan)
    assert "No validation fold has both classes." in texts(candidates.candidates(tried, S))
    listed, ranked = simulated.enriched()
    said = texts(gene_sets.gene_sets(listed[:0], ranked[:0], S))
    assert "against the list" in said
    assert "over the ranking" in said
    empty = pd.DataFrame(columns=["a"], dtype=float)
    assert "No cell was attributed." in texts(beeswarm.beeswarm(empty, empty, S))
    unscored = fraction_table("x", np.array([""] * 4))
    assert "no cell was scored" in texts(screen.stacked_bars(unscored, S))
    codes, prob = np.zeros(20), np.linspace(0, 1, 20)
    (axes,) = performance.score_distribution(codes, prob, 0.5, S).axes
    said = [text.get_text() for text in axes.get_legend().get_texts()]
    assert said[:2] == ["sensitive (n = 20)", "resistant (n = 0)"]


def many_groups(n: int = 40) -> pd.DataFrame:
    table = simulated.cells(1200)
    names = [f"{number:02d} {LONG}" for number in range(n)]
    return table.assign(group=pd.Categorical.from_codes(np.arange(1200) % n, names))


def drawings():
    """Figures of many and long names."""
    table = many_groups()
    names = list(table["group"].cat.categories)
    calls, prob = table["response"].to_numpy(str), table["prob"]
    xy = table[["x", "y"]].to_numpy()
    shades = {name: f"C{number % 10}" for number, name in enumerate(names)}
    words = table["group"].to_numpy(str)
    yield "class_map", cells.class_map(xy, words, S, what="cell type", colours=shades)
    groups = table["group"].rename("cell type")
    yield "scores", spread.scores_by_group(prob, calls, groups, 0.5, S)
    tables = {f"DRUG-{n:02d}-{'X' * 12}": fraction_table(f"d{n}", calls, words) for n in range(83)}
    yield "heat_map", screen.heat_map(fraction_matrix(tables), "tumour-of-a-patient.h5ad")
    yield "bars", screen.stacked_bars(next(iter(tables.values())), "tumour-of-a-patient.h5ad")
    yield "compare", comparison.drugs_and_families(simulated.drugs(83), "AUROC", "83 drugs")
    data = simulated.explained(200, 40)
    cell_types = pd.Series(words[:200], data.expression.index, name="cell type")
    attributions = data.attributions.iloc[:, :12]
    yield "by_cell", heatmaps.by_cell(attributions, cell_types, S, "logit", is_attribution=True)
    means = attributions.groupby(cell_types).mean().T
    yield "by_group", heatmaps.by_group(means, S, "cell type")
    long = data.importance.assign(feature=[f"{name}_{LONG}" for name in data.importance["feature"]])
    yield "importance", bars.importance_bars(long.drop(columns="mean_abs_sensitive"), S)
    rows = {"n": 30, "auroc": 0.7, "auroc_ci_low": 0.6, "auroc_ci_high": 0.8}
    yield "groups", decisions.groups(pd.DataFrame({"group": names}).assign(**rows), S)
    codes, scores = simulated.scores()
    folds = {f"fold {n}": curves.roc_table(codes, scores) for n in range(1, 11)}
    yield "roc of ten folds", performance.roc(folds, S)


@pytest.fixture(scope="module")
def drawn():
    return dict(drawings())


def test_many_and_long_names_are_legible(drawn, legible):
    for name, figure in drawn.items():
        legible(figure)
        inked = figure.get_tightbbox()
        assert inked.x1 - inked.x0 <= figure.get_figwidth() * 1.02, name
        plot = max((axes for axes in figure.axes), key=lambda axes: axes.get_window_extent().width)
        assert plot.get_window_extent().width > 0.15 * figure.bbox.width, f"{name}: names take all"


def test_a_long_name_keeps_its_ends():
    assert shortened("short") == "short"
    assert len(shortened(LONG)) == 36
    assert shortened(LONG).startswith("CD8 positive")
    assert shortened(LONG).endswith("margin")


def test_training_without_validation_and_survival_of_one_group():
    one = simulated.history(1).assign(val_loss=np.nan)
    (axes,) = loss_curves(one, S).axes
    assert len(axes.lines) == 1
    assert axes.lines[0].get_color() == COLOURS["guide"]
    assert survival.CALL_COLOURS is CALL_COLOURS
