"""`scatd pretrain` from command to registered backbone: kills, folds, files, refusals."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch

from scatd import artifact, keys, registry, tracking
from scatd.cards import model_folder
from scatd.cards.writing import to_mapping
from scatd.data.demo import DemoSettings, write_demo
from scatd.data.features import CheckedRows
from scatd.data.lazy import LazyMatrix
from scatd.training import backbone
from tests import forked

SETTINGS = """
epochs: 5
min_steps: 0
learning_rate: 3.0e-3
n_latent: 6
encoder_hidden: [32, 16]
decoder_hidden: [32]
"""


def write_cells(folder, n_obs=300):
    rng = np.random.default_rng(1)
    loadings = rng.normal(size=(5, 24))
    X = rng.normal(size=(n_obs, 5)) @ loadings + 0.3 * rng.normal(size=(n_obs, 24))
    np.save(folder / "cells.npy", X.astype(np.float32))
    (folder / "tiny.yaml").write_text(SETTINGS)


@pytest.fixture
def cells(store):
    write_cells(store)
    return store


def arguments(*more):
    return ("pretrain", "--input", "cells.npy", "--settings", "tiny.yaml", *more)


def runs():
    client = tracking.connect()
    return client, client.search_runs(
        [tracking.experiment_id(client)], order_by=["attributes.start_time ASC"]
    )


def curve(client, run_id, name="val_total"):
    return [(point.step, point.value) for point in client.get_metric_history(run_id, name)]


def card_of(name):
    return to_mapping(model_folder.read_card(registry.fetch(registry.resolve_backbone(name))))


def encode():
    """Posterior mean of the cells, from the registered backbone."""
    vae = artifact.read(registry.fetch(registry.resolve_backbone("scatd-sf-backbone"))).backbone()
    with torch.no_grad():
        return vae.encode(torch.from_numpy(np.load("cells.npy")))[0].numpy()


# A command killed for good in its third epoch: the generator is asked for a third shuffle.
KILLED = """
import os, signal
from scatd.cli import main
from scatd.training.draws import SeededDraws

shuffle, calls = SeededDraws.batches, []

def batches(self, *args, **kwargs):
    calls.append(1)
    if len(calls) == 3 + {skipped}:
        os.kill(os.getpid(), signal.SIGKILL)
    return shuffle(self, *args, **kwargs)

SeededDraws.batches = batches
main({arguments!r})
"""


def in_a_process(code, words):
    """Run `code` with the command's arguments in a new process."""
    environment = {name: value for name, value in os.environ.items() if "MLFLOW" not in name}
    source = code.format(arguments=list(words))
    return forked.run(source, env=environment)


def run_and_kill(words, *, skipped=0):
    done = in_a_process(KILLED.replace("{skipped}", str(skipped)), words)
    assert done.returncode == -signal.SIGKILL, done.stderr


def run_alone(words):
    """To the end, in a process like the killed one: the last bits depend on what ran before."""
    done = in_a_process("from scatd.cli import main\nmain({arguments!r})", words)
    assert done.returncode == 0, done.stderr


def test_kill_9_in_epoch_3_and_the_same_command_again(cells, tmp_path_factory, monkeypatch):
    words = arguments("--checkpoint-every", "1", "--device", "cpu")
    run_and_kill(words)
    (left,) = Path(".scatd").glob("*.pt")
    assert len(torch.load(left, weights_only=True)["history"]) == 2
    run_alone(words)
    client, (dead, finished) = runs()
    assert [dead.info.status, finished.info.status] == ["KILLED", "FINISHED"]
    resumed = {name: curve(client, finished.info.run_id, name) for name in finished.data.metrics}
    assert [step for step, _ in resumed["val_total"]] == [1, 2, 3, 4, 5]
    assert list(Path(".scatd").glob("*.pt")) == []
    latent = encode()

    elsewhere = tmp_path_factory.mktemp("uninterrupted")
    (elsewhere / "mlflow.db").write_bytes((cells / "mlflow.db").read_bytes())
    write_cells(elsewhere)
    monkeypatch.chdir(elsewhere)
    run_alone(words)
    client, (*_, whole) = runs()
    for name in whole.data.metrics:
        expected = curve(client, whole.info.run_id, name)
        np.testing.assert_allclose(resumed[name], expected, rtol=1e-6, atol=1e-6, err_msg=name)
    assert registry.resolve_backbone("scatd-sf-backbone").run_id == whole.info.run_id
    np.testing.assert_allclose(encode(), latent, rtol=0, atol=1e-4)


def test_folds_are_told_apart_survive_a_kill_and_the_first_is_registered(cells, scatd):
    words = arguments("--folds", "3", "--checkpoint-every", "1")
    run_and_kill(words, skipped=5)  # in the third epoch of the second fold
    output = scatd(*words).output
    assert "R2 of 3 folds" in output
    client, found = runs()
    parent = next(run for run in found if run.info.status == "FINISHED" and
                  keys.TAG_FOLD not in run.data.tags)  # fmt: skip
    folds = tracking.Run(client, parent.info.run_id).fold_runs()
    assert sorted(folds) == [1, 2, 3]
    assert len([run for run in found if run.info.status == "KILLED"]) == 2
    assert "RUNNING" not in {run.info.status for run in found}
    r2 = [folds[fold].metrics()["r2"] for fold in (1, 2, 3)]
    assert parent.data.metrics["cv/r2_mean"] == pytest.approx(np.mean(r2))
    assert parent.data.metrics["cv/r2_sd"] == pytest.approx(np.std(r2, ddof=1))
    assert parent.data.metrics["r2"] == pytest.approx(r2[0])
    assert [value for _, value in curve(client, parent.info.run_id, "cv/fold_r2")] == r2
    card = card_of("scatd-sf-backbone")
    assert card["folds"]["registered"] == 1
    assert [row["r2"] for row in card["folds"]["table"]] == pytest.approx(r2)
    assert card["metrics"]["r2"] == pytest.approx(r2[0])
    versions = client.search_model_versions("name = 'scatd-sf-backbone'")
    assert [int(version.version) for version in versions] == [1]


@pytest.mark.as_shipped
def test_the_card_says_what_the_weights_are(cells, scatd):
    scatd(*arguments("--epochs", "40", "--learning-rate", "0.02", "--schedule", "constant",
                     "--patience", "6"))  # fmt: skip
    card = card_of("scatd-sf-backbone")
    client, (run,) = runs()
    losses = [value for _, value in curve(client, run.info.run_id)]
    best = int(np.argmin(losses)) + 1
    assert card["weights"] == {
        "epoch": best, "of": len(losses), "chosen": "lowest validation loss",
    }  # fmt: skip
    assert len(losses) in (40, best + 6)
    assert card["metrics"]["val_loss"] == pytest.approx(losses[best - 1])
    stored = tracking.Run(client, run.info.run_id)
    assert stored.fetch("figures/loss.png").stat().st_size > 1000
    if best < len(losses):
        last = artifact.read(stored.fetch("checkpoints/last"))
        assert last.about.weights == {"epoch": len(losses), "of": len(losses)}
        last.backbone()


def write_as(name):
    """The cells as the kind of file that the name says; compressed where it can be."""
    if name == "cells.npy":
        return
    cohort = ad.AnnData(obs=pd.DataFrame(index=[f"c{row}" for row in range(300)]))
    cohort.obsm["X_scfoundation"] = np.load("cells.npy")
    if name.endswith(".h5ad"):
        cohort.write_h5ad(name, compression="gzip")
    else:
        cohort.write_zarr(name)


@pytest.fixture(scope="module")
def in_memory(run_scatd, migrated_store, tmp_path_factory):
    """The card of a backbone that was trained on the same cells, in memory."""
    folder = tmp_path_factory.mktemp("in_memory")
    write_cells(folder)
    (folder / "mlflow.db").write_bytes(migrated_store.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.chdir(folder)
        run_scatd("pretrain", "--input", "cells.npy", *LARGER)
        return card_of("scatd-sf-backbone")


LARGER = ("--settings", "tiny.yaml", "--epochs", "40", "--device", "cpu")


@pytest.mark.parametrize("name", ["cells.npy", "cells.h5ad", "cells.zarr"])
@pytest.mark.filterwarnings("ignore:Writing zarr v2")
def test_an_input_larger_than_memory(in_memory, cells, scatd, monkeypatch, name):
    """The file is read in chunks; what is registered reconstructs as well."""
    here = in_memory
    write_as(name)
    monkeypatch.setattr("scatd.data.lazy.IN_MEMORY_BYTES", 0)
    monkeypatch.setattr("scatd.training.backbone.IN_MEMORY_BYTES", 0)
    fit = backbone.fit_backbone

    def from_disk(cells, *args):
        assert isinstance(cells.X, CheckedRows | LazyMatrix)
        return fit(cells, *args)

    monkeypatch.setattr("scatd.workflows.pretrain.folds.fit_backbone", from_disk)
    scatd("pretrain", "--input", name, *LARGER, "--seed", "43")
    there = card_of("scatd-sf-backbone")
    assert here["metrics"]["r2"] > 0.5
    assert there["metrics"]["r2"] == pytest.approx(here["metrics"]["r2"], abs=0.15)
    assert there["data"]["reference"]["sha256"] == here["data"]["reference"]["sha256"]
    assert there["run_id"] != here["run_id"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    sizes = DemoSettings(n_genes=500, n_source=20, n_reference=600, n_target=20, n_foreign=20)
    write_demo(folder, sizes)
    return folder / "reference.h5ad"


@pytest.mark.parametrize("family", ["sf", "gf", "dist"])
def test_every_family_from_a_cohort(store, demo, scatd, family):
    (store / "tiny.yaml").write_text(SETTINGS)
    more = ("--weight-decay", "0.01", "--epochs", "20", "--device", "cpu")
    scatd("pretrain", "--family", family, "--input", demo, "--settings", "tiny.yaml", *more)
    card = card_of(keys.backbone_name(family))
    assert card["simulated"] is True
    assert card["metrics"]["r2"] > 0.02
    if family == "dist":
        import anndata as ad

        assert card["input_scale"] == "log1p"
        assert card["features"]["names"] == ad.read_h5ad(demo).var_names.tolist()
    else:
        assert "input_scale" not in card
        assert "names" not in card["features"]


@pytest.mark.parametrize(
    ("change", "words", "message"),
    [
        ("nan", (), "1 NaN; the first is nan in row 7"),
        ("constant", (), "all 24 features are constant over 270 training rows"),
        ("two rows", (), "2 rows are too few to pretrain on"),
        (None, ("--folds", "400"), "300 rows cannot be split into 400 folds"),
        (None, ("--learning-rate", "1e18", "--published"), "became nan in epoch 1"),
        (None, ("--device", "cuda"), "no device 'cuda' here"),
        ("unknown name", (), "unknown key 'learning_rat'"),
        ("unknown name", (), "learning_rate"),
    ],
)
def test_bad_input_is_one_message_and_registers_nothing(cells, run_scatd, change, words, message):
    if "cuda" in words and torch.cuda.is_available():
        pytest.skip("there is such a device here")
    X = np.load("cells.npy")
    if change == "nan":
        X[7, 3] = np.nan
    elif change == "constant":
        X[:] = X[0]
    elif change == "two rows":
        X = X[:2]
    elif change == "unknown name":
        Path("tiny.yaml").write_text(SETTINGS + "learning_rat: 0.1\n")
    np.save("cells.npy", X)
    diverges = "1e18" in words
    result = run_scatd(*arguments(*words), code=1 if diverges else 2)
    assert len([line for line in result.output.splitlines() if message in line]) == 1
    assert "Traceback" not in result.output
    assert not tracking.connect().search_registered_models()
    assert "RUNNING" not in {run.info.status for run in runs()[1]}
    if diverges:
        assert "learning rate that is too high" in result.output


def test_fewer_rows_than_a_batch_work(cells, scatd):
    np.save("cells.npy", np.load("cells.npy")[:40])
    scatd(*arguments("--batch-size", "128"))
    assert card_of("scatd-sf-backbone")["data"]["reference"]["n_obs"] == 40


def test_the_same_command_makes_a_new_version(cells, scatd):
    scatd(*arguments())
    scatd(*arguments())
    ref = registry.resolve_backbone("scatd-sf-backbone")
    assert ref.version == 2
    assert json.dumps(card_of("scatd-sf-backbone/1")["metrics"]) == json.dumps(
        card_of("scatd-sf-backbone/2")["metrics"]
    )


@pytest.mark.golden
def test_a_real_cohort_gets_an_honest_r2(store, real_data, scatd):
    """Published settings on 155 cells are far from the per-feature mean."""
    path = real_data / "lu451" / "scfoundation_embedding.npy"
    (store / "tiny.yaml").write_text(
        "n_latent: 16\nencoder_hidden: [64, 32]\ndecoder_hidden: [64]\n"
    )
    words = ("--epochs", "2", "--min-steps", "0", "--settings", "tiny.yaml")
    scatd("pretrain", "--input", path, "--published", *words)
    metrics = card_of("scatd-sf-backbone")["metrics"]
    assert metrics["r2"] < 0
    assert registry.resolve_backbone("scatd-sf-backbone").simulated is False
