"""What a command imports for a small piece of work: users wait for its start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from scatd import artifact, registry, tracking
from scatd.artifact import Artifact
from scatd.nn.alignment import Alignment
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, Sizes

SIZES = Sizes(12, 6, (10, 8), (8, 10))
NAME = "scatd-sf-afatinib"
SCRIPT = """
import sys
from scatd.cli import main
main({words!r}, standalone_mode=False)
print("imported", *sorted(sys.modules))
"""


@pytest.fixture
def registered(store, tmp_path):
    """A store with one model, at staging, and its model folder."""
    torch.manual_seed(3)
    model = ResponseClassifier(SIZES, DESIGNS["sf"])
    model.train()(torch.randn(64, 12))
    stored = Artifact("response", "sf", "sf", SIZES, model.state_dict(), Alignment("none"), 0.4)
    artifact.write(tmp_path / "model", stored)
    with tracking.parent_run("transfer", name=NAME, tags={}, settings={}) as run:
        tags = {"scatd.drug": "afatinib"}
        registry.register_artifact(
            tmp_path / "model", NAME, run.run_id, metrics={}, description="", tags=tags
        )
    return tmp_path / "model"


def imported(*words: str) -> set[str]:
    """Modules that are loaded when a command has done its work, in a process of its own."""
    here = str(Path(artifact.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(words=list(words))],
        env=os.environ | {"PYTHONPATH": here, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("imported ")[2].split())


def test_a_registry_is_listed_without_torch(registered):
    found = imported("registry", "list")
    assert "mlflow" in found
    assert not found & {"torch", "anndata", "sklearn", "matplotlib", "scipy.stats"}


def test_a_table_is_scored_without_what_only_other_inputs_need(registered):
    rows = np.random.default_rng(0).normal(size=(60, 12)).astype(np.float32)
    names = [f"scFoundation_{number}" for number in range(12)]
    ids = [f"cell{number}" for number in range(60)]
    pd.DataFrame(rows, ids, names).rename_axis("cell").to_csv("cells.csv")
    words = ("--drug", "afatinib", "--stage", "staging", "cells.csv", "-o", "scored.csv")
    found = imported("predict", *words)
    assert "torch" in found
    heavy = {"anndata", "zarr", "dask", "sklearn", "matplotlib", "torch._dynamo", "transformers"}
    assert not found & heavy
    scored = pd.read_csv("scored.csv")
    with torch.no_grad():  # an independent reading of the file
        model = artifact.read(registered).classifier()
        expected = model(torch.from_numpy(rows)).softmax(dim=1)[:, 1]
    np.testing.assert_allclose(scored["prob_resistant"], expected, atol=1e-4)


def test_a_loaded_network_shares_no_memory_with_its_model_folder(registered):
    """Weights are put in place, and not drawn first; training it must not change the artifact."""
    held = artifact.read(registered)
    model = held.classifier()
    for name, value in model.state_dict().items():
        assert torch.equal(value, held.state[name]), name
        assert value.device.type == "cpu"
        assert value.data_ptr() != held.state[name].data_ptr()
