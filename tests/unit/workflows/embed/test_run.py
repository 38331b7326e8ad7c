"""Embedding a file: refusals, one opening, and an output that is the input with `obsm` added."""

from __future__ import annotations

from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scatd.data.genes import Panel
from scatd.data.preflight import look
from scatd.embedding.settings import EmbedderRequest
from scatd.errors import InputError
from scatd.workflows.embed import run
from scatd.workflows.embed.request import EmbedRequest
from scatd.workflows.embed.run import embed

GENES = [f"GENE{number}" for number in range(30)]


@pytest.mark.parametrize("backend", ["scfoundation", "geneformer"])
def test_mouse_is_said_before_weights_are_asked_for(tmp_path, monkeypatch, backend):
    monkeypatch.setenv("SCATD_CACHE", str(tmp_path / "cache"))
    names = [f"GENE{number}" for number in range(30)]
    var = pd.DataFrame({"gene_ids": [f"ENSMUSG{number:011d}" for number in range(30)]}, index=names)
    ad.AnnData(np.ones((3, 30), np.float32), var=var).write_h5ad(tmp_path / "mouse.h5ad")
    request = EmbedRequest(tmp_path / "mouse.h5ad", tmp_path / "out.h5ad", EmbedderRequest(backend))
    with pytest.raises(InputError, match=r"those of mouse \(ENSMUSG"):
        embed(request)
    assert not (tmp_path / "out.h5ad").exists()


class FakeEmbedder:
    """An embedder whose two features are the total of a cell and its number of genes."""

    slot = "X_scfoundation"
    encoder = SimpleNamespace(width=2)
    store = SimpleNamespace(n_added=0)

    def __init__(self, request):
        pass

    def look(self, cohort, *, layer, scale):
        return look(cohort, {self.slot: Panel(tuple(GENES), "a panel")}, layer=layer, scale=scale)

    def rows(self, cohort, report):
        matrix = cohort.matrices[report.layer]

        def blocks(wanted, progress):
            assert wanted == range(cohort.n_obs)
            for start in range(0, cohort.n_obs, 4):
                X = matrix.rows(start, min(start + 4, cohort.n_obs)).toarray()
                into = np.column_stack([X.sum(axis=1), (X > 0).sum(axis=1)]).astype(np.float32)
                empty = into[:, 0] == 0
                into[empty] = np.nan
                yield start, into, np.where(empty, "no expressed gene", "").astype(object)

        return SimpleNamespace(blocks=blocks)

    def provenance(self, report):
        return {"layer": report.layer}


def counts():
    X = np.random.default_rng(0).integers(0, 4, (6, 30)).astype(np.float32)
    X[2] = 0
    obs = pd.DataFrame({"site": "lung"}, index=[f"cell{number}" for number in range(6)])
    cells = ad.AnnData(sparse.csr_matrix(X), obs=obs, var=pd.DataFrame(index=GENES))
    cells.uns["scatd"] = {"prepare": {"source": "elsewhere"}}
    return cells


def test_the_input_is_opened_once_and_comes_back_with_the_embedding(tmp_path, monkeypatch, opens):
    monkeypatch.setattr(run, "Embedder", FakeEmbedder)
    cells = counts()
    cells.write_h5ad(tmp_path / "cells.h5ad")
    opens.clear()
    request = EmbedRequest(
        tmp_path / "cells.h5ad", tmp_path / "out.h5ad", EmbedderRequest("scfoundation")
    )
    result = embed(request)
    assert opens.count("cells.h5ad") == 1
    assert (result.n_obs, result.width) == (6, 2)
    assert result.reasons == {"no expressed gene": 1}
    found = ad.read_h5ad(tmp_path / "out.h5ad")
    np.testing.assert_array_equal(found.X.toarray(), cells.X.toarray())
    totals = cells.X.toarray().sum(axis=1)
    totals[2] = np.nan
    np.testing.assert_array_equal(found.obsm["X_scfoundation"][:, 0], totals)
    assert found.uns["scatd"]["prepare"]["source"] == "elsewhere"
    assert found.uns["scatd"]["embed"]["X_scfoundation"]["layer"] == "X"


def test_a_zarr_and_a_table_become_h5ad_or_zarr(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "Embedder", FakeEmbedder)
    cells = counts()
    cells.write_zarr(tmp_path / "cells.zarr")
    cells.to_df().to_csv(tmp_path / "cells.csv")
    for name in ("cells.zarr", "cells.csv"):
        for target, read in (("h5ad", ad.read_h5ad), ("zarr", ad.read_zarr)):
            output = tmp_path / f"{name}.{target}"
            embed(EmbedRequest(tmp_path / name, output, EmbedderRequest("scfoundation")))
            check(read(output), cells)


def check(found, cells):
    np.testing.assert_array_equal(found.X.toarray(), cells.X.toarray())
    assert list(found.obs_names) == list(cells.obs_names)
    totals = cells.X.toarray().sum(axis=1)
    totals[2] = np.nan
    np.testing.assert_array_equal(found.obsm["X_scfoundation"][:, 0], totals)
    reasons = found.obs["X_scfoundation_reason"].tolist()
    assert reasons == ["", "", "no expressed gene", "", "", ""]
