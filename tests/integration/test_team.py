"""scatd on a store that a team shares: PostgreSQL, S3 and `mlflow server`."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import anndata as ad
import pandas as pd
import pytest
import requests

from scatd import registry, tracking
from tests.team import (  # noqa: F401
    PASSWORD,
    USER,
    auth_server,
    bucket,
    direct_server,
    postgres,
    proxied_server,
)

FAST = ("--epochs", "12", "--model", "network", "--device", "cpu")
MAP = ("--label-map", "0=sensitive,1=resistant")


@pytest.fixture
def team(request, tmp_path, monkeypatch):
    """Use the server that a fixture starts, in an empty working folder; its name is the kind."""
    server = request.getfixturevalue(f"{request.param}_server")
    server.use(monkeypatch)
    monkeypatch.setenv("SCATD_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return request.param


def of_servers(*kinds):
    return pytest.mark.parametrize("team", kinds, indirect=True)


@of_servers("proxied", "direct", "auth")
def test_every_command_works_on_a_team_store(team, task, run_scatd, request):
    def learn(drug, seed):
        words = task.transfer_arguments(drug)
        words[words.index("--labels") + 1] = "labels.csv"
        return run_scatd(*words, *FAST, "--seed", seed, "--no-promote").stdout

    labels = pd.read_csv(task.labels, index_col=0)[["DOCETAXEL"]]
    labels["NILOTINIB"] = labels["DOCETAXEL"]
    labels.to_csv("labels.csv")

    learn("all", 0)
    learn("DOCETAXEL", 1)
    for version in (1, 2):
        run_scatd("promote", "--drug", "docetaxel", "--version", version)
    run_scatd("promote", "--drug", "nilotinib")
    assert registry.production_versions() == {"scatd-sf-docetaxel": 2, "scatd-sf-nilotinib": 1}
    run_scatd("registry", "rollback", "--drug", "docetaxel")
    assert registry.production_versions()["scatd-sf-docetaxel"] == 1

    run_scatd("predict", "--drug", "docetaxel", task.target, "-o", "scored.h5ad")
    scored = ad.read_h5ad("scored.h5ad")
    assert scored.obs["scatd_docetaxel_prob_resistant"].notna().all()
    run_scatd("evaluate", "--drug", "docetaxel", task.target, "--labels", "truth", *MAP)
    run_scatd("screen", task.target, "-o", "screened")
    assert Path("screened/report.html").is_file()
    run_scatd("explain", "--drug", "docetaxel", task.target, "-o", "explained.h5ad")
    assert "NILOTINIB" in run_scatd("registry", "list").stdout.upper()
    with _served() as url:
        body = task.target.read_bytes()
        asked = urllib.request.Request(f"{url}/predict/docetaxel?format=csv", data=body)
        with urllib.request.urlopen(asked) as answer:
            assert len(answer.read().splitlines()) == 1 + len(scored)
    assert "nothing to repair" in run_scatd("registry", "doctor").stdout.lower()

    place = request.getfixturevalue("bucket").files(team)
    assert [name for name in place if name.endswith("model.safetensors")]
    assert not Path("mlflow.db").exists()
    assert not Path("mlartifacts").exists()


@of_servers("auth")
def test_the_demo_runs_on_a_team_store(team, run_scatd):
    said = run_scatd("demo", "--quick", "--drug", "GEFITINIB").stdout
    assert "scatd-sf-gefitinib version 1 is in production." in said


@of_servers("auth")
def test_only_who_may_edit_a_model_promotes_it(team, tiny_registry, run_scatd, monkeypatch):
    from mlflow.server import get_app_client

    model = _small_version(tiny_registry, "permitted")
    people = get_app_client("basic-auth", tracking.tracking_uri())
    for name in ("reader", "promoter"):
        people.create_user(name, f"{PASSWORD}-{name}")
    people.create_registered_model_permission(model, "promoter", "EDIT")

    def promote():
        registry.promote(model, 1, reason="a test", evidence_run_id="none")

    _be("reader", monkeypatch)
    with pytest.raises(Exception, match=r"403|[Pp]ermission"):
        promote()
    assert registry.production_versions().get(model) is None
    _be("promoter", monkeypatch)
    promote()
    assert registry.production_versions()[model] == 1


@of_servers("proxied")
def test_a_drug_asks_the_server_at_most_forty_times(team, task, run_scatd, monkeypatch):
    """Beside the registry, whose calls are those of moves, and beside files."""
    calls = _counted(monkeypatch)
    run_scatd(*task.transfer_arguments("BINARY"), *FAST, *MAP)
    counts = _by_endpoint(calls)
    assert sum(counts.values()) <= 40, _listed(counts)


@of_servers("proxied")
def test_a_drug_of_a_sweep_asks_the_server_at_most_forty_times(
    team, task, run_scatd, monkeypatch
):  # fmt: skip
    labels = pd.read_csv(task.labels, index_col=0)[["DOCETAXEL"]]
    names = [f"COUNTED{number}" for number in range(3)]
    for name in names:
        labels[name] = labels["DOCETAXEL"]
    words = task.transfer_arguments(",".join(names))
    words[words.index("--labels") + 1] = "labels.csv"
    labels.to_csv("labels.csv")
    calls = _counted(monkeypatch)
    run_scatd(*words, *FAST)
    counts = _by_endpoint(calls)
    assert sum(counts.values()) <= 40 * len(names), _listed(counts)


@of_servers("proxied")
def test_a_large_file_goes_to_the_bucket_in_parts(team, monkeypatch, tmp_path):
    """MLflow's limit is 500 MB; the test lowers it."""
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(6 << 20))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 << 20))
    content = os.urandom(7 << 20)
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "weights").write_bytes(content)
    calls = _counted(monkeypatch)
    with tracking.parent_run("transfer", name="large", tags={}, settings={}) as run:
        run.log_files(tmp_path / "large", "large")
    assert any("mpu/complete" in path for _, path in calls), calls
    calls.clear()
    assert run.fetch("large/weights").read_bytes() == content
    assert len(calls) == 1, "a reader needs the server, and no way to the bucket"


# Helpers -----------------------------------------------------------------------------------------


def _small_version(tiny_registry, drug):
    """Register a version of the small model for a drug; the name of the model."""
    name = f"scatd-sf-{drug}"
    with tracking.parent_run("transfer", name=drug, tags={}, settings={}) as run:
        registry.register_artifact(
            tiny_registry / "model1", name, run.run_id,
            metrics={"auroc": 0.8}, description="tiny", tags={"scatd.drug": drug},
        )  # fmt: skip
    return name


def _be(user, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", f"{PASSWORD}-{user}")


@contextlib.contextmanager
def _served():
    """`scatd serve` in a process; the address that its log names."""
    command = [sys.executable, "-m", "entrypoints.serve", "--port", "0"]
    with Path("serve.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield _address(process)
    finally:
        process.terminate()
        process.wait(30)


def _address(process):
    for _ in range(1200):
        text = Path("serve.log").read_text()
        assert process.poll() is None, text
        if found := re.search(r'"url": "(http://[^"]+?)/?"', text):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{found[1]}/healthz", timeout=5).close()
                return found[1]
        time.sleep(0.1)
    raise AssertionError(text)


def _counted(monkeypatch):
    """Every request of this process from now on: method and path, ids left out."""
    calls, lock, send = [], threading.Lock(), requests.Session.send

    def counted(self, request, **options):
        path = re.sub(r"(m-)?[0-9a-f]{32}", "ID", urlsplit(request.url).path)
        with lock:
            calls.append((request.method, path))
        return send(self, request, **options)

    monkeypatch.setattr(requests.Session, "send", counted)
    return calls


def _by_endpoint(calls):
    """How often each endpoint of runs, experiments and logged models was asked."""
    return Counter(
        f"{method} {path}"
        for method, path in calls
        if re.match(r"/api/[\d.]+/mlflow/(?!registered-models|model-versions)", path)
    )


def _listed(counts):
    return "\n".join(f"{n:4d} {endpoint}" for endpoint, n in counts.most_common())
