"""What labels mean is said by every command that shows a model, and is kept with it."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scatd import keys, registry, tracking
from scatd.workflows.transfer.inputs import basis_of, open_inputs
from scatd.workflows.transfer.request import CohortFiles, LabelFiles, TransferRequest
from scatd.workflows.transfer.task import basis_identity

EXPOSURE = keys.EXPOSURE
CAVEAT = keys.EXPOSURE_CAVEAT
MAP = ("--label-map", "0=sensitive,1=resistant,sensitive=sensitive,resistant=resistant")
FAST = ("--model", "linear")


@dataclass(frozen=True)
class Exposed:
    """A working folder with a model of exposure labels, and what the transfer printed."""

    folder: Path
    said: str


@pytest.fixture(scope="module")
def exposed_folder(task, run_scatd, migrated_store, tmp_path_factory) -> Exposed:
    folder = tmp_path_factory.mktemp("exposed")
    shutil.copy(migrated_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.chdir(folder)
        kinds = ("--label-kind", EXPOSURE, "--target-label-kind", "pre-treatment")
        target = ("--target", task.target, "--target-labels", "truth")
        done = run_scatd(*task.transfer_arguments(), *FAST, *MAP, *kinds, *target, "--folds", "2")
    return Exposed(folder, done.output)


@pytest.fixture
def exposed(exposed_folder, monkeypatch) -> Exposed:
    """That folder, as the working folder; tests may add versions, and read version 1."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(exposed_folder.folder)
    return exposed_folder


def version(number: int):
    client = tracking.connect()
    return client.get_model_version("scatd-sf-docetaxel", str(number))


def test_transfer_says_it_and_keeps_it(exposed):
    words = (
        "Labels of the source: treated against untreated cells. "
        f"Labels of the target: responses of cells taken before treatment. {CAVEAT}"
    )
    assert words in exposed.said
    first = version(1)
    assert first.tags[keys.TAG_LABEL_KIND] == EXPOSURE
    assert CAVEAT in first.description
    run = tracking.connect().get_run(first.run_id)
    assert run.data.tags[keys.TAG_LABEL_KIND] == EXPOSURE
    assert run.data.tags[keys.TAG_TARGET_LABEL_KIND] == "pre-treatment"
    assert run.data.params["cfg.label_kind"] == EXPOSURE
    assert run.data.params["cfg.target_label_kind"] == "pre-treatment"
    assert words in run.data.tags["mlflow.note.content"]
    about = registry.read_card(registry.get("scatd-sf-docetaxel", 1)).about
    assert (about.label_kind, about.learned_exposure) == (EXPOSURE, True)
    assert about.data.target_labels.kind == "pre-treatment"
    assert (about.data.target_labels.file, about.data.target_labels.column) == (
        "target.h5ad",
        "truth",
    )


def test_the_registry_and_compare_show_it(exposed, run_scatd, tmp_path):
    listed = run_scatd("registry", "list").stdout.splitlines()
    row = next(line for line in listed if line.startswith("scatd-sf-docetaxel"))
    assert EXPOSURE in row
    assert EXPOSURE in run_scatd("registry", "show", "docetaxel").stdout
    shown = run_scatd("compare", "-o", tmp_path / "all.csv").stdout.splitlines()
    assert "labels" in shown[0]
    assert EXPOSURE in shown[1]
    assert pd.read_csv(tmp_path / "all.csv")["label_kind"].tolist() == [EXPOSURE]


def test_predict_and_screen_show_it(exposed, run_scatd, task, tmp_path):
    stage = ("--stage", "1")
    scored = tmp_path / "scored.h5ad"
    words = f"Labels of the source: treated against untreated cells. {CAVEAT}"
    done = run_scatd("predict", "--drug", "docetaxel", task.target, *stage, "-o", scored)
    assert words in done.output
    about = ad.read_h5ad(scored).uns["scatd"]["docetaxel"]
    assert (about["label_kind"], about["labels_in_words"]) == (EXPOSURE, words)
    out = tmp_path / "screen"
    done = run_scatd("screen", task.target, "--drugs", "docetaxel", *stage, "-o", out)
    caution = f"The models of docetaxel: {CAVEAT}"
    assert caution in done.output
    assert caution in (out / "report.html").read_text()
    assert pd.read_csv(out / "drugs.csv")["label_kind"].tolist() == [EXPOSURE]


def test_evaluate_says_both_kinds_and_a_calibration_keeps_them(exposed, run_scatd, task, tmp_path):
    done = run_scatd(
        *("evaluate", "--drug", "docetaxel", task.target, "--labels", "truth", *MAP),
        *("--label-kind", "pre-treatment", "--stage", "1", "--calibrate", "youden"),
        *("-o", tmp_path / "out"),
    )
    words = (
        "Labels of these cells: responses of cells taken before treatment. "
        f"Labels of the source: treated against untreated cells. {CAVEAT}"
    )
    assert words in done.output
    assert words in (tmp_path / "out" / "report.html").read_text()
    made = registry.at("scatd-sf-docetaxel", "staging")
    run = tracking.connect().get_run(made.run_id)
    assert run.data.tags[keys.TAG_LABEL_KIND] == "pre-treatment"
    assert run.data.params["cfg.label_kind"] == "pre-treatment"
    assert made.label_kind == EXPOSURE  # that of the training
    about = registry.read_card(made).about
    assert about.calibration.label_kind == "pre-treatment"
    assert CAVEAT in version(made.version).description
    changes = run_scatd("registry", "diff", "1", str(made.version), "docetaxel").stdout
    assert re.search(r"calibration\.label_kind +pre-treatment", changes)


def test_a_calibration_on_exposure_labels_is_said(learned, run_scatd, task, tmp_path, monkeypatch):
    shutil.copy(learned / "mlflow.db", tmp_path)
    monkeypatch.chdir(tmp_path)
    truth = ("--labels", "truth", *MAP, "--stage", "staging", "--calibrate", "youden")
    for kind in (EXPOSURE, "cell-line"):
        run_scatd(
            *("evaluate", "--drug", "docetaxel", task.target, *truth, "--label-kind", kind),
            *("-o", f"out-{kind}"),
        )
        made = registry.at("scatd-sf-docetaxel", "staging")
        assert made.label_kind == "unknown"
        # The second calibration is made on top of the first.
        assert registry.read_card(made).about.learned_exposure


def test_a_sweep_and_few_shot_cells(store, run_scatd, task, tmp_path):
    table = pd.read_csv(task.labels, index_col=0)[["DOCETAXEL"]]
    table.assign(OTHER=np.roll(table["DOCETAXEL"], 1)).to_csv(tmp_path / "two.csv")
    arguments = task.transfer_arguments("all")
    arguments[arguments.index("--labels") + 1] = str(tmp_path / "two.csv")
    done = run_scatd(*arguments, *FAST, "--label-kind", "cell-line", "--folds", "2")
    assert "\nLabels of the source: responses of cell lines.\n" in done.output
    runs = tracking.finished_runs({keys.TAG_LABEL_KIND: "cell-line"})
    assert {run.tags[keys.TAG_LEVEL] for run in runs} == {"sweep", "drug", "fold"}
    assert version(1).tags[keys.TAG_LABEL_KIND] == "cell-line"
    target = ("--target", task.target, "--target-labels", "truth", "--few-shot", "5")
    kinds = ("--label-kind", "cell-line", "--target-label-kind", EXPOSURE)
    run_scatd(*task.transfer_arguments(), *FAST, *MAP, *target, *kinds, "--folds", "2")
    made = registry.at("scatd-sf-docetaxel", "staging")
    assert made.label_kind == "cell-line"
    assert registry.read_card(made).about.learned_exposure
    assert (
        f"Labels of the few-shot cells: treated against untreated cells. {CAVEAT}"
        in version(made.version).description
    )


def test_a_kind_of_target_labels_needs_them(scatd, task):
    done = scatd(*task.transfer_arguments(), "--target-label-kind", "cell-line", code=2)
    assert "a kind of target labels needs target labels" in done.output


def test_an_unknown_word_is_refused(scatd, task):
    done = scatd(*task.transfer_arguments(), "--label-kind", "lines", code=2)
    assert "treated-against-untreated" in done.output


def test_what_is_taken_where_nothing_is_said(tmp_path):
    assert TransferRequest("D").kind_of_labels == "cell-line"  # the demo's simulated lines
    own = TransferRequest("D", cohorts=CohortFiles(source=tmp_path / "x.h5ad"))
    assert (own.kind_of_labels, own.kind_of_target_labels) == ("unknown", None)
    both = LabelFiles(label_kind="pre-treatment", target_labels="truth")
    asked = TransferRequest("D", cohorts=CohortFiles(source=tmp_path / "x.h5ad"), labelled=both)
    assert (asked.kind_of_labels, asked.kind_of_target_labels) == ("pre-treatment", "unknown")


def test_another_kind_is_other_work(store, task):
    def identity(**kinds):
        files = CohortFiles(task.source, task.reference, task.target)
        labelled = LabelFiles(str(task.labels), MAP[1], "truth", **kinds)
        request = TransferRequest(
            "DOCETAXEL", cohorts=files, labelled=labelled, backbone=str(task.backbone)
        )
        return basis_identity(basis_of(open_inputs(request)))

    known = [
        identity(),
        identity(label_kind="cell-line"),
        identity(label_kind="cell-line", target_label_kind="pre-treatment"),
        identity(label_kind="cell-line", target_label_kind=EXPOSURE),
    ]
    keys_of_work = [tracking.resume_key("transfer", each) for each in known]
    assert len(set(keys_of_work)) == len(known)
    assert identity(label_kind="unknown") == identity()
