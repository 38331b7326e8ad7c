"""Metrics and artifacts are read under their present and their older names."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from scatd import tracking
from scatd.keys import artifact_paths, metric_names


@pytest.fixture
def renamed(monkeypatch):
    """Names as a later version may have them."""
    older = (*metric_names.OLDER[metric_names.MEAN], "{metric}.cv")
    monkeypatch.setitem(metric_names.OLDER, metric_names.MEAN, older)
    monkeypatch.setitem(artifact_paths.OLDER, "cv/models.csv", (artifact_paths.MODELS,))


@pytest.mark.parametrize("name", ["cv/auroc_mean", "auroc_mean", "auroc.cv"])
def test_a_metric_is_found_under_each_of_its_names(renamed, name):
    values = {name: 0.75, "target_auroc_mean": 0.5, "cv/mcc_mean": 0.1}
    assert tracking.metric(values, "cv/{metric}_mean", metric="auroc") == 0.75
    assert tracking.metric(values, "cv/{metric}_mean", metric="f1") is None


def test_the_present_name_is_preferred(renamed):
    values = {"auroc.cv": 0.1, "auroc_mean": 0.2, "cv/auroc_mean": 0.3}
    assert tracking.metric(values, "cv/{metric}_mean", metric="auroc") == 0.3
    values.pop("cv/auroc_mean")
    assert tracking.metric(values, "cv/{metric}_mean", metric="auroc") == 0.2


def test_metrics_of_all_baselines(renamed):
    values = {
        "baseline.prevalence.auroc_mean": 0.5,
        "baseline.prevalence.target_auroc_mean": 0.4,
        "baseline/gradient_boosting/auroc_mean": 0.7,
        "baseline.gradient_boosting.auroc_mean": 0.1,
        "auroc_mean": 0.8,
    }
    found = tracking.metric_by(values, "baseline/{model}/{metric}_mean", "model", metric="auroc")
    assert found == {"gradient_boosting": 0.7, "prevalence": 0.5}


def test_an_artifact_is_found_at_an_older_path(tmp_path, monkeypatch, renamed):
    monkeypatch.chdir(tmp_path)
    with tracking.parent_run("transfer", name="a", tags={}, settings={}) as run:
        run.log_checked_table(pd.DataFrame({"model": ["x"]}), artifact_paths.MODELS)
        assert run.holds("cv/models.csv")
        assert not run.holds("cv/other.csv")
        assert pd.read_csv(run.fetch_checked("cv/models.csv"))["model"].tolist() == ["x"]
        run.log_checked_table(pd.DataFrame({"model": ["y"]}), "cv/models.csv")
        assert pd.read_csv(run.fetch_checked("cv/models.csv"))["model"].tolist() == ["y"]


@pytest.mark.parametrize("table", [metric_names, artifact_paths])
def test_a_name_is_in_the_table_once(table):
    names = [name for key, name in vars(table).items() if key.isupper() and isinstance(name, str)]
    assert len(set(names)) == len(names)
    for present, older in table.OLDER.items():
        words = set(re.findall(r"{(\w+)}", present))
        assert all(set(re.findall(r"{(\w+)}", name)) == words for name in older)
