"""Preparing a cohort: one opening, the same rows in a file and in memory."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scatd.data import cohort as cohort_module
from scatd.data.writing import CohortCollector
from scatd.workflows.check import CheckRequest, check
from scatd.workflows.prepare.inputs import checked_cohort
from scatd.workflows.prepare.parts import Work
from scatd.workflows.prepare.request import PrepareRequest
from scatd.workflows.prepare.run import prepare, prepare_cells

GENES = [f"GENE{number}" for number in range(40)]


@pytest.fixture
def request_of(tmp_path, monkeypatch):
    """Make a request for a small file of counts, with an empty cell and a small block."""
    monkeypatch.setenv("SCATD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cohort_module, "BLOCK_VALUES", 150)
    X = np.random.default_rng(1).integers(0, 3, (12, 40)).astype(np.float32)
    X[5] = 0
    X[7, 3:] = 0
    obs = pd.DataFrame({"site": "lung"}, index=[f"cell{number}" for number in range(12)])
    cells = ad.AnnData(sparse.csr_matrix(X), obs=obs, var=pd.DataFrame(index=GENES))
    cells.write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "panel.txt").write_text("\n".join([*GENES[::-1], "ABSENT"]) + "\n")

    def make(**options):
        return PrepareRequest(
            tmp_path / "cells.h5ad",
            tmp_path / "out.h5ad",
            panel=tmp_path / "panel.txt",
            **{"min_genes": 10, **options},
        )

    return make


def test_a_cohort_is_opened_once(request_of, opens):
    request = request_of()
    prepare(request)
    assert opens.count("cells.h5ad") == 1
    opens.clear()
    check(CheckRequest(request.input, panel=request.panel))
    assert opens.count("cells.h5ad") == 1


@pytest.mark.parametrize("drop", [False, True])
def test_memory_gets_what_a_file_gets(request_of, drop):
    request, collector = request_of(drop=drop), CohortCollector()
    result = prepare(request)
    with checked_cohort(request) as checked:
        work = Work(request, checked, range(checked.cohort.n_obs))
        made = prepare_cells(work, collector)
    assert made.n_failed == result.n_failed == 2
    found, expected = collector.cohort, ad.read_h5ad(request.output)
    assert found.X.dtype == expected.X.dtype
    np.testing.assert_array_equal(found.X.toarray(), expected.X.toarray())
    for ours, theirs in ((found.obs, expected.obs), (found.var, expected.var)):
        # A file that is read with pandas 3 has words of its own type.
        words = [ours.index, *(ours[name] for name in ours if ours[name].dtype == object)]
        assert all(isinstance(word, str) for column in words for word in column)
        pd.testing.assert_frame_equal(
            ours.astype(theirs.dtypes).set_axis(ours.index.astype(theirs.index.dtype)), theirs
        )
    assert (
        found.uns["scatd"]["prepare"]["panel_sha256"]
        == (expected.uns["scatd"]["prepare"]["panel_sha256"])
    )


def test_rows_and_annotations_drop_the_same_cells(request_of):
    """Regression: with --min-genes 0 an empty cell lost its annotations and kept its row."""
    result = prepare(request_of(min_genes=0, drop=True))
    found = ad.read_h5ad(result.output)
    assert found.n_obs == found.X.shape[0] == 11
    assert "cell5" not in found.obs_names
