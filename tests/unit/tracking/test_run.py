"""A run holds what is logged to it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from scatd import tracking
from tests.tracked import stored


def test_settings_are_flat_and_of_any_number(run):
    many = {f"s{i}": i for i in range(250)}
    run.log_settings({"folds": 5, "head": {"lr": 1e-3, "deep": {"er": None}}, **many})
    params = stored(run.run_id).data.params
    assert len(params) == 253
    assert (params["cfg.folds"], params["cfg.head.lr"], params["cfg.s249"]) == ("5", "0.001", "249")
    assert params["cfg.head.deep.er"] == "None"


@pytest.fixture
def written(run, monkeypatch):
    """What each call of the run's log_batch was given."""
    given = []
    log_batch = run.client.log_batch
    monkeypatch.setattr(
        run.client, "log_batch", lambda *a, **k: (given.append(k), log_batch(*a, **k))
    )
    return given


def test_a_block_writes_everything_in_one_call(run, written):
    with run.together():
        run.log_settings({"folds": 5})
        run.set_tags({"scatd.drug": "docetaxel"})
        run.describe("first")
        with run.together():
            run.log_metrics({"auroc": 0.5})
        assert written == []
        run.log_metrics({"auroc": 0.75}, step=2)
        run.describe("last")
    assert len(written) == 1
    data = stored(run.run_id).data
    assert data.params["cfg.folds"] == "5"
    assert (data.tags["scatd.drug"], data.tags["mlflow.note.content"]) == ("docetaxel", "last")
    history = run.client.get_metric_history(run.run_id, "auroc")
    assert [(point.step, point.value) for point in history] == [(0, 0.5), (2, 0.75)]


def test_a_block_that_fails_writes_what_it_has(run):
    def fail():
        with run.together():
            run.log_metrics({"auroc": 0.5})
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    run.set_tags({"scatd.drug": "docetaxel"})
    assert run.metrics() == {"auroc": 0.5}
    assert run.tags()["scatd.drug"] == "docetaxel"


def test_a_block_passes_the_limits_of_a_batch(run):
    with run.together():
        run.log_settings({f"s{number}": number for number in range(250)})
        run.set_tags({f"t{number}": "x" for number in range(150)})
        run.log_history([{"epoch": epoch, "loss": epoch} for epoch in range(1700)])
    data = stored(run.run_id).data
    assert len(data.params) == 250
    assert len([name for name in data.tags if name.startswith("t")]) == 150
    assert len(run.client.get_metric_history(run.run_id, "loss")) == 1700


def test_curves_are_written_in_one_batch(run, written):
    with tracking.Curves(run) as curves:
        for epoch in range(25):
            curves.epoch(epoch, {"loss": 1 / (epoch + 1), "auroc": epoch / 25})
    assert len(written) == 1
    history = run.client.get_metric_history(run.run_id, "loss")
    assert {point.step: point.value for point in history} == {e: 1 / (e + 1) for e in range(25)}


def test_curves_appear_while_a_long_run_trains(run):
    with tracking.Curves(run, every=0) as curves:
        curves.epoch(0, {"loss": 1.0})
        assert run.metrics() == {"loss": 1.0}


def test_long_curves_pass_the_limits_of_a_batch(run):
    run.log_history([{"epoch": e, "loss": e, "auroc": np.nan} for e in range(700)])
    assert len(run.client.get_metric_history(run.run_id, "loss")) == 700


def test_tables_files_and_notes(run, tmp_path):
    table = pd.DataFrame({"fold": [0, 1], "auroc": [0.5, 0.75]})
    run.log_table(table, "tables/metrics.csv")
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "roc.png").write_bytes(b"png")
    run.log_files(tmp_path / "plots", "figures")
    run.describe("**good**")
    pd.testing.assert_frame_equal(pd.read_csv(run.fetch("tables/metrics.csv")), table)
    assert (run.fetch("figures") / "roc.png").read_bytes() == b"png"
    assert stored(run.run_id).data.tags["mlflow.note.content"] == "**good**"


def test_datasets_are_inputs(run):
    for context in ("source", "reference"):
        run.log_dataset(
            context, f"/data/{context}.h5ad", digest="f" * 64, n_rows=3, n_features=7,
            context=context,
        )  # fmt: skip
    datasets = {item.dataset.name: item for item in stored(run.run_id).inputs.dataset_inputs}
    assert set(datasets) == {"source", "reference"}
    assert datasets["source"].tags[0].value == "source"
    assert json.loads(datasets["source"].dataset.profile) == {"num_rows": 3, "num_features": 7}


def test_fold_runs_are_nested(run):
    with run.child("fold 0", {"scatd.fold": "0"}) as fold:
        assert stored(fold.run_id).info.status == "RUNNING"
    child = stored(fold.run_id)
    assert child.info.status == "FINISHED"
    assert child.data.tags["mlflow.parentRunId"] == run.run_id
    assert child.data.tags["mlflow.user"]
    assert child.info.run_name == "fold 0"


def test_the_store_is_a_plain_mlflow_store(run):
    run.log_metrics({"auroc": 0.75})
    plain = MlflowClient(tracking.tracking_uri())
    assert plain.get_run(run.run_id).data.metrics == {"auroc": 0.75}
