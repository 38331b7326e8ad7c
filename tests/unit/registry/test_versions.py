"""Versions load anywhere, are found by drug, and move between stages without contradiction."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch

from scatd import artifact, registry, tracking
from scatd.artifact import Artifact
from scatd.cards import model_folder
from scatd.errors import InputError
from scatd.nn.alignment import Alignment, feature_stats
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.scoring import Scorer
from tests import forked

SIZES = Sizes(12, 6, (10, 8), (8, 10))
NAME = "scatd-sf-afatinib"


@pytest.fixture(scope="module")
def cells():
    return np.random.default_rng(0).normal(size=(40, 12)).astype(np.float32)


@pytest.fixture(scope="module")
def folders(tmp_path_factory, cells):
    """Model folders by kind."""
    cells = torch.from_numpy(cells)
    root = tmp_path_factory.mktemp("folders")
    torch.manual_seed(3)
    head = ResponseClassifier(SIZES, DESIGNS["sf"])
    head.train()(torch.randn(64, 12))
    backbone = ResidualVAE(SIZES, DESIGNS["sf"])
    shared = ("sf", "sf", SIZES)
    stored = {
        "response": Artifact("response", *shared, head.state_dict(), Alignment("none"), 0.4),
        "demo": Artifact(
            "response", *shared, head.state_dict(), Alignment("none"), 0.4, simulated=True
        ),
        "backbone": Artifact("backbone", *shared, backbone.state_dict()),
        "aligned": Artifact(
            *("response", *shared, head.state_dict()),
            Alignment("adain", feature_stats([cells]), feature_stats([cells + 1])),
            0.4,
        ),
    }
    for name, content in stored.items():
        artifact.write(root / name, content)
    return {name: root / name for name in stored}


def register(folder, name=NAME, metrics=None):
    """Register one version and return its number."""
    drug = {} if name.endswith("backbone") else {"scatd.drug": name.rpartition("-")[2]}
    with tracking.parent_run("transfer", name=name, tags={}, settings={"folds": 5}) as run:
        return registry.register_artifact(
            folder, name, run.run_id, metrics=metrics or {}, description="**d**", tags=drug
        )


@pytest.fixture
def add(store, folders):
    """Register one version of a kind."""
    return lambda name=NAME, kind="response", metrics=None: register(folders[kind], name, metrics)


@pytest.fixture(scope="module")
def filled(migrated_store, folders, tmp_path_factory):
    """Gives a database with so many versions; each is made when it is first asked for."""
    made = [migrated_store]

    def filled(n):
        while len(made) <= n:
            folder = tmp_path_factory.mktemp("filled")
            shutil.copy(made[-1], folder / "mlflow.db")
            with pytest.MonkeyPatch.context() as patch:
                for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
                    patch.delenv(name)
                patch.chdir(folder)
                assert register(folders["response"]) == len(made)
            made.append(folder / "mlflow.db")
        return made[n]

    return filled


@pytest.fixture
def begin(store, filled):
    """Gives the test's store so many versions, before anything else is done in it."""
    return lambda n: shutil.copy(filled(n), "mlflow.db")


def aliases(name=NAME):
    return {
        alias: int(version)
        for alias, version in tracking.connect().get_registered_model(name).aliases.items()
    }


def stages(name=NAME):
    return registry.show(name).set_index("version")["stage"].to_dict()


def assert_agreement(name=NAME):
    """Alias, tags, previous and history say the same."""
    held, moves = aliases(name), registry.history(name)
    production = held.get("production")
    tagged = [version for version, stage in stages(name).items() if stage == "production"]
    assert tagged == ([] if production is None else [production])
    last = moves["production"].iloc[-1]
    assert (None if pd.isna(last) else last) == production


# Registering -------------------------------------------------------------------------------
def test_a_version_is_complete(add, folders):
    assert add(metrics={"auroc": 0.75}) == 1
    version = tracking.connect().get_model_version(NAME, "1")
    assert version.description == "**d**"
    assert version.tags["scatd.family"] == "sf"
    assert version.tags["scatd.simulated"] == "false"
    assert version.tags["scatd.drug"] == "afatinib"
    assert version.tags["scatd.stage"] == "staging"
    assert version.tags["scatd.registered_by"]
    run = tracking.connect().get_run(version.run_id)
    (output,) = run.outputs.model_outputs
    logged = tracking.connect().get_logged_model(output.model_id)
    assert {metric.key: metric.value for metric in logged.metrics} == {"auroc": 0.75}
    assert logged.status == "READY"


def test_the_model_is_described_by_the_version_that_serves(add, begin):
    def text():
        return tracking.connect().get_registered_model(NAME).description

    begin(1)
    assert text().startswith("**Version 1, the newest, at staging.** **d**\n\n")
    registry.promote(NAME, 1, reason="", evidence_run_id="")
    add()
    assert text().startswith("**Version 1, in production.** **d**\n\n")
    registry.promote(NAME, 2, reason="", evidence_run_id="")
    assert text().startswith("**Version 2, in production.**")
    tracking.connect().update_registered_model(NAME, "ours")
    registry.rollback(NAME, reason="")
    assert text() == "ours"


def test_a_logged_model_says_what_it_was_made_with(add):
    add(metrics={"auroc": 0.75})
    client = tracking.connect()
    (output,) = client.get_run(client.get_model_version(NAME, "1").run_id).outputs.model_outputs
    logged = client.get_logged_model(output.model_id)
    assert logged.tags["mlflow.note.content"] == "**d**"
    assert logged.tags["scatd.family"] == "sf"
    card = registry.read_card(registry.get(NAME, 1))
    assert float(logged.params["threshold"]) == card.threshold
    assert logged.params["n_latent"] == str(card.sizes.n_latent)
    settings = {name for name in logged.params if name.startswith("cfg.")}
    assert settings == {f"cfg.{name}" for name in card.about.settings or {}}


def test_staging_names_the_newest(add):
    assert [add(), add(), add()] == [1, 2, 3]
    assert aliases() == {"staging": 3}
    assert stages() == {3: "staging", 2: "archived", 1: "archived"}


def test_fetched_folder_is_the_one_registered(begin, folders):
    begin(1)
    folder = registry.fetch(registry.resolve("afatinib", stage="staging"))
    for name in ("card.json", "model.safetensors"):
        assert (folder / name).read_bytes() == (folders["response"] / name).read_bytes()


@pytest.mark.filterwarnings("error::UserWarning")
def test_plain_mlflow_gives_the_same_scores(begin, folders, cells):
    begin(1)
    direct = Scorer(folders["response"])
    model = mlflow.pyfunc.load_model(f"models:/{NAME}@staging")
    for given in (cells, pd.DataFrame(cells)):
        scores = model.predict(given)
        assert list(scores.columns) == ["prob_resistant", "response"]
        np.testing.assert_array_equal(scores["prob_resistant"], direct.score(cells).prob_resistant)
        assert list(scores["response"]) == list(direct.score(cells).responses)
    strict = model.predict(cells, params={"threshold": 0.99, "mc_samples": 4})
    np.testing.assert_array_equal(
        strict["prob_resistant"], direct.score(cells, mc_samples=4).prob_resistant
    )
    assert set(strict["response"]) == {"sensitive"}
    with pytest.raises(mlflow.MlflowException, match="12"):
        model.predict(cells[:, :5])


def test_loads_without_pickle_or_what_training_needs(add, cells, store):
    """A server that scores has no use for anndata, scanpy, scikit-learn or optuna."""
    add(kind="aligned")
    np.save("cells.npy", cells)
    expected = mlflow.pyfunc.load_model(f"models:/{NAME}@staging").predict(cells)
    script = f"""
import sys
for name in ("anndata", "scanpy", "sklearn", "optuna", "imblearn", "transformers"):
    sys.modules[name] = None
import socket
def no_network(*_): raise OSError("no network")
socket.socket.connect = no_network
import mlflow, numpy as np
model = mlflow.pyfunc.load_model("models:/{NAME}@staging")
np.save("scores.npy", model.predict(np.load("cells.npy"))["prob_resistant"])
"""
    here = str(Path(artifact.__file__).parents[1])
    environment = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = here
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load("scores.npy"), expected["prob_resistant"], atol=1e-6)


def test_no_pickle_is_stored(add, store):
    add()
    kinds = {file.suffix for file in (store / "mlartifacts").rglob("*") if file.is_file()}
    assert kinds <= {".py", ".json", ".safetensors", ".yaml", ".txt", ""}


def test_a_backbone_encodes(add, folders, cells):
    add("scatd-sf-backbone", "backbone")
    latent = mlflow.pyfunc.load_model("models:/scatd-sf-backbone@staging").predict(cells)
    with torch.no_grad():
        vae = artifact.read(folders["backbone"]).backbone()
        expected, _ = vae.encode(torch.from_numpy(cells))
    np.testing.assert_allclose(latent, expected, atol=1e-6)


def test_a_killed_registration_is_found_and_finished(begin):
    begin(1)
    client = tracking.connect()
    run_id = client.get_model_version(NAME, "1").run_id
    client.delete_registered_model_alias(NAME, "staging")  # killed before this was written
    assert registry.find_version(NAME, [run_id]) == 1
    assert aliases() == {"staging": 1}
    assert registry.find_version(NAME, ["0" * 32]) is None
    assert registry.find_version("scatd-sf-nothing", [run_id]) is None


# Finding -----------------------------------------------------------------------------------
def test_families_are_tried_in_order(add):
    add("scatd-gf-afatinib")
    add("scatd-dist-afatinib")
    found = registry.resolve("afatinib", stage="staging", families=["sf", "dist", "gf"])
    assert (found.name, found.version, found.stage) == ("scatd-dist-afatinib", 1, "staging")


def test_a_version_number_is_a_stage(add, begin):
    begin(1)
    add(kind="demo")
    found = registry.resolve("afatinib", version=1)
    assert (found.version, found.simulated, found.stage) == (1, False, "archived")
    assert registry.resolve("afatinib", stage="staging").simulated
    with pytest.raises(InputError, match="has no version 3"):
        registry.resolve("afatinib", version=3)
    with pytest.raises(InputError, match="no stage 'produktion'"):
        registry.resolve("afatinib", stage="produktion")


def test_a_model_held_back_says_by_which_rule(begin):
    begin(1)
    registry.set_gate_verdict(NAME, 1, "12 of 20 resistant samples", passed=False)
    with pytest.raises(InputError) as caught:
        registry.resolve("afatinib")
    for part in ("version 1 at staging", "12 of 20 resistant samples", "--stage staging"):
        assert part in str(caught.value)


def test_an_unknown_drug_is_told_what_there_is(add):
    with pytest.raises(InputError, match="scatd transfer --drug afatinib"):
        registry.resolve("afatinib")
    add()
    add("scatd-sf-backbone", "backbone")
    registry.promote("scatd-sf-docetaxel", add("scatd-sf-docetaxel"), reason="", evidence_run_id="")
    with pytest.raises(InputError) as caught:
        registry.resolve("afatinb")
    registered = "docetaxel (sf at production and staging)"
    for part in ("mean afatinib", "afatinib (sf at staging)", registered):
        assert part in str(caught.value)
    assert "backbone" not in str(caught.value)


def test_backbones_by_name(add):
    name = "scatd-sf-backbone"
    assert registry.find(name, "production") is None
    with pytest.raises(InputError, match="no registered model"):
        registry.resolve_backbone(name)
    add(name, "backbone")
    add(name, "backbone")
    registry.promote(name, 1, reason="", evidence_run_id="")
    assert registry.find(name, "production").version == 1
    for spec, version in {
        name: 2,
        f"{name}@production": 1,
        f"models:/{name}@staging": 2,
        f"models:/{name}/1": 1,
    }.items():
        assert registry.resolve_backbone(spec).version == version
    for spec in (f"{name}@nosuch", f"{name}/9", f"{name}/x", "it's"):
        with pytest.raises(InputError):
            registry.resolve_backbone(spec)
    # A word that was left empty, as by an unset variable of a script, is not the usual stage.
    for spec in (f"{name}@", f"{name}@ ", "@", "@staging", "/1", "", "models:/"):
        with pytest.raises(InputError, match="names no version"):
            registry.resolve_backbone(spec)


def test_a_version_by_its_number_and_by_its_stage(begin):
    begin(2)
    assert registry.get(NAME, 1).stage == "archived"
    assert registry.at(NAME, "staging") == registry.get(NAME, 2)
    with pytest.raises(InputError, match=r"no version 3.*one of 1, 2"):
        registry.get(NAME, 3)
    with pytest.raises(InputError, match=r"no alias 'production'.*Expected staging"):
        registry.at(NAME, "production")
    with pytest.raises(InputError, match="no registered model"):
        registry.get("scatd-sf-nothing", 1)


def test_a_model_in_memory_is_registered_as_its_folder_is(store, folders):
    with tracking.parent_run("transfer", name="a", tags={}, settings={}) as run:
        for model in (folders["response"], artifact.read(folders["response"])):
            registry.register_artifact(
                model, NAME, run.run_id, metrics={}, description="", tags={"scatd.drug": "afatinib"}
            )
    first, second = (registry.fetch(registry.get(NAME, version)) for version in (1, 2))
    assert (first / "card.json").read_bytes() == (second / "card.json").read_bytes()
    assert model_folder.verify(first) == model_folder.verify(second)
    assert registry.read_card(registry.get(NAME, 2)).family == "sf"
    assert registry.read(registry.get(NAME, 2)).sizes == SIZES


# Stages ------------------------------------------------------------------------------------
def promote(version):
    return registry.promote(NAME, version, reason="better", evidence_run_id=f"{version:032x}")


def test_promotion_moves_everything(begin):
    begin(2)
    for version in (1, 2):
        assert promote(version)
    assert aliases() == {"staging": 2, "production": 2, "previous": 1}
    assert stages() == {2: "production", 1: "archived"}
    assert not promote(2), "it is there already"
    moves = registry.history(NAME)
    assert moves["action"].to_list() == ["promote", "promote"]
    assert moves["replaced"].to_list() == [pd.NA, 1]
    assert moves["evidence"].to_list() == [f"{1:032x}", f"{2:032x}"]
    shown = registry.show(NAME).set_index("version").loc[2]
    assert (shown["promoted_from"], shown["evidence_run"]) == ("1", f"{2:032x}")
    assert_agreement()
    with pytest.raises(InputError, match="no version 3"):
        promote(3)


def test_a_new_version_leaves_production_alone(add, begin):
    begin(1)
    promote(1)
    add()
    assert aliases() == {"staging": 2, "production": 1}
    assert stages() == {2: "staging", 1: "production"}


def test_rollback_goes_back_step_by_step(begin):
    begin(3)
    for version in (1, 2, 3):
        promote(version)
    assert registry.rollback(NAME, reason="worse") == 2
    assert aliases() == {"staging": 3, "production": 2, "previous": 1}
    assert stages() == {3: "archived", 2: "production", 1: "archived"}
    assert registry.rollback(NAME, reason="worse") == 1
    assert aliases() == {"staging": 3, "production": 1}
    assert_agreement()
    with pytest.raises(InputError, match="no previous version"):
        registry.rollback(NAME, reason="worse")
    with pytest.raises(InputError, match="no registered model"):
        registry.rollback("scatd-sf-nothing", reason="")


def test_archive_takes_out_of_service(begin):
    begin(2)
    promote(1)
    promote(2)
    registry.archive(NAME, 2, reason="withdrawn")
    assert aliases() == {"staging": 2, "previous": 1}
    assert stages() == {2: "archived", 1: "archived"}
    assert_agreement()
    registry.archive(NAME, 1, reason="old")
    assert aliases() == {"staging": 2}
    with pytest.raises(InputError, match="no version"):
        registry.archive(NAME, 7, reason="")


def test_an_alias_moved_by_hand_is_noticed(begin):
    begin(3)
    promote(1)
    tracking.connect().set_registered_model_alias(NAME, "production", "2")
    promote(3)
    moves = registry.history(NAME)
    assert moves["action"].to_list() == ["promote", "noticed", "promote"]
    assert moves["replaced"].to_list() == [pd.NA, 1, 2]
    assert aliases()["previous"] == 2
    assert_agreement()


def at_once(script, *arguments):
    """Run a script in one process an argument; they wait for each other where it says `meet()`."""
    meeting = """
import socket, sys
def meet():
    with socket.create_connection(("127.0.0.1", int(sys.argv[2]))) as door:
        door.recv(1)
"""
    with contextlib.ExitStack() as held, socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(120)
        port = door.getsockname()[1]
        processes = [forked.Process(meeting + script, argument, port) for argument in arguments]
        for _ in processes:
            held.enter_context(door.accept()[0])
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors


def test_two_promoters_at_once_agree(begin):
    begin(4)
    script = f"""
import time
from mlflow.tracking import MlflowClient
from scatd import registry
move = MlflowClient.set_registered_model_alias
def move_slowly(*arguments):  # so that the two certainly meet
    move(*arguments)
    time.sleep(0.1)
MlflowClient.set_registered_model_alias = move_slowly
meet()
for version in map(int, sys.argv[1]):
    registry.promote({NAME!r}, version, reason="race", evidence_run_id="")
"""
    at_once(script, "1212", "3434")
    assert_agreement()
    moves = registry.history(NAME)
    assert moves["action"].to_list() == ["promote"] * 8
    assert moves["replaced"].to_list()[1:] == moves["version"].to_list()[:-1]
    assert aliases()["previous"] == moves["replaced"].iloc[-1]


def test_two_registrations_at_once(store, folders):
    tracking.connect()
    script = f"""
from pathlib import Path
from scatd import registry, tracking
meet()
with tracking.parent_run("transfer", name="a", tags={{}}, settings={{}}) as run:
    folder, none = Path(sys.argv[1]), dict(metrics={{}}, description="", tags={{}})
    registry.register_artifact(folder, {NAME!r}, run.run_id, **none)
"""
    at_once(script, str(folders["response"]), str(folders["demo"]))
    assert stages() == {2: "staging", 1: "archived"}
    assert aliases() == {"staging": 2}


# Tables ------------------------------------------------------------------------------------
def test_tables_of_an_empty_registry(store):
    assert registry.list_models().empty
    with pytest.raises(InputError, match="No model is registered yet"):
        registry.show(NAME)


def test_list_shows_one_row_a_model(add):
    promote(add(kind="demo"))
    add("scatd-sf-backbone", "backbone")
    table = registry.list_models().set_index("model")
    assert table.loc[NAME, ["drug", "production", "staging", "simulated"]].to_list() == [
        "afatinib", 1, 1, True,
    ]  # fmt: skip
    assert pd.isna(table.loc["scatd-sf-backbone", "production"])
    assert registry.history("scatd-sf-backbone").empty
