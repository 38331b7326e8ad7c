"""From a table of responses and structures to scores of a drug that was never seen."""

from __future__ import annotations

import dataclasses
import os
import shutil

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scatd
from scatd import artifact, keys, registry, tracking
from scatd.artifact import Artifact
from scatd.data.structures import fingerprint
from scatd.errors import InputError
from scatd.keys import artifact_paths
from scatd.workflows.models.promote import promote
from scatd.workflows.predict import by_structure
from tests.molecules import ETHYL_SALICYLATE, FAR, SMILES, needs_rdkit, write_inputs

pytestmark = needs_rdkit
NAME = "scatd-dist-anydrug"


@pytest.fixture(scope="module")
def trained(migrated_store, run_scatd, tmp_path_factory):
    """A folder with a store in which a small model is registered, and its inputs."""
    folder = tmp_path_factory.mktemp("anydrug")
    shutil.copy(migrated_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.chdir(folder)
        paths = write_inputs(folder)
        said = run_scatd(*command(paths), "--folds", "4").stdout
    return folder, paths, said


@pytest.fixture
def here(trained, monkeypatch):
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(trained[0])
    return trained


def command(paths):
    tables = ("--ic50", paths["ic50"], "--smiles-table", paths["smiles"])
    return ("anydrug", paths["lines"], *tables, "--family", "dist", "--scale", "zscore")


def stored():
    return registry.read(registry.at(NAME, "staging"))


def predict(run_scatd, paths, *words, code=0):
    given = ("predict", *words, "--family", "dist", "--stage", "staging", paths["lines"])
    return run_scatd(*given, code=code)


@pytest.fixture
def lenient(here, monkeypatch):
    """The model with a threshold of 0.3: what a small table teaches of it is by chance."""
    found = stored()
    model = dataclasses.replace(found.anydrug, threshold=0.3)
    monkeypatch.setattr(by_structure, "read", lambda ref: dataclasses.replace(found, anydrug=model))
    return model


def test_the_model_is_registered_with_its_evidence(here):
    _, _, said = here
    assert f"{NAME} version 1 is registered" in said
    assert "16 drugs left out with close analogues" in said
    ref = registry.at(NAME, "staging")
    assert (ref.drug, ref.candidate) == ("anydrug", "anydrug")
    found = stored()
    assert list(found.structures.items()) == list(SMILES.items())
    assert found.sizes.n_features == 12
    run = tracking.Run(tracking.connect(), ref.run_id)
    table = pd.read_csv(run.fetch(artifact_paths.LEFT_OUT))
    assert list(table["drug"]) == list(SMILES)
    metrics = run.metrics()
    assert metrics["anydrug/n_drugs"] == 16
    assert metrics["anydrug/n_refused"] == table["refused"].sum()
    assert metrics["anydrug/lead_mean"] == pytest.approx(table["lead"].mean(), abs=1e-4)
    assert run.holds("figures/drugs_left_out.png")


def test_the_gate_decides_by_the_lead(here):
    metrics = stored().about.metrics
    leads = [metrics.get("lead_ci_low"), metrics.get("lead_new_answered_ci_low")]
    passes = all(lead is not None and lead > 0 for lead in leads)
    serving = registry.find(NAME, keys.PRODUCTION)
    assert (serving is not None) == passes
    if not passes:
        with pytest.raises(InputError, match="interval must lie wholly over 0"):
            promote("anydrug", family="dist")


def test_what_is_stored_is_checked(here, tmp_path):
    found = stored()
    artifact.write(tmp_path / "copy", found)
    again = artifact.read(tmp_path / "copy")
    bits = fingerprint(ETHYL_SALICYLATE)
    X = np.random.default_rng(0).normal(size=(5, 12))
    np.testing.assert_array_equal(
        again.anydrug.relative_response(X, bits), found.anydrug.relative_response(X, bits)
    )
    assert again.card() == found.card()
    weights = np.array(found.anydrug.weights)
    weights[0, 0] = np.nan
    with pytest.raises(InputError, match="NaN or infinite"):
        artifact.write(tmp_path / "nan", _with(found, weights=weights))
    with pytest.raises(InputError, match="tensor 'bits' is of shape"):
        artifact.write(tmp_path / "few", _with(found, bits=found.anydrug.bits[1:]))
    assert not (tmp_path / "few").exists()


def _with(found: Artifact, **changed) -> Artifact:
    return dataclasses.replace(found, anydrug=dataclasses.replace(found.anydrug, **changed))


def test_a_drug_that_is_like_known_ones_is_scored(here, run_scatd, tmp_path, lenient):
    _, paths, _ = here
    words = ("--drug-smiles", ETHYL_SALICYLATE, "-o", tmp_path / "scores.csv")
    said = predict(run_scatd, paths, *words).stdout
    assert "Methyl salicylate" in said
    assert "not a probability" in said
    scores = pd.read_csv(tmp_path / "scores.csv", keep_default_na=False)
    assert list(scores) == ["barcode", "relative_response", "reason"]
    lines = ad.read_h5ad(paths["lines"])
    expected = lenient.relative_response(lines.X, fingerprint(ETHYL_SALICYLATE))
    np.testing.assert_allclose(scores["relative_response"].astype(float), expected)
    # In an AnnData, the column has the name of the drug.
    named = ("--drug", "Ethyl salicylate", "--drug-smiles", ETHYL_SALICYLATE)
    predict(run_scatd, paths, *named, "-o", tmp_path / "scored.h5ad")
    scored = ad.read_h5ad(tmp_path / "scored.h5ad")
    np.testing.assert_allclose(scored.obs["scatd_ethylsalicylate_relative_response"], expected)
    assert "scatd_ethylsalicylate_prob_resistant" not in scored.obs
    assert "Methyl salicylate" in scored.uns["scatd"]["ethylsalicylate"]["nearest"]
    # The same numbers from Python.
    asked = {"drug_smiles": ETHYL_SALICYLATE, "family": "dist", "stage": "staging"}
    scatd.predict(lines, "Ethyl salicylate", **asked)
    np.testing.assert_array_equal(
        lines.obs["scatd_ethylsalicylate_relative_response"],
        scored.obs["scatd_ethylsalicylate_relative_response"],
    )


def test_a_drug_that_is_unlike_all_is_refused(here, run_scatd, tmp_path, lenient):
    _, paths, _ = here
    output = tmp_path / "scores.csv"
    refused = predict(run_scatd, paths, "--drug-smiles", FAR, "-o", output, code=2)
    said = " ".join(refused.stderr.split())
    assert "too unlike the 16 drugs that the model learned from" in said
    assert "at least 0.30" in said
    assert any(name in said for name in SMILES)
    assert not output.exists()


def test_a_known_drug_is_said_to_be_known(here, run_scatd, tmp_path):
    _, paths, _ = here
    words = ("--drug", "aspirin", "--smiles-table", paths["smiles"], "-o", tmp_path / "s.json")
    said = predict(run_scatd, paths, *words).stdout
    assert "The drug is known: the model was trained on Aspirin." in said


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--drug-smiles", "C1CC"), "cannot be read as a structure"),
        (("--drug", "Aspirine", "--smiles-table", "smiles.csv"), "Did you mean Aspirin?"),
        (("--drug", "anydrug"), "it is the name of the model of drugs never seen"),
        (("--drug", "X", "--drug-smiles", "CCO", "--smiles-table", "smiles.csv"), "beside"),
        (("--smiles-table", "smiles.csv"), "no drug is named"),
        ((), "no drug is named"),
        (("--drug-smiles", "CCO", "--mc-samples", "5"), "is not for a drug that is given by its"),
        (("--drug-smiles", "CCO", "--threshold", "0.5"), "is not for a drug that is given by its"),
    ],
)
def test_what_cannot_be_asked_is_refused(here, run_scatd, tmp_path, words, what):
    _, paths, _ = here
    said = predict(run_scatd, paths, *words, "-o", tmp_path / "s.csv", code=2).stderr
    assert what in " ".join(said.split())
    assert not (tmp_path / "s.csv").exists()


def test_plain_mlflow_scores_by_structure(here):
    import mlflow

    model = mlflow.pyfunc.load_model(f"models:/{NAME}/1")
    X = np.zeros((2, 12), dtype=np.float32)
    found = model.predict(X, params={"smiles": SMILES["Caffeine"]})
    expected = stored().anydrug.relative_response(X, fingerprint(SMILES["Caffeine"]))
    np.testing.assert_allclose(found["relative_response"], expected)
    with pytest.raises(mlflow.MlflowException, match="cannot be read as a structure"):
        model.predict(X, params={"smiles": "C1CC"})


def test_other_commands_do_not_take_it_for_a_drug(here, run_scatd):
    _, paths, _ = here
    for words in (
        ("evaluate", "--drug", "anydrug", paths["lines"], "--labels", "X"),
        ("explain", "--drug", "anydrug", paths["lines"]),
        ("screen", paths["lines"], "--drugs", "anydrug"),
    ):
        said = run_scatd(*words, code=2).stderr
        assert "anydrug" in said
    assert NAME not in registry.production_versions()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda y: y.rename(columns={"Aspirin": "anydrug"}), "'anydrug' is no drug"),
        (lambda y: y.iloc[:, :5], "5 drugs can be learned from"),
        (lambda y: y.iloc[:12], "12 lines can be learned from"),
    ],
)
def test_tables_that_teach_too_little_are_refused(store, run_scatd, tmp_path, change, what):
    paths = write_inputs(tmp_path)
    change(pd.read_csv(paths["ic50"], index_col=0)).to_csv(paths["ic50"])
    assert what in run_scatd(*command(paths), code=2).stderr


def test_the_name_is_reserved(store, run_scatd, task):
    labels = pd.read_csv(task.labels, index_col=0)
    labels.rename(columns={"DOCETAXEL": "Any-Drug"}).to_csv("labels.csv")
    given = task.transfer_arguments("Any-Drug")
    words = ["labels.csv" if word == str(task.labels) else word for word in given]
    said = run_scatd(*words, code=2).stderr
    assert "'Any-Drug' is no drug" in said
    assert "Train it with scatd anydrug" in " ".join(said.split())
