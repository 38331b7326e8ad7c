"""Every fault that a user can make in a store is found, reported and repaired. Also tests diff."""

from __future__ import annotations

import functools
import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from mlflow.artifacts import download_artifacts

from scatd import artifact, registry, tracking
from scatd.artifact import Artifact
from scatd.cli import main
from scatd.nn.alignment import Alignment
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, Sizes
from tests.cards import about_of

NAME = "scatd-sf-afatinib"
SIZES = Sizes(20, 4, (5, 4), (4, 5))


def register(folder, threshold=0.5, scale=1.0, **card):
    """Register one version of a model with this card, and return its number."""
    torch.manual_seed(0)
    state = ResponseClassifier(SIZES, DESIGNS["sf"]).state_dict()
    weights = {
        name: value * scale if value.is_floating_point() else value for name, value in state.items()
    }
    shared = ("response", "sf", "sf", SIZES)
    shutil.rmtree(folder / "model", ignore_errors=True)
    stored = Artifact(*shared, weights, Alignment("none"), threshold)
    artifact.write(folder / "model", replace(stored, about=about_of(stored, **card)))
    with tracking.parent_run("transfer", name="afatinib", tags={}, settings={}) as run:
        return registry.register_artifact(
            folder / "model", NAME, run.run_id, metrics={}, description="",
            tags={"scatd.drug": "afatinib"},
        )  # fmt: skip


@pytest.fixture
def add(store):
    return functools.partial(register, store)


@pytest.fixture(scope="module")
def served_folder(migrated_store, tmp_path_factory):
    """A store with three versions, the second in production and the first before it."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copy(migrated_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.chdir(folder)
        for version in (1, 2):
            assert register(folder) == version
            registry.promote(NAME, version, reason="better", evidence_run_id="")
        register(folder)
        assert registry.examine() == [], "a store that only scatd wrote to has no faults"
    return folder


@pytest.fixture
def served(store, served_folder):
    """A copy of it that a test may harm."""
    shutil.copytree(served_folder, store, dirs_exist_ok=True)
    with sqlite3.connect(store / "mlflow.db") as database:
        for table, column in (
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("logged_models", "artifact_location"),
            ("model_versions", "storage_location"),
        ):
            moved = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"
            database.execute(moved, (str(served_folder), str(store)))
    return tracking.connect()


def aliases():
    found = tracking.connect().get_registered_model(NAME).aliases
    return {alias: int(version) for alias, version in found.items()}


def stage(version):
    return tracking.connect().get_model_version(NAME, str(version)).tags["scatd.stage"]


def folder_of(client, version) -> Path:
    uri = client.get_model_version_download_uri(NAME, str(version))
    return Path(download_artifacts(artifact_uri=f"{uri}/artifacts/model"))


def repaired(said):
    """The faults, of which one says this; afterwards there are none."""
    faults = registry.examine()
    assert any(said in f"{fault.where}: {fault.what}" for fault in faults), faults
    for fault in faults:
        fault.repair()
    assert registry.examine() == []
    return faults


# Aliases and tags --------------------------------------------------------------------------
def test_production_moved_by_hand(served):
    served.set_registered_model_alias(NAME, "production", "3")
    repaired("alias production names version 3, its history ends at version 2")
    assert aliases()["production"] == 3
    assert [stage(version) for version in (1, 2, 3)] == ["archived", "archived", "production"]
    moves = registry.history(NAME)
    assert moves["action"].to_list() == ["promote", "promote", "noticed"]


def test_production_taken_away_by_hand(served):
    served.delete_registered_model_alias(NAME, "production")
    repaired("alias production names nothing")
    assert "production" not in aliases()
    assert stage(2) == "archived"


def test_tag_edited_by_hand(served):
    served.set_model_version_tag(NAME, "1", "scatd.stage", "production")
    repaired("version 1 is tagged production, and is archived")
    assert stage(1) == "archived"


def test_staging_moved_by_hand(served):
    served.set_registered_model_alias(NAME, "staging", "1")
    repaired("alias staging names version 1, newest is 3")
    assert aliases()["staging"] == 3


def test_newest_version_deleted_by_hand(served):
    served.delete_model_version(NAME, "3")
    repaired("alias staging names nothing, newest is 2")
    assert aliases()["staging"] == 2


def test_alias_of_a_version_that_does_not_exist(served, monkeypatch):
    held = registry.doctor.state.read_all

    def with_ghost(client):
        (model,) = held(client)
        return [replace(model, aliases={**model.aliases, "previous": 9})]

    monkeypatch.setattr(registry.doctor.state, "read_all", with_ghost)
    (fault,) = registry.examine()
    assert fault.what == "alias previous names version 9, which does not exist"
    fault.repair()
    assert "previous" not in aliases()


# Files -------------------------------------------------------------------------------------
def test_production_without_files_is_taken_out_of_service(served):
    shutil.rmtree(folder_of(served, 2).parents[1])
    (fault,) = repaired("its model folder is gone")
    assert fault.where == f"{NAME}/2"
    assert aliases() == {"staging": 3, "previous": 1}
    assert stage(2) == "archived"
    assert registry.rollback(NAME, reason="2 is lost") == 1
    assert registry.examine() == []


def test_newest_without_weights_is_not_at_staging(served):
    (folder_of(served, 3) / "model.safetensors").write_bytes(b"")
    repaired("its model folder lacks model.safetensors")
    assert aliases() == {"staging": 2, "production": 2, "previous": 1}


def test_files_that_came_back(served):
    folder = folder_of(served, 3)
    shutil.move(folder, folder.with_name("elsewhere"))
    repaired("its model folder is gone")
    shutil.move(folder.with_name("elsewhere"), folder)
    repaired("it is marked as lost, and its files are there")
    assert aliases()["staging"] == 3


def test_all_versions_without_files(add, store):
    add()
    shutil.rmtree(store / "mlartifacts")
    repaired("its model folder is gone")
    assert aliases() == {}


def test_files_are_fetched_once_a_version(served, monkeypatch):
    """They may be large, and on a server."""
    fetched = []

    def noted(**given):
        fetched.append(given["artifact_uri"])
        return download_artifacts(**given)

    monkeypatch.setattr(registry.doctor, "download_artifacts", noted)
    assert registry.examine() == []
    assert len(fetched) == len(set(fetched)) == 3


# Runs --------------------------------------------------------------------------------------
def test_deleted_run_of_a_version(served):
    run_id = served.get_model_version(NAME, "2").run_id
    served.delete_run(run_id)
    repaired(f"the run that made it, {run_id}, was deleted")
    assert served.get_run(run_id).info.lifecycle_stage == "active"


def open_run(client, parent=None, **tags):
    nested = {} if parent is None else {"mlflow.parentRunId": parent}
    run = client.create_run(tracking.experiment_id(client), tags={**tags, **nested})
    return run.info.run_id


def dead_process():
    """The number of a process that is over."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return str(process.pid)


def test_run_of_a_killed_process(store):
    client = tracking.connect()
    here = {"scatd.host": platform.node()}
    dead = open_run(client, **here, **{"scatd.process": dead_process()})
    nested = open_run(client, dead)
    elsewhere = open_run(client, **{"scatd.host": "another", "scatd.process": "1"})
    unknown = open_run(client)
    with tracking.parent_run("transfer", name="alive", tags={}, settings={}) as alive:
        (fault,) = repaired("it is shown as running, and its process is dead")
        assert dead in fault.where
        status = {run: client.get_run(run).info.status for run in (dead, nested)}
        assert set(status.values()) == {"KILLED"}
        for run in (elsewhere, unknown, alive.run_id):
            assert client.get_run(run).info.status == "RUNNING"


def test_running_fold_of_a_run_that_is_over(store):
    client = tracking.connect()
    parent = open_run(client)
    fold = open_run(client, parent)
    client.set_terminated(parent)
    repaired("it is shown as running")
    assert client.get_run(fold).info.status == "KILLED"


def test_folds_of_a_deleted_run_go_with_it_and_models_stay(store):
    client = tracking.connect()
    parent = open_run(client)
    fold = open_run(client, parent, **{"scatd.level": "fold"})
    drug = open_run(client, parent, **{"scatd.level": "drug"})
    for run in (fold, drug, parent):
        client.set_terminated(run)
    client.delete_run(parent)
    repaired("its parent run was deleted")
    assert client.get_run(fold).info.lifecycle_stage == "deleted"
    kept = client.get_run(drug)
    assert kept.info.lifecycle_stage == "active"
    assert "mlflow.parentRunId" not in kept.data.tags


# The command -------------------------------------------------------------------------------
@pytest.fixture
def scatd():

    return lambda *words: CliRunner().invoke(main, ["registry", *words])


def test_doctor_says_repairs_and_exits(scatd, served):
    done = scatd("doctor")
    assert (done.stdout, done.exit_code) == ("Nothing is wrong.\n", 0)
    served.set_registered_model_alias(NAME, "staging", "1")
    shutil.rmtree(folder_of(served, 2).parents[1])
    done = scatd("doctor")
    assert done.exit_code == 1
    assert f"{NAME}/2: its model folder is gone." in done.stdout
    assert aliases()["staging"] == 1, "without --repair nothing is touched"
    done = scatd("doctor", "--repair")
    assert done.exit_code == 0
    assert done.stdout.endswith("2 faults, 0 left after the repair.\n")
    assert scatd("doctor").stdout == "Nothing is wrong.\n"


def test_predicting_with_lost_files_names_the_doctor(served):
    ref = registry.resolve("afatinib")
    shutil.rmtree(folder_of(served, 2).parents[1])
    with pytest.raises(Exception, match="scatd registry doctor"):
        registry.fetch(ref)


# Diff --------------------------------------------------------------------------------------
CARD = {
    "threshold_origin": "default",
    "data": {"source": {"file": "bulk.h5ad", "sha256": "aa", "n_obs": 400}},
    "settings": {"epochs": 150, "alignment": "adain"},
    "metrics": {"out_of_fold": {"auroc_mean": 0.8}},
    "baselines": [{"model": "logistic_regression", "auroc_mean": 0.7}],
    "features": {"n_features": 20, "names": [f"G{number}" for number in range(20)]},
    "drug": "AFATINIB",
}


def changed(path, value):
    """The card with one value replaced."""
    card = json.loads(json.dumps(CARD))
    place = card
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return card


@pytest.fixture(scope="module")
def carded_folder(migrated_store, tmp_path_factory):
    """A store with one version, which has that card."""
    folder = tmp_path_factory.mktemp("carded")
    shutil.copy(migrated_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.chdir(folder)
        assert register(folder, **CARD) == 1
    return folder


@pytest.fixture
def add_second(add, carded_folder):
    """Registers a version beside that one."""
    shutil.copy(carded_folder / "mlflow.db", "mlflow.db")
    return add


def found(first="1", second="2"):
    table = registry.diff(NAME, first, second)
    rows = table[table["section"] != "registry"]
    return [tuple(row) for row in rows.itertuples(index=False)]


@pytest.mark.parametrize(
    ("path", "value", "row"),
    [
        (("data", "source", "sha256"), "bb", ("data", "data.source.sha256", "aa", "bb")),
        (("settings", "epochs"), 90, ("settings", "settings.epochs", "150", "90")),
        (
            ("metrics", "out_of_fold", "auroc_mean"), 0.81234567,
            ("metrics", "metrics.out_of_fold.auroc_mean", "0.8", "0.812346"),
        ),
        (
            ("baselines", 0, "auroc_mean"), 0.75,
            ("baselines", "baselines.logistic_regression.auroc_mean", "0.7", "0.75"),
        ),
        (("drug",), "Afatinib", ("model", "drug", "AFATINIB", "Afatinib")),
    ],
)  # fmt: skip
def test_diff_names_what_changed_and_nothing_else(add_second, path, value, row):
    add_second(**changed(path, value))
    assert found() == [row]


def test_diff_of_weights_threshold_and_genes(add_second):
    genes = [f"H{number}" for number in range(20)]
    add_second(0.3, 2.0, **changed(("features", "names"), genes))
    rows = found()
    assert rows[0] == ("threshold", "threshold", "0.5", "0.3")
    (genes,) = [row for row in rows if row[1] == "features.names"]
    assert all(text.startswith("20 values, sha256 ") for text in genes[2:])
    (weights,) = [row for row in rows if row[1] == "weights"]
    assert weights[2] != weights[3]


def test_diff_as_it_is_printed(scatd, add_second):
    registry.promote(NAME, 1, reason="", evidence_run_id="")
    add_second(0.3, **CARD)
    done = scatd("diff", "production", "staging", "afatinib")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["value", "production", "staging"] in lines
    assert ["threshold", "0.5", "0.3"] in lines
    assert ["scatd.stage", "production", "staging"] in lines
    assert "are the same" in scatd("diff", "1", "1", "--drug", "afatinib").stdout
    for words in (("diff", "1", "9", "afatinib"), ("diff", "1", "nosuch", "afatinib")):
        assert scatd(*words).exit_code == 2
