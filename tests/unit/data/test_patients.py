"""Survival tables find their samples."""

from __future__ import annotations

import pandas as pd
import pytest

from scatd.data.patients import join_patients, one_tumour_each
from scatd.errors import InputError

SAMPLES = pd.DataFrame(
    {"n": [1, 2, 3, 4]},
    index=["TCGA-AA-0001-01A-11R", "TCGA-AA-0002-01A", "TCGA-AA-0002-11A", "TCGA-AA-0009-01A"],
)


def test_samples_are_found_by_what_their_barcode_begins_with(tmp_path):
    path = tmp_path / "survival.tsv"
    path.write_text(
        "sample\tOS\tpatient\n"
        "TCGA-AA-0001-01A\t1\tTCGA-AA-0001\n"
        "TCGA-AA-0002-01A\t0\tTCGA-AA-0002\n"
    )
    joined, note = join_patients(SAMPLES, path)
    assert list(joined.index) == list(SAMPLES.index)
    # By patient, which finds the second sample of the second patient too.
    assert joined["OS"].tolist()[:3] == [1, 0, 0]
    assert joined["OS"].isna().tolist() == [False, False, False, True]
    assert note == "3 of 4 samples have a row in survival.tsv"


def test_a_sample_s_own_row_comes_before_its_patient_s(tmp_path):
    path = tmp_path / "survival.csv"
    path.write_text("id,OS\nTCGA-AA-0002,7\nTCGA-AA-0002-11A,9\n")
    joined, _ = join_patients(SAMPLES, path)
    assert joined["OS"].tolist()[1:3] == [7, 9]


def test_one_primary_tumour_stands_for_a_patient():
    ids = ["TCGA-AA-0001-11A", "TCGA-AA-0001-06A", "TCGA-AA-0001-01B", "TCGA-AA-0001-01A"]
    ids += ["TCGA-AA-0002-06A", "P7", "TCGA-AA-0003-11A", "P8"]
    kept = one_tumour_each(pd.Index(ids))
    assert list(kept.index[kept]) == ["TCGA-AA-0001-01A", "TCGA-AA-0002-06A", "P7", "P8"]


def test_nobody_in_common_is_refused(tmp_path):
    path = tmp_path / "survival.csv"
    path.write_text("id,OS\nP1,1\n")
    with pytest.raises(InputError, match="no row for any of the 4 samples, such as 'TCGA-AA-0001"):
        join_patients(SAMPLES, path)
