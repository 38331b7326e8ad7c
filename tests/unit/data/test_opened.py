"""An AnnData in memory, in backed mode, or without expression is opened like a file."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scatd.data.opened import open_input
from scatd.errors import InputError

COUNTS = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture(params=["csr", "csc", "dense"])
def backed(request: pytest.FixtureRequest, tmp_path: Path) -> ad.AnnData:
    make = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.array}
    names = pd.DataFrame(index=[f"c{row}" for row in range(4)])
    cells = ad.AnnData(make[request.param](COUNTS), obs=names)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    return ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")


def test_expression_of_a_backed_anndata_is_read(backed: ad.AnnData) -> None:
    for cells, wanted in ((backed, COUNTS), (backed[1:3], COUNTS[1:3])):
        with open_input(cells) as opened:
            rows = opened.cohort.matrices["X"].rows(0, len(wanted))
            assert np.array_equal(rows.toarray(), wanted)
            whole = opened.whole()
        assert not whole.isbacked
        whole.obs["new"] = 1
        assert "new" not in cells.obs
    assert backed.isbacked


def test_an_anndata_without_expression_is_one_message() -> None:
    cells = ad.AnnData(obs=pd.DataFrame(index=["a", "b"]), obsm={"X_scfoundation": np.ones((2, 3))})
    with open_input(cells) as opened, pytest.raises(InputError, match="holds no expression"):
        _ = opened.cohort
