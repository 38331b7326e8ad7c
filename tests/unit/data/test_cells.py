"""Columns of QC in `obs`: their names, and which of two columns of one name stays."""

from __future__ import annotations

import pandas as pd
import pytest

from scatd.data.cells import with_quality

MEASURED = pd.DataFrame(
    {"total_counts": [5.0, 7.0], "n_genes_by_counts": [3, 4], "pct_counts_mt": [20.0, 0.0]}
)
CELLS = ["a", "b"]


def test_counts_replace_columns_of_the_same_names():
    obs = pd.DataFrame({"site": ["x", "y"], "total_counts": [1.0, 1.0]}, index=CELLS)
    found = with_quality(obs, MEASURED, are_counts=True)
    assert list(found) == ["site", *MEASURED]
    assert found["total_counts"].tolist() == [5, 7]
    assert list(found.index) == CELLS


def test_totals_of_lost_counts_stay():
    """Embedding with --pre-normalized A reads them beside logarithms."""
    obs = pd.DataFrame({"total_counts": [900.0, 800.0]}, index=CELLS)
    found = with_quality(obs, MEASURED, are_counts=False)
    assert found["total_counts"].tolist() == [900, 800]
    assert found["n_genes_by_counts"].tolist() == [3, 4]


@pytest.mark.parametrize(
    ("are_counts", "total", "percent"), [(True, [5, 7], [20, 0]), (False, [9, 8], [50, 25])]
)
def test_earlier_names_are_read(are_counts, total, percent):
    obs = pd.DataFrame(
        {"n_counts": [9.0, 8.0], "n_genes": [2, 2], "mito_share": [0.5, 0.25]}, index=CELLS
    )
    found = with_quality(obs, MEASURED, are_counts=are_counts)
    assert sorted(found) == sorted(MEASURED)
    assert found["total_counts"].tolist() == total
    assert found["pct_counts_mt"].tolist() == percent


def test_a_column_of_the_user_is_no_earlier_name():
    obs = pd.DataFrame({"n_counts": [9.0, 8.0]}, index=CELLS)
    assert "n_counts" in with_quality(obs, MEASURED, are_counts=True)
