"""Importance and waterfall of an explanation."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from scatd import pl
from scatd.errors import InputError


def ticks(axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


@pytest.mark.parametrize("kind", ["result", "table", "cells"])
def test_importance_of_a_result_its_table_and_its_cells_is_one_picture(kind, explained):
    table = explained.varm["importance"].rename_axis("feature").reset_index()
    data = {
        "result": SimpleNamespace(importance=table, adata=explained),
        "table": table,
        "cells": explained,
    }[kind]
    axes = pl.importance(data, n=3, show=False)
    leading = explained.varm["importance"]["mean_abs_resistant"].nlargest(3)
    assert ticks(axes) == list(leading.index)
    bars = {}
    for bar in axes.patches:
        row = round(bar.get_y() + bar.get_height() / 2)
        bars[row] = bars.get(row, 0) + bar.get_width()
    np.testing.assert_allclose([bars[row] for row in range(3)], leading)


def test_a_list_that_failed_its_controls_says_so(explained):
    title = pl.importance(explained, show=False).get_title(loc="left")
    assert title == "docetaxel, controls failed: stability: leading features"
    table = explained.varm["importance"].rename_axis("feature").reset_index()
    table["controls"] = "passed"
    result = SimpleNamespace(importance=table, ref=SimpleNamespace(drug="x", family="dist"))
    title = pl.importance(result, show=False).get_title(loc="left")
    assert title == "x (dist), controls passed: leading features"


def test_a_waterfall_leads_from_the_baseline_to_the_cell(explained):
    axes = pl.waterfall(explained, "c1", n=2, show=False)
    pushes = explained["c1"].layers["attribution_resistant"].ravel().astype(float)
    end = -0.5 + pushes.sum()
    assert axes.get_title(loc="left") == (
        f"docetaxel, c1: from -0.50 at the baseline (dashed) to {end:.2f}"
    )
    order = np.argsort(-np.abs(pushes))
    values = explained["c1"].X.ravel()
    shown = [f"GENE{place} = {values[place]:.3g}" for place in order[:2]]
    assert ticks(axes) == [*shown, "3 others"]


def test_the_cell_with_the_highest_score_is_the_default(explained):
    result = SimpleNamespace(adata=explained)
    assert "docetaxel, c3:" in pl.waterfall(result, show=False).get_title(loc="left")


def test_what_is_no_explanation_is_refused(explained, cells):
    for wrong in (cells, 3, SimpleNamespace(table=1)):
        with pytest.raises(InputError, match=r"Give the result of scatd.explain"):
            pl.importance(wrong)
        with pytest.raises(InputError, match=r"baseline_logit.*Give the result of scatd.explain"):
            pl.waterfall(wrong)
    table = explained.varm["importance"].reset_index(drop=True)
    with pytest.raises(InputError, match="no column feature"):
        pl.importance(table)
    with pytest.raises(InputError, match=r"no cell 'c77'.*such as"):
        pl.waterfall(explained, "c77")
    with pytest.raises(InputError, match="cell 'c2' has no score"):
        pl.waterfall(explained, "c2")
    for draw in (pl.importance, pl.waterfall):
        with pytest.raises(InputError, match="n is 0"):
            draw(explained, n=0)
