"""All drugs of a label table at once, and paired with a cohort."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scatd.data.features import Features
from scatd.data.labels import read_label_table, read_labels
from scatd.errors import InputError

TEXT = (
    "sample,DOCETAXEL,tissue,X5.FLUOROURACIL,BIN,IC50\n"
    "d,Resistant,lung,sensitive,1,0.31\n"
    "c,sensitive,skin,sensitive,0,0.52\n"
    "b,resistant,lung,NA,1,7.10\n"
    "b,sensitive,lung,resistant,0,1.00\n"
    ",,,,,\n"
)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "response.csv").write_text(TEXT)
    return tmp_path / "response.csv"


def cohort(ids, has_ids=True, **obs):
    frame = pd.DataFrame(obs, index=pd.Index(ids))
    X = np.zeros((len(ids), 2), np.float32)
    return Features(X, np.array(ids), has_ids, frame, Path("cohort.h5ad"), "X")


def test_every_column_of_responses(path):
    table = read_label_table(str(path))
    assert table.codes.to_dict("list") == {
        "DOCETAXEL": [1, 0, 1, 0],
        "X5.FLUOROURACIL": [0, 0, -1, 1],
    }
    assert set(table.codes.dtypes) == {np.dtype(np.int8)}
    assert table.ids.tolist() == ["d", "c", "b", "b"]
    assert list(table.others) == ["tissue", "BIN", "IC50"]
    assert (table.origin, table.file) == (str(path), path)


def test_one_column_and_other_words(path):
    assert list(read_label_table(f"{path}:DOCETAXEL").codes) == ["DOCETAXEL"]
    table = read_label_table(str(path), "0=sensitive,1=resistant")
    assert table.codes["BIN"].tolist() == [1, 0, 1, 0]
    assert list(table.codes) == ["DOCETAXEL", "X5.FLUOROURACIL", "BIN"]


def test_numbers_in_obs_count_only_where_they_have_a_meaning():
    features = cohort(["a", "b"], truth=[0, 1], D=["sensitive", None])
    assert read_label_table(None, None, features).codes.to_dict("list") == {"D": [0, -1]}
    table = read_label_table(None, "0=resistant,1=sensitive", features)
    assert table.codes.to_dict("list") == {"truth": [1, 0], "D": [0, -1]}
    assert table.of(features) is table
    assert table.ids.tolist() == ["a", "b"]


def test_rows_of_a_cohort(path):
    table = read_label_table(str(path)).of(cohort(["b", "x", "c", "b"]))
    assert table.codes["DOCETAXEL"].tolist() == [1, -1, 0, 1]
    assert table.codes["DOCETAXEL"].dtype == np.int8
    assert table.others["tissue"].tolist() == ["lung", None, "skin", "lung"]
    assert table.ids.tolist() == ["b", "x", "c", "b"]


def test_pairing_is_that_of_read_labels(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,D\na,sensitive\nb,resistant\nc,\n")
    for features in (cohort(["c", "b", "z"]), cohort(["0", "1", "2"], has_ids=False)):
        table = read_label_table(str(path)).of(features)
        assert table.codes["D"].tolist() == read_labels(features, "D", str(path)).codes.tolist()


def test_repeated_ids_beside_a_matrix_without_ids_are_paired_by_position(path):
    table = read_label_table(str(path)).of(cohort(["0", "1", "2", "3"], has_ids=False))
    assert table.codes["DOCETAXEL"].tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (None, "there is no label table"),
        ("nowhere", "'nowhere' is no label table"),
        ("{}:NOSUCH", "there is no column 'NOSUCH'"),
        ("{}:BIN", "'0', '1', of which scatd does not know the meaning"),
    ],
)
def test_what_cannot_be_read(path, spec, said):
    with pytest.raises(InputError, match=said):
        read_label_table(spec and spec.format(path))


def test_a_table_without_responses(tmp_path):
    (tmp_path / "a.csv").write_text("id,value\na,1\nb,0\n")
    with pytest.raises(InputError, match="no column holds responses"):
        read_label_table(str(tmp_path / "a.csv"))


def test_the_published_table(real_data):
    table = read_label_table(str(real_data / "gdsc" / "ALL_label_binary_wf.csv"))
    assert table.codes.shape == (1280, 83)
    assert (table.codes == 1).to_numpy().sum() == 81961
