"""A registered candidate is loaded by plain MLflow, without the library that fitted it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from scatd import registry, tracking
from tests.candidates import KINDS, candidate, response_network, rows, stored

NAMES = {kind: f"drug{number}" for number, kind in enumerate(KINDS) if kind != "deep"}

LOAD_ELSEWHERE = """
import sys
for name in ("sklearn", "scipy", "anndata", "scanpy", "optuna", "h5py", "matplotlib"):
    sys.modules[name] = None
import mlflow, numpy as np
for drug in sys.argv[1:]:
    model = mlflow.pyfunc.load_model(f"models:/scatd-sf-{drug}@production")
    model.predict(np.load("cells.npy")).to_csv(f"elsewhere-{drug}.csv", index=False)
    try:
        model.predict(np.load("cells.npy"), params={"mc_samples": 5})
        print(drug, "draws")
    except Exception as error:
        print(drug, error)
"""


def register(folder, kind):
    network = response_network()
    from scatd import artifact

    artifact.write(folder / NAMES[kind], stored(candidate(kind, network), network))
    name = f"scatd-sf-{NAMES[kind]}"
    with tracking.parent_run("transfer", name=kind, tags={}, settings={}) as run:
        version = registry.register_artifact(
            folder / NAMES[kind], name, run.run_id,
            metrics={}, description="", tags={"scatd.drug": NAMES[kind]},
        )  # fmt: skip
    registry.promote(name, version, reason="a test", evidence_run_id="none")
    return name


@pytest.fixture(scope="module")
def all_registered(migrated_store, tmp_path_factory):
    """A folder with the store, and the names of the models."""
    folder = tmp_path_factory.mktemp("registered")
    shutil.copy(migrated_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.chdir(folder)
        return folder, {kind: register(folder, kind) for kind in NAMES}


@pytest.fixture
def registered(store, all_registered):
    folder, names = all_registered
    shutil.copy(folder / "mlflow.db", store)
    return names


def test_production_models_in_a_process_without_scikit_learn(registered, run_scatd):
    cells, _ = rows(700, seed=8)
    np.save("cells.npy", cells)
    for drug in NAMES.values():
        run_scatd("predict", "--drug", drug, "cells.npy", "-o", f"ours-{drug}.csv")
    environment = os.environ | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    command = [sys.executable, "-c", LOAD_ELSEWHERE, *NAMES.values()]
    done = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
    seen = []
    for kind, drug in NAMES.items():
        ours, elsewhere = (pd.read_csv(f"{who}-{drug}.csv") for who in ("ours", "elsewhere"))
        prob = elsewhere["prob_resistant"].to_numpy()
        np.testing.assert_allclose(prob, ours["prob_resistant"], rtol=0, atol=1e-6)
        assert list(elsewhere["response"]) == list(ours["response"])
        assert np.ptp(prob) > 0.2
        seen.append(prob)
        said = f"{drug} draws" if kind == "network" else f"{drug} --mc-samples or"
        assert said in done.stdout
    assert np.abs(np.diff(seen, axis=0)).max(axis=1).min() > 0.01, "two drugs with the same scores"


def test_a_logged_model_asks_for_what_loading_needs(registered):
    for name in registered.values():
        folder = registry.fetch(registry.get(name, 1)).parents[1]
        listed = (folder / "requirements.txt").read_text().split()
        packages = {line.partition("==")[0] for line in listed}
        assert packages == {"mlflow", "numpy", "pandas", "safetensors", "torch"}
        assert {path.name for path in folder.rglob("*.safetensors")} == {"model.safetensors"}
        assert not list(folder.rglob("*.pkl"))
