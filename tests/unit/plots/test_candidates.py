"""The figure of candidates: what was tried, what was chosen, and what outer folds say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scatd.plots.candidates import candidates
from scatd.plots.colours import PAPER

RIDGE = ("linear", "ridge")
TRIED = pd.DataFrame(
    [
        (1, *RIDGE, 100.0, 0.80, True, False, 0.70),
        (1, *RIDGE, 10.0, 0.82, False, False, np.nan),
        (1, "trees", "extra trees", 3.0, 0.85, True, True, 0.88),
        (1, "network", "", np.nan, 0.60, True, False, np.nan),
        (2, *RIDGE, 100.0, 0.90, False, False, np.nan),
        (2, *RIDGE, 10.0, 0.92, True, True, 0.90),
        (2, "trees", "extra trees", 3.0, 0.75, True, False, 0.78),
        (2, "network", "", np.nan, 0.62, True, False, np.nan),
    ],
    columns=[
        *("fold", "candidate", "variant", "strength", "inner_auroc", "strength_chosen"),
        *("candidate_chosen", "outer_auroc"),
    ],
).pipe(
    lambda table: table.assign(
        inner_auroc_ci_low=table["inner_auroc"] - 0.1,
        inner_auroc_ci_high=table["inner_auroc"] + 0.1,
    )
)


@pytest.fixture
def axes():
    return candidates(TRIED, "DOCETAXEL (sf)").axes


def names(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def test_each_setting_has_its_mean_over_folds_and_its_interval(axes):
    inner = axes[0]
    assert names(inner) == [
        "linear: ridge 1e+02", "linear: ridge 10", "trees: extra trees 3", "network"
    ]  # fmt: skip
    means = [line.get_xdata()[0] for line in inner.lines]
    np.testing.assert_allclose(means, [0.85, 0.87, 0.80, 0.61])
    spans = [bar.get_segments()[0][:, 0] for bar in inner.collections]
    np.testing.assert_allclose(spans, [(mean - 0.1, mean + 0.1) for mean in means])


def test_what_was_chosen_is_filled_and_counted(axes):
    inner = axes[0]
    counts = [(round(text.get_position()[1]), text.get_text()) for text in inner.texts]
    strengths = [(0, "1x"), (1, "1x"), (2, "2x"), (3, "2x")]
    assert [one for one in counts if "x" in one[1]] == [*strengths, (1, "1x"), (2, "1x")]
    rows = TRIED.assign(strength_chosen=TRIED["strength"].isin([100.0, 3.0]))
    faces = [line.get_markerfacecolor() for line in candidates(rows, "D").axes[0].lines]
    assert [face == PAPER for face in faces] == [False, True, False, True]


def test_outer_folds_judge_what_was_chosen_and_every_candidate(axes):
    outer = axes[1]
    assert names(outer) == [
        "what was chosen\n0.890 in 2 folds",  # trees in fold 1, linear in fold 2
        "linear\n0.800 in 2 folds",
        "trees\n0.830 in 2 folds",
    ]
    filled = {
        line.get_xdata()[0]
        for line in outer.lines
        if line.get_marker() == "o" and line.get_markerfacecolor() != PAPER
    }
    assert filled == {0.88, 0.90}


def test_nothing_is_cut_off_or_overprinted(legible, written_whole):
    legible(candidates(TRIED, "A drug with a long name, DOCETAXEL (sf)"))
    written_whole(candidates(TRIED, "DOCETAXEL (sf)"), "candidates")
