"""Foreign cells are marked, the target's are not, and a score's s.d. comes when it is asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch

from scatd import artifact, keys, registry
from scatd.artifact import read
from scatd.data.demo import DemoSettings, simulate
from scatd.data.expression import log_normalise
from scatd.evaluation.domain import is_outside
from scatd.nn.residual_vae import DESIGNS, ResidualVAE
from scatd.training.backbone import UnlabelledCells, fit_backbone
from scatd.training.domain import fit_domain
from scatd.training.loop import Silent
from scatd.training.settings import PretrainSettings


@pytest.fixture
def foreign(tmp_path, task):
    """Cells with factors of their own, and the means and spreads of the target's features."""
    cells = ad.read_h5ad(task.target).obsm["X_scfoundation"]
    rng = np.random.default_rng(8)
    X = rng.normal(size=(200, 6)) @ rng.normal(size=(6, cells.shape[1]))
    X = X / X.std(axis=0) * cells.std(axis=0) + cells.mean(axis=0)
    np.save(tmp_path / "foreign.npy", X.astype(np.float32))
    return tmp_path / "foreign.npy"


def test_foreign_cells_are_marked_and_the_targets_are_not(
    learned, run_scatd, task, foreign, tmp_path
):
    done = run_scatd("predict", "--drug", "docetaxel", task.target, "-o", tmp_path / "own.csv")
    own = pd.read_csv(tmp_path / "own.csv")
    assert own["ood"].mean() <= 0.10
    assert f"{own['ood'].sum()} cells lie outside the model's training domain." in done.stdout
    assert "do not trust" not in done.stderr
    done = run_scatd("predict", "--drug", "docetaxel", foreign, "-o", tmp_path / "foreign.csv")
    other = pd.read_csv(tmp_path / "foreign.csv")
    assert other["ood"].mean() >= 0.90
    assert "Warning:" in done.stderr
    assert "do not trust their scores" in done.stderr
    assert ((other["ood_p"] < 0.05) == other["ood"]).all()


@pytest.fixture(scope="module")
def demo():
    return simulate(DemoSettings(n_source=20, n_target=400, n_foreign=200))


@pytest.mark.parametrize("family", ["sf", "gf", "dist"])
def test_foreign_cells_of_the_demo_are_marked_in_every_family(demo, family):
    """The same simulator: target cells run the reference's programmes, foreign cells others."""

    def features(name):
        if family == "dist":
            return torch.from_numpy(log_normalise(demo[name].X.toarray()))
        return torch.from_numpy(demo[name].obsm[keys.OBSM_FEATURES[family]])

    settings = PretrainSettings(
        epochs=5,
        learning_rate=2e-3,
        weight_decay=0.01,
        rec_beta=1000,
        n_latent=32,
        encoder_hidden=(64,),
        decoder_hidden=(64,),
    )
    reference = features("reference")
    fitted = fit_backbone(
        UnlabelledCells(reference.numpy()),
        settings,
        lambda sizes: ResidualVAE(sizes, DESIGNS[family]),
        Silent(),
    )
    with torch.no_grad():
        z = {
            name: fitted.vae.encode(features(name))[0]
            for name in ("reference", "target", "foreign")
        }
    domain = fit_domain(reference, z["reference"], "reference", seed=0)
    marked = {
        name: is_outside(domain.p_value(features(name), z[name])).mean()
        for name in ("target", "foreign")
    }
    assert marked["target"] <= 0.10
    assert marked["foreign"] >= 0.90


def test_marks_in_the_annotated_cohort(learned, run_scatd, task, tmp_path):
    scored = tmp_path / "scored.h5ad"
    run_scatd("predict", "--drug", "docetaxel", task.target, "-o", scored)
    cells = ad.read_h5ad(scored)
    marks = cells.obs["scatd_docetaxel_ood"]
    assert marks.dtype == "boolean"
    assert ((cells.obs["scatd_docetaxel_ood_p"] < 0.05) == marks).all()
    said = cells.uns["scatd"]["docetaxel"]["domain"]
    assert said["role"] == "reference"
    assert said["n_outside"] == marks.sum()


def test_the_domain_is_the_references(learned, task):
    model = read(registry.fetch(registry.resolve("docetaxel")))
    assert model.domain.role == "reference"
    assert len(model.domain.held_out) == 100  # a quarter of the reference
    vae: ResidualVAE = read(task.backbone).backbone()
    with torch.no_grad():
        z = vae.encode(torch.from_numpy(np.load(task.reference)))[0]
    # The mean of half of it lies within a tenth of an s.d. or two of the mean of all.
    assert ((model.domain.latent_mean - z.mean(0)).abs() < 0.25 * z.std(0) + 1e-3).all()


def test_an_old_model_stays_not_assessed(learned, run_scatd, task, tmp_path, monkeypatch):
    stored = read(registry.fetch(registry.resolve("docetaxel")))
    artifact.write(tmp_path / "old", replace(stored, domain=None, fold_heads=()))
    monkeypatch.setattr("scatd.registry.loaded.read", lambda _: read(tmp_path / "old"))
    done = run_scatd("predict", "--drug", "docetaxel", task.target, "-o", tmp_path / "old.csv")
    table = pd.read_csv(tmp_path / "old.csv")
    reason = "not assessed: the model holds no training domain"
    assert (table["ood"] == reason).all()
    assert "ood_p" not in table
    assert f"Cells outside the model's training domain: {reason}." in done.stdout
    again, scored = tmp_path / "again.h5ad", tmp_path / "old.h5ad"
    cells = ad.read_h5ad(task.target)
    cells.obs["scatd_docetaxel_ood"] = True  # of another prediction
    cells.obs["scatd_docetaxel_ood_p"] = 0.001
    cells.write_h5ad(again)
    run_scatd("predict", "--drug", "docetaxel", again, "-o", scored)
    made = ad.read_h5ad(scored)
    assert not {"scatd_docetaxel_ood", "scatd_docetaxel_ood_p"} & set(made.obs)
    assert made.uns["scatd"]["docetaxel"]["domain"] == {"not_assessed": reason}


def test_too_few_reference_cells_are_named_by_every_door(task, scatd):
    """A model of 150 reference cells says from its training on that it knows no domain."""
    np.save("few.npy", np.load(task.reference)[:150])
    reason = "not assessed: fewer than 200 reference cells"
    words = replace(task, reference=Path("few.npy")).transfer_arguments()
    done = scatd(*words, "--no-promote", "--model", "linear", "--folds", "2")
    assert f"{reason} (150). A model that is trained with a --reference of 200" in done.stderr
    card = registry.read_card(registry.resolve("docetaxel", stage="staging"))
    assert (card.about.too_few_for_domain.role, card.about.too_few_for_domain.n_cells) == (
        "reference",
        150,
    )
    words = ("--drug", "docetaxel", "--stage", "staging", task.target, "-o")
    done = scatd("predict", *words, "s.csv")
    assert reason in done.stdout
    assert set(pd.read_csv("s.csv")["ood"]) == {reason}
    scatd("predict", *words, "s.json")
    said = json.loads(Path("s.json").read_text())
    assert said["model"]["domain"] == {"not_assessed": reason}
    assert {cell["ood"] for cell in said["cells"]} == {None}
    scatd("predict", *words, "s.parquet")
    assert pd.read_parquet("s.parquet")["ood"].dtype == "boolean"
    done = scatd("screen", task.target, "--stage", "staging", "-o", "screened")
    assert f"the models of docetaxel is {reason}." in done.stdout
    for name in ("drugs", "fractions"):
        assert set(pd.read_csv(f"screened/{name}.csv")["n_outside"]) == {reason}
    assert reason in Path("screened/report.html").read_text()


def test_uncertainty_of_folds_and_posterior(learned, run_scatd, task, tmp_path):
    def scored(*words):
        run_scatd("predict", "--drug", "docetaxel", task.target, *words, "-o", tmp_path / "s.csv")
        return pd.read_csv(tmp_path / "s.csv")

    plain = scored()
    assert not {"prob_sd", "prob_sd_folds"} & set(plain)
    folds = scored("--uncertainty", "folds")
    assert (folds["prob_sd_folds"] > 0).all()
    np.testing.assert_array_equal(folds["prob_resistant"], plain["prob_resistant"])
    both = scored("--uncertainty", "folds", "--uncertainty", "posterior")
    np.testing.assert_array_equal(both["prob_sd_folds"], folds["prob_sd_folds"])
    assert (both["prob_sd"] > 0).all()
    drawn = scored("--mc-samples", "50")
    np.testing.assert_array_equal(both["prob_sd"], drawn["prob_sd"])


def test_uncertainty_of_folds_needs_a_shared_encoder(
    learned, run_scatd, task, tmp_path, monkeypatch
):
    stored = read(registry.fetch(registry.resolve("docetaxel")))
    assert len(stored.fold_heads) == 4
    artifact.write(tmp_path / "alone", replace(stored, fold_heads=()))
    monkeypatch.setattr("scatd.registry.loaded.read", lambda _: read(tmp_path / "alone"))
    out = tmp_path / "s.csv"
    words = ("predict", "--drug", "docetaxel", task.target, "-o", out, "--uncertainty", "folds")
    done = run_scatd(*words, code=2)
    assert "nothing of other folds" in done.stderr
    assert not out.exists()


QUICKLY = ("--folds", "2", "--epochs", "2", "--min-steps", "0")


@pytest.mark.parametrize(
    ("words", "n_heads"),
    [
        (("--select", "refit", "--alignment", "bi-adain"), 2),
        (("--select", "mean-of-folds"), 0),
        (("--train-encoder",), 0),
    ],
)
def test_every_way_to_learn_knows_its_domain(scatd, task, words, n_heads):
    scatd(*task.transfer_arguments(), *QUICKLY, "--model", "network", *words)
    stored = read(registry.fetch(registry.resolve("docetaxel", stage="staging")))
    assert stored.domain.role == "reference"
    assert len(stored.fold_heads) == n_heads


def test_without_single_cells_it_is_the_source(scatd, task):
    words = task.transfer_arguments()
    place = words.index("--reference")
    # The backbone knows the style.
    scatd(*words[:place], *words[place + 2 :], *QUICKLY, "--model", "linear")
    stored = read(registry.fetch(registry.resolve("docetaxel", stage="staging")))
    assert stored.domain.role == "source"
    assert len(stored.domain.held_out) == 55  # a quarter of all samples
