"""`scatd explain --gene-cells`: from counts through a foundation model to genes."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from scatd import artifact, keys, registry, tracking
from scatd.artifact import Artifact
from scatd.candidates.linear import Linear
from scatd.nn.alignment import Alignment
from scatd.nn.classifier import HEAD_PREFIXES, ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, Sizes

N_GENES = 40
GENES = [f"ENSG{number:011d}" for number in range(1, N_GENES + 1)]
HIDDEN = 16


@pytest.fixture
def geneformer(tmp_path):
    """A folder with a tiny Geneformer and its dictionaries."""
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=N_GENES + 2, hidden_size=HIDDEN, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64, initializer_range=0.5,
    )  # fmt: skip
    folder = tmp_path / "geneformer"
    BertForMaskedLM(config).save_pretrained(folder)
    tokens = {gene: number + 2 for number, gene in enumerate(GENES)}
    (folder / "token_dictionary.json").write_text(json.dumps(tokens))
    (folder / "gene_median_dictionary.json").write_text(json.dumps(dict.fromkeys(GENES, 1.0)))
    return folder


@pytest.fixture(params=["network", "linear"])
def model(store, tmp_path, request):
    """A response model of family gf for this width, at staging."""
    torch.manual_seed(1)
    classifier = ResponseClassifier(Sizes(HIDDEN, 8, (24,), (24,)), DESIGNS["gf"])
    with torch.no_grad():
        for _ in range(3):
            classifier.train()(torch.randn(50, HIDDEN))
    state, candidate = classifier.state_dict(), None
    if request.param == "linear":
        state = {name: state[name] for name in state if not name.startswith(HEAD_PREFIXES)}
        candidate = Linear(np.random.default_rng(0).normal(size=HIDDEN), 0.0)
    stored = Artifact(
        *("response", "gf", "gf", classifier.sizes, state, Alignment("none"), 0.5),
        candidate=candidate,
    )
    artifact.write(tmp_path / "model", stored)
    with tracking.parent_run("transfer", name="made", tags={}, settings={}) as run:
        registry.register_artifact(
            *(tmp_path / "model", keys.response_model_name("gf", "docetaxel"), run.run_id),
            metrics={},
            description="made by hand",
            tags={keys.TAG_DRUG: "docetaxel"},
        )


@pytest.fixture
def counts(tmp_path):
    rng = np.random.default_rng(0)
    X = sparse.csr_matrix(rng.poisson(3.0, (12, N_GENES)).astype(np.float32))
    obs = pd.DataFrame(index=[f"cell{row}" for row in range(12)])
    ad.AnnData(X, obs=obs, var=pd.DataFrame(index=GENES)).write_h5ad(tmp_path / "counts.h5ad")
    return tmp_path / "counts.h5ad"


def explain(scatd, *words, code=0):
    return scatd(
        *("explain", "--drug", "docetaxel", "--family", "gf", "--stage", "staging"),
        *words,
        code=code,
    )


def test_genes_of_an_embedding_model(scatd, model, geneformer, counts):
    said = explain(
        *(scatd, counts, "--weights", geneformer, "--gene-cells", 6, "--top", 5),
    ).output
    assert "First genes, through the foundation model, of 6 cells" in said
    found = tracking.finished_runs({keys.TAG_LEVEL: keys.LEVEL_EXPLANATION})[0]
    run = tracking.Run(tracking.connect(), found.run_id)
    table = pd.read_csv(run.fetch("tables/genes.csv"))
    assert set(table["feature"]) <= set(GENES)
    assert table["feature"].is_unique
    assert table["n_cells"].max() <= 6
    assert table["mean_abs_resistant"].is_monotonic_decreasing
    assert "control/genes_stability" in found.metrics
    assert "control/genes_randomised_model" in found.metrics
    features = pd.read_csv(run.fetch("tables/importance.csv"))
    assert features["feature"].str.startswith("Geneformer_").all()


@pytest.mark.parametrize("model", ["network"], indirect=True)
def test_genes_need_counts(scatd, model, tmp_path):
    np.save(tmp_path / "embedded.npy", np.random.default_rng(0).normal(size=(9, HIDDEN)))
    done = explain(scatd, tmp_path / "embedded.npy", "--gene-cells", 3, "--no-controls", code=2)
    assert "holds no counts to carry the attribution to" in done.output
