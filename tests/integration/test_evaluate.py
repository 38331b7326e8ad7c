"""From labelled cells to a report, a run, and a calibrated version."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from sklearn import metrics as reference
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedKFold

from scatd import artifact, registry, tracking
from scatd.data.features import read_features
from scatd.evaluation.metrics import response_metrics
from scatd.registry import by_drug
from scatd.scoring import Scorer
from scatd.training import logistic
from scatd.workflows.cohorts.scoring_input import AsGiven

MAP = ("--label-map", "0=sensitive,1=resistant")


@pytest.fixture(scope="module")
def cohort(task, tmp_path_factory) -> dict[str, Path]:
    """Two halves of a cohort whose truth is noisy, so that nothing is perfect."""
    folder = tmp_path_factory.mktemp("halves")
    loadings = np.random.default_rng(99).normal(size=(6, 24))
    rng = np.random.default_rng(12)
    factors = rng.normal(size=(1600, 6))
    X = (factors @ loadings + 0.3 * rng.normal(size=(1600, 24))).astype(np.float32)
    truth = (factors[:, 0] + 1.2 * rng.normal(size=1600) > 0).astype(int)
    obs = pd.DataFrame(
        {"truth": truth, "patient": [f"p{number % 10}" for number in range(1600)]},
        index=[f"other{number}" for number in range(1600)],
    )
    cells = ad.AnnData(obs=obs, obsm={"X_scfoundation": X}, shape=(1600, 0))
    halves = {"first": cells[:800], "second": cells[800:]}
    for name, half in halves.items():
        half.copy().write_h5ad(folder / f"{name}.h5ad")
    return {name: folder / f"{name}.h5ad" for name in halves}


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a folder whose registry is its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.chdir(folder)
        yield


@pytest.fixture(scope="module")
def evaluated(learned_folder, run_scatd, cohort, tmp_path_factory) -> Path:
    """A folder in which version 1 was evaluated on the first half, into `out`."""
    folder = tmp_path_factory.mktemp("evaluated")
    shutil.copy(learned_folder / "mlflow.db", folder)
    with inside(folder):
        said = run_scatd(*arguments(cohort["first"], "--group-by", "patient", "-o", "out"))
        (folder / "said.txt").write_text(said.output)
    return folder


@pytest.fixture(scope="module")
def calibrated(evaluated, run_scatd, cohort, tmp_path_factory) -> Path:
    """A folder in which version 2 was calibrated on the first half, and evaluated on the second."""
    folder = tmp_path_factory.mktemp("calibrated")
    shutil.copy(evaluated / "mlflow.db", folder)
    goals = ("--calibrate", "fdr=0.25", "--calibrate-probability", "platt", "--abstain")
    with inside(folder):
        run_scatd(*arguments(cohort["first"], *goals, "coverage=0.8", "-o", "a"))
        run_scatd(*arguments(cohort["second"], "--stage", "staging", "-o", "after"))
    return folder


@pytest.fixture
def here(evaluated):
    """The first folder, as the working folder; tests only read it."""
    with inside(evaluated):
        yield evaluated


@pytest.fixture
def there(calibrated):
    """The second one."""
    with inside(calibrated):
        yield calibrated


def arguments(path: Path, *more: str) -> list[str]:
    return ["evaluate", "--drug", "docetaxel", str(path), "--labels", "truth", *MAP, *more]


def the_run():
    """The newest evaluation."""
    client = tracking.connect()
    wanted = "tags.`scatd.level` = 'evaluation'"
    newest = client.search_runs([tracking.experiment_id(client)], wanted)[0]
    return client.get_run(newest.info.run_id)


def card(version: int) -> dict:
    ref = registry.resolve("docetaxel", version=version)
    return json.loads((registry.fetch(ref) / "card.json").read_text())


def value_of(folder: Path) -> pd.Series:
    return pd.read_csv(folder / "tables/metrics.csv").set_index("metric")["value"]


def test_every_number_is_that_of_scikit_learn(here):
    cells = pd.read_csv("out/tables/cells.csv")
    assert list(cells["barcode"]) == [f"other{number}" for number in range(800)]
    truth = (cells["truth"] == "resistant").astype(int)
    prob, called = cells["prob_resistant"], (cells["response"] == "resistant").astype(int)
    assert (called == (prob > 0.5)).all()
    expected = {
        "auroc": reference.roc_auc_score(truth, prob),
        "auprc": reference.average_precision_score(truth, prob),
        "auprc_sensitive": reference.average_precision_score(1 - truth, 1 - prob),
        "prevalence": truth.mean(),
        "mcc": reference.matthews_corrcoef(truth, called),
        "f1": reference.f1_score(truth, called),
        "recall": reference.recall_score(truth, called),
        "precision": reference.precision_score(truth, called),
        "specificity": reference.recall_score(1 - truth, 1 - called),
        "balanced_accuracy": reference.balanced_accuracy_score(truth, called),
        "brier": reference.brier_score_loss(truth, prob),
    }
    found = pd.read_csv("out/tables/metrics.csv").set_index("metric")
    for name, value in expected.items():
        assert found.loc[name, "value"] == pytest.approx(value, abs=1e-9), name
        assert found.loc[name, "ci_low"] <= value <= found.loc[name, "ci_high"]
    bins = np.minimum((prob * 10).astype(int), 9)
    gaps = [abs((prob - truth)[bins == b].sum()) for b in range(10)]
    assert found.loc["ece", "value"] == pytest.approx(sum(gaps) / 800, abs=1e-6)
    matrix = pd.read_csv("out/tables/confusion.csv")[["sensitive", "resistant"]].to_numpy()
    np.testing.assert_array_equal(matrix, reference.confusion_matrix(truth, called))
    published = pd.read_csv("out/tables/published_metrics.csv")
    assert list(published) == ["AUC", "MCC", "F1 Score", "Recall", "Accuracy", "Precision"]
    assert published["Accuracy"].item() == pytest.approx((called == truth).mean())
    by_group = pd.read_csv("out/tables/groups.csv").set_index("group")
    some = cells["group"] == "p3"
    assert by_group.loc["p3", "auroc"] == pytest.approx(
        reference.roc_auc_score(truth[some], prob[some])
    )
    assert f"AUROC {expected['auroc']:.3f}" in (here / "said.txt").read_text()


def test_the_run_holds_all_of_it_and_belongs_to_the_version(here):
    found = the_run()
    tags = found.data.tags
    assert (tags["scatd.drug"], tags["scatd.family"]) == ("docetaxel", "sf")
    assert tags["scatd.model"] == "scatd-sf-docetaxel/1"
    assert tags["scatd.model_run"] == registry.resolve("docetaxel").run_id
    assert tags["scatd.training_cells"] == "0"
    assert found.data.params["cfg.stage"] == "production"
    values = value_of(Path("out"))
    for name in ("auroc", "auprc_sensitive", "mcc", "ece"):
        assert found.data.metrics[name] == pytest.approx(values[name])
    (data,) = found.inputs.dataset_inputs
    assert data.tags[0].value == "evaluation"
    source = MlflowClient().get_model_version("scatd-sf-docetaxel", "1").source
    model_id = source.removeprefix("models:/")
    assert [model.model_id for model in found.inputs.model_inputs] == [model_id]
    linked = MlflowClient().get_logged_model(model_id).metrics
    of_cells = {m.key: m for m in linked if m.run_id == found.info.run_id}
    name, digest = data.dataset.name, data.dataset.digest
    assert (of_cells["auroc"].dataset_name, of_cells["auroc"].dataset_digest) == (name, digest)
    stored = tracking.Run(tracking.connect(), found.info.run_id)
    for path in ("report.html", "tables/cells.csv", "figures/roc.png", "figures/roc.pdf"):
        assert stored.fetch(path).read_bytes() == (here / "out" / path).read_bytes()
    page = (here / "out/report.html").read_text()
    assert 'src="http' not in page
    assert page.count("data:image/png;base64,") == len(list(here.glob("out/figures/*.png")))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_baseline_is_the_one_of_the_samples_that_the_weights_saw(here, cohort, task):
    training = tracking.Run(
        tracking.connect(), registry.training_run(registry.resolve("docetaxel"))
    )
    samples = pd.read_csv(training.fetch("tables/out_of_fold.csv"))
    trained = samples[samples["fold"] != card(1)["fold"]]
    # In the style of the reference, as the model's own training rows are.
    X = ad.read_h5ad(task.source).obsm["X_scfoundation"][trained["row"]].astype(float)
    style = np.load(task.reference).astype(float)
    moved = (X - X.mean(0)) / X.std(0) * style.std(0) + style.mean(0)
    mean, std = moved.mean(0), moved.std(0)
    cv = StratifiedKFold(3, shuffle=True, random_state=42 + card(1)["fold"])
    model = LogisticRegressionCV(
        Cs=logistic.GRID, cv=cv, scoring="roc_auc", max_iter=5000, tol=1e-8
    )
    model.fit((moved - mean) / std, trained["truth"])
    cells = ad.read_h5ad(cohort["first"]).obsm["X_scfoundation"].astype(float)
    expected = model.predict_proba((cells - mean) / std)[:, 1]
    table = pd.read_csv("out/tables/cells.csv")
    np.testing.assert_allclose(table["baseline_logistic_regression"], expected, atol=2e-3)
    truth = table["truth"] == "resistant"
    models = pd.read_csv("out/tables/models.csv").set_index("model")
    assert models.loc["logistic_regression", "auroc"] == pytest.approx(
        reference.roc_auc_score(truth, table["baseline_logistic_regression"])
    )
    assert models.loc["prevalence", "auroc"] == 0.5


def test_a_calibrated_version_says_from_what_it_came(there):
    made = card(2)["calibration"]
    (run,) = [
        run
        for run in tracking.finished_runs({"scatd.level": "evaluation"})
        if run.run_id == made["run_id"]
    ]
    assert made["from_version"] == 1
    assert run.tags["scatd.model"] == "scatd-sf-docetaxel/1"
    assert made["data"]["file"] == "first.h5ad"
    assert made["data"]["n_sensitive"] + made["data"]["n_resistant"] == 800
    assert sorted(made["cells"]["ids"]) == sorted(f"other{number}" for number in range(800))
    assert "fdr=0.25 with 95% confidence on 800 labelled cells" in card(2)["threshold_origin"]
    assert list(registry.show("scatd-sf-docetaxel")["aliases"]) == ["staging", "production"]
    tags = MlflowClient().get_model_version("scatd-sf-docetaxel", "2").tags
    first = registry.resolve("docetaxel", version=1)
    assert tags["scatd.training_run"] == first.run_id == registry.training_run(first)
    assert tags["scatd.calibrated_from"] == "1"


def test_a_calibrated_version_keeps_its_promises_on_other_cells(there, run_scatd, cohort):
    assert the_run().data.tags["scatd.training_cells"] == "0"
    run_scatd("predict", "--drug", "docetaxel", cohort["second"], "--stage", "1", "-o", "1.csv")
    run_scatd("predict", "--drug", "docetaxel", cohort["second"], "--stage", "2", "-o", "2.csv")
    cells, before = pd.read_csv("after/tables/cells.csv"), pd.read_csv("1.csv")
    truth = cells["truth"] == "resistant"
    ece = response_metrics(truth, before["prob_resistant"])["ece"]
    after = value_of(Path("after"))
    assert after["ece"] < ece
    assert after["auroc"] == pytest.approx(reference.roc_auc_score(truth, before["prob_resistant"]))
    called = cells["prob_resistant"] > card(2)["threshold"]
    assert called.any()
    assert (~truth[called]).mean() <= 0.25
    answers = pd.read_csv("after/tables/answers.csv").iloc[0]
    wrong = (called != truth).mean()
    assert answers["coverage"] == pytest.approx(0.8, abs=0.05)
    assert answers["error"] < wrong
    # What was evaluated is what predict says.
    scored = pd.read_csv("2.csv")
    np.testing.assert_allclose(scored["prob_resistant"], cells["prob_resistant"], atol=1e-12)
    assert (scored["response"] == cells["response"]).all()
    assert set(scored["response"]) == {"sensitive", "resistant", "abstain"}


def test_predict_says_how_a_calibrated_version_decides(there, run_scatd, cohort):
    scored = ("predict", "--drug", "docetaxel", cohort["second"], "--stage", "2", "-o", "2.h5ad")
    said = run_scatd(*scored).output
    cells = ad.read_h5ad("2.h5ad")
    n_abstained = int((cells.obs["scatd_docetaxel_response"] == "abstain").sum())
    assert f"{n_abstained} cells lie too near the threshold for an answer (abstain)." in said
    about = cells.uns["scatd"]["docetaxel"]
    band = card(2)["calibration"]["abstain"]
    assert about["calibration"] == "platt"
    assert list(about["abstain"]) == [band["low"], band["high"]]
    run_scatd(*scored, "--threshold", "0.5")
    cells = ad.read_h5ad("2.h5ad")
    assert set(cells.obs["scatd_docetaxel_response"]) == {"sensitive", "resistant"}
    assert "abstain" not in cells.uns["scatd"]["docetaxel"]


def test_cells_that_calibrated_a_version_are_called_by_their_name(
    calibrated, run_scatd, cohort, tmp_path
):
    shutil.copy(calibrated / "mlflow.db", tmp_path)
    with inside(tmp_path):
        said = run_scatd(*arguments(cohort["first"], "--stage", "2", "-o", "again")).output
        assert "800 of 800 cells are known to the version from its calibration" in said
        assert the_run().data.tags["scatd.training_cells"] == "800"
        assert "from its calibration" in Path("again/report.html").read_text()


def test_a_version_is_found_and_read_once(evaluated, run_scatd, cohort, tmp_path, monkeypatch):
    """Weights, alignment and card of a calibration are those of one reading."""
    shutil.copy(evaluated / "mlflow.db", tmp_path)
    read, found = [], []
    whole, resolve = artifact.read, by_drug.resolve
    monkeypatch.setattr(
        artifact, "read", lambda folder, **more: (read.append(folder), whole(folder, **more))[1]
    )
    monkeypatch.setattr(
        by_drug, "resolve", lambda drug, **more: (found.append(drug), resolve(drug, **more))[1]
    )
    with inside(tmp_path):
        run_scatd(*arguments(cohort["first"], "--calibrate", "youden", "-o", "once"))
        assert found == ["docetaxel"]
        assert read.count(registry.fetch(resolve("docetaxel", version=1))) == 1


def test_promises_that_exclude_each_other_are_refused(here, run_scatd, cohort):
    goals = ("--calibrate", "precision=0.97", "--calibrate", "recall=0.97")
    before = len(tracking.finished_runs({"scatd.level": "evaluation"}))
    said = run_scatd(*arguments(cohort["first"], *goals, "-o", "refused"), code=2).output
    assert "precision=0.97 and recall=0.97 cannot be promised" in said
    assert "precision=0.97 alone: " in said
    assert "recall=0.97 alone: threshold" in said
    assert not Path("refused").exists()
    assert len(registry.show("scatd-sf-docetaxel")) == 1
    assert len(tracking.finished_runs({"scatd.level": "evaluation"})) == before


def test_calibrated_probabilities_alone_change_no_call(evaluated, run_scatd, cohort, tmp_path):
    shutil.copy(evaluated / "mlflow.db", tmp_path)
    with inside(tmp_path):
        words = ("--calibrate-probability", "platt", "--group-by", "patient", "-o", "platt")
        run_scatd(*arguments(cohort["first"], *words))
        for version in ("1", "2"):
            stage = ("--stage", version, "-o", f"{version}.csv")
            run_scatd("predict", "--drug", "docetaxel", cohort["first"], *stage)
        old, new = pd.read_csv("1.csv"), pd.read_csv("2.csv")
        assert (old["prob_resistant"] - new["prob_resistant"]).abs().max() > 0.01
        assert (old["response"] == new["response"]).all()
        assert "calls unchanged" in card(2)["threshold_origin"]
        errors = card(2)["calibration"]["group_errors"]
        assert errors["n_groups"] == 10
        assert 0 <= errors["sd"] < 1.5, "patients of this cohort are alike"


def test_what_cannot_be_evaluated_is_refused_in_a_line(here, run_scatd, cohort):
    cells = cohort["first"]
    for more, message in {
        ("--stage", "9"): "no version 9",
        ("--group-by", "hospital"): "no column 'hospital'",
        ("--calibrate", "fpr=0.1"): "'fpr=0.1' is no goal",
        ("--calibrate", "youden", "--calibrate", "fdr=0.1"): "youden settles the threshold",
        ("--abstain", "0.1"): "'0.1' is no goal",
        ("-o", "no/such/folder"): "does not exist",
    }.items():
        assert message in run_scatd(*arguments(cells, *more), code=2).output
    bare = ["evaluate", "--drug", "docetaxel", cells, "--labels", "truth"]
    assert "does not know the meaning" in run_scatd(*bare, code=2).output


@pytest.fixture
def promotable(calibrated, tmp_path):
    """A folder of its own in which version 2 was evaluated on cells that are new to it."""
    shutil.copy(calibrated / "mlflow.db", tmp_path)
    with inside(tmp_path):
        yield tmp_path


def newest_of(version: int) -> str:
    found = tracking.finished_runs({"scatd.model": f"scatd-sf-docetaxel/{version}"})
    return found[0].run_id


def test_promotion_names_the_evaluation_that_justified_it(promotable, run_scatd):
    Path("registry_configs").mkdir()
    config = Path("registry_configs/docetaxel.yaml")
    config.write_text("gate: {target: {metric: auroc, minimum: 0.99}}")
    said = run_scatd("promote", "--drug", "docetaxel", "--version", "2", code=2).output
    assert "target: auroc is 0." in said
    assert "on 800 target cells, at least 0.99 needed" in said
    config.write_text("gate: {target: {metric: auroc, minimum: 0.6}}")
    said = run_scatd("registry", "promote", "--drug", "docetaxel", "--version", "2").output
    assert "scatd-sf-docetaxel version 2 is in production now" in said
    tags = MlflowClient().get_model_version("scatd-sf-docetaxel", "2").tags
    assert tags["scatd.evidence_run"] == newest_of(2)
    assert registry.history("scatd-sf-docetaxel")["evidence"].iloc[-1] == newest_of(2)
    archived = registry.resolve("docetaxel", stage="archived")
    assert (archived.version, archived.stage) == (1, "archived")


def test_an_evaluation_of_another_version_is_no_evidence(promotable, run_scatd):
    words = ("promote", "--drug", "docetaxel", "--version", "2", "--evaluation")
    for run_id in (newest_of(1), "nosuch"):
        said = run_scatd(*words, run_id, code=2).output
        assert (
            f"run '{run_id}' is not a finished evaluation of scatd-sf-docetaxel version 2" in said
        )
        assert newest_of(2) in said


def test_production_is_not_reached_on_training_cells(promotable, run_scatd, task):
    """The evaluation scores the samples that the version was trained on, under other names."""
    source = ad.read_h5ad(task.source)
    codes = pd.read_csv(task.labels, index_col=0)["DOCETAXEL"].to_numpy()
    source.obs = pd.DataFrame({"truth": codes}, index=[f"x{n}" for n in range(source.n_obs)])
    source.write_h5ad("renamed.h5ad")
    scored = ("evaluate", "--drug", "docetaxel", "renamed.h5ad", "--labels", "truth")
    said = run_scatd(*scored, "--stage", "2", "-o", "out").output
    assert "220 of 220 cells are known to the version from its training" in said
    run_id = newest_of(2)
    words = ("promote", "--drug", "docetaxel", "--version", "2")
    said = run_scatd(*words, "--evaluation", run_id, code=2).output
    assert f"learned from 220 of the 220 cells that run {run_id} scored" in said
    production = registry.resolve("docetaxel")
    assert production.version == 1
    # Unnamed, it is passed over for the evaluation before it.
    said = run_scatd(*words).output
    assert f"Evaluation {run_id} is no evidence" in said
    tags = MlflowClient().get_model_version("scatd-sf-docetaxel", "2").tags
    assert tags["scatd.evidence_run"] != run_id


def test_the_cohort_is_read_once_and_never_held(
    evaluated, run_scatd, cohort, tmp_path, monkeypatch
):
    shutil.copy(evaluated / "mlflow.db", tmp_path)
    read, blocks = [], AsGiven.blocks
    monkeypatch.setattr(
        AsGiven, "blocks", lambda self, rows: (read.append(rows), blocks(self, rows))[1]
    )
    monkeypatch.setattr(AsGiven, "features", property(lambda _: pytest.fail("all were asked for")))
    few = pd.DataFrame({"id": [f"other{number}" for number in range(600, 700)], "docetaxel": 0})
    few.loc[::3, "docetaxel"] = 1
    few.to_csv(tmp_path / "few.csv", index=False)
    with inside(tmp_path):
        words = ("evaluate", "--drug", "docetaxel", cohort["first"], "--stage", "1")
        run_scatd(*words, "--labels", tmp_path / "few.csv", *MAP, "-o", "few")
        assert read == [range(800)]
        found = pd.read_csv("few/tables/cells.csv", float_precision="round_trip")
        assert found["barcode"].tolist() == few["id"].tolist()
        model = Scorer(registry.fetch(registry.resolve("docetaxel", version=1)))
        whole = model.score(ad.read_h5ad(cohort["first"]).obsm["X_scfoundation"])
        assert found["prob_resistant"].tolist() == whole.prob_resistant[600:700].tolist()
        expected = read_features(cohort["first"], "sf").sha256()
        assert the_run().data.params["cfg.target_sha256"] == expected


def test_a_value_that_is_not_finite_is_refused_wherever_it_is(
    evaluated, run_scatd, cohort, tmp_path
):
    shutil.copy(evaluated / "mlflow.db", tmp_path)
    cells = ad.read_h5ad(cohort["first"])
    cells.obsm["X_scfoundation"][799, 2] = np.nan
    cells.write_h5ad(tmp_path / "bad.h5ad")
    with inside(tmp_path):
        n_runs = len(tracking.finished_runs({"scatd.level": "evaluation"}))
        said = run_scatd(*arguments(tmp_path / "bad.h5ad", "-o", "bad"), code=2).output
        assert "1 NaN; the first is nan in row 799 (id 'other799'), column 2" in said
        assert not Path("bad").exists()
        assert len(tracking.finished_runs({"scatd.level": "evaluation"})) == n_runs
