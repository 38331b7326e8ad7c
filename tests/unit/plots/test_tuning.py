"""Content of the figures of a search."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scatd.plots.style import save_figure
from scatd.plots.tuning import history, importance

TRIALS = pd.DataFrame(
    {
        "trial": [0, 1, 2, 3, 4],
        "state": ["complete", "pruned", "failed", "complete", "complete"],
        "objective": [5.0, 7.0, np.nan, 3.0, 4.0],
    }
)


def test_history_shows_each_trial_and_the_best_so_far(tmp_path):
    figure = history(TRIALS, "Pretraining sf")
    (axes,) = figure.axes
    shown = {points.get_label(): points.get_offsets().tolist() for points in axes.collections}
    assert shown == {"complete (3)": [[0, 5], [3, 3], [4, 4]], "pruned (1)": [[1, 7]]}
    (best,) = axes.lines
    assert list(best.get_xdata()) == [0, 3, 4]
    assert list(best.get_ydata()) == [5, 3, 3]
    assert axes.get_yscale() == "linear"
    png, _ = save_figure(figure, tmp_path, "history")
    assert png.stat().st_size > 5000


@pytest.mark.parametrize(("worst", "scale"), [(40.0, "linear"), (4000.0, "log")])
def test_one_bad_trial_does_not_flatten_the_rest(worst, scale):
    (axes,) = history(TRIALS.replace(7.0, worst).replace(3.0, 4.5), "sf").axes
    assert axes.get_yscale() == scale


def test_importance_reads_from_the_top():
    table = pd.DataFrame({"parameter": ["learning_rate", "epochs"], "importance": [0.75, 0.25]})
    (axes,) = importance(table, "sf").axes
    assert [bar.get_width() for bar in axes.patches] == [0.75, 0.25]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["learning_rate", "epochs"]
    assert axes.yaxis_inverted()
    assert [text.get_text() for text in axes.texts] == ["0.75", "0.25"]
