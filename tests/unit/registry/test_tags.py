"""Tags and history that were changed outside scatd: no score is given, and doctor finds it."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from scatd import registry, tracking
from scatd.errors import InputError
from scatd.keys import artifact_paths
from scatd.registry import state
from scatd.workflows.compare import compare
from scatd.workflows.sweep import report as panel_report

NAME = "scatd-sf-docetaxel"


@pytest.mark.parametrize(
    ("tag", "value"),
    [("scatd.family", "dist"), ("scatd.simulated", "true"), ("scatd.label_kind", "cell-line")],
)
def test_a_tag_that_contradicts_the_card_is_refused_and_repaired(copied_registry, tag, value):
    client = tracking.connect()
    client.set_model_version_tag(NAME, "1", tag, value)
    with pytest.raises(InputError, match=tag):
        registry.fetch(registry.get(NAME, 1))
    found = [fault for fault in registry.examine() if tag in fault.what]
    assert [fault.where for fault in found] == [f"{NAME}/1"]
    found[0].repair()
    registry.fetch(registry.get(NAME, 1))
    assert registry.examine() == []


@pytest.mark.parametrize("tag", ["scatd.family", "scatd.simulated"])
def test_a_lost_tag_is_refused_and_repaired(copied_registry, tag):
    tracking.connect().delete_model_version_tag(NAME, "1", tag)
    with pytest.raises(InputError, match="has lost its tag"):
        registry.resolve("docetaxel")
    for fault in registry.examine():
        fault.repair()
    assert registry.resolve("docetaxel").version == 1


def test_no_rollback_to_a_version_whose_files_changed(copied_registry):
    registry.promote(NAME, 2, reason="a test", evidence_run_id="none")
    client = tracking.connect()
    client.set_model_version_tag(NAME, "1", "scatd.sha256.model.safetensors", "0" * 64)
    with pytest.raises(InputError, match="not the one that was registered"):
        registry.rollback(NAME, reason="a test")
    assert state.require(client, NAME).aliases["production"] == 2


@pytest.mark.parametrize("text", ["{", "[]", "{}", "7", '{"at": 1}'])
def test_a_damaged_event_of_the_history_is_found(copied_registry, text):
    tag = "scatd.history.1"
    tracking.connect().set_registered_model_tag(NAME, tag, text)
    assert list(registry.history(NAME)["action"]) == ["promote"]
    found = [fault for fault in registry.examine() if tag in fault.what]
    assert len(found) == 1
    found[0].repair()
    assert registry.examine() == []


@pytest.mark.parametrize("damage", [b"", b"garbage\n", b"\xff\xfe\x00", None])
def test_a_damaged_table_of_models_gives_no_interval(store, damage, caplog):
    models = pd.DataFrame(
        {"model": ["logistic_regression"], "lead_ci_low": [0.1], "lead_ci_high": [0.2]}
    )
    tags = {"scatd.level": "drug", "scatd.drug": "docetaxel", "scatd.family": "sf"}
    with tracking.parent_run("transfer", name="docetaxel", tags=tags, settings={}) as run:
        run.log_metrics({"cv/auroc_mean": 0.9, "baseline/logistic_regression/auroc_mean": 0.8})
        run.log_checked_table(models, artifact_paths.MODELS)
    assert compare()["lead_ci_low"].tolist() == [0.1]
    (path,) = (store / "mlartifacts").glob(f"*/artifacts/{artifact_paths.MODELS}")
    path.write_bytes(path.read_bytes().replace(b"0.1", b"0.9") if damage is None else damage)
    assert compare()["lead_ci_low"].isna().all()
    assert "is damaged" in caplog.text
    with pytest.raises(InputError, match="is damaged"):
        panel_report.adopted("docetaxel", run.run_id)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLFLOW_EXPERIMENT_ID", "nan"),
        ("MLFLOW_RUN_ID", "nan"),
        ("MLFLOW_TRACKING_URI", "sqlite:////tmp"),
        ("MLFLOW_TRACKING_URI", "http://[bad"),
    ],
)
def test_odd_variables_of_mlflow_are_refused(store, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with (
        pytest.raises(InputError),
        tracking.parent_run("transfer", name="x", tags={}, settings={}),
    ):
        pass


def test_lost_hashes_are_refused_and_found(copied_registry):
    """Only scatd before 0.2 noted none."""
    ref = registry.resolve("docetaxel", version=1, families=["sf"])
    client = tracking.connect()
    for tag in client.get_model_version(ref.name, "1").tags:
        if tag.startswith("scatd.sha256."):
            client.delete_model_version_tag(ref.name, "1", tag)
    with pytest.raises(InputError, match="the tags with the hashes of its files are gone"):
        registry.fetch(ref)
    (fault,) = [fault for fault in registry.examine() if "hashes are gone" in fault.what]
    assert not fault.is_warning


def test_plain_mlflow_refuses_another_version_s_folder(copied_registry, tiny_registry, tmp_path):
    """Each folder is whole, so that only what lies outside of it tells."""
    import mlflow
    from mlflow.artifacts import download_artifacts

    own, other = tmp_path / "one", tmp_path / "two"
    for number, target in ((1, own), (2, other)):
        uri = f"models:/scatd-sf-docetaxel/{number}"
        download_artifacts(artifact_uri=uri, dst_path=str(target))
    assert len(mlflow.pyfunc.load_model(str(own)).predict(np.zeros((2, 12), np.float32))) == 2
    shutil.rmtree(own / "artifacts" / "model")
    shutil.copytree(other / "artifacts" / "model", own / "artifacts" / "model")
    with pytest.raises(InputError, match="is not the one that was registered"):
        mlflow.pyfunc.load_model(str(own))
