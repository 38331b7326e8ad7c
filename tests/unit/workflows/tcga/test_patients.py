"""Survival of patients: columns, known values, one tumour each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scatd.errors import InputError
from scatd.evaluation.survival import FEWEST
from scatd.workflows.tcga.patients import require_survival, scored_patients
from scatd.workflows.tcga.request import Survival

SURVIVAL = Survival(Path("os.tsv"))
N = FEWEST + 2


@pytest.fixture
def obs():
    names = [f"TCGA-AA-{number:04d}-01A" for number in range(N)]
    columns = {
        "OS": [float(number % 2) for number in range(N)],
        "OS.time": np.arange(N, dtype=float),
        "prob_resistant": np.linspace(0, 1, N),
        "scatd_docetaxel_response": "resistant",
    }
    return pd.DataFrame(columns, index=names)


def test_patients_without_time_or_score_are_left_out(obs):
    obs.loc[obs.index[0], "OS.time"] = np.nan
    obs.loc[obs.index[1], "prob_resistant"] = np.nan
    assert list(require_survival(obs, SURVIVAL).index) == list(obs.index[1:])
    table = scored_patients(obs, SURVIVAL, "docetaxel")
    assert list(table.index) == list(obs.index[2:])
    assert list(table) == ["time", "event", "prob_resistant", "response"]
    assert table["event"].tolist() == [number % 2 for number in range(2, N)]


def test_a_second_tumour_of_a_patient_does_not_count(obs):
    obs.index = [*obs.index[:-1], "TCGA-AA-0000-06A"]
    assert list(require_survival(obs, SURVIVAL).index) == list(obs.index[:-1])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda obs: obs.drop(columns="OS"), "has no column 'OS'"),
        (lambda obs: obs.assign(OS=2.0), "column 'OS' holds 2"),
        (lambda obs: obs.iloc[:3], f"3 patients have a tumour.*at least {FEWEST}"),
    ],
)
def test_unusable_survival_is_refused(obs, change, said):
    with pytest.raises(InputError, match=said):
        require_survival(change(obs), SURVIVAL)
