"""`scatd explain` of registered linear models, trees and means: exact, with every control."""

from __future__ import annotations

import os
import shutil

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import logit

from scatd import artifact, keys, registry, tracking
from scatd.artifact import Artifact
from scatd.candidates.linear import Linear
from scatd.candidates.mean import Mean
from scatd.candidates.network import Network
from scatd.nn.alignment import Alignment, feature_stats
from scatd.nn.classifier import HEAD_PREFIXES, ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, Sizes
from tests.random_trees import random_trees

N_FEATURES, N_CELLS = 24, 40
NAMES = ("linear", "trees", "mean", "mean_with_network")


def candidate_of(name, network):
    linear = Linear(np.random.default_rng(0).normal(size=N_FEATURES) / 5, -0.2)
    trees = random_trees(1, 30, N_FEATURES, 5)
    found = {"linear": linear, "trees": trees, "mean": Mean((linear, trees), 1.2, 0.1)}
    found["mean_with_network"] = Mean((linear, trees, Network(network)), 0.9, -0.1)
    return found[name]


@pytest.fixture(scope="module")
def models(migrated_store, tmp_path_factory):
    """A working folder with a staged version of every candidate; the drug is named like it."""
    folder = tmp_path_factory.mktemp("candidates")
    shutil.copy(migrated_store, folder / "mlflow.db")
    torch.manual_seed(0)
    network = ResponseClassifier(Sizes(N_FEATURES, 8, (16,), (16,)), DESIGNS["sf"])
    with torch.no_grad():
        for _ in range(3):
            network.train()(torch.randn(50, N_FEATURES))
    network.eval()
    state = network.state_dict()
    encoder = {name: state[name] for name in state if not name.startswith(HEAD_PREFIXES)}
    alignment = Alignment("none", reference=feature_stats([torch.randn(64, N_FEATURES)]))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.chdir(folder)
        for name in NAMES:
            stored = Artifact(
                *("response", "sf", "sf", network.sizes, encoder, alignment, 0.5),
                candidate=candidate_of(name, network),
            )
            artifact.write(folder / name, stored)
            drug = name.replace("_", "")
            with tracking.parent_run("transfer", name="made", tags={}, settings={}) as run:
                registry.register_artifact(
                    *(folder / name, keys.response_model_name("sf", drug), run.run_id),
                    metrics={},
                    description="made by hand",
                    tags={keys.TAG_DRUG: drug},
                )
    return folder


@pytest.fixture(scope="module")
def cells_file(task, tmp_path_factory):
    """Few cells: controls explain each of them many times."""
    path = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    ad.read_h5ad(task.target)[:N_CELLS].copy().write_h5ad(path)
    return path


@pytest.fixture
def here(models, monkeypatch):
    monkeypatch.chdir(models)
    return models


def explain(scatd, name, *words, code=0):
    return scatd(
        "explain", "--drug", name, "--family", "sf", "--stage", "staging", *words, code=code
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_candidate_is_explained(here, task, cells_file, run_scatd, name):
    said = explain(
        *(run_scatd, name, cells_file, "-o", f"{name}.h5ad", "--target", "both", "--top", "8"),
        *("--source", task.source, "--labels", f"{task.labels}:DOCETAXEL"),
    ).output
    cells = ad.read_h5ad(f"{name}.h5ad")
    total = cells.layers["attribution_resistant"].sum(axis=1, dtype=np.float64)
    # The baseline is the same for all, so it falls out of differences between cells.
    odds = logit(cells.obs["prob_resistant"].to_numpy())
    is_exact = name != "mean_with_network"
    np.testing.assert_allclose(total - total[0], odds - odds[0], atol=1e-6 if is_exact else 5e-3)
    whole = cells.obs[keys.BASELINE_LOGIT].to_numpy() + total
    np.testing.assert_allclose(whole, odds, atol=1e-6 if is_exact else 5e-3)
    np.testing.assert_array_equal(
        cells.layers["attribution_sensitive"], -cells.layers["attribution_resistant"]
    )
    found = tracking.finished_runs({keys.TAG_LEVEL: keys.LEVEL_EXPLANATION})[0]
    run = tracking.Run(tracking.connect(), found.run_id)
    convergence = pd.read_csv(run.fetch("tables/convergence.csv")).iloc[0]
    assert convergence["tolerance"] == (1e-6 if is_exact else 1e-3)
    assert convergence["max"] < (1e-9 if is_exact else 5e-3)
    controls = pd.read_csv(run.fetch("tables/controls.csv")).set_index("control")
    ran = [
        "permuted_labels",
        "stability",
        "randomised_model",
        "deletion",
        "insertion",
        "perturbation",
    ]
    assert controls["status"][ran].isin(["passed", "failed"]).all()
    if name == "linear":  # the slope of a feature is its weight
        assert controls["value"]["perturbation"] > 0.999
    about = cells.uns["scatd"][name.replace("_", "")]
    assert about["candidate"].startswith(name.partition("_")[0])
    assert about["attribution"].startswith("log odds by exact")
    assert (about["attribution"].endswith("in place of Integrated Gradients")) == is_exact
    assert about["attribution"] in said
    assert about["attribution"] in run.client.get_run(run.run_id).data.tags["mlflow.note.content"]


def test_gradient_shap_is_replaced_and_lists_are_compared(here, cells_file, run_scatd, tmp_path):
    for baseline in ("random", "reference"):
        said = explain(
            *(run_scatd, "trees", cells_file, "--no-controls", "--method", "gradshap"),
            *("--baseline", baseline, "--logits", "centred", "-o", tmp_path / f"{baseline}.csv"),
            *("--published-csv", tmp_path / f"published-{baseline}"),
        ).output
        assert "half the log odds by exact Shapley values, in place of GradientSHAP" in said
        assert f"100.0% of {N_CELLS} are within 1e-06" in said
        assert (tmp_path / f"published-{baseline}" / "trees_resistant_shap_values.csv").exists()
    files = [tmp_path / "random.csv", tmp_path / "reference.csv"]
    assert "spearman" in run_scatd("explain", "compare", *files).output


@pytest.mark.parametrize("name", ["trees", "mean"])
def test_trees_carry_nothing_to_genes(here, cells_file, run_scatd, name):
    n_before = len(tracking.finished_runs({keys.TAG_LEVEL: keys.LEVEL_EXPLANATION}))
    done = explain(run_scatd, name, cells_file, "--gene-cells", 3, code=2)
    assert "no gradient that could be carried through the foundation model" in done.output
    assert "Leave --gene-cells out" in done.output
    assert len(tracking.finished_runs({keys.TAG_LEVEL: keys.LEVEL_EXPLANATION})) == n_before
