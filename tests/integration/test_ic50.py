"""Numbers beside the labels: learned, registered, checked, and predicted with intervals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scatd import artifact, registry, tracking
from scatd.candidates.conformal import fewest_lines
from scatd.errors import InputError
from scatd.keys import NUMBER_CAVEAT, artifact_paths

UNITS = ("--response", "ic50", "--ic50-units", "ln uM")
N_TISSUES = 3


def tissues_of(n):
    return np.array([f"tissue{number % N_TISSUES}" for number in range(n)])


@pytest.fixture(scope="module")
def numbers(task, tmp_path_factory):
    """Source with tissues, and a table of one row a line and drug, some of it censored."""
    folder = tmp_path_factory.mktemp("numbers")
    source = ad.read_h5ad(task.source)
    X = source.obsm["X_scfoundation"]
    rng = np.random.default_rng(1)
    true = X[:, :3].sum(axis=1) + 0.3 * rng.normal(size=len(X))
    table = pd.DataFrame({"line": source.obs_names, "drug": "Docetaxel", "value": true})
    other = table.assign(drug="Other", value=-true + rng.normal(size=len(X)))
    bound = np.quantile(true, 0.9)
    table = pd.concat([table, other])
    is_least = (table["value"] > bound) & (table["drug"] == "Docetaxel")
    table["relation"] = np.where(is_least, ">", "=")
    table["value"] = table["value"].where(~is_least, bound)
    source.obs["tissue"] = tissues_of(len(X))
    source.write_h5ad(folder / "source.h5ad")
    table.to_csv(folder / "ic50.csv", index=False)
    return folder / "source.h5ad", folder / "ic50.csv", true


@pytest.fixture
def learned(once, task, numbers, store):
    source, table, _ = numbers
    asked = task.transfer_arguments()
    asked[asked.index("--source") + 1] = str(source)
    asked += ["--model", "linear", "--alignment", "none", *UNITS, "--ic50", str(table)]
    folder, said = once((*asked, "--censored", "relation"))
    shutil.copy(folder / "mlflow.db", store)
    return said


def test_from_transfer_to_predict(scatd, task, numbers, learned):
    assert "Spearman on the same folds by ridge regression" in learned
    assert " ".join(learned.split()).count(NUMBER_CAVEAT) == 1
    version = registry.find("scatd-sf-docetaxel", "staging")
    folder = registry.fetch(version)
    card = json.loads((folder / "card.json").read_text())
    assert card["regression"]["units"] == "ln uM"
    assert card["regression"]["use"] == NUMBER_CAVEAT
    assert card["regression"]["groups"] == ["tissue0", "tissue1", "tissue2"]
    by_model = {row["model"]: row for row in card["metrics"]["numbers"]}
    assert by_model["regression"]["spearman"] > 0.9 > by_model["tissue_mean"]["spearman"]
    run = tracking.Run(tracking.connect(), version.run_id)
    out_of_fold = pd.read_csv(run.fetch(artifact_paths.NUMBERS_OUT_OF_FOLD))
    assert out_of_fold["censored"].sum() == 22

    # Lines that were not trained on would be held as often as these, whose models saw most of them.
    source, _, true = numbers
    scatd("predict", "--drug", "docetaxel", source, "-o", "scored.h5ad")
    obs = ad.read_h5ad("scored.h5ad").obs
    low, high = (obs[f"scatd_docetaxel_ln_ic50_um_{end}"] for end in ("low", "high"))
    assert (low < obs["scatd_docetaxel_ln_ic50_um"]).all()
    # A tenth of the numbers is censored, so that no upper end is known at half of a tenth.
    assert np.isinf(high).all()
    assert (true >= low).mean() > 0.9
    assert np.corrcoef(true, obs["scatd_docetaxel_ln_ic50_um"])[0, 1] > 0.9
    assert obs["scatd_docetaxel_prob_resistant"].between(0, 1).all()


def test_every_output_holds_the_numbers(scatd, task, numbers, learned):
    del learned
    printed = scatd("predict", "--drug", "docetaxel", task.target, "-o", "scored.csv").output
    assert NUMBER_CAVEAT in printed
    table = pd.read_csv("scored.csv")
    names = ["ln_ic50_um", "ln_ic50_um_low", "ln_ic50_um_high"]
    assert table.columns[-3:].tolist() == names
    scatd("predict", "--drug", "docetaxel", task.target, "-o", "scored.json")
    found = json.loads(Path("scored.json").read_text())
    assert found["model"]["numbers"]["columns"] == names
    assert found["cells"][0]["ln_ic50_um_high"] is None  # JSON has no infinity
    asked = ("predict", "--drug", "docetaxel", task.target, "--rows", "0:120")
    scatd(*asked, "-o", "part.csv")
    scatd("join", "part.csv", "-o", "joined.csv")
    pd.testing.assert_frame_equal(pd.read_csv("joined.csv"), table)


def test_a_drug_of_a_sweep_without_numbers_is_named(scatd, task, numbers):
    source, table, _ = numbers
    labels = pd.read_csv(task.labels, index_col=0)[["DOCETAXEL"]]
    labels.assign(NEW=labels["DOCETAXEL"]).to_csv("labels.csv")
    asked = task.transfer_arguments("DOCETAXEL,NEW")
    asked[asked.index("--source") + 1] = str(source)
    asked[asked.index("--labels") + 1] = "labels.csv"
    done = scatd(*asked, "--model", "linear", "--folds", "3", *UNITS, "--ic50", table)
    assert "has no numbers of 'NEW'" in " ".join(done.output.split())
    stored = registry.read(registry.find("scatd-sf-docetaxel", "staging"))
    assert len(stored.regression.members) == 3
    assert registry.find("scatd-sf-new", "staging") is None


def test_changed_tensors_are_refused(learned, tmp_path):
    del learned
    stored = registry.read(registry.find("scatd-sf-docetaxel", "staging"))
    residuals = stored.regression.residuals
    residuals.fold[0] = 99
    with pytest.raises(InputError, match="names a fold that is not there"):
        artifact.write(tmp_path / "model", stored)


def test_groups_have_intervals_of_their_own(learned):
    del learned
    stored = registry.read(registry.find("scatd-sf-docetaxel", "staging"))
    group = stored.regression.residuals.group
    assert np.bincount(group).min() >= fewest_lines()
    words = np.array(["tissue1", "elsewhere"])
    np.testing.assert_array_equal(stored.regression.codes(words), [1, -1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--response", "ic50"), "there are no numbers to learn"),
        (("--response", "ic50", "--ic50", "TABLE"), "does not say what its numbers mean"),
        (
            ("--ic50", "TABLE", "--ic50-units", "AUC"),
            "--ic50-units is for numbers that are",
        ),
        (("--censored", "relation"), "--censored is for numbers that are learned"),
        ((*UNITS, "--ic50", "TABLE"), "has no numbers of 'RARE'"),
        ((*UNITS, "--ic50", "FEW"), "has 30 numbers of RARE that are not censored"),
    ],
)
def test_what_cannot_be_learned(scatd, task, numbers, tmp_path, options, message):
    _, table, _ = numbers
    few = tmp_path / "few.csv"
    pd.DataFrame({"line": [f"line{n}" for n in range(30)], "RARE": range(30)}).to_csv(
        few, index=False
    )
    files = {"TABLE": str(table), "FEW": str(few)}
    asked = [files.get(word, word) for word in options]
    done = scatd(*task.transfer_arguments("RARE"), "--folds", "3", *asked, code=2)
    assert message in " ".join(done.output.split())
    assert registry.find("scatd-sf-rare", "staging") is None
