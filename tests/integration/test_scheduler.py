"""Sweeps, searches and benches on workers of Dask: the same to the bit, though a worker is lost."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from scatd import registry, tracking
from scatd.workflows.bench import units
from scatd.workflows.sweep import processes
from scatd.workflows.tune import elsewhere
from tests import dying, forked

pytest.importorskip("distributed", reason="the extra 'distributed' is not installed")

DRUGS = ("docetaxel", "noisy", "noise")


@pytest.fixture
def one_is_killed(monkeypatch, tmp_path_factory):
    """Kills the first worker that begins a task; gives the file that says that it happened."""
    mark = tmp_path_factory.mktemp("killed") / "mark"
    monkeypatch.setenv(dying.MARK, str(mark))
    patched = (
        (processes, "learn_drugs", dying.learn_drugs),
        (elsewhere, "_fit", dying.fit_fold),
        (units, "_fit", dying.fit_unit),
    )
    for module, name, function in patched:
        monkeypatch.setattr(module, f"original_{name}", getattr(module, name), raising=False)
        monkeypatch.setattr(module, name, function)
    return mark


@pytest.fixture(scope="module")
def drugs(task, tmp_path_factory):
    """Labels of three drugs: one that can be learned, the same with errors, and noise."""
    table = pd.read_csv(task.labels, index_col=0)[["DOCETAXEL"]]
    rng = np.random.default_rng(8)
    swapped = table["DOCETAXEL"].map({"resistant": "sensitive", "sensitive": "resistant"})
    table["NOISY"] = table["DOCETAXEL"].where(rng.random(len(table)) > 0.1, swapped)
    table["NOISE"] = np.where(rng.random(len(table)) < 0.3, "sensitive", "resistant")
    path = tmp_path_factory.mktemp("drugs") / "drugs.csv"
    table.to_csv(path)
    return path


def sweep_words(task, labels, *more):
    words = task.transfer_arguments("all")
    words[words.index("--labels") + 1] = str(labels)
    return [*words, "--epochs", "8", "--folds", "2", "--device", "cpu", *more]


def runs(level):
    """Runs of a level, oldest first."""
    client = tracking.connect()
    wanted = f"tags.`scatd.level` = '{level}'"
    order = ["attributes.start_time ASC"]
    return client.search_runs([tracking.experiment_id(client)], wanted, order_by=order)


def fetched(run, name):
    return tracking.Run(tracking.connect(), run.info.run_id).fetch(name)


def content_of(name, version):
    """Every file of tensors of a version, by name."""
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{version}"))
    files = {path.name: path.read_bytes() for path in folder.rglob("*.safetensors")}
    assert files
    return files


@pytest.mark.usefixtures("quick_workers")
def test_a_sweep_is_the_same_to_the_bit_though_a_worker_is_killed(
    scatd, task, drugs, one_is_killed
):
    """Candidates of all kinds are fitted: the default lets inner folds choose."""
    words = sweep_words(task, drugs)
    scatd(*words)
    assert not one_is_killed.exists()
    scatd(*words, "--scheduler", "local:2")
    assert one_is_killed.exists()
    plain, spread = runs("sweep")
    tables = [pd.read_csv(fetched(run, "tables/panel.csv")) for run in (plain, spread)]
    own = ["version", "run_id", "stage"]
    pd.testing.assert_frame_equal(*(table.drop(columns=own) for table in tables), check_exact=True)
    for drug in DRUGS:
        name = f"scatd-sf-{drug}"
        assert sorted(registry.show(name)["version"]) == [1, 2]
        pair = [run for run in runs("drug") if run.data.tags["scatd.drug"] == drug]
        ours, theirs = (fetched(run, "tables/out_of_fold.csv") for run in pair)
        assert ours.read_bytes() == theirs.read_bytes()
        assert content_of(name, 1) == content_of(name, 2)


@pytest.mark.usefixtures("kept_workers")
def test_a_search_is_the_same_to_the_bit_though_a_worker_is_killed(scatd, one_is_killed):
    """So many trials that some are stopped early, and one that diverges."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3)) @ rng.normal(size=(3, 10)) + 0.1 * rng.normal(size=(120, 10))
    np.save("cells.npy", X.astype(np.float32))
    Path("space.yaml").write_text(SPACE)
    words = ["tune", "--input", "cells.npy", "--space", "space.yaml", "--device", "cpu"]
    words += ["--folds", "2", "--subsample", "0.5", "--trials", "12"]
    scatd(*words, "-o", "plain.yaml", "--study", "plain")
    assert not one_is_killed.exists()
    scatd(*words, "-o", "spread.yaml", "--study", "spread", "--scheduler", "local:2")
    assert one_is_killed.exists()
    first, second = runs("study")
    plain, spread = (pd.read_csv(fetched(run, "trials.csv")) for run in (first, second))
    own = ["seconds", "run_id"]
    pd.testing.assert_frame_equal(
        plain.drop(columns=own), spread.drop(columns=own), check_exact=True
    )
    assert set(plain["state"]) == {"complete", "pruned", "diverged"}
    client = tracking.connect()
    for ours, theirs in zip(plain["run_id"], spread["run_id"], strict=True):
        curves = [
            [(point.step, point.value) for point in client.get_metric_history(run, "objective")]
            for run in (ours, theirs)
        ]
        assert curves[0] == curves[1]
    texts = [Path(f"{name}.yaml").read_text().partition("\n")[2] for name in ("plain", "spread")]
    assert texts[0] == texts[1]


def test_a_search_on_the_cores_of_this_machine_is_the_same_to_the_bit(scatd, monkeypatch):
    np.save("cells.npy", np.random.default_rng(0).normal(size=(60, 10)).astype(np.float32))
    Path("space.yaml").write_text(SPACE)
    words = ["tune", "--input", "cells.npy", "--space", "space.yaml", "--device", "cpu"]
    words += ["--folds", "2", "--trials", "1"]
    scatd(*words, "-o", "one.yaml", "--study", "one")
    monkeypatch.setattr(elsewhere, "WORTH_PROCESSES", 1)
    monkeypatch.setattr(elsewhere, "processes_for", lambda *_, least: least)
    with monkeypatch.context() as patch:
        patch.setattr(elsewhere, "fit_fold", None)  # they are fitted in other processes
        scatd(*words, "-o", "many.yaml", "--study", "many")
    one, many = (pd.read_csv(fetched(run, "trials.csv")) for run in runs("study"))
    own = ["seconds", "run_id"]
    pd.testing.assert_frame_equal(one.drop(columns=own), many.drop(columns=own), check_exact=True)


SPACE = """
learning_rate: [1e-4, 1e-3, 1e-2, 1e20]
epochs: {low: 2, high: 5}
n_latent: {low: 3, high: 6}
blocks: 1
first_width: {low: 8, high: 16}
last_width: 4
"""


@pytest.mark.usefixtures("quick_workers")
def test_a_bench_is_the_same_to_the_bit_though_a_worker_is_killed(
    scatd, task, drugs, one_is_killed
):
    tiny = {
        "name": "tiny", "source": str(task.source), "labels": str(drugs), "family": "sf",
        "reference": str(task.reference), "backbone": str(task.backbone),
        "label_kind": "cell-line", "drugs": ["NOISE", "DOCETAXEL"],
        "settings": {"epochs": 2, "min_steps": 40},
    }  # fmt: skip
    whole = {"name": "b", "candidates": ["network", "linear"], "folds": 2, "resamples": 100}
    Path("tasks.yaml").write_text(yaml.safe_dump({**whole, "tasks": [tiny]}))
    scatd("bench", "tasks.yaml", "--device", "cpu", "-o", "plain")
    assert not one_is_killed.exists()
    scatd("bench", "tasks.yaml", "--device", "cpu", "-o", "spread", "--scheduler", "local:2")
    assert one_is_killed.exists()
    for name in ("results.csv", "leads.csv", "by_drug.csv"):
        assert Path("plain", name).read_bytes() == Path("spread", name).read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scheduler", "node7"], "Expected local:N, tcp://HOST:PORT or tls://HOST:PORT"),
        (["--scheduler", "tcp://10.9.8.7:1"], "can run any code on the workers"),
        (["--scheduler", "local:2", "--permutations", "2"], "with controls, drugs are learned one"),
        (["--scheduler", "local:2", "--select", "refit"], "with --select refit, drugs are learned"),
        (["--scheduler", "local:2", "--drug", "NOISE"], "one drug is learned in this process"),
        (["--scheduler", "tcp://127.0.0.1:1"], "no scheduler of Dask answers at tcp://127.0.0.1:1"),
    ],
)
def test_what_no_scheduler_can_do_is_told_before_anything_runs(
    scatd, task, drugs, words, said, monkeypatch
):
    monkeypatch.setattr("scatd.scheduling.cluster.SECONDS_TO_ANSWER", 0.5)
    done = scatd(*sweep_words(task, drugs), *words, code=2)
    assert said in done.output
    assert not runs("sweep")


def test_ctrl_c_leaves_no_worker(store, task, drugs):
    """The command says so in a line."""
    psutil = pytest.importorskip("psutil")
    words = sweep_words(task, drugs, "--epochs", "4000", "--scheduler", "local:2")
    child = forked.Process(forked.SCATD, *words)
    try:
        until = time.monotonic() + SECONDS
        while not (child.poll() is not None or runs("sweep")) and time.monotonic() < until:
            time.sleep(0.1)
        workers = psutil.Process(child.pid).children(recursive=True)
        assert len(workers) >= 2
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=SECONDS)
    finally:
        child.kill()
    assert child.returncode == 130, errors
    assert "Traceback" not in errors
    assert errors.strip().endswith("Interrupted.")
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive
    assert [run.info.status for run in runs("sweep")] in (["KILLED"], ["FAILED"])


SECONDS = 180
"""Until a busy machine has started a command."""
