"""`scatd audit` on files."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def files(store):
    """A source with a repeated id and a copied profile, and labels with a copied drug."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 6)).astype(np.float32)
    X[5] = X[3]
    names = [f"line{row}" for row in range(60)]
    names[9] = "line8"
    frame = pd.DataFrame(X, columns=[f"f{column}" for column in range(6)])
    frame.insert(0, "id", names)
    frame.to_csv(store / "source.csv", index=False)
    codes = np.arange(60) % 2
    words = np.array(["sensitive", "resistant"])
    labels = pd.DataFrame({"id": [f"line{row}" for row in range(60)], "D": words[codes]})
    labels["TWIN"], labels["INVERSE"] = labels["D"], words[1 - codes]
    labels["batch"] = np.where(codes, "one", "two")
    labels.loc[60] = ["LINE-7", "sensitive", "sensitive", "resistant", "one"]
    labels.to_csv(store / "labels.csv", index=False)
    pd.DataFrame({"barcode": names[:9], "prob_resistant": 1.0 - codes[:9]}).to_csv(
        store / "scores.csv", index=False
    )
    return store


def test_labels_alone(scatd, files):
    done = scatd("audit", "--labels", "labels.csv")
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines[0] == "labels.csv: 61 samples, 3 drugs"
    assert "- INVERSE is the exact inverse of D and TWIN (61 samples)." in lines
    assert "- D = TWIN: the same labels in all 61 samples that have them." in lines
    assert "- Ids LINE-7, line7 are one name in 2 spellings." in lines
    assert lines.index("Serious") < lines.index("Warning")
    assert not (files / "mlartifacts").exists()
    assert scatd("audit", "labels.csv").stdout == done.stdout


def test_source_labels_and_groups_as_json_and_table(scatd, files):
    arguments = ["audit", "source.csv", "--labels", "labels.csv:D", "--group-by", "batch"]
    done = scatd(*arguments, "--json", "-o", "found.csv")
    report = json.loads(done.stdout)
    assert (report["samples"], report["drugs"]) == (60, ["D"])
    found = {finding["check"]: finding for finding in report["findings"]}
    # line9 is called line8 in the source: its label row belongs to no sample.
    assert found["repeated ids"]["samples"] == ["line8"]
    assert found["copies"]["samples"] == ["line3", "line5"]
    assert found["confounding"]["columns"] == ["D", "batch"]
    assert found["one name, two ids"]["samples"] == ["LINE-7", "line7"]
    table = pd.read_csv(files / "found.csv")
    assert table["check"].tolist() == [finding["check"] for finding in report["findings"]]
    assert table["remedy"].tolist() == [finding["remedy"] for finding in report["findings"]]


def test_a_labelled_sample_without_a_group_is_refused(scatd, files):
    labels = pd.read_csv(files / "labels.csv")
    labels.loc[[3, 4], "batch"] = None
    labels.to_csv(files / "labels.csv", index=False)
    arguments = ["audit", "source.csv", "--labels", "labels.csv:D", "--group-by", "batch"]
    said = scatd(*arguments, code=2).output
    assert "--group-by: column 'batch' is empty for 2 of 60 rows" in said


def test_predictions_that_are_upside_down(scatd, files):
    done = scatd("audit", "--labels", "labels.csv:D", "--predictions", "scores.csv")
    # Nine samples, all ranked wrongly: the end follows from their number alone.
    assert "D: AUROC 0.000 (interval 0.000 to 0.388), under 0.5" in done.stdout
    assert "nothing was flipped" in done.stdout


def test_predictions_of_folds_are_judged_fold_by_fold(scatd, files):
    rows = pd.DataFrame(
        {
            "id": [f"line{row}" for row in range(8)],
            "fold": [1] * 4 + [2] * 4,
            # In each fold the ranking is wrong; the first fold scores higher than the second.
            "prob_response_model": [0.9, 0.8, 0.9, 0.8, 0.2, 0.1, 0.2, 0.1],
        }
    )
    rows.to_csv(files / "folds.csv", index=False)
    done = scatd("audit", "--labels", "labels.csv:D", "--predictions", "folds.csv")
    assert "D: AUROC 0.000" in done.stdout


def test_nothing_found(scatd, files):
    codes = np.random.default_rng(0).integers(0, 2, (40, 2))
    table = pd.DataFrame(np.array(["sensitive", "resistant"])[codes], columns=["A", "B"])
    table.to_csv(files / "good.csv")
    assert scatd("audit", "--labels", "good.csv").stdout.endswith("\nNothing found.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Give a SOURCE, --labels, or both."),
        (("--labels", "nowhere.csv"), "nowhere.csv"),
        (("--labels", "labels.csv", "--group-by", "batch"), "Name the SOURCE as well."),
        (("source.csv", "--labels", "labels.csv", "--group-by", "btch"), "Expected batch"),
        (("--labels", "labels.csv", "--predictions", "scores.csv"), "labels of 3"),
        (("--labels", "labels.csv:D", "--predictions", "labels.csv"), "prob_resistant"),
        (("--labels", "labels.csv", "-o", "no/such/folder.csv"), "no/such"),
        (("--labels", "labels.csv", "--folds", "1"), "--folds is 1. Expected at least 2"),
    ],
)
def test_input_errors(scatd, files, arguments, said):
    done = scatd("audit", *arguments, code=2)
    assert said in done.output
    assert "Traceback" not in done.output


def test_the_real_cells(scatd, store, real_data):
    folder = real_data / "scc47"
    done = scatd(
        "audit", folder / "scfoundation_embedding.npy", "--labels", folder / "response.csv"
    )
    assert "SORAFENIB is the exact inverse of AFATINIB, CETUXIMAB and NVP-TAE684" in done.stdout
    assert "AFATINIB = CETUXIMAB = NVP-TAE684" in done.stdout
    assert "Serious" in done.stdout
