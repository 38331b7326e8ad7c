"""Refusals of a sweep before anything is computed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scatd.errors import InputError
from scatd.workflows.sweep.run import sweep
from scatd.workflows.transfer.request import CohortFiles, LabelFiles, TransferRequest


def test_two_columns_of_one_drug_are_no_sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32))
    (tmp_path / "x.ids.txt").write_text("\n".join(f"s{row}" for row in range(8)))
    words = ["sensitive", "resistant"] * 4
    table = pd.DataFrame({"5-Fluorouracil": words, "X5.FLUOROURACIL": words})
    table.set_axis([f"s{row}" for row in range(8)]).to_csv("labels.csv")
    request = TransferRequest(
        drug="all",
        family="sf",
        cohorts=CohortFiles(source=tmp_path / "x.npy"),
        labelled=LabelFiles(labels=str(tmp_path / "labels.csv")),
    )
    with pytest.raises(InputError, match=r"2 columns are one drug: 5-Fluorouracil, X5.FLUOR"):
        sweep(request, None)
    assert not list(tmp_path.glob("mlflow.db"))
