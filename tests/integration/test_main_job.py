"""Transfer, registry and prediction by drug name, as a user types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from sklearn.metrics import roc_auc_score

from scatd import registry, tracking
from tests import dying, forked

NETWORK = ("--model", "network")
"""Without the contest of candidates, which trains five networks more a fold."""


def runs(level):
    client = tracking.connect()
    wanted = f"tags.`scatd.level` = '{level}'"
    return client.search_runs([tracking.experiment_id(client)], wanted)


def test_one_parent_five_folds_one_version(learned):
    (parent,) = runs("drug")
    folds = runs("fold")
    assert parent.info.status == "FINISHED"
    assert [run.info.status for run in folds] == ["FINISHED"] * 5
    assert {run.data.tags["mlflow.parentRunId"] for run in folds} == {parent.info.run_id}
    assert sorted(run.data.tags["scatd.fold"] for run in folds) == list("12345")
    metrics = parent.data.metrics
    per_fold = [run.data.metrics["auroc"] for run in folds]
    assert metrics["cv/auroc_mean"] == pytest.approx(np.mean(per_fold))
    assert metrics["cv/auroc_sd"] == pytest.approx(np.std(per_fold, ddof=1))
    assert metrics["cv/auroc_mean"] > 0.9
    assert len(metrics) <= 18, sorted(metrics)
    groups = {name.split("/")[0] for name in metrics if "/" in name}
    assert groups == {"cv", "baseline", "model"}
    assert metrics["cv/auroc_ci_low"] <= metrics["cv/auroc_mean"] <= metrics["cv/auroc_ci_high"]
    for baseline in ("logistic_regression", "gradient_boosting", "random_forest", "no_adaptation"):
        assert 0 <= metrics[f"baseline/{baseline}/auroc_mean"] <= 1
    assert parent.data.params["cfg.folds"] == "5"
    assert "logistic regression" in parent.data.tags["mlflow.note.content"] or (
        "baseline" in parent.data.tags["mlflow.note.content"]
    )
    table = registry.show("scatd-sf-docetaxel")
    assert list(table["version"]) == [1]
    assert table["aliases"][0] == "production, staging"


def test_out_of_fold_table_gives_the_metrics(learned):
    (parent,) = runs("drug")
    run = tracking.Run(tracking.connect(), parent.info.run_id)
    table = pd.read_csv(run.fetch("tables/out_of_fold.csv"))
    assert len(table) == 220
    assert table["id"].is_unique
    by_fold = [
        roc_auc_score(fold["truth"], fold["prob_response_model"])
        for _, fold in table.groupby("fold")
    ]
    assert parent.data.metrics["cv/auroc_mean"] == pytest.approx(np.mean(by_fold))
    names = {path.name for path in run.fetch("figures").iterdir()}
    for figure in ("roc", "precision_recall", "reliability", "scores", "baselines", "loss"):
        assert {f"{figure}.png", f"{figure}.pdf"} <= names


def test_predict_by_name_keeps_every_barcode(learned, run_scatd, task):
    run_scatd("predict", "--drug", "docetaxel", task.target, "-o", "scored.h5ad")
    run_scatd("predict", "--drug", "Docetaxel", task.target, "-o", "scored.csv")
    cohort = ad.read_h5ad("scored.h5ad")
    table = pd.read_csv("scored.csv", keep_default_na=False)
    assert list(table.columns) == [
        "barcode",
        "prob_resistant",
        "response",
        "ood",
        "reason",
        "ood_p",
    ]
    assert list(table["barcode"]) == list(cohort.obs_names) == [f"cell{i}" for i in range(120)]
    prob = cohort.obs["scatd_docetaxel_prob_resistant"]
    np.testing.assert_allclose(table["prob_resistant"], prob, atol=1e-12)
    assert roc_auc_score(cohort.obs["truth"], prob) > 0.9
    assert (table["response"] == np.where(prob > 0.5, "resistant", "sensitive")).all()
    about = cohort.uns["scatd"]["docetaxel"]
    assert (about["name"], about["version"], about["stage"]) == (
        "scatd-sf-docetaxel",
        1,
        "production",
    )
    assert cohort.obsm["X_scatd_sf"].shape == (120, 16)


def test_predicting_twice_and_alone(learned, run_scatd, task):
    cells = ad.read_h5ad(task.target).obsm["X_scfoundation"]
    np.save("crowd.npy", cells)
    np.save("alone.npy", cells[[17]])
    for name in ("crowd", "again", "alone"):
        source = "crowd.npy" if name == "again" else f"{name}.npy"
        run_scatd("predict", "--drug", "docetaxel", source, "-o", f"{name}.csv")
    crowd, again, alone = (pd.read_csv(f"{n}.csv") for n in ("crowd", "again", "alone"))
    pd.testing.assert_frame_equal(crowd, again)
    assert alone["prob_resistant"][0] == pytest.approx(crowd["prob_resistant"][17], abs=1e-6)


LOAD_ELSEWHERE = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"anndata", "scanpy", "sklearn", "optuna"}:
            raise ImportError(name)
sys.meta_path.insert(0, Block())
import socket
socket.socket.connect = lambda *_: (_ for _ in ()).throw(OSError("no network"))
import mlflow, numpy as np
model = mlflow.pyfunc.load_model("models:/scatd-sf-docetaxel@staging")
table = model.predict(np.load("cells.npy"))
table.to_csv("elsewhere.csv", index=False)
"""


def test_plain_mlflow_gives_the_same_numbers(learned, run_scatd, task):
    np.save("cells.npy", ad.read_h5ad(task.target).obsm["X_scfoundation"])
    run_scatd("predict", "--drug", "docetaxel", "cells.npy", "-o", "ours.csv")
    environment = os.environ | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    subprocess.run([sys.executable, "-c", LOAD_ELSEWHERE], check=True, env=environment)
    ours, elsewhere = pd.read_csv("ours.csv"), pd.read_csv("elsewhere.csv")
    assert len(elsewhere) == 120
    np.testing.assert_allclose(elsewhere["prob_resistant"], ours["prob_resistant"], atol=1e-6)
    assert list(elsewhere["response"]) == list(ours["response"])


def kill(arguments, place, call):
    """Run a command until the n-th call of a function."""
    first = forked.Process(dying.DIES + forked.quick_scatd(), place, call, *arguments)
    assert first.wait() == -signal.SIGKILL, first.communicate()


def test_a_killed_transfer_keeps_its_folds(scatd, task, store):
    # Folds one after the other.
    arguments = [*task.transfer_arguments(), *NETWORK, "--latent", "sampled", "--folds", "3"]
    # Each is trained twice: the control "no adaptation" is the second.
    kill(arguments, "scatd.training.transfer:train_classifier", 2 * 2 + 1)
    client = MlflowClient(f"sqlite:///{store / 'mlflow.db'}")
    first = {run.data.tags["scatd.fold"]: run for run in runs("fold")}
    statuses = {fold: run.info.status for fold, run in first.items()}
    assert statuses == {"1": "FINISHED", "2": "FINISHED", "3": "RUNNING"}
    kept = {fold: first[fold].info.run_id for fold in ("1", "2")}
    scatd(*arguments)
    folds = [run for run in runs("fold") if run.info.status == "FINISHED"]
    assert len(folds) == 3
    again = {run.data.tags["scatd.fold"]: run.info.run_id for run in folds}
    assert {fold: again[fold] for fold in kept} == kept
    statuses = sorted(run.info.status for run in runs("drug"))
    assert statuses == ["FINISHED", "KILLED"]
    assert len(client.search_model_versions("name='scatd-sf-docetaxel'")) == 1


def test_folds_that_were_killed_together_are_done_again(scatd, task, store):
    arguments = [*task.transfer_arguments(), *NETWORK, "--folds", "2"]
    kill(arguments, "scatd.training.stacked_heads:StackedHeads.step", 50)
    client = MlflowClient(f"sqlite:///{store / 'mlflow.db'}")
    assert [run.info.status for run in runs("fold")] == ["RUNNING", "RUNNING"]
    scatd(*arguments)
    statuses = sorted(run.info.status for level in ("drug", "fold") for run in runs(level))
    assert statuses == ["FINISHED"] * 3 + ["KILLED"] * 3
    assert len(client.search_model_versions("name='scatd-sf-docetaxel'")) == 1


def test_a_finished_transfer_trains_anew(scatd, task):
    for _ in range(2):
        scatd(*task.transfer_arguments(), "--folds", "2", "--augmentation", "none", *NETWORK)
    assert len(runs("fold")) == 4
    table = registry.show("scatd-sf-docetaxel")
    assert list(table["version"]) == [2, 1]
    first, second = (run.data.metrics["cv/auroc_mean"] for run in runs("drug"))
    assert first == second  # the same seed gives the same numbers


def test_the_gate_holds_back_and_says_why(scatd, task, store):
    (store / "registry_configs").mkdir()
    (store / "registry_configs/default.yaml").write_text("gate: {min_samples: 500}\n")
    result = scatd(*task.transfer_arguments(), "--model", "linear", "--folds", "2")
    assert "min_samples: 220 labelled samples, at least 500 needed" in result.output
    refused = scatd("promote", "--drug", "docetaxel", code=2)
    assert "at least 500 needed" in refused.output
    missing = scatd("predict", "--drug", "docetaxel", task.target, "-o", "x.csv", code=2)
    assert "at least 500 needed" in missing.output
    assert not (store / "x.csv").exists()
    (store / "registry_configs/default.yaml").write_text("gate: {min_samples: 100}\n")
    scatd("promote", "--drug", "docetaxel")
    scatd("predict", "--drug", "docetaxel", task.target, "-o", "x.csv")
    assert len(pd.read_csv("x.csv")) == 120


def test_inverse_labels_give_the_inverse_ranking(scatd, real_data, tmp_path):
    """On real cells: SORAFENIB's labels are AFATINIB's inverse, and so must the answers be."""
    embedding = real_data / "scc47/scfoundation_embedding.npy"
    reference = real_data / "lu451/scfoundation_embedding.npy"
    settings = {
        "n_latent": 32,
        "encoder_hidden": [128, 64],
        "decoder_hidden": [64, 128],
        "min_steps": 200,
    }
    (tmp_path / "small.yaml").write_text(json.dumps(settings))
    scatd("pretrain", "--input", reference, "--settings", tmp_path / "small.yaml")
    scatd(
        *("transfer", "--drug", "AFATINIB,SORAFENIB", "--source", embedding),
        *("--labels", real_data / "scc47/response.csv", "--reference", reference),
        *("--backbone", "scatd-sf-backbone", "--learning-rate", "3e-3", *NETWORK),
        *("--folds", "3"),
    )
    tables = {}
    for drug in ("AFATINIB", "SORAFENIB"):
        (run,) = [run for run in runs("drug") if run.data.tags["scatd.drug"] == drug.lower()]
        assert run.data.metrics["cv/auroc_mean"] >= 0.95
        table = tracking.Run(tracking.connect(), run.info.run_id).fetch("tables/out_of_fold.csv")
        tables[drug] = pd.read_csv(table)["prob_response_model"]
    assert tables["AFATINIB"].corr(tables["SORAFENIB"], method="spearman") <= -0.9
