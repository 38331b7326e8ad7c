"""Files of released versions give the same numbers today (`tests/data/*/README.md`)."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from scatd import artifact, registry, tracking
from scatd.data.features import read_features
from scatd.embedding.cells import DIGEST_TYPE
from scatd.embedding.store import EmbeddingStore
from scatd.errors import InputError
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.scores import ScoreOptions
from scatd.scoring import Scorer
from scatd.training.checkpoint import Checkpoint, SaveTo
from scatd.training.draws import SeededDraws
from scatd.training.loop import adamw
from scatd.workflows.compare import compare
from scatd.workflows.models import stored_evidence
from tests.frozen import DATA, FROZEN, unpack_store

FAMILIES = ("sf", "gf", "dist")
TOLERANCE = 1e-6
LATER = sorted(set(DATA.glob("v*")) - {FROZEN})
"""Made by `tests/freeze.py`: all have the same files."""
TABLES = [table for folder in LATER for table in sorted(folder.glob("*-*.csv"))]
BACKBONES = [(folder, family) for folder in LATER for family in FAMILIES]


def named(value):
    """The name of a case: version, family and number."""
    if isinstance(value, tuple):
        return f"{value[0].name} {value[1]}"
    return f"{value.parent.name} {value.stem}"


@pytest.fixture
def stored(request, tmp_path, monkeypatch):
    """A working folder with the store of 0.1.0, or of the version that the test names."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    unpack_store(tmp_path, getattr(request, "param", FROZEN))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def expected(family, version):
    return pd.read_csv(FROZEN / f"{family}-{version}.csv", float_precision="round_trip")


def require_equal(ours, then):
    """Raise unless two tables of scores have the same columns, words and numbers."""
    assert ours.columns.tolist() == then.columns.tolist()
    pd.testing.assert_frame_equal(ours, then, check_exact=False, rtol=0, atol=TOLERANCE)


def predicted(cohort, family, version):
    """The table that `scatd predict` writes."""
    from scatd.cli import main

    words = ["predict", str(cohort), "--drug", "docetaxel", "-o", "scores.csv"]
    words += ["--family", family, "--stage", str(version), "--uncertainty", "folds"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    return pd.read_csv("scores.csv", float_precision="round_trip")


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_registered_versions_give_the_same_scores(stored, family, version):
    ours = predicted(FROZEN / f"{family}.h5ad", family, version)
    require_equal(ours, expected(family, version))


@pytest.mark.parametrize("family", ["sf", "gf"])
def test_folders_give_the_same_scores(family):
    X = read_features(FROZEN / f"{family}.h5ad", family).X
    ours = Scorer(FROZEN / "folders" / family).score(X, options=ScoreOptions(fold_sd=True))
    then = expected(family, 2)
    for column in ("prob_resistant", "prob_sd_folds", "ood_p"):
        np.testing.assert_allclose(getattr(ours, column), then[column], rtol=0, atol=TOLERANCE)
    assert ours.responses.tolist() == then["response"].tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_backbones_give_the_same_latent(stored, family):
    then = json.loads((FROZEN / "backbones.json").read_text())[f"{family}-backbone"]
    ref = registry.resolve_backbone(f"scatd-{family}-backbone/1")
    for folder in (FROZEN / "folders" / f"{family}-backbone", registry.fetch(ref)):
        vae = artifact.read(folder).backbone()
        with torch.no_grad():
            mu, logvar = vae.encode(torch.tensor(then["X"], dtype=torch.float32))
            ours = {"mu": mu, "logvar": logvar, "decoded": vae.decode(mu)}
        for name, values in ours.items():
            np.testing.assert_allclose(values, then[name], rtol=0, atol=1e-5)


def test_pyfunc_gives_the_same_scores(stored):
    import mlflow

    mlflow.set_tracking_uri(tracking.connect().tracking_uri)
    try:
        loaded = mlflow.pyfunc.load_model("models:/scatd-sf-docetaxel/2")
        table = loaded.predict(read_features(FROZEN / "sf.h5ad", "sf").X)
    finally:
        mlflow.set_tracking_uri(None)
    then = expected("sf", 2)
    ours = table["prob_resistant"]
    np.testing.assert_allclose(ours, then["prob_resistant"], rtol=0, atol=TOLERANCE)
    assert table["response"].tolist() == then["response"].tolist()


def test_fold_checkpoints_are_read(stored):
    base = artifact.read(FROZEN / "folders" / "sf-backbone").encoder_state()
    cards = list((stored / "mlartifacts").glob("*/artifacts/checkpoint/card.json"))
    assert len(cards) == 9
    read = [json.loads(card.read_text())["family"] for card in cards]
    for card in (card for card, family in zip(cards, read, strict=True) if family == "sf"):
        assert artifact.read(card.parent, base=base).classifier().sizes.n_features == 10


def test_a_pretraining_that_cannot_be_checked_starts_anew(tmp_path, caplog):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes((FROZEN / "checkpoint.pt").read_bytes())
    vae = ResidualVAE(Sizes(10, 4, (8,), (8,)), DESIGNS["sf"])
    before = {name: value.clone() for name, value in vae.state_dict().items()}
    draws = SeededDraws(42, torch.device("cpu"))
    optimizer = adamw(list(vae.parameters()), rate=1e-3, weight_decay=0.0)
    assert Checkpoint(draws, SaveTo(path)).restore(vae, optimizer) == []
    assert str(path) in caplog.text
    assert all(torch.equal(value, before[name]) for name, value in vae.state_dict().items())


def test_embeddings_that_cannot_be_checked_are_computed_anew(tmp_path, caplog):
    for name in ("digests.bin", "embeddings.f32"):
        (tmp_path / name).write_bytes((FROZEN / "embeddings" / name).read_bytes())
    digests = [hashlib.blake2b(bytes([i]), digest_size=16).digest() for i in range(8)]
    names = np.array(digests, DIGEST_TYPE)
    store = EmbeddingStore(tmp_path, 6)
    assert not store.get(names)[1].any()
    assert "computed anew" in caplog.text
    X = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)
    store.append(names[::-1], X[::-1])
    np.testing.assert_array_equal(store.get(names)[0], X)


def test_the_doctor_lists_and_seals_what_has_no_hashes(stored):
    from scatd.cli import main

    said = CliRunner().invoke(main, ["registry", "doctor"])
    assert said.exit_code == 0, said.output
    assert said.output.count("scatd before 0.2 noted no hashes") == 9
    sealed = CliRunner().invoke(main, ["registry", "doctor", "--repair"])
    assert sealed.exit_code == 0
    assert CliRunner().invoke(main, ["registry", "doctor"]).output == "Nothing is wrong.\n"
    ref = registry.get("scatd-sf-docetaxel", 1)
    weights = registry.fetch(ref) / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(InputError, match="not the one that was registered"):
        registry.fetch(ref)


# From 0.2.0 on --------------------------------------------------------------------------------


def test_every_kind_of_candidate_is_frozen():
    for folder in LATER:
        cards = [json.loads(p.read_text()) for p in folder.glob("folders/*/card.json")]
        responses = [card for card in cards if card["kind"] == "response"]
        kinds = {card.get("candidate", {"name": "network"})["name"] for card in responses}
        assert kinds == {"network", "linear", "trees", "mean"}
        assert {card["scatd_version"] for card in cards} == {folder.name.removeprefix("v")}
        tables = [pd.read_csv(table) for table in folder.glob("*-*.csv")]
        assert set(pd.concat(tables)["response"]) == {"sensitive", "resistant", "abstain"}


@pytest.mark.parametrize(
    ("stored", "table"), [(table.parent, table) for table in TABLES], ids=named, indirect=["stored"]
)
def test_later_versions_give_the_same_scores(stored, table):
    family, version = table.stem.split("-")
    ours = predicted(table.parent / f"{family}.h5ad", family, version)
    require_equal(ours, pd.read_csv(table, float_precision="round_trip"))


@pytest.mark.parametrize("table", [one for one in TABLES if "dist" not in one.name], ids=named)
def test_later_folders_give_the_same_scores(table):
    family = table.stem.partition("-")[0]
    scorer = Scorer(table.parent / "folders" / table.stem)
    X = read_features(table.parent / f"{family}.h5ad", family).X
    ours = scorer.score(X, options=ScoreOptions(fold_sd=True))
    then = pd.read_csv(table, float_precision="round_trip")
    for column in ("prob_resistant", "prob_sd_folds", "ood_p"):
        np.testing.assert_allclose(getattr(ours, column), then[column], rtol=0, atol=TOLERANCE)
    assert ours.responses.tolist() == then["response"].tolist()


@pytest.mark.parametrize("case", BACKBONES, ids=named)
def test_later_backbones_give_the_same_latent(case):
    folder, family = case
    then = json.loads((folder / "backbones.json").read_text())[family]
    vae = artifact.read(folder / "folders" / f"{family}-backbone").backbone()
    with torch.no_grad():
        mu, logvar = vae.encode(torch.tensor(then["X"], dtype=torch.float32))
        ours = {"mu": mu, "logvar": logvar, "decoded": vae.decode(mu)}
    for name, values in ours.items():
        np.testing.assert_allclose(values, then[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize("stored", LATER, ids=lambda folder: folder.name, indirect=True)
def test_the_doctor_finds_later_stores_whole(stored):
    from scatd.cli import main

    said = CliRunner().invoke(main, ["registry", "doctor"])
    assert (said.exit_code, said.output) == (0, "Nothing is wrong.\n")


# Runs ----------------------------------------------------------------------------------------
def present(values):
    """Metrics of a run of before, under the names of today."""
    return {
        re.sub(r"^baseline\.(\w+)\.", r"baseline/\1/", re.sub("^target_", "target/", name)): value
        for name, value in values.items()
    }


def written(level):
    """Runs of the frozen store, by id, with their metrics as they were written."""
    return {run.run_id: run for run in tracking.finished_runs({"scatd.level": level})}


@pytest.mark.parametrize("stored", [FROZEN, *LATER], indirect=True, ids=lambda folder: folder.name)
def test_compare_reads_runs_of_earlier_versions(stored):
    old = written("drug")
    table = compare().set_index("run_id")
    assert len(table) == len(FAMILIES)
    for run_id, row in table.iterrows():
        then = old[run_id].metrics
        others = {
            name.split(".")[1]: value
            for name, value in then.items()
            if re.fullmatch(r"baseline\.\w+\.auroc_mean", name) and "no_adaptation" not in name
        }
        assert row["mean"] == then["auroc_mean"]
        assert (row["ci_low"], row["ci_high"]) == (then["auroc_ci_low"], then["auroc_ci_high"])
        assert row["baseline_mean"] == max(others.values()) == others[row["best_baseline"]]
        assert row["n_samples"] == then["n_sensitive"] + then["n_resistant"]
    by_mcc = compare(metric="mcc").set_index("run_id")
    for run_id, row in by_mcc.iterrows():
        assert row["mean"] == old[run_id].metrics["mcc_mean"]
        assert row["sd"] == old[run_id].metrics["mcc_sd"]


@pytest.mark.parametrize("stored", LATER, indirect=True, ids=lambda folder: folder.name)
def test_evidence_is_the_same_under_older_and_present_names(stored):
    evaluations = written("evaluation")
    assert len(evaluations) == len(FAMILIES)
    for run in evaluations.values():
        shown = stored_evidence.of_evaluation(run)
        assert shown.standing.value == run.metrics["auroc"]
        assert {rival.name for rival in shown.standing.rivals} >= {"logistic_regression"}
        (first, *_) = shown.standing.rivals
        assert first.low == run.metrics[f"baseline.{first.name}.auroc_lead_ci_low"]
        renamed = replace(run, metrics=present(run.metrics))
        assert not any(name.startswith("baseline.") for name in renamed.metrics)
        assert stored_evidence.of_evaluation(renamed) == shown


@pytest.mark.parametrize("stored", [FROZEN, *LATER], indirect=True, ids=lambda folder: folder.name)
def test_the_gate_and_the_doctor_read_runs_of_earlier_versions(stored):
    ref = registry.resolve("docetaxel", stage="staging", families=("sf",))
    found = stored_evidence.of_version(ref, "auroc", None)
    then = tracking.Run(tracking.connect(), registry.training_run(ref)).metrics()
    assert found.folds.value == then["auroc_mean"]
    assert found.n_sensitive == then["n_sensitive"]
    assert stored_evidence.of_many_targets([ref]) == {ref: stored_evidence.of_targets(ref)}
    registry.examine()


def test_target_cells_of_a_transfer_are_read_under_older_names():
    then = {
        "target_auroc": 0.7, "target_auroc_ci_low": 0.6, "target_auroc_ci_high": 0.8,
        "baseline.random_forest.target_auroc": 0.65,
        "baseline.random_forest.target_auroc_lead": 0.05,
        "baseline.random_forest.target_auroc_lead_ci_low": -0.01,
        "baseline.random_forest.target_auroc_lead_ci_high": 0.11,
        "target_n_sensitive": 40.0, "target_n_resistant": 50.0, "target_training_cells": 3.0,
    }  # fmt: skip
    shown = stored_evidence.of_transfer("run", then, {})
    assert shown == stored_evidence.of_transfer("run", present(then), {})
    assert (shown.standing.value, shown.standing.low, shown.standing.high) == (0.7, 0.6, 0.8)
    (rival,) = shown.standing.rivals
    assert (rival.name, rival.lead, rival.low, rival.high) == ("random_forest", 0.05, -0.01, 0.11)
    assert (shown.n_sensitive, shown.n_resistant, shown.n_training_cells) == (40, 50, 3)
