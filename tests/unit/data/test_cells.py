"""Quality of cells, its columns in `obs`, and which of two columns of one name stays."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scatd.data.cells import CellQuality, with_quality

MEASURED = pd.DataFrame(
    {"total_counts": [5.0, 7.0], "n_genes_by_counts": [3, 4], "pct_counts_mt": [20.0, 0.0]}
)
CELLS = ["a", "b"]


@pytest.mark.parametrize("two_species", [False, True])
@pytest.mark.parametrize("kind", [np.float32, np.int64])
def test_quality_is_that_of_the_dense_matrix(kind, two_species):
    rng = np.random.default_rng(0)
    X = rng.poisson(0.7, (40, 30)).astype(kind)
    X[3] = 0
    is_mito, is_other = rng.random(30) < 0.2, rng.random(30) < 0.3
    block = sparse.csr_matrix(X)
    block.data[::9] = 0  # stored zeros
    dense = block.toarray().astype(float)
    others = (is_other, "mouse") if two_species else ()
    found = CellQuality(is_mito, *others).measure(block)
    totals = dense.sum(axis=1)
    total_or_1 = np.maximum(totals, 1)
    np.testing.assert_array_equal(found["total_counts"], totals)
    np.testing.assert_array_equal(
        found["pct_counts_mt"], 100 * (dense[:, is_mito].sum(axis=1) / total_or_1)
    )
    own = dense[:, ~is_other] if two_species else dense
    np.testing.assert_array_equal(found["n_genes_by_counts"], (own > 0).sum(axis=1))
    assert ("other_species_share" in found) == two_species
    if two_species:
        share = dense[:, is_other].sum(axis=1) / total_or_1
        np.testing.assert_array_equal(found["other_species_share"], share)


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
