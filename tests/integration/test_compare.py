"""`scatd compare` on a store with runs of several drugs and families."""

from __future__ import annotations

import pandas as pd
import pytest

from scatd import keys, tracking
from scatd.evaluation.metrics import METRICS
from scatd.registry import stages_by_run
from scatd.workflows.compare import COLUMNS, compare


def folds():
    """The metrics of two folds, of the model and of two baselines."""
    mcc = {
        "response_model": (0.2, 0.3),
        "prevalence": (float("nan"), float("nan")),
        "logistic_regression": (0.4, 0.6),
    }
    rows = [
        {"model": model, "fold": number} | dict.fromkeys(METRICS, 0.5) | {"mcc": value}
        for model, values in mcc.items()
        for number, value in enumerate(values, start=1)
    ]
    return pd.DataFrame(rows)


def finish(drug, family, auroc, *, lead=(0.02, -0.01, 0.05), metrics=(), files=True, fails=False):
    """One drug's run as transfer leaves it: metrics by name, and its table of models."""
    baselines = {"prevalence": 0.5, "logistic_regression": auroc - lead[0]}
    models = pd.DataFrame({"model": list(baselines), "auroc_mean": list(baselines.values())})
    models["lead"], models["lead_ci_low"], models["lead_ci_high"] = lead
    tags = {
        keys.TAG_DRUG: drug,
        keys.TAG_FAMILY: family,
        keys.TAG_LEVEL: keys.LEVEL_DRUG,
        keys.TAG_SIMULATED: "true",
    }
    with tracking.parent_run("transfer", name=drug, tags=tags, settings={}) as run:
        run.log_metrics(
            {
                "cv/auroc_mean": auroc,
                "cv/auroc_sd": 0.03,
                "cv/auroc_ci_low": auroc - 0.1,
                "cv/auroc_ci_high": auroc + 0.05,
                "n_sensitive": 60.0,
                "n_resistant": 61.0,
                **{f"baseline/{name}/auroc_mean": mean for name, mean in baselines.items()},
                **dict(metrics),
            }
        )
        if files:
            run.log_table(models, "tables/models.csv")
            run.log_table(folds(), "tables/folds.csv")
        with run.child("fold 1", {keys.TAG_LEVEL: keys.LEVEL_FOLD}) as fold:
            fold.log_metrics({"cv/auroc_mean": 0.1})
    if fails:
        run.client.set_terminated(run.run_id, "FAILED")
    return run.run_id


@pytest.fixture
def runs(store):
    """The newest finished run of each drug and family."""
    finish("docetaxel", "sf", 0.55)
    finish("5fluorouracil", "sf", 0.70, lead=(-0.1, -0.2, -0.05))
    gf = finish("docetaxel", "gf", 0.90, lead=(0.1, 0.05, 0.2), metrics={"target/auroc": 0.66})
    sf = finish("docetaxel", "sf", 0.80)
    finish("docetaxel", "sf", 0.99, fails=True)
    return {"sf": sf, "gf": gf}


def register(run_id, stage):
    client = tracking.connect()
    client.create_registered_model("scatd-sf-docetaxel")
    client.create_model_version(
        "scatd-sf-docetaxel", "file:///nowhere", run_id, tags={keys.TAG_STAGE: stage}
    )


def test_the_newest_finished_run_of_each_drug_and_family(runs):
    register(runs["sf"], keys.PRODUCTION)
    table = compare()
    assert tuple(table) == COLUMNS
    assert table[["drug", "family"]].to_numpy().tolist() == [
        ["5fluorouracil", "sf"],
        ["docetaxel", "sf"],
        ["docetaxel", "gf"],
    ]
    assert table["mean"].tolist() == [0.70, 0.80, 0.90]
    assert table["run_id"].tolist()[1:] == [runs["sf"], runs["gf"]]
    assert table["best_baseline"].tolist() == ["logistic_regression"] * 3
    assert table["lead"].tolist() == pytest.approx([-0.1, 0.02, 0.1])
    assert table["lead_ci_low"].tolist() == [-0.2, -0.01, 0.05]
    assert table["stage"].fillna("").tolist() == ["", "production", ""]
    assert table["n_samples"].tolist() == [121] * 3
    assert table["target"].isna().tolist() == [True, True, False]
    assert table["simulated"].all()
    assert stages_by_run() == {runs["sf"]: "production"}


def test_another_metric_has_no_intervals(runs):
    table = compare(["Docetaxel"], "gf", "mcc")
    (row,) = table.to_dict("records")
    assert (row["mean"], row["baseline_mean"], row["lead"]) == (0.25, 0.5, -0.25)
    assert row["sd"] == pytest.approx(0.1 / 2**0.5)
    assert table[["ci_low", "lead_ci_low", "target"]].isna().all(axis=None)


def test_a_run_whose_table_is_gone(store):
    finish("docetaxel", "sf", 0.8, files=False)
    table = compare()
    assert table["lead"].tolist() == pytest.approx([0.02])
    assert table[["lead_ci_low", "lead_ci_high"]].isna().all(axis=None)


def test_more_runs_than_a_page(store, monkeypatch):
    from mlflow.tracking import MlflowClient

    for number in range(5):
        finish(f"drug{number}", "sf", 0.8, files=False)
    search = MlflowClient.search_runs
    monkeypatch.setattr(
        MlflowClient, "search_runs", lambda self, *a, **k: search(self, *a, max_results=2, **k)
    )
    assert len(compare()) == 5


@pytest.mark.as_shipped
def test_the_command(scatd, runs, store):
    done = scatd("compare", "-o", "all.csv", "--figure", "all.png")
    lines = done.stdout.splitlines()
    assert "5fluorouracil  sf      0.700  0.600 to 0.750  logistic regression" in lines[1]
    assert lines[-1] == (
        "Of 3 models with an interval of the lead, 1 beats its best baseline, 1 is beaten by it, "
        "and 1 cannot be told apart from it."
    )
    written = pd.read_csv(store / "all.csv")
    assert tuple(written) == COLUMNS
    assert written["mean"].tolist() == [0.70, 0.80, 0.90]
    assert (store / "all.png").stat().st_size > 5000
    assert (store / "all.pdf").exists()


def test_one_drug_and_no_target(scatd, runs):
    done = scatd("compare", "--drug", "X5.Fluorouracil", "--family", "sf")
    assert "docetaxel" not in done.stdout
    assert "target" not in done.stdout
    assert scatd("compare", "--family", "dist").stdout.startswith("No transfer has finished")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--drug", "docetaxl"), "Did you mean docetaxel?"),
        (("--figure", "a.jpg"), "does not end in .png"),
        (("-o", "no/such/folder.csv"), "no/such"),
        (("--metric", "loss"), "'loss' is not one of 'auroc'"),
    ],
)
def test_input_errors(scatd, runs, arguments, said):
    assert said in scatd("compare", *arguments, code=2).output


def test_an_empty_store(scatd, store):
    assert scatd("compare").stdout.startswith("No transfer has finished yet.")


@pytest.mark.parametrize("unaligned", [0.8, 0.79, 0.95])
def test_the_model_without_alignment_is_no_baseline(store, unaligned):
    finish("docetaxel", "sf", 0.8, metrics={"baseline/no_adaptation/auroc_mean": unaligned})
    assert compare()["best_baseline"].tolist() == ["logistic_regression"]
