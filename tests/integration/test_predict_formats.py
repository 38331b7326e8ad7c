"""Raw counts in every readable kind of file are embedded and scored by one command."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from scatd import artifact, registry, tracking
from scatd.artifact import Artifact
from scatd.data.downloads import cache_folder
from scatd.data.preparation import Preparation
from scatd.errors import InputError
from scatd.nn.alignment import Alignment, feature_stats
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, Sizes
from scatd.scoring import Scorer
from scatd.workflows.cohorts.features import scoring_input
from tests.containers import WRITERS
from tests.text_tables import TEXT_WRITERS

WIDTH = 64
"""Features of the tiny weights."""
KINDS = (
    *("cells x genes, csv", "genes x cells, csv", "genes x cells, tsv", "genes x cells, txt.gz"),
    *("R, blanks", "featureCounts", "parquet", "h5ad rows", "zarr 3 rows"),
    *("10x h5 of Cell Ranger 3", "mtx by cell", "loom"),
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def weights(golden):
    """Tiny weights of scFoundation's design."""
    return str(golden / "scfoundation" / "models.ckpt")


@pytest.fixture(scope="module")
def expected(golden):
    """Embeddings of the ten cells by the published code."""
    return np.load(golden / "scfoundation" / "expected.npz")["baron__F__f1__all__rde"]


@pytest.fixture(scope="module")
def ten_cells(real_data):
    """Raw counts of ten real cells."""
    counts = pd.read_csv(real_data / "counts/baron_10x19264.csv.gz", index_col=0)
    return counts.set_axis([f"cell{number:02}" for number in range(10)], axis=0).astype(int)


@pytest.fixture(scope="module")
def cache(reference_tables, tmp_path_factory):
    """A cache with the order of the genes; embeddings that were computed once stay in it."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCATD_CACHE", str(folder))
        genes = cache_folder() / "downloads" / "scfoundation-genes"
        genes.mkdir(parents=True)
        shutil.copy(reference_tables / "scfoundation" / "OS_scRNA_gene_index.19264.tsv", genes)
        yield folder


@pytest.fixture(scope="module")
def model():
    """A response model of random weights that reads these embeddings."""
    torch.manual_seed(0)
    sizes = Sizes(WIDTH, 6, (10, 8), (8, 10))
    head = ResponseClassifier(sizes, DESIGNS["sf"])
    head.train()(torch.randn(64, WIDTH))
    alignment = Alignment("none", reference=feature_stats([torch.randn(64, WIDTH)]))
    return Artifact("response", "sf", "sf", sizes, head.state_dict(), alignment, threshold=0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_counts_of_every_kind_give_the_published_embedding(
    tmp_path, ten_cells, cache, weights, expected, model, kind
):
    path = {**WRITERS, **TEXT_WRITERS}[kind](tmp_path, ten_cells)
    preparation = Preparation(weights=weights)
    with scoring_input(path, "sf", model.card(), preparation, CPU) as given:
        np.testing.assert_allclose(given.X, expected, rtol=0, atol=1e-4)
        assert list(np.asarray(given.ids)) == list(ten_cells.index)
        assert not any(given.reasons)


@pytest.fixture
def registered(store, model):
    """The model in production."""
    artifact.write(store / "model", model)
    with tracking.parent_run("transfer", name="tiny", tags={}, settings={}) as run:
        registry.register_artifact(
            *(store / "model", "scatd-sf-docetaxel", run.run_id),
            metrics={"auroc": 0.8}, description="tiny", tags={"scatd.drug": "docetaxel"},
        )  # fmt: skip
    registry.promote("scatd-sf-docetaxel", 1, reason="a test", evidence_run_id="none")
    return Scorer(artifact.read(store / "model"))


@pytest.mark.parametrize("kind", ["as published", "genes x cells, csv"])
def test_predict_scores_a_table_of_counts(
    run_scatd, registered, tmp_path, real_data, ten_cells, cache, weights, expected, kind
):
    if kind == "as published":
        path = real_data / "counts/baron_10x19264.csv.gz"
    else:
        path = TEXT_WRITERS[kind](tmp_path, ten_cells)
    output = tmp_path / "scores.csv"
    done = run_scatd("predict", path, "--drug", "docetaxel", "--weights", weights, "-o", output)
    assert "is a table of genes, so its cells are embedded first" in done.output
    assert ("genes x samples (19264 x 10): turned" in done.output) == (kind != "as published")
    found = pd.read_csv(output)["prob_resistant"]
    ours = registered.score(expected.astype(np.float32)).prob_resistant
    np.testing.assert_allclose(found, ours, atol=1e-4)


def test_without_weights_a_table_of_counts_is_told_how_to_embed_it(
    run_scatd, registered, tmp_path, ten_cells, monkeypatch
):
    monkeypatch.setenv("SCATD_CACHE", str(tmp_path / "empty"))
    path = TEXT_WRITERS["genes x cells, csv"](tmp_path, ten_cells)
    done = run_scatd("predict", path, "--drug", "docetaxel", "-o", tmp_path / "s.csv", code=2)
    assert f"scatd embed {path} --backend scfoundation" in done.output
    assert "features a row" not in done.output


def test_an_array_of_counts_has_no_names_of_genes(tmp_path, ten_cells, model, weights):
    np.save(tmp_path / "cells.npy", ten_cells.to_numpy(np.float32))
    with (
        pytest.raises(InputError, match=r"An array has no names: write the counts as \.h5ad"),
        scoring_input(
            tmp_path / "cells.npy", "sf", model.card(), Preparation(weights=weights), CPU
        ),
    ):
        pass
