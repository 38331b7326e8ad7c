"""A version says what scores: in its tags, its reference, the tables, and every door's refusals."""

from __future__ import annotations

from dataclasses import replace

import mlflow
import numpy as np
import pandas as pd
import pytest

from scatd import registry, tracking
from scatd.candidates.linear import Linear
from scatd.candidates.mean import Mean
from scatd.errors import InputError
from scatd.keys import artifact_paths
from scatd.nn.classifier import HEAD_PREFIXES
from scatd.workflows.predict.request import PredictRequest
from scatd.workflows.predict.run import predict
from scatd.workflows.sweep import report as panel

NAME = "scatd-sf-docetaxel"
WEIGHTS = np.linspace(-1, 1, 12)


@pytest.fixture
def linear(copied_registry):
    """A third version, which is linear, in production."""
    stored = registry.read(registry.get(NAME, 1))
    encoder = {n: value for n, value in stored.state.items() if not n.startswith(HEAD_PREFIXES)}
    selection = {"strength": "ridge 100", "reason": "Inner folds: linear is best."}
    about = replace(stored.about, selection=selection)
    model = replace(stored, state=encoder, candidate=Linear(WEIGHTS, 0.5), about=about)
    with tracking.parent_run("transfer", name="linear", tags={}, settings={}) as run:
        tags = {"scatd.drug": "docetaxel"}
        version = registry.register_artifact(
            model, NAME, run.run_id, metrics={}, description="", tags=tags
        )
    registry.promote(NAME, version, reason="a test", evidence_run_id="none")
    return model


def test_tags_and_tables_name_it(linear):
    tags = tracking.connect().get_model_version(NAME, "3").tags
    assert tags["scatd.candidate"] == "linear"
    assert tags["scatd.choice"] == "linear (ridge 100). Inner folds: linear is best."
    assert registry.get(NAME, 3).candidate == "linear"
    assert registry.get(NAME, 1).candidate == "network"
    shown = registry.show(NAME).set_index("version")
    assert shown["candidate"].to_dict() == {3: "linear", 2: "network", 1: "network"}
    assert registry.list_models()["candidate"].tolist() == ["linear"]


def test_a_tag_of_another_candidate_is_refused_and_repaired(linear):
    tracking.connect().set_model_version_tag(NAME, "3", "scatd.candidate", "trees")
    with pytest.raises(InputError, match=r"scatd\.candidate says 'trees'"):
        registry.fetch(registry.get(NAME, 3))
    for fault in registry.examine():
        fault.repair()
    registry.fetch(registry.get(NAME, 3))


def test_a_network_of_earlier_scatd_has_no_such_tag(copied_registry):
    tracking.connect().delete_model_version_tag(NAME, "1", "scatd.candidate")
    assert registry.get(NAME, 1).candidate == "network"
    assert registry.show(NAME)["candidate"].tolist() == ["network", "network"]
    registry.fetch(registry.get(NAME, 1))
    assert registry.examine() == []


@pytest.mark.parametrize("asked", [{"mc_samples": 5}, {"uncertainty": ("posterior",)}])
def test_draws_are_refused_before_anything_is_read_or_written(linear, copied_registry, asked):
    absent, output = copied_registry / "absent.h5ad", copied_registry / "scored.csv"
    with pytest.raises(InputError, match="need a network, and this model is: linear"):
        predict(PredictRequest("docetaxel", absent, output, device="cpu", **asked))
    assert not output.exists()


def test_plain_mlflow_scores_it_and_refuses_draws(linear):
    model = mlflow.pyfunc.load_model(f"models:/{NAME}@production")
    X = np.random.default_rng(0).normal(size=(7, 12)).astype(np.float32)
    scored = model.predict(X)["prob_resistant"]
    np.testing.assert_allclose(scored, 1 / (1 + np.exp(-(X @ WEIGHTS + 0.5))), atol=1e-6)
    with pytest.raises(Exception, match="need a network"):
        model.predict(X, params={"mc_samples": 5})


def test_a_mean_says_how_often_it_has_a_part(linear):
    parts = (Linear(WEIGHTS, 0.0), Linear(-WEIGHTS, 0.0))
    card = replace(linear, candidate=Mean((Mean(parts), parts[0], parts[1]))).card()
    assert card.candidate.in_words == "mean of (mean of linear (2 times)) and linear (2 times)"


def test_the_table_of_a_sweep_names_the_candidate(store):
    models = pd.DataFrame(
        {
            "model": ["response_model", "logistic_regression", "no_adaptation"],
            "auroc_mean": [0.9, 0.8, 0.9],
            "auroc_ci_low": 0.7,
            "auroc_ci_high": 1.0,
            "lead": [np.nan, 0.1, 0.0],
            "lead_ci_low": [np.nan, 0.05, 0.0],
            "lead_ci_high": [np.nan, 0.15, 0.0],
        }
    )
    folds = pd.DataFrame({"model": ["response_model"] * 2 + ["logistic_regression"], "fold": 1})
    for metric in panel.METRICS:
        folds[metric] = [0.5, 0.7, 0.1]
    counts = {"n_sensitive": 20.0, "n_resistant": 30.0}
    with tracking.parent_run("transfer", name="d", tags={}, settings={}) as run:
        run.log_metrics(counts)
        run.log_checked_table(models, artifact_paths.MODELS)
        run.log_checked_table(folds, artifact_paths.FOLDS)
        run.set_tags({"scatd.candidate": "mean"})
    row = panel.adopted("docetaxel", run.run_id)
    assert row["candidate"] == "mean"
    assert (row["mcc_mean"], row["mcc_sd"]) == pytest.approx((0.6, 0.2 / 2**0.5))
    assert (row["best_baseline"], row["lead"]) == ("logistic_regression", 0.1)
