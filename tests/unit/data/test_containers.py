"""The same counts in every container give the same matrix; what cannot be read is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scatd.data import cohort as cohort_module
from scatd.data.io import open_cohort
from tests.containers import WRITERS, read_whole

RNG = np.random.default_rng(5)
N_CELLS, N_GENES = 23, 17
COUNTS = pd.DataFrame(
    RNG.poisson(0.8, (N_CELLS, N_GENES)),
    index=[f"cell{number:02d}" for number in range(N_CELLS)],
    columns=["ACTB", "TP53", *[f"GENE{number}" for number in range(N_GENES - 2)]],
)
COUNTS.iloc[4] = 0  # an empty cell must not shift the others
COUNTS.iloc[:, 7] = 0
COUNTS.iloc[2, 3] = 200


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Every matrix takes many blocks and many passes."""
    monkeypatch.setattr(cohort_module, "BLOCK_VALUES", 40)
    monkeypatch.setattr(cohort_module, "PASS_VALUES", 160)
    monkeypatch.setattr("scatd.data.readers.matrix_market.PASS_VALUES", 40)
    monkeypatch.setattr("scatd.data.readers.matrix_market._LINES", 7)


def table(path):
    """The table that scatd reads: cells x genes by symbol."""
    with open_cohort(path) as cohort:
        matrix = cohort.matrices["X" if "X" in cohort.matrices else "counts"]
        X = np.vstack([block.toarray() for _, block in matrix.blocks()])
        genes = matrix.var.get("gene_symbols", pd.Series(matrix.var.index)).to_numpy()
        return pd.DataFrame(X, cohort.obs.index.astype(str), genes.astype(str))


@pytest.mark.parametrize("name", WRITERS)
def test_every_container_holds_the_same_counts(tmp_path, name):
    path = WRITERS[name](tmp_path, COUNTS)
    found = table(path)
    assert list(found.index) == list(COUNTS.index)
    assert list(found.columns) == list(COUNTS.columns)
    np.testing.assert_array_equal(found.to_numpy(), COUNTS.to_numpy())


@pytest.mark.parametrize("name", WRITERS)
def test_read_whole_it_is_the_same(tmp_path, name):
    """The AnnData that predict and explain annotate and write."""
    adata = read_whole(WRITERS[name](tmp_path, COUNTS))
    X = adata.layers["counts"] if adata.X is None else adata.X
    X = X.astype(np.float32) if X.dtype == np.float16 else X
    X = X.toarray() if hasattr(X, "toarray") else X
    np.testing.assert_array_equal(X, COUNTS.to_numpy())
    assert list(adata.obs_names.astype(str)) == list(COUNTS.index)
