"""A prediction: computed on opened cells, then written; the file of the cells is opened once."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scatd import registry
from scatd.keys import SCORE_SUFFIXES
from scatd.scoring import Scorer
from scatd.workflows.cohorts.features import scoring_input
from scatd.workflows.predict.output import annotate
from scatd.workflows.predict.request import PredictRequest
from scatd.workflows.predict.run import predict, score_cells, score_file


@pytest.fixture
def cells(copied_registry):
    """Cells with the twelve features of the registered model, and counts beside them."""
    rng = np.random.default_rng(0)
    made = ad.AnnData(
        sparse.csr_matrix(rng.integers(0, 4, (20, 5)).astype(np.float32)),
        obs=pd.DataFrame({"site": "lung"}, index=[f"cell{number}" for number in range(20)]),
        var=pd.DataFrame(index=[f"GENE{number}" for number in range(5)]),
        obsm={"X_scfoundation": rng.normal(size=(20, 12)).astype(np.float32)},
    )
    made.write_h5ad(copied_registry / "cells.h5ad")
    return made


def model():
    ref = registry.resolve("docetaxel", stage="production", families=["sf"])
    return ref, Scorer(registry.fetch(ref))


@pytest.mark.parametrize("suffix", SCORE_SUFFIXES)
def test_the_file_of_the_cells_is_opened_once(cells, copied_registry, opens, suffix):
    """Also where the whole cohort goes into the output: it comes from the same open file."""
    output = copied_registry / f"scored{suffix}"
    opens.clear()
    predict(PredictRequest("docetaxel", copied_registry / "cells.h5ad", output, device="cpu"))
    assert opens.count("cells.h5ad") == 1
    assert output.exists()


def test_without_an_output_nothing_is_written_and_the_scores_are_the_same(cells, copied_registry):
    path, output = copied_registry / "cells.h5ad", copied_registry / "scored.h5ad"
    written = predict(PredictRequest("docetaxel", path, output, device="cpu"))
    scored = ad.read_h5ad(output)
    output.unlink()
    before = sorted(copied_registry.rglob("*"))
    kept = score_file(PredictRequest("docetaxel", path, None, device="cpu"), *model())
    assert sorted(copied_registry.rglob("*")) == before
    assert kept.result.output is None
    assert kept.result.totals.to_mapping() == written.totals.to_mapping()
    column = "scatd_docetaxel_prob_resistant"
    np.testing.assert_array_equal(kept.table["prob_resistant"], scored.obs[column])
    np.testing.assert_array_equal(kept.latent, scored.obsm["X_scatd_sf"])


def test_cells_in_memory_get_the_scores_of_their_file(cells, copied_registry):
    output = copied_registry / "scored.h5ad"
    predict(PredictRequest("docetaxel", copied_registry / "cells.h5ad", output, device="cpu"))
    ref, scorer = model()
    request = PredictRequest("docetaxel", None, None)
    with scoring_input(cells, ref.family, scorer.card, request.preparation, scorer.device) as given:
        result = score_cells(request, ref, scorer, given)
        annotated = given.opened.whole()
    annotate(annotated, result)
    found = ad.read_h5ad(output)
    column = "scatd_docetaxel_prob_resistant"
    np.testing.assert_array_equal(annotated.obs[column], found.obs[column])
    np.testing.assert_array_equal(annotated.obsm["X_scatd_sf"], found.obsm["X_scatd_sf"])
    assert annotated.uns["scatd"]["docetaxel"]["version"] == ref.version
    assert column not in cells.obs


def test_every_kind_of_output_says_the_same(cells, copied_registry):
    files = {suffix: copied_registry / f"scored{suffix}" for suffix in SCORE_SUFFIXES}
    for output in files.values():
        predict(PredictRequest("docetaxel", copied_registry / "cells.h5ad", output, device="cpu"))
    whole = ad.read_h5ad(files[".h5ad"])
    expected = whole.obs["scatd_docetaxel_prob_resistant"].to_numpy()
    table = pd.read_csv(files[".csv"])
    np.testing.assert_allclose(table["prob_resistant"], expected, rtol=1e-15)
    np.testing.assert_array_equal(pd.read_parquet(files[".parquet"])["prob_resistant"], expected)
    said = json.loads(files[".json"].read_text())
    assert said["model"]["drug"] == "docetaxel"
    assert [cell["barcode"] for cell in said["cells"]] == list(whole.obs_names)
    calls = whole.obs["scatd_docetaxel_response"].astype(str).tolist()
    assert calls == table["response"].tolist()
