"""The output of commands that succeed."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scatd.cli.tables import table


def test_table():
    frame = pd.DataFrame(
        {
            "name": ["a", "long name", None],
            "value": [0.5, np.nan, 12.25],
            "n": pd.array([1, None, 300], dtype="Int64"),
            "yes": [True, False, True],
            "text": ["two\nlines", "x", "y"],
        }
    )
    assert table(frame).splitlines() == [
        "name        value    n  yes  text",
        "a           0.500    1  yes  two lines",
        "long name               no   x",
        "           12.250  300  yes  y",
    ]


def test_transfer(scatd, workflow):
    workflow("transfer")
    done = scatd("transfer", "--drug", "DOCETAXEL")
    lines = done.stdout.splitlines()
    assert "Folds of scatd-sf-docetaxel version 3" in lines
    assert "   2  41  0.901  0.750  0.500" in lines
    assert "logistic regression  0.800  0.040  0.710 to 0.880  +0.050    -0.010 to +0.110" in lines
    assert "The finding in words." in lines
    assert "Registered: linear (ridge 100). Inner folds: linear is best." in lines
    assert "scatd-sf-docetaxel version 3 is in production." in lines
    assert "  scatd predict --drug docetaxel CELLS.h5ad -o scored.h5ad" in lines


def test_transfer_that_the_gate_holds_back(scatd, workflow, transfer_result):
    workflow("transfer", transfer_result(passed=False, promoted=False))
    lines = scatd("transfer", "--drug", "DOCETAXEL").stdout.splitlines()
    held = lines.index("The gate keeps it at staging:")
    assert lines[held + 1 : held + 3] == [
        "  - min_samples: 120, 200 needed",
        "  - baseline: 0.8 under 0.9",
    ]
    assert "  scatd predict --drug docetaxel --stage staging CELLS.h5ad -o scored.h5ad" in lines


def test_transfer_that_was_not_promoted(scatd, workflow, transfer_result):
    workflow("transfer", transfer_result(passed=True, promoted=False))
    said = scatd("transfer", "--drug", "DOCETAXEL", "--no-promote").stdout
    assert "until: scatd promote --drug docetaxel --family sf" in said
    assert "--stage staging" in said


def test_suggest(scatd, workflow):
    workflow("suggest")
    said = scatd("suggest", "cells.h5ad").stdout
    assert said.splitlines()[1].split() == [
        *("1", "cell7", "clone", "A", "docetaxel", "0.40", "1.20%")
    ]
    assert "cisplatin is left out: has no such genes" in said
    assert said.endswith("It leads.\n")


def test_screen(scatd, workflow):
    workflow("screen")
    lines = scatd("screen", "cells.h5ad").stdout.splitlines()
    assert lines[1].split() == [
        "docetaxel",
        "sf",
        "3",
        "40%",
        "35%",
        "to",
        "45%",
        "20%",
        "to",
        "60%",
        "7",
        "cell-line",
    ]
    assert "cisplatin is left out: has no such genes" in lines
    assert "Mind this." in lines
    assert "Report: out/report.html  (run run-1)" in lines


def test_bench(scatd, workflow):
    workflow("bench")
    lines = scatd("bench", "tasks.yaml").stdout.splitlines()
    words = [" ".join(line.split()) for line in lines]
    assert "lines: random (AUROC, 95% interval)" in words
    assert "trees candidate 0.800 0.750 to 0.850 +0.100 +0.020 to +0.180" in words
    assert "line mean naive mean 0.700 0.650 to 0.750" in words
    assert "public: not run: the file is not there" in words
    assert "Report: out/report.html (run run-1)" in words


def test_a_bench_that_is_stopped_can_go_on(scatd, monkeypatch):
    from scatd.workflows.bench import run

    def stopped(request):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "bench", stopped)
    done = scatd("bench", "tasks.yaml")
    assert done.exit_code == 130
    assert "The same command goes on from what is finished." in done.output


def test_sweep(scatd, workflow):
    calls = workflow("sweep")
    lines = scatd("transfer", "--drug", "B, A,RARE", "--figures").output.splitlines()
    assert calls[0]["names"] == ("B", "A", "RARE")
    assert calls[0]["figures"]
    assert lines[1] == ("3 drugs, mean fold AUROC beside the best baseline on the same folds")
    assert lines[2].split()[:3] == ["drug", "candidate", "auroc"]
    assert lines[3].split()[:3] == ["B", "mean", "0.900"]
    assert "logistic regression" in lines[3]
    assert "+0.050" in lines[3]
    assert lines[3].endswith("production")
    assert lines[5].endswith("failed")
    assert "RARE failed: too few samples of a class" in lines
    assert "The finding in words." in lines
    assert "run-1" in lines[-1]


@pytest.mark.parametrize("word", ["all", "ALL", " All "])
def test_all_drugs(scatd, workflow, word):
    calls = workflow("sweep")
    scatd("transfer", "--drug", word, "--min-sensitive", "30")
    assert calls[0]["names"] is None
    assert calls[0]["min_sensitive"] == 30


def test_least_of_one_drug_is_a_mistake(scatd, workflow):
    calls = workflow("transfer")
    done = scatd("transfer", "--drug", "A", "--min-sensitive", "30")
    assert done.exit_code == 2
    assert "--drug all" in done.output
    assert not calls


def test_pretrain(scatd, workflow):
    workflow("pretrain")
    said = scatd("pretrain", "--settings", "auto").stdout
    assert "held-out R2             0.500" in said
    assert "mean squared error      0.25" in said
    assert "active latent units     30 of 421" in said
    assert "weights of epoch        24 of 25" in said


def test_distill(scatd, workflow):
    workflow("distill")
    said = scatd("distill").stdout
    assert "cosine to teacher       0.875" in said
    assert "  with shuffled cells   0.125" in said


def test_tune(scatd, workflow):
    workflow("tune")
    assert scatd("tune", "-o", "found.yaml").stdout.splitlines() == [
        "",
        "Study sf-abc: 2 complete, 1 pruned.",
        "Best is trial 1, objective 12.5:",
        "  learning_rate      0.000123457",
        "  n_latent           30",
        "",
        "Next",
        "  scatd pretrain --family sf --settings found.yaml --input scatd-demo/reference.h5ad",
        "  mlflow ui               trials and plots of run run-1",
    ]


def test_what_comes_after_tune_is_given_its_data(scatd, workflow):
    """The command that is shown asks `pretrain` for the data and family of the search."""
    workflow("tune")
    calls = workflow("pretrain")
    said = scatd("tune", "--family", "gf", "--input", "z 1.npy", "-o", "my best.yaml").stdout
    (shown,) = [line.strip() for line in said.splitlines() if line.startswith("  scatd pretrain")]
    Path("my best.yaml").write_text("epochs: 3\n")
    done = scatd(*shlex.split(shown)[1:])
    assert done.exit_code == 0, done.output
    request = calls[0]["request"]
    assert (request.family, str(request.input), request.settings.epochs) == ("gf", "z 1.npy", 3)


def test_predict(scatd, workflow):
    workflow("predict")
    assert scatd("predict", "--drug", "D").stdout.splitlines() == [
        "scored.h5ad: 200 cells, 50 resistant (25%)",
        "Scored by scatd-sf-docetaxel version 3 (staging): linear (ridge 100).",
        "Labels of the source: responses of cell lines.",
    ]


def test_evaluate(scatd, workflow):
    workflow("evaluate")
    lines = scatd("evaluate", "--drug", "D", "cells.h5ad").stdout.splitlines()
    assert lines[:3] == [
        "scatd-sf-docetaxel version 3 (staging), 95% intervals",
        "metric             value  interval",
        "auroc              0.750  0.700 to 0.800",
    ]
    assert "It ranks well." in lines
    assert "Report: out/report.html  (run run-1)" in lines
    assert "scatd-sf-docetaxel version 4 is at staging. Threshold 0.4: by hand." in lines


def test_embed(scatd, workflow):
    workflow("embed")
    said = scatd("embed", "cells.h5ad", "--backend", "scfoundation").output
    assert said.splitlines() == [
        "e.h5ad: 10 cells x 3072 in obsm['X_scfoundation']",
        "5 computed, 3 known already",
        "2 without embedding: no expressed gene",
    ]


def test_promote(scatd, workflow):
    workflow("promote")
    said = scatd("promote", "--drug", "D").stdout
    assert said.startswith("scatd-sf-docetaxel version 3 is in production now.")
    assert "  - minimum: 0.8, 0.6 needed" in said


def test_promote_again(scatd, workflow):
    from scatd.evaluation.gate import Verdict
    from scatd.registry import ModelRef
    from scatd.workflows.models.promote import PromoteResult

    ref = ModelRef("scatd-sf-d", 3, "sf", "d", "production", "run-1", simulated=True)
    workflow("promote", PromoteResult(ref, Verdict(()), changed=False))
    said = scatd("promote", "--drug", "D").stdout
    assert said == "scatd-sf-d version 3 was in production already.\n"


def test_demo(scatd, workflow):
    workflow("demo")
    said = scatd("demo").stdout
    assert "Target: AUROC 0.830 (95% interval 0.790 to 0.870) on 800 simulated cells" in said
    assert "logistic regression" in said
    assert "scored.h5ad" in said
    assert "smaller demo" not in said
    said = scatd("demo", "--quick").stdout
    assert "This was the smaller demo (--quick)" in said
    assert "less certain" in said


def test_demo_data(scatd, monkeypatch, tmp_path):
    import scatd.data.demo as module

    asked = []

    def write_demo(folder, settings, genes):
        asked.append((folder, settings.seed, genes))
        file = tmp_path / "source.h5ad"
        file.write_bytes(b"x" * 2_000_000)
        return {"source": file}

    monkeypatch.setattr(module, "write_demo", write_demo)
    done = scatd("demo-data", "--out", tmp_path, "--seed", "4")
    assert done.exit_code == 0
    assert asked == [(tmp_path, 4, None)]
    assert "2 MB" in done.stdout


@pytest.fixture(scope="module")
def filled(migrated_store, tmp_path_factory):
    """Two drugs and a backbone in the registry, without their weights."""
    folder = tmp_path_factory.mktemp("filled")
    shutil.copy(migrated_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.chdir(folder)
        _fill(folder)
    return folder / "mlflow.db"


def _fill(folder):
    from scatd import registry, tracking

    client = tracking.connect()
    for name, drug, n_versions in (
        ("scatd-sf-docetaxel", "docetaxel", 2),
        ("scatd-gf-docetaxel", "docetaxel", 1),
        ("scatd-gf-cisplatin", "cisplatin", 1),
        ("scatd-sf-backbone", None, 1),
    ):
        client.create_registered_model(name)
        for _ in range(n_versions):
            tags = {"scatd.family": name.split("-")[1], "scatd.simulated": "true"}
            if drug:
                tags |= {"scatd.drug": drug, "scatd.candidate": "trees"}
                tags["scatd.choice"] = "trees (extra trees 3). Inner folds: trees is best."
            made = client.create_model_version(name, folder.as_uri(), tags=tags)
            client.set_registered_model_alias(name, "staging", made.version)
            verdict = f"rule of {made.version}"
            registry.set_gate_verdict(name, int(made.version), verdict, passed=True)
    for version in (1, 2):
        registry.promote("scatd-sf-docetaxel", version, reason="better", evidence_run_id="run-9")


@pytest.fixture
def models(store, filled):
    """A copy of it that a test may change."""
    from scatd import tracking

    shutil.copy(filled, "mlflow.db")
    return tracking.connect()


def production(client, name="scatd-sf-docetaxel"):
    return client.get_registered_model(name).aliases.get("production")


def test_registry_list(scatd, models):
    lines = scatd("registry", "list").stdout.splitlines()
    assert lines[0].split() == [
        *("model", "family", "drug", "production", "staging", "previous", "candidate"),
        *("labels", "simulated"),
    ]  # fmt: skip
    rows = [line.split() for line in lines]
    said = ["trees", "unknown", "yes"]
    assert ["scatd-sf-docetaxel", "sf", "docetaxel", "2", "2", "1", *said] in rows
    assert ["scatd-gf-cisplatin", "gf", "cisplatin", "1", *said] in rows
    assert len(lines) == 5


def test_an_empty_registry(scatd, store):
    assert scatd("registry", "list").stdout.startswith("No model is registered yet.")
    done = scatd("registry", "show", "docetaxel")
    assert done.exit_code == 2
    assert "no drug has a model yet" in done.stderr


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["Docetaxel"], "scatd-sf-docetaxel"),  # sf comes first in the configuration
        (["Taxotere"], "scatd-sf-docetaxel"),
        (["--drug", "DOCETAXEL", "--family", "gf"], "scatd-gf-docetaxel"),
        (["cisplatin"], "scatd-gf-cisplatin"),
        (["scatd-sf-backbone"], "scatd-sf-backbone"),
    ],
)
def test_registry_show(scatd, models, words, name):
    lines = scatd("registry", "show", *words).stdout.splitlines()
    assert lines[0] == name
    assert lines[1].split()[:4] == ["version", "stage", "aliases", "candidate"]
    assert lines[1].split()[4] == "labels"
    said = "Version 1, what scores: trees (extra trees 3). Inner folds: trees is best."
    assert (said in lines) == (name != "scatd-sf-backbone")
    assert "Version 1, the gate:" in lines
    assert "  rule of 1" in lines


def test_registry_history_and_rollback(scatd, models, monkeypatch):
    # These versions have no files; that they are read first is tested with the registry.
    monkeypatch.setattr("scatd.registry.stages.read", lambda ref: None)
    assert production(models) == 2
    done = scatd("registry", "rollback", "--drug", "docetaxel", "--reason", "2 was wrong")
    assert done.stdout == "scatd-sf-docetaxel version 1 is in production again.\n"
    assert production(models) == 1
    said = scatd("registry", "history", "docetaxel").stdout
    lines = said.splitlines()
    assert lines[1].split() == ["at", "by", "action", "version", "replaced", "production"]
    assert [line.split()[2:] for line in lines[2::2]] == [
        ["promote", "1", "1"],
        ["promote", "2", "1", "2"],
        ["rollback", "1", "2", "1"],
    ]
    reasons = ["better (evidence: run run-9)"] * 2 + ["2 was wrong"]
    assert [line.strip() for line in lines[3::2]] == reasons


def test_registry_history_of_a_model_that_never_served(scatd, models):
    said = scatd("registry", "history", "cisplatin").stdout
    assert said == "scatd-gf-cisplatin\nIt has never been in production.\n"


def test_registry_archive(scatd, models):
    done = scatd("registry", "archive", "docetaxel", "--version", "2")
    assert done.stdout == "scatd-sf-docetaxel version 2 is archived.\n"
    assert production(models) is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "docetaxal"], "unknown drug 'docetaxal'. Did you mean docetaxel?"),
        (["show", "docetaxel", "--drug", "cisplatin"], "two models are named"),
        (["show"], "no model is named"),
        (["show", "scatd-sf-docetaxal"], "no registered model 'scatd-sf-docetaxal'"),
        (["show", "cisplatin", "--family", "sf"], "unknown drug 'cisplatin'"),
        (["rollback", "cisplatin"], "there is no previous version to go back to"),
        (["archive", "docetaxel", "--version", "9"], "no version 9"),
    ],
)
def test_what_the_registry_cannot_do(scatd, models, words, said):
    done = scatd("registry", *words)
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert said in line
    assert production(models) == 2


def test_explain(scatd, workflow):
    workflow("explain")
    lines = scatd("explain", "--drug", "DOCETAXEL", "cells.h5ad").output.splitlines()
    assert "TP53" in lines[3]
    assert "Controls of this list: failed: stability" in lines
    assert "  failed  stability: another list every time" in lines
    assert "Written: explained.h5ad" in lines


def test_a_part_of_a_command_and_the_command_itself(scatd, workflow, tmp_path, monkeypatch):
    """`explain compare` is a part; an input of that name is written ./compare."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compare").write_text("a cohort")
    calls = workflow("explain")
    scatd("explain", "--drug", "D", "./compare")
    assert str(calls[0]["request"].input) == "compare"
    said = scatd("explain", "compare", "one.csv", "two.csv")
    assert said.exit_code == 2
    assert "one.csv: there is no such file" in said.output
    assert (
        "Usage: scatd explain compare [OPTIONS] TABLES..."
        in scatd("explain", "compare", "--help").output
    )
    own = scatd("explain", "--help").output
    assert "compare" in own.partition("Commands:")[2]


def test_doctor(scatd, monkeypatch):
    from scatd.workflows import doctor
    from scatd.workflows.doctor import Finding

    findings = [
        Finding("versions", "scatd", "0.9"),
        Finding("versions", "numpy", "1.0; scatd needs >=2", "fault", 'pip install "numpy>=2"'),
        Finding("disk", "working folder", "/w, 1.0 GiB free", "note", "Free some space."),
    ]
    monkeypatch.setattr(doctor, "doctor", lambda: findings)
    done = scatd("doctor")
    assert done.exit_code == 2
    assert done.stdout.splitlines() == [
        "versions",
        "  scatd           0.9",
        "x numpy           1.0; scatd needs >=2",
        '                  pip install "numpy>=2"',
        "disk",
        "! working folder  /w, 1.0 GiB free",
        "                  Free some space.",
        "",
        "Faults: 1 (marked x).",
    ]
    monkeypatch.setattr(doctor, "doctor", lambda: findings[:1])
    assert scatd("doctor").stdout.endswith("No faults.\n")
    assert json.loads(scatd("doctor", "--json").stdout)[0]["found"] == "0.9"


def test_anydrug(scatd, workflow):
    calls = workflow("anydrug")
    tables = ("--ic50", "table.csv", "--smiles-table", "truth.csv")
    said = scatd("anydrug", "cells.h5ad", *tables, "--no-promote").stdout
    assert calls[0]["request"].no_promote
    assert "20 drugs left out with close analogues, 8 refused." in said
    assert "lead over the line mean +0.250 (95 % interval +0.125 to +0.375)" in said
    assert "It refuses a drug with a similarity under 0.25." in said
