"""Text files say why cells are not compared with the training domain; typed columns stay typed."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from scatd.data.opened import open_input
from scatd.registry import ModelRef
from scatd.workflows.predict.chunks import Totals
from scatd.workflows.predict.output import annotate, write_prediction
from scatd.workflows.predict.request import PredictedCells, PredictResult

REF = ModelRef("scatd-sf-docetaxel", 1, "sf", "docetaxel", "production", "run", simulated=False)
REASON = "not assessed: fewer than 200 reference cells"


def result(not_assessed=""):
    ood = [pd.NA] * 3 if not_assessed else [True, False, pd.NA]
    table = pd.DataFrame(
        {
            "barcode": ["a", "b", "c"],
            "prob_resistant": [0.2, 0.8, np.nan],
            "response": ["sensitive", "resistant", ""],
            "ood": pd.array(ood, dtype="boolean"),
            "reason": ["", "", "no counts"],
        }
    )
    if not not_assessed:
        table["ood_p"] = [0.01, 0.6, np.nan]
    about = {"domain": {"not_assessed": not_assessed}}
    result = PredictResult(REF, Totals(n_obs=3), about=about, not_assessed=not_assessed)
    return PredictedCells(result, table)


def write(path, cells):
    """Write a prediction of a plain matrix."""
    with open_input(path.parent / "cells.npy") as opened:
        write_prediction([cells], opened, path)


@pytest.fixture(autouse=True)
def matrix(tmp_path):
    np.save(tmp_path / "cells.npy", np.zeros((3, 2), np.float32))


@pytest.mark.parametrize(
    ("reason", "expected"), [(REASON, [REASON, REASON, ""]), ("", ["True", "False", ""])]
)
def test_the_text_of_the_column(tmp_path, reason, expected):
    write(tmp_path / "s.csv", result(reason))
    table = pd.read_csv(tmp_path / "s.csv", dtype=str, keep_default_na=False)
    assert table["ood"].tolist() == expected
    assert list(table.columns[:5]) == ["barcode", "prob_resistant", "response", "ood", "reason"]


def test_typed_files_keep_their_types_and_say_it_once(tmp_path):
    made = result(REASON)
    write(tmp_path / "s.parquet", made)
    assert pd.read_parquet(tmp_path / "s.parquet")["ood"].dtype == "boolean"
    write(tmp_path / "s.json", made)
    said = json.loads((tmp_path / "s.json").read_text())
    assert said["model"]["domain"]["not_assessed"] == REASON
    assert [cell["ood"] for cell in said["cells"]] == [None, None, None]


def test_every_output_says_why(tmp_path):
    """In the column where there is no other place, else with the model; never nowhere."""
    made = result(REASON)
    for kind in ("csv", "jsonl", "json", "parquet", "h5ad"):
        write(tmp_path / f"s.{kind}", made)
    lines = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    column = pd.read_csv(tmp_path / "s.csv", keep_default_na=False)["ood"].tolist()
    assert [cell["ood"] for cell in lines] == column == [REASON, REASON, ""]
    about = json.loads(pq.read_metadata(tmp_path / "s.parquet").metadata[b"scatd"])
    held = ad.read_h5ad(tmp_path / "s.h5ad").uns["scatd"]["docetaxel"]
    said = json.loads((tmp_path / "s.json").read_text())["model"]
    for model in (about, held, said):
        assert model["domain"] == {"not_assessed": REASON}
    assert made.table_in_words["ood"].tolist() == column  # which the page shows


def test_no_column_of_an_earlier_prediction_is_left(tmp_path):
    cohort = ad.AnnData(obs=pd.DataFrame(index=["a", "b", "c"]))
    annotate(cohort, result())
    assert cohort.obs["scatd_docetaxel_ood"].dtype == "boolean"
    assert cohort.obs["scatd_docetaxel_ood_p"].tolist()[:2] == [0.01, 0.6]
    annotate(cohort, result(REASON))
    assert not [name for name in cohort.obs if "_ood" in name]
    assert cohort.uns["scatd"]["docetaxel"]["domain"]["not_assessed"] == REASON
