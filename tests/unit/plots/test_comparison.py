"""Drugs and families beside each other, few and many."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from scatd.plots.colours import FAMILY_COLOURS
from scatd.plots.comparison import drugs_and_families
from scatd.plots.style import save_figure


def make_table(n_drugs, families):
    rng = np.random.default_rng(0)
    rows = [(f"drug{number}", family) for number in range(n_drugs) for family in families]
    table = pd.DataFrame(rows, columns=["drug", "family"])
    table["mean"] = rng.uniform(0.4, 0.9, len(table))
    table["ci_low"], table["ci_high"] = table["mean"] - 0.05, table["mean"] + 0.05
    table["baseline_mean"] = table["mean"] - 0.02
    table["target"] = None
    return table


def test_the_best_drug_stands_on_top():
    table = make_table(3, ["sf", "gf"])
    (axes,) = drugs_and_families(table, "AUROC", "3 drugs").axes
    best = table.groupby("drug")["mean"].max().sort_values(ascending=False)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(best.index)
    assert axes.yaxis_inverted()
    lines = {line.get_label(): line for line in axes.lines}
    assert set(lines) == {"chance", "sf", "gf", "best baseline", "_best baseline"}
    for name in ("sf", "gf"):
        some = table[table["family"] == name]
        assert lines[name].get_markerfacecolor() == FAMILY_COLOURS[name]
        assert lines[name].get_xdata().tolist() == some["mean"].tolist()
        rows = [list(best.index).index(drug) for drug in some["drug"]]
        offset = np.unique(np.round(lines[name].get_ydata() - rows, 6))
        assert abs(offset.item()) < 0.5
    assert lines["best baseline"].get_xdata().tolist() == (
        table.loc[table["family"] == "sf", "baseline_mean"].tolist()
    )
    # An interval a dot.
    intervals = [bars for bars in axes.collections if bars.get_zorder() > 1]
    assert sum(len(bars.get_segments()) for bars in intervals) == 6


def test_missing_values_leave_gaps_and_no_legend():
    table = make_table(2, ["gf"]).assign(ci_low=None, ci_high=np.nan, baseline_mean=None)
    table.loc[1, "target"] = 0.7
    (axes,) = drugs_and_families(table, "MCC", "2 drugs").axes
    lines = {line.get_label(): line for line in axes.lines}
    assert set(lines) == {"gf", "target cells"}
    assert np.nansum(lines["target cells"].get_xdata()) == 0.7


def test_names_of_83_drugs_do_not_overlap(tmp_path):
    figure = drugs_and_families(make_table(83, ["sf", "gf", "dist"]), "AUROC", "83 drugs")
    figure.canvas.draw()
    (axes,) = figure.axes
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert len(boxes) == 83
    tops = sorted((box.y0, box.y1) for box in boxes)
    assert all(below[1] <= above[0] for below, above in itertools.pairwise(tops))
    png, _ = save_figure(figure, tmp_path, "all")
    assert png.stat().st_size > 20_000
