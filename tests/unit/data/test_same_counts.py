"""Ten real cells in every format and with every quirk give one matrix on the genes of a panel.

The panel is that of scFoundation, 19,264 genes, in the slow tests, and else a part of it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scatd.data.genes import Panel, aligned
from scatd.data.io import open_cohort
from scatd.data.preflight import look
from tests.containers import WRITERS
from tests.text_tables import TEXT_WRITERS


@pytest.fixture(scope="module", params=["a part", pytest.param("all", marks=pytest.mark.slow)])
def ten_cells(request, real_data):
    """Raw counts of ten human pancreas cells, in the order of the genes."""
    counts = pd.read_csv(real_data / "counts/baron_10x19264.csv.gz", index_col=0)
    assert counts.to_numpy().sum() == 12091
    if request.param == "a part":  # what is expressed, and some that is not
        counts = counts.loc[:, counts.any() | (np.arange(counts.shape[1]) % 20 == 0)]
    return counts.set_axis([f"cell{number:02}" for number in range(10)], axis=0).astype(int)


@pytest.fixture(scope="module")
def panel(ten_cells):
    return Panel(tuple(ten_cells.columns), "the genes")


@pytest.mark.parametrize("name", [*WRITERS, *TEXT_WRITERS])
def test_the_matrix_is_the_same(tmp_path, ten_cells, panel, name):
    path = {**WRITERS, **TEXT_WRITERS}[name](tmp_path, ten_cells)
    with open_cohort(path) as cohort:
        report = look(cohort, {"panel": panel}, scale="counts")
        report.faults.raise_if_any()
        assert list(cohort.obs.index.astype(str)) == list(ten_cells.index)
        matrix = cohort.matrices[report.layer]
        found = aligned(matrix.rows(0, 10), report.matches["panel"]).toarray()
    np.testing.assert_array_equal(found, ten_cells.to_numpy())
