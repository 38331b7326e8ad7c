"""Bad input: one message, exit code 2, nothing registered, nothing written."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scatd import artifact, keys, tracking
from scatd.cards.card import About


@pytest.fixture
def refused(scatd, task, store):
    """Run a transfer with some arguments replaced; gives its one message."""

    def run(*, drug="DOCETAXEL", **replaced):
        arguments = {
            "--drug": drug,
            "--source": task.source,
            "--labels": task.labels,
            "--reference": task.reference,
            "--backbone": task.backbone,
        }
        arguments |= {f"--{name}": value for name, value in replaced.items()}
        flat = [part for pair in arguments.items() for part in pair]
        result = scatd("transfer", *flat, code=2)
        assert "Traceback" not in result.output
        client = tracking.connect()
        assert not client.search_registered_models()
        assert not client.search_runs([tracking.experiment_id(client)])
        errors = [line for line in result.output.splitlines() if line.startswith("Error")]
        assert len(errors) == 1
        return result.output

    return run


def matrix(store, change):
    X = np.random.default_rng(0).normal(size=(220, 24)).astype(np.float32)
    np.save(store / "changed.npy", change(X))
    return store / "changed.npy"


def test_missing_file(refused, store):
    assert "nowhere.h5ad" in refused(source=store / "nowhere.h5ad")


def test_truncated_file(refused, task, store):
    (store / "cut.h5ad").write_bytes(task.source.read_bytes()[:2000])
    assert "cut.h5ad" in refused(source=store / "cut.h5ad")


def test_reference_of_another_width(refused, store):
    path = matrix(store, lambda X: X[:, :20])
    assert "20" in refused(reference=path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite(refused, store, value):
    def change(X):
        X[7, 3] = value
        return X

    assert "changed.npy" in refused(source=matrix(store, change))


def test_labels_of_other_samples(refused, store):
    frame = pd.DataFrame({"DOCETAXEL": ["sensitive", "resistant"] * 110})
    frame.index = [f"other{number}" for number in range(220)]
    frame.to_csv(store / "other.csv")
    message = refused(labels=store / "other.csv")
    assert "other0" in message
    assert "line0" in message


def test_duplicated_ids(refused, task, store):
    cohort = ad.read_h5ad(task.source)
    cohort.obs_names = ["line1", *cohort.obs_names[1:]]
    cohort.write_h5ad(store / "twice.h5ad")
    assert "line1" in refused(source=store / "twice.h5ad")


def test_a_single_class(refused):
    assert "sensitive" in refused(drug="CONSTANT")


def test_fewer_samples_than_folds(refused):
    assert "3" in refused(drug="RARE")


def test_unknown_drug(refused):
    assert "DOCETAXEL" in refused(drug="DOCETAXOL")


def test_unknown_words(refused):
    message = refused(drug="ODD")
    assert "up" in message
    assert "--label-map" in message


def test_a_bare_binary_column(refused, scatd, task):
    assert "--label-map" in refused(drug="BINARY")
    arguments = [*task.transfer_arguments("BINARY"), "--folds", "2", "--augmentation", "none"]
    scatd(*arguments, "--label-map", "0=sensitive,1=resistant")


def test_unknown_key_in_the_gate(refused, store):
    (store / "registry_configs").mkdir()
    (store / "registry_configs/default.yaml").write_text("gate: {minimun: 0.7}\n")
    message = refused()
    assert "minimun" in message
    assert "minimum" in message


def test_no_model(scatd, task, store):
    message = scatd("predict", "--drug", "docetaxel", task.target, "-o", "x.csv", code=2).output
    assert "scatd transfer --drug docetaxel" in message
    assert not (store / "x.csv").exists()


def test_nearest_drug_of_the_registry(learned, run_scatd, task):
    message = run_scatd("predict", "--drug", "docetaxol", task.target, "-o", "x.csv", code=2).output
    assert "Did you mean docetaxel" in message


def test_unwritable_output(learned, run_scatd, task):
    where = "absent/folder/scored.csv"
    assert (
        where.split("/")[0]
        in run_scatd("predict", "--drug", "docetaxel", task.target, "-o", where, code=2).output
    )


def test_cells_of_another_width(learned, run_scatd):
    np.save("narrow.npy", np.zeros((5, 20), dtype=np.float32))
    message = run_scatd("predict", "--drug", "docetaxel", "narrow.npy", "-o", "y.csv", code=2)
    assert "24" in message.output
    assert "20" in message.output


def test_simulated_and_real_do_not_mix(learned, run_scatd, task, tmp_path):
    cohort = ad.read_h5ad(task.target)
    cohort.uns[keys.UNS_SIMULATED] = True
    cohort.write_h5ad(tmp_path / "simulated.h5ad")
    arguments = ("predict", "--drug", "docetaxel", tmp_path / "simulated.h5ad", "-o")
    message = run_scatd(*arguments, tmp_path / "x.csv", code=2).output
    assert "cannot be mixed" in message
    assert not (tmp_path / "x.csv").exists()
    run_scatd(*arguments, tmp_path / "x.csv", "--allow-simulated")
    assert len(pd.read_csv(tmp_path / "x.csv")) == 120


def test_a_backbone_without_a_style_needs_a_reference(scatd, task, tmp_path):
    stored = artifact.read(task.backbone)
    artifact.write(tmp_path / "bare", replace(stored, alignment=None, about=About()))
    arguments = task.transfer_arguments()
    at = arguments.index("--reference")
    bare = [*arguments[:at], *arguments[at + 2 :], "--backbone", str(tmp_path / "bare")]
    assert "--alignment none" in scatd(*bare, code=2).output


def test_dist_needs_gene_names(refused, task):
    assert "gene names" in refused(family="dist", source=task.reference)


def test_target_labels_need_a_target(refused):
    assert "--target" in refused(**{"target-labels": "truth"})


def test_embeddings_have_no_panel(refused):
    assert "--panel" in refused(panel="shared")


def test_a_domain_loss_needs_an_encoder_that_trains(refused):
    assert "--train-encoder" in refused(alignment="mmd")


@pytest.mark.parametrize("value", ["nan", "inf", "-0.1"])
def test_a_weight_decay_that_cannot_be(refused, value):
    assert f"--weight-decay is {value}" in refused(**{"weight-decay": value})


def test_a_response_model_is_no_backbone(refused, task, store):
    shutil.copytree(task.backbone, store / "model")
    card = json.loads((store / "model/card.json").read_text())
    (store / "model/card.json").write_text(json.dumps({**card, "kind": "response"}))
    assert str(store / "model") in refused(backbone=store / "model")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.parametrize("name", ["pipe.h5ad", "pipe.csv"])
def test_a_pipe_is_refused_and_not_waited_for(refused, store, name):
    os.mkfifo(store / name)
    message = refused(source=store / name)
    assert name in message
    assert "is a pipe or a device" in message
