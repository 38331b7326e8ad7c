"""Drugs that help each other: labels of a sweep, and numbers beside the labels."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from scatd import registry, tracking
from scatd.keys import artifact_paths

PART = "multi-drug ridge"


@pytest.fixture
def numbers(task, tmp_path):
    """ln IC50 of the drug and of nine others, which share its direction."""
    codes = pd.read_csv(task.labels, index_col=0)["BINARY"]
    rng = np.random.default_rng(1)
    table = pd.DataFrame({f"DRUG{i}": codes + rng.normal(size=len(codes)) for i in range(9)})
    table["Docetaxel"] = 2.0 * codes + 0.5 * rng.normal(size=len(codes))
    path = tmp_path / "ic50.csv"
    table.set_axis(codes.index).iloc[::-1].to_csv(path, index_label="line")
    return path


@pytest.fixture
def choosing(tmp_path):
    """Options that let `mean` be learned."""
    path = tmp_path / "settings.yaml"
    path.write_text("model: mean\n")
    return ["--settings", path, "--folds", "3"]


def newest(level):
    client = tracking.connect()
    wanted = f"tags.`scatd.level` = '{level}'"
    found = client.search_runs([tracking.experiment_id(client)], wanted)
    return max(found, key=lambda run: run.info.start_time)


def tried_of(run):
    fetched = tracking.Run(tracking.connect(), run.info.run_id).fetch(artifact_paths.CANDIDATES)
    table = pd.read_csv(fetched)
    return table[table["candidate"] == "mean"].fillna({"variant": ""})


def test_numbers_beside_the_labels(scatd, task, numbers, choosing):
    scatd(*task.transfer_arguments(), "--ic50", numbers, *choosing)
    run = newest("drug")
    assert run.data.params["cfg.ic50"] == "ic50.csv"
    assert run.data.params["cfg.many_drugs"] == "numbers of 10 drugs"
    used = {each.tags[0].value: each.dataset for each in run.inputs.dataset_inputs}
    digest = hashlib.sha256(numbers.read_bytes()).hexdigest()
    assert digest.startswith(used["ic50"].digest)
    assert json.loads(used["ic50"].profile) == {"num_rows": 220, "num_features": 10}
    table = tried_of(run)
    for _, fold in table.groupby("fold"):
        rows = fold.set_index("variant")
        assert set(rows.index) == {"", f"with {PART}", f"{PART} alone"}
        is_better = rows.loc[f"with {PART}", "inner_auroc"] > rows.loc["", "inner_auroc"]
        assert rows.loc[f"with {PART}", "strength_chosen"] == is_better
    version = registry.find("scatd-sf-docetaxel", "production")
    assert version is not None
    data = json.loads((registry.fetch(version) / "card.json").read_text())["data"]
    assert data["ic50"] == {"file": "ic50.csv", "sha256": digest, "n_obs": 220}
    scatd("predict", "--drug", "docetaxel", task.target, "-o", "scored.csv")
    assert len(pd.read_csv("scored.csv")) == 120


def test_labels_of_a_sweep(scatd, task, choosing):
    labels = pd.read_csv(task.labels, index_col=0)[["DOCETAXEL"]]
    rng = np.random.default_rng(2)
    for number in range(4):
        other = labels["DOCETAXEL"].map({"resistant": "sensitive", "sensitive": "resistant"})
        labels[f"DRUG{number}"] = labels["DOCETAXEL"].where(rng.random(len(labels)) > 0.2, other)
    labels.to_csv("labels.csv")
    words = task.transfer_arguments("DOCETAXEL,DRUG1")
    words[words.index("--labels") + 1] = "labels.csv"
    scatd(*words, *choosing)
    run = newest("drug")
    assert run.data.params["cfg.many_drugs"] == "labels of 5 drugs"
    assert set(tried_of(run)["variant"]) == {"", f"with {PART}", f"{PART} alone"}


@pytest.mark.parametrize("model", ["network", "linear", "trees"])
def test_only_mean_reads_numbers(scatd, task, numbers, choosing, model):
    choosing[1].write_text(f"model: {model}\n")
    done = scatd(*task.transfer_arguments(), "--ic50", numbers, *choosing, code=2)
    assert f"--ic50: model {model} reads no numbers: only mean does" in done.output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.set_axis(table.index + "x"), "has no row for any of the 220 samples"),
        (lambda table: table.set_axis(["line1"] * len(table)), "occurs more than once: 'line1'"),
        (lambda table: table.assign(DRUG1="resistant"), "column 'DRUG1' holds 'resistant'"),
        (lambda table: table[[]], "holds no number for any sample"),
    ],
)
def test_what_is_no_table_of_numbers(scatd, task, numbers, change, said):
    change(pd.read_csv(numbers, index_col=0)).to_csv(numbers)
    done = scatd(*task.transfer_arguments(), "--ic50", numbers, code=2)
    assert said in done.output
    client = tracking.connect()
    assert not client.search_runs([tracking.experiment_id(client)])
