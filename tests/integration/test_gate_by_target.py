"""Labelled target cells decide before the folds, at transfer and at a later evaluation."""

from __future__ import annotations

import shutil

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scatd import registry

RIGHT, INVERTED = "0=sensitive,1=resistant", "0=resistant,1=sensitive"
NAME = "scatd-sf-docetaxel"


@pytest.fixture
def learn(scatd, task, store, once):
    """Transfer with a labelled target; gives the output."""

    def transfer(meaning, *extra):
        target = ("--target", task.target, "--target-labels", "truth")
        more = ("--label-map", meaning, "--folds", "3", *extra)
        words = (*task.transfer_arguments(), *target, *more)
        if (store / "registry_configs").exists():
            return " ".join(scatd(*words).output.split())
        folder, said = once(words)
        shutil.copy(folder / "mlflow.db", store)
        return " ".join(said.split())

    return transfer


def evaluate(scatd, task, meaning, *extra):
    cells = ("evaluate", "--drug", "docetaxel", str(task.target), "--labels", "truth")
    return " ".join(scatd(*cells, "--label-map", meaning, *extra).output.split())


def rules(folder, text):
    (folder / "registry_configs").mkdir(exist_ok=True)
    (folder / "registry_configs" / "default.yaml").write_text(text)


def test_a_target_that_contradicts_the_folds_keeps_the_model_at_staging(learn, scatd):
    said = learn(INVERTED, "--model", "linear")
    assert "The gate keeps it at staging: - target_auroc: AUROC is 0.0" in said
    assert "on 120 target cells" in said
    assert "the lower bound must be over 0.5" in said
    assert "- minimum" not in said
    assert "- baseline" not in said
    assert registry.get(NAME, 1).stage == "staging"
    refused = scatd("promote", "--drug", "docetaxel", code=2).output
    assert "target_auroc: AUROC is 0.0" in refused


@pytest.mark.as_shipped("fits")
def test_a_supporting_target_promotes_and_a_later_evaluation_demotes(
    learn, scatd, task, store, tmp_path
):
    rules(store, "demote_on_evidence: true\n")
    labels = pd.read_csv(task.labels, index_col=0)
    flipped = np.random.default_rng(4).random(len(labels)) < 0.25
    words = np.where(labels["DOCETAXEL"] == "resistant", "sensitive", "resistant")
    labels["DOCETAXEL"] = labels["DOCETAXEL"].where(~flipped, words)
    labels.to_csv(tmp_path / "noisy.csv")
    noisy = ("--labels", str(tmp_path / "noisy.csv"))
    # The labels follow a line, so that logistic regression is a little better than trees.
    said = learn(RIGHT, *noisy, "--model", "trees", "--folds", "5")
    run = registry.get(NAME, 1).run_id
    models = _models(run)
    best = models.drop("no_adaptation")["auroc_mean"].idxmax()
    lead = models.loc[best]
    assert lead["lead"] == pytest.approx(-0.03, abs=0.015)
    assert lead["lead_ci_high"] > 0
    assert "is in production" in said
    assert "target_auroc: AUROC is 0.9" in registry.show(NAME)["gate"].iloc[0]

    said = evaluate(scatd, task, INVERTED, "-o", "first")
    assert "This is evidence against scatd-sf-docetaxel version 1" in said
    assert "It was archived (demote_on_evidence)" in said
    assert registry.get(NAME, 1).stage == "archived"
    move = registry.history(NAME).iloc[-1]
    assert move["action"] == "archive"
    assert "demote_on_evidence: on 120 labelled target cells" in move["reason"]
    refused = scatd("promote", "--drug", "docetaxel", code=2).output
    assert "target_auroc" in refused

    evaluate(scatd, task, RIGHT, "--stage", "1", "-o", "second")
    assert "is in production now" in scatd("promote", "--drug", "docetaxel").output


def test_evidence_against_a_version_is_named_everywhere_and_moves_nothing(
    learn, scatd, task, store
):
    learn(RIGHT, "--model", "linear")
    assert registry.get(NAME, 1).stage == "production"
    said = evaluate(scatd, task, INVERTED)
    assert "Take it out of service: scatd registry archive scatd-sf-docetaxel --version 1" in said
    named = "evidence against it: on 120 labelled target cells"
    assert named in scatd("compare").output
    assert named in " ".join(scatd("screen", str(task.target), "-o", "screen").output.split())
    doctor = scatd("registry", "doctor", "--repair").output
    assert f"warning, {NAME}/1 is in production: {named}" in doctor
    assert "Nothing is wrong" not in doctor
    assert registry.get(NAME, 1).stage == "production"
    rules(store, "demote_on_evidence: true\n")
    assert "It was archived" in scatd("registry", "doctor", "--repair").output
    assert registry.get(NAME, 1).stage == "archived"
    assert "Nothing is wrong" in scatd("registry", "doctor").output


def test_a_target_of_few_cells_is_not_assessed(learn, task, tmp_path):
    cells = ad.read_h5ad(task.target)
    truth = cells.obs["truth"].to_numpy()
    rows = np.concatenate([np.flatnonzero(truth == 0), np.flatnonzero(truth == 1)[:19]])
    cells[rows].copy().write_h5ad(tmp_path / "few.h5ad")
    said = learn(INVERTED, "--model", "linear", "--target", str(tmp_path / "few.h5ad"))
    assert "is in production" in said
    gate = registry.show(NAME)["gate"].iloc[0]
    assert "target: not assessed: 19 cells of the rarer response" in gate


def test_labels_that_were_put_right_are_no_evidence_any_more(learn, scatd, task):
    learn(INVERTED, "--model", "linear")
    evaluate(scatd, task, RIGHT, "--stage", "staging")
    assert "is in production now" in scatd("promote", "--drug", "docetaxel").output
    assert "Nothing is wrong" in scatd("registry", "doctor").output
    assert "evidence against" not in scatd("compare").output

    # A newer transfer does not hide what speaks against the version that serves.
    evaluate(scatd, task, INVERTED)
    scatd(*task.transfer_arguments(), "--model", "linear", "--folds", "2", "--no-promote")
    said = scatd("compare").output
    assert "docetaxel (sf): version 1, which is in production: evidence against it: on 120" in said


def test_neither_another_cohort_nor_a_calibration_hides_the_evidence(learn, scatd, task, tmp_path):
    learn(RIGHT, "--model", "linear", "--no-promote")
    cells = ad.read_h5ad(task.target)
    cells.obs_names = [f"other{number}" for number in range(cells.n_obs)]
    cells.obsm["X_scfoundation"] = cells.obsm["X_scfoundation"] + np.float32(0.01)
    cells.write_h5ad(tmp_path / "other.h5ad")
    other = ("evaluate", "--drug", "docetaxel", tmp_path / "other.h5ad", "--labels", "truth")
    other = (*other, "--stage", "1", "--label-map")
    scatd(*other, INVERTED, "--calibrate", "youden", "-o", "first")
    evaluate(scatd, task, RIGHT, "--stage", "1", "-o", "second")
    for version in (1, 2):
        refused = scatd("promote", "--drug", "docetaxel", "--version", version, code=2).output
        assert "target_auroc: AUROC is 0.0" in refused
    scatd(*other, RIGHT, "-o", "first")
    scatd("promote", "--drug", "docetaxel", "--version", 2)
    assert "before its calibration" in registry.show(NAME)["gate"].iloc[0]
    assert "Nothing is wrong" in scatd("registry", "doctor").output
    scatd(*other, INVERTED, "-o", "first")
    assert f"{NAME}/2 is in production: evidence against it" in scatd("registry", "doctor").output


def _models(run_id):
    from scatd import tracking

    path = tracking.Run(tracking.connect(), run_id).fetch("tables/models.csv")
    return pd.read_csv(path).set_index("model")
