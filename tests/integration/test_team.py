"""scatd on a store that a team shares: PostgreSQL, S3 and `mlflow server`."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import threading
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import anndata as ad
import pandas as pd
import pytest
import requests
from click.testing import CliRunner

from scatd import registry, tracking
from scatd.errors import InputError
from tests import forked
from tests.team import PASSWORD

FAST = ("--epochs", "12", "--min-steps", "300", "--model", "network", "--device", "cpu")
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "team.md").read_text()
MAP = ("--label-map", "0=sensitive,1=resistant")


@dataclass(frozen=True)
class Team:
    """A store in which two drugs were learned at once, and then one of them again.

    Parameters
    ----------
    kind
        Of the server: with users and proxied files (auth), or with direct files.
    of_sweep, of_transfer
        How often each endpoint was asked by the two commands.
    """

    kind: str
    of_sweep: Counter[str]
    of_transfer: Counter[str]


@pytest.fixture(scope="module", params=["auth", "direct"])
def team(request, task, run_scatd, tmp_path_factory):
    """That store, as the store of this process, and a working folder."""
    server = request.getfixturevalue(f"{request.param}_server")
    folder = tmp_path_factory.mktemp("member")
    labels = pd.read_csv(task.labels, index_col=0)[["DOCETAXEL"]]
    labels["NILOTINIB"] = labels["DOCETAXEL"]
    labels.to_csv(folder / "labels.csv")
    with pytest.MonkeyPatch.context() as patch:
        _join(server, folder, patch)

        def learn(drug, *more):
            words = task.transfer_arguments(drug)
            words[words.index("--labels") + 1] = "labels.csv"
            with _counted() as calls:
                run_scatd(*words, *FAST, "--no-promote", *more)
            return _by_endpoint(calls)

        yield Team(request.param, learn("all"), learn("DOCETAXEL", "--seed", "1"))


@pytest.fixture
def member(auth_server, tmp_path, monkeypatch):
    """The server with users, as the store of this process; the administrator works."""
    _join(auth_server, tmp_path, monkeypatch)


def _join(server, folder, patch):
    server.use(patch)
    patch.setenv("SCATD_CACHE", str(folder / "cache"))
    patch.chdir(folder)


def test_a_drug_asks_the_server_at_most_forty_times(team):
    """Beside the registry, whose calls are those of moves, and beside files."""
    assert sum(team.of_transfer.values()) <= 40, _listed(team.of_transfer)


def test_a_drug_of_a_sweep_asks_the_server_at_most_forty_times(team):
    assert sum(team.of_sweep.values()) <= 2 * 40, _listed(team.of_sweep)


def test_files_are_in_the_bucket_and_none_in_the_folder(team, bucket):
    stored = bucket.files(team.kind)
    assert [name for name in stored if name.endswith("model.safetensors")]
    assert not Path("mlflow.db").exists()
    assert not Path("mlartifacts").exists()


def test_versions_are_promoted_rolled_back_and_scored(team, task, run_scatd):
    for version in (1, 2):
        run_scatd("promote", "--drug", "docetaxel", "--version", version)
    run_scatd("promote", "--drug", "nilotinib")
    assert registry.production_versions()["scatd-sf-docetaxel"] == 2
    run_scatd("registry", "rollback", "--drug", "docetaxel")
    assert registry.production_versions()["scatd-sf-docetaxel"] == 1
    assert "docetaxel" in run_scatd("registry", "list").stdout.lower()

    run_scatd("predict", "--drug", "docetaxel", task.target, "-o", "scored.h5ad")
    scored = ad.read_h5ad("scored.h5ad").obs["scatd_docetaxel_prob_resistant"]
    assert scored.notna().all()


@pytest.mark.parametrize(
    "team", ["auth", pytest.param("direct", marks=pytest.mark.slow)], indirect=True
)
def test_versions_are_judged_explained_and_served(team, task, run_scatd):
    run_scatd("promote", "--drug", "docetaxel", "--version", 1)
    run_scatd("promote", "--drug", "nilotinib")
    run_scatd("evaluate", "--drug", "docetaxel", task.target, "--labels", "truth", *MAP)
    run_scatd("screen", task.target, "-o", "screened")
    assert Path("screened/report.html").is_file()
    run_scatd("explain", "--drug", "docetaxel", task.target, "-o", "explained.h5ad")
    assert Path("explained.h5ad").is_file()
    with _served() as url:
        body = task.target.read_bytes()
        asked = urllib.request.Request(f"{url}/predict/docetaxel?format=csv", data=body)
        with urllib.request.urlopen(asked) as answer:
            assert len(answer.read().splitlines()) == 1 + 120
    run_scatd("registry", "doctor")


@pytest.mark.slow  # what it does on a team store, other tests do with smaller cohorts
def test_the_demo_runs_on_a_team_store(member, run_scatd):
    said = run_scatd("demo", "--quick", "--drug", "GEFITINIB").stdout
    assert "scatd-sf-gefitinib version 1 is in production." in said


def test_only_who_may_edit_a_model_promotes_it(member, tiny_registry, monkeypatch):
    """The page gives Ada the right; Grace has an account and no right."""
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    block = block.replace("http://127.0.0.1:5000", tracking.tracking_uri())
    model = _small_version(tiny_registry, "permitted")
    names: dict = {}
    exec(block.replace("scatd-sf-docetaxel", model), names)
    names["people"].create_user("grace", PASSWORD)

    def promote():
        registry.promote(model, 1, reason="a test", evidence_run_id="none")

    _be("grace", PASSWORD, monkeypatch)
    with pytest.raises(Exception, match=r"403|[Pp]ermission"):
        promote()
    assert model not in registry.production_versions()
    tracking.connect().create_registered_model("lease-of-permitted")  # any member may
    _be("ada", "a long password of hers", monkeypatch)
    promote()
    assert registry.production_versions()[model] == 1


def test_the_indices_of_the_page_are_used(member, postgres):
    (block,) = re.findall(r"^```sql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    tracking.connect()
    for statement in block.split(";"):
        if statement.strip():
            postgres.execute(statement, "auth")
    for query, index in (
        ("select run_uuid from tags where key = 'scatd.work_key' and value = 'x'", "scatd_tags"),
        (
            "select run_uuid from tags where key = 'mlflow.parentRunId' and value = 'x'",
            "scatd_tags",
        ),
        ("select * from runs where experiment_id = 1 order by start_time desc", "scatd_runs"),
    ):
        # There are a few rows only: PostgreSQL would read them all, or go by the key of the table.
        alone = "begin; alter table tags drop constraint tag_pk; set local enable_seqscan = off"
        plan = postgres.execute(f"{alone}; explain {query}", "auth")
        assert index in str(plan), plan


def test_a_database_without_server_needs_an_experiment_with_a_place(
    postgres, bucket, tmp_path, monkeypatch
):
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    for name, value in bucket.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", postgres.database("plain"))
    monkeypatch.setenv("SCATD_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="nothing says where its files are to go") as refused:
        tracking.connect(create=True)
    assert PASSWORD not in str(refused.value)
    from mlflow.cli import cli as mlflow_cli

    (words,) = re.findall(r"^mlflow (experiments create .*)$", PAGE, re.MULTILINE)
    (name,) = re.findall(r"^export MLFLOW_EXPERIMENT_NAME=(.*)$", PAGE, re.MULTILINE)
    done = CliRunner().invoke(mlflow_cli, shlex.split(words))
    assert done.exit_code == 0, done.output
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    with tracking.parent_run("transfer", name="plain", tags={}, settings={}) as run:
        run.log_text("text", "file.txt")
    assert bucket.files(f"lab/{run.run_id}")
    assert list(tmp_path.iterdir()) == []  # the lock is one of the database


def test_a_large_file_goes_to_the_bucket_in_parts(member, monkeypatch, tmp_path):
    """MLflow's limit is 500 MB; the test lowers it."""
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(6 << 20))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 << 20))
    content = os.urandom(7 << 20)
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "weights").write_bytes(content)
    with (
        _counted() as calls,
        tracking.parent_run("transfer", name="large", tags={}, settings={}) as run,
    ):
        run.log_files(tmp_path / "large", "large")
    assert any("mpu/complete" in path for _, path in calls), calls
    with _counted() as calls:
        assert run.fetch("large/weights").read_bytes() == content
    through = "/api/2.0/mlflow-artifacts/artifacts"
    assert all(path.startswith(through) for _, path in calls), "a reader needs no way to the bucket"


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


def _be(user, password, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)


@contextlib.contextmanager
def _served():
    """`scatd serve` in a process; the address that its log names."""
    log = Path("serve.log").absolute()
    log.touch()
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    process = forked.Process(forked.SCATD, "serve", "--port", "0", env=env, log=log)
    try:
        yield _address(process)
    finally:
        process.terminate()
        process.wait(30)


def _address(process):
    for _ in range(6000):
        text = Path("serve.log").read_text()
        assert process.poll() is None, text
        if found := re.search(r'"url": "(http://[^"]+?)/?"', text):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{found[1]}/healthz", timeout=5).close()
                return found[1]
        time.sleep(0.02)
    raise AssertionError(text)


@contextlib.contextmanager
def _counted():
    """Every request that this process sends in the block: method and path, ids left out."""
    calls, lock, send = [], threading.Lock(), requests.Session.send

    def counted(self, request, **options):
        path = re.sub(r"(m-)?[0-9a-f]{32}", "ID", urlsplit(request.url).path)
        with lock:
            calls.append((request.method, path))
        return send(self, request, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.Session, "send", counted)
        yield calls


def _by_endpoint(calls):
    """How often each endpoint of runs, experiments and logged models was asked."""
    return Counter(
        f"{method} {path}"
        for method, path in calls
        if re.match(r"/api/[\d.]+/mlflow/(?!registered-models|model-versions)", path)
    )


def _listed(counts):
    return "\n".join(f"{n:4d} {endpoint}" for endpoint, n in counts.most_common())
