"""Controls, groups, few-shot cells and what is registered, on a small task."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scatd import artifact, registry, tracking
from scatd.cards import model_folder
from scatd.cards.writing import to_mapping
from scatd.keys import LEVEL_DRUG, TAG_LEVEL
from scatd.scoring import Scorer


@pytest.fixture
def run_of(scatd, task, store):
    """Transfer with further arguments; gives the parent run and the registered model's folder."""

    def transfer(*extra, code=0):
        target = ("--target", str(task.target), "--target-labels", "truth")
        meaning = ("--label-map", "0=sensitive,1=resistant")
        done = scatd(*task.transfer_arguments(), *target, *meaning, *map(str, extra), code=code)
        if code:
            return done
        client = tracking.connect()
        (run,) = client.search_runs(
            [tracking.experiment_id(client)], f"tags.`{TAG_LEVEL}` = '{LEVEL_DRUG}'"
        )
        ref = registry.resolve("docetaxel", stage="staging", families=["sf"])
        return run, registry.fetch(ref)

    return transfer


def _table(run, name):
    return pd.read_csv(tracking.Run(tracking.connect(), run.info.run_id).fetch(f"tables/{name}"))


def test_controls(run_of):
    run, _ = run_of(
        *("--permutations", 5, "--repeats", 2, "--nested", "--learning-curve", "--folds", 2),
        *("--min-steps", 40),
    )
    metrics = run.data.metrics
    null = _table(run, "permutations.csv")
    assert len(null) == 5
    assert metrics["null/auroc_mean"] == pytest.approx(null["auroc"].mean())
    assert metrics["cv/auroc_mean"] > metrics["null/auroc_p975"]
    assert metrics["null/auroc_p_value"] == pytest.approx(1 / 6)
    said = run.data.tags["mlflow.note.content"]
    bound = f"above the 97.5th percentile {metrics['null/auroc_p975']:.3f} (p = 0.167)"
    assert bound in said
    assert "Target: AUROC" in said
    assert metrics["target/auroc"] > null["target_auroc"].mean()
    repeats = _table(run, "repeats.csv")
    assert repeats.groupby("repeat").size().tolist() == [2, 2]
    first = repeats.loc[repeats["repeat"] == 1, "auroc"].mean()
    assert first == pytest.approx(metrics["cv/auroc_mean"], abs=1e-6)
    nested = _table(run, "nested.csv")
    assert len(nested) == 2
    assert metrics["nested/auroc_mean"] == pytest.approx(nested["auroc"].mean())
    curve = _table(run, "learning_curve.csv")
    assert set(curve["model"]) == {"response_model", "logistic_regression"}
    assert curve.groupby("model").size().tolist() == [5, 5]


def test_groups_are_never_split(run_of, task, scatd, tmp_path):
    labels = pd.read_csv(task.labels, index_col=0)
    labels["patient"] = [f"patient{row // 10}" for row in range(len(labels))]
    labels.to_csv(tmp_path / "grouped.csv")
    grouped = ("--labels", tmp_path / "grouped.csv", "--group-by", "patient")
    run, _ = run_of(*grouped, "--model", "linear")
    table = _table(run, "out_of_fold.csv")
    table["patient"] = labels["patient"].reindex(table["id"]).to_numpy()
    by_patient = table.groupby("patient")["fold"]
    assert (by_patient.min() == by_patient.max()).all()


def test_an_unknown_group_is_refused(run_of):
    assert "no column 'patient'" in run_of("--group-by", "patient", code=2).output


@pytest.fixture
def grouped(task, tmp_path):
    """Labels with a patient for each sample, and a target whose cells are of these patients."""
    labels = pd.read_csv(task.labels, index_col=0)
    resistant = labels["DOCETAXEL"] == "resistant"
    labels["patient"] = [f"p{row % 4 + 4 * code}" for row, code in enumerate(resistant)]
    labels.to_csv(tmp_path / "grouped.csv")
    cells = ad.read_h5ad(task.target)
    cells.obs["Patient"] = [f"p{row % 8}" for row in range(cells.n_obs)]
    cells.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "grouped.csv", tmp_path / "cells.h5ad"


def test_the_mean_of_the_group_is_a_baseline_of_folds_target_and_later_cells(
    run_of, grouped, scatd
):
    labels, cells = grouped
    run, _ = run_of(
        *("--labels", labels, "--target", cells, "--group-baseline", "patient"),
        *("--model", "linear", "--few-shot", 6, "--few-shot-use", "select", "--folds", 3),
    )
    assert run.data.params["cfg.group_baseline"] == "patient"
    # A patient has one class, so that its mean is the truth.
    models = _table(run, "models.csv").set_index("model")
    assert models.loc["group_mean", "auroc_mean"] == 1
    assert "target_only" not in models.index
    target = _table(run, "target.csv").set_index("model")
    assert {"group_mean", "target_only"} <= set(target.index)
    assert run.data.metrics["baseline/target_only/target_auroc"] == pytest.approx(
        target.loc["target_only", "auroc"]
    )
    stored = tracking.Run(tracking.connect(), run.info.run_id)
    names = {path.name for path in stored.fetch("baselines").iterdir()}
    assert {"group_mean.json", "target_only.safetensors"} <= names
    meaning = ("--labels", "truth", "--label-map", "0=sensitive,1=resistant")
    folder = cells.parent / "out"
    scatd(
        *("evaluate", "--drug", "docetaxel", str(cells), *meaning, "--stage", "staging"),
        *("-o", str(folder)),
    )
    later = pd.read_csv(folder / "tables/cells.csv").set_index("barcode")
    first = _table(run, "target_predictions.csv").set_index("id")
    for name in ("prevalence", "logistic_regression", "group_mean", "target_only"):
        np.testing.assert_allclose(
            later.loc[first.index, f"baseline_{name}"], first[f"prob_{name}"], atol=1e-6
        )


def test_with_folds_of_groups_their_mean_is_the_prevalence(run_of, grouped):
    labels, _ = grouped
    extra = ("--labels", labels, "--group-by", "patient", "--group-baseline", "patient")
    run, _ = run_of(*extra, "--folds", 2, "--model", "linear")
    assert _table(run, "models.csv").set_index("model").loc["group_mean", "auroc_mean"] == 0.5


def test_a_group_baseline_that_is_not_there_is_refused(run_of):
    done = run_of("--group-baseline", "tissue", code=2)
    assert "--group-baseline: there is no column 'tissue'" in done.output


@pytest.mark.parametrize("use", ["train", "threshold", "select"])
def test_few_shot_cells_are_in_the_ledger_and_not_in_the_score(run_of, use):
    words = ("--few-shot", 4, "--few-shot-use", use, "--model", "network", "--folds", 2)
    run, folder = run_of(*words)
    ledger = to_mapping(model_folder.read_card(folder))["few_shot"]
    assert ledger["use"] == use
    assert np.bincount(ledger["codes"]).tolist() == [4, 4]
    scored = _table(run, "target_predictions.csv")
    assert len(scored) == 120 - 8
    assert not set(scored["id"]) & set(ledger["ids"])
    card = to_mapping(model_folder.read_card(folder))
    assert ("Youden" in card["threshold_origin"]) == (use == "threshold")
    assert (card["threshold"] != 0.5) == (use == "threshold")


@pytest.mark.parametrize("select", ["mean-of-folds", "refit"])
def test_select(run_of, task, select):
    run, folder = run_of("--select", select, "--model", "network", "--folds", 3)
    card = to_mapping(model_folder.read_card(folder))
    assert card["select"] == select
    assert "chosen_fold" not in card["metrics"]
    assert card["metrics"]["out_of_fold"]["auroc_mean"] == pytest.approx(
        run.data.metrics["cv/auroc_mean"]
    )
    rows = np.load(task.reference)[:50]
    scores = Scorer(folder).score(rows).prob_resistant
    stored = artifact.read(folder)
    if select == "mean-of-folds":
        folds = []
        base = artifact.read(task.backbone).encoder_state()
        for fold in tracking.Run(tracking.connect(), run.info.run_id).fold_runs().values():
            member = artifact.read(fold.fetch("checkpoint"), base=base)
            logits = member.classifier()(_tensor(rows))
            folds.append(logits.softmax(dim=1)[:, 1].detach().numpy())
        np.testing.assert_allclose(scores, np.mean(folds, axis=0), atol=1e-5)
    else:
        assert not stored.more_heads


def _tensor(rows):
    import torch

    return torch.from_numpy(rows)


def test_heads_of_different_encoders_have_no_mean(run_of):
    done = run_of("--select", "mean-of-folds", "--train-encoder", code=2)
    assert "--select refit" in done.output
