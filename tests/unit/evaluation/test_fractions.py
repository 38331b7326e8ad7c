"""Counts, fractions and their intervals, group by group."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from scatd.evaluation.fractions import ALL, COLUMNS, fraction_matrix, fraction_table

RESPONSES = np.array(
    ["resistant"] * 6 + ["sensitive"] * 2 + ["abstain"] * 2  # patient a
    + ["sensitive"] * 5 + [""]  # patient b, one cell without a score
    + ["abstain"] * 3  # patient c
)  # fmt: skip
GROUPS = np.array(["a"] * 10 + ["b"] * 6 + ["c"] * 3)


def test_counts_and_fractions():
    outside = np.zeros(19, dtype=bool)
    outside[[0, 1, 15]] = True  # the last of them has no score
    table = fraction_table("D", RESPONSES, GROUPS, outside).set_index("group")
    assert ["group", *table.columns][1] == "drug"
    assert set(COLUMNS) == {"group", *table.columns}
    assert table.index.tolist() == ["a", "b", "c", ALL]
    counts = ["n_cells", "n_scored", "n_answered", "n_resistant", "n_sensitive", "n_abstained"]
    assert table.loc["a", counts].tolist() == [10, 10, 8, 6, 2, 2]
    assert table.loc["b", counts].tolist() == [6, 5, 5, 0, 5, 0]
    assert table.loc[ALL, counts].tolist() == [19, 18, 13, 6, 7, 5]
    assert table["n_outside"].tolist() == [2, 0, 0, 2]
    np.testing.assert_allclose(table["fraction_resistant"], [0.75, 0, np.nan, 6 / 13])


def test_intervals_of_groups_are_wilsons():
    table = fraction_table("D", RESPONSES, GROUPS).set_index("group")
    for group, (resistant, answered) in {"a": (6, 8), "b": (0, 5)}.items():
        expected = binomtest(resistant, answered).proportion_ci(method="wilson")
        found = table.loc[group, ["ci_low", "ci_high"]].astype(float)
        np.testing.assert_allclose(found, [expected.low, expected.high], atol=1e-9)
    assert table.loc["c", ["ci_low", "ci_high"]].isna().all()
    assert table["n_outside"].isna().all()


def test_interval_of_all_cells_resamples_groups():
    # Ten patients whose cells all answer alike: the number of cells says nothing.
    groups = np.repeat(np.arange(10).astype(str), 100)
    responses = np.where(np.repeat(np.arange(10) < 5, 100), "resistant", "sensitive")
    row = fraction_table("D", responses, groups).iloc[-1]
    # Of ten draws with chance one half, 2 to 8 are hit in 97.9 %.
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((0.2, 0.8), abs=0.1)
    alone = fraction_table("D", responses).iloc[-1]
    assert alone["ci_high"] - alone["ci_low"] < 0.07


def test_matrix_has_groups_by_drugs():
    tables = {drug: fraction_table(drug, RESPONSES, GROUPS) for drug in ("x", "y")}
    matrix = fraction_matrix(tables)
    assert matrix.index.tolist() == ["a", "b", "c", ALL]
    assert matrix.columns.tolist() == ["x", "y"]
    assert matrix.loc["a", "x"] == 0.75
    assert pd.isna(matrix.loc["c", "y"])
