"""A registered version by plain MLflow: arrays, tables, the example, and one-line refusals."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import anndata as ad
import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import convert_input_example_to_serving_input, validate_serving_input
from packaging.version import Version

from scatd import registry, tracking
from scatd.artifact import Artifact
from scatd.cards.card import About, FeaturesRead
from scatd.drawn_rows import drawn_rows
from scatd.nn.alignment import Alignment, FeatureStats
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.scoring import Scorer
from tests import forked
from tests.candidates import KINDS, candidate, response_network, stored

GENES = tuple(f"GENE{number}" for number in range(12))
SIZES = Sizes(12, 6, (10, 8), (8, 10))


def register(model, name, drug="d"):
    tags = {"scatd.drug": drug} if model.kind == "response" else {}
    with tracking.parent_run("transfer", name=name, tags={}, settings={}) as run:
        registry.register_artifact(model, name, run.run_id, metrics={}, description="", tags=tags)
    return mlflow.pyfunc.load_model(f"models:/{name}@staging")


def expression_model(scale="log1p"):
    torch.manual_seed(1)
    state = ResponseClassifier(SIZES, DESIGNS["dist"]).state_dict()
    stats = FeatureStats(torch.zeros(12), torch.ones(12), 50)
    about = About(features=FeaturesRead(12, "X", GENES), drug="D", drug_key="d", input_scale=scale)
    alignment = Alignment("adain", stats, stats)
    return Artifact("response", "dist", "dist", SIZES, state, alignment, 0.5, about=about)


@pytest.fixture
def cells():
    return np.random.default_rng(0).normal(size=(9, 12)).astype(np.float32)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "deep"])
def test_every_candidate_takes_arrays_and_named_tables(store, cells, kind):
    network = response_network()
    made = stored(candidate(kind, network), network)
    model = register(made, "scatd-sf-d")
    expected = Scorer(made).score(cells).prob_resistant
    named = pd.DataFrame(cells, columns=[f"scFoundation_{n}" for n in range(12)])
    for given in (cells, cells.astype(np.float64), named, named.iloc[:, ::-1], cells.tolist()):
        np.testing.assert_array_equal(model.predict(given)["prob_resistant"], expected)
    with pytest.raises(MlflowException, match=r"scatd\.predict"):
        model.predict(ad.AnnData(cells))


def test_expression_is_read_by_gene(store, cells):
    made = expression_model()
    model = register(made, "scatd-dist-d")
    table = pd.DataFrame(np.abs(cells), columns=list(GENES), index=[f"c{n}" for n in range(9)])
    found = model.predict(table.sample(frac=1, axis=1, random_state=0))
    expected = Scorer(made).score(np.abs(cells)).prob_resistant
    np.testing.assert_array_equal(found["prob_resistant"], expected)
    assert list(found.index) == list(table.index)
    with pytest.raises(MlflowException, match="lack 1 of the 12 genes"):
        model.predict(table.drop(columns="GENE3"))


def test_a_backbone_takes_the_same(store, cells):
    vae = ResidualVAE(SIZES, DESIGNS["sf"]).eval()
    model = register(Artifact("backbone", "sf", "sf", SIZES, vae.state_dict()), "scatd-sf-backbone")
    with torch.no_grad():
        expected = vae.encode(torch.from_numpy(cells))[0].numpy()
    for given in (cells, cells.astype(np.float64), pd.DataFrame(cells)):
        np.testing.assert_array_equal(model.predict(given), expected)
    with pytest.raises(MlflowException, match="feature scFoundation_0 is nan"):
        model.predict(cells * np.nan)


def test_a_refusal_is_one_error_in_one_line(store, cells):
    model = register(expression_model(), "scatd-dist-d")
    for given in (ad.AnnData(cells), cells[:, :3], cells[0], cells * np.nan, [["a"] * 12]):
        with pytest.raises(MlflowException) as caught:
            model.predict(given)
        assert len(str(caught.value).splitlines()) == 1
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
        assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    with pytest.raises(MlflowException, match=r"threshold is 2\.0"):
        model.predict(np.abs(cells), params={"threshold": 2.0})


@pytest.mark.filterwarnings("ignore:.*validate_serving_input.*:FutureWarning")
def test_the_example_is_scored_as_the_pages_of_mlflow_show(store):
    model = register(expression_model(), "scatd-dist-d")
    example = model.input_example
    assert list(example.columns) == list(GENES)
    assert len(example) == 2
    scored = model.predict(example)["prob_resistant"]
    np.testing.assert_array_equal(model.predict(pd.DataFrame(example))["prob_resistant"], scored)
    payload = convert_input_example_to_serving_input(example)
    assert set(json.loads(payload)) == {"dataframe_split"}
    served = validate_serving_input("models:/scatd-dist-d@staging", payload)
    np.testing.assert_array_equal(served["prob_resistant"], scored)


def test_what_a_version_takes_is_written_with_it(store):
    model = register(expression_model(), "scatd-dist-d")
    assert "(n_cells, 12)" in model.metadata.metadata["input"]
    assert "GENE0, ..., GENE11" in model.metadata.metadata["input"]
    assert model.metadata.get_input_schema() is None, "MLflow would refuse arrays or tables"
    assert model.metadata.get_output_schema().input_names() == ["prob_resistant", "response"]
    assert [spec.name for spec in model.metadata.get_params_schema()] == ["threshold", "mc_samples"]


def test_no_version_asks_for_a_scatd_of_a_package_index(store):
    register(expression_model(), "scatd-dist-d")
    folder = registry.fetch(registry.get("scatd-dist-d", 1)).parents[1]
    for name in ("requirements.txt", "conda.yaml", "python_env.yaml"):
        assert "scatd" not in (folder / name).read_text()


def test_registering_says_nothing_on_the_terminal(store, caplog):
    with caplog.at_level(logging.INFO):
        register(expression_model(), "scatd-dist-d")
    assert [r for r in caplog.records if r.name.startswith("mlflow.pyfunc")] == []


def test_without_scatd_loading_says_what_is_missing(store):
    register(expression_model(), "scatd-dist-d")
    script = """
import sys, mlflow
from pathlib import Path
sys.modules["scatd.scoring"] = None
try:
    mlflow.pyfunc.load_model("models:/scatd-dist-d@staging")
except mlflow.MlflowException as error:
    print(error)
"""
    done = forked.run(script)
    assert done.returncode == 0, done.stderr
    assert "This model needs the Python package scatd" in done.stdout
    assert len(done.stdout.splitlines()) == 1


# Rows that belong to no patient --------------------------------------------------------------
def test_drawn_rows_have_the_statistics_that_are_stored():
    mean, std = torch.linspace(5, 9, 12), torch.linspace(0.1, 1, 12)
    stats = FeatureStats(mean, std, 50)
    made = replace(expression_model(), alignment=Alignment("none", reference=stats))
    rows = drawn_rows(made, 4000, seed=3)
    np.testing.assert_allclose(rows.mean(axis=0), mean, atol=0.1)
    np.testing.assert_allclose(rows.std(axis=0), std, rtol=0.1)
    np.testing.assert_array_equal(rows, drawn_rows(made, 4000, seed=3))
    assert not np.array_equal(rows, drawn_rows(made, 4000, seed=4))


def test_drawn_expression_is_never_negative_where_the_scale_is_not():
    assert drawn_rows(expression_model(), 20, seed=0).min() == 0
    assert drawn_rows(expression_model("zscore"), 20, seed=0).min() < 0
    bare = replace(expression_model("zscore"), alignment=Alignment("none"))
    assert abs(drawn_rows(bare, 4000, seed=0).std() - 1) < 0.05


def test_every_pin_of_a_model_can_be_installed(store):
    """No package that is on no index, and no version that only this computer has."""
    import yaml

    register(expression_model(), "scatd-dist-d")
    folder = Path(mlflow.artifacts.download_artifacts("models:/scatd-dist-d@staging"))
    pins = (folder / "requirements.txt").read_text().split()
    assert {pin.partition("==")[0] for pin in pins} == {
        "mlflow", "numpy", "pandas", "safetensors", "torch",
    }  # fmt: skip
    for pin in pins:
        name, _, version = pin.partition("==")
        assert version == Version(metadata.version(name)).public, pin
        assert not Version(version).is_devrelease, pin
    conda = yaml.safe_load((folder / "conda.yaml").read_text())["dependencies"]
    assert conda[-1]["pip"] == pins
    environment = yaml.safe_load((folder / "python_env.yaml").read_text())
    build = [pin.partition("==") for pin in environment["build_dependencies"]]
    assert all(version == metadata.version(name) for name, _, version in build if version)
    assert environment["dependencies"] == ["-r requirements.txt"]
    assert (folder / "input_example.json").exists()
