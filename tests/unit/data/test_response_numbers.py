"""Numbers beside the labels: paired by id, and refused where they are none."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scatd.data.features import Features
from scatd.data.response_numbers import read_response_numbers
from scatd.errors import InputError

TEXT = """\
line,Docetaxel,5-Fluorouracil,EMPTY,ELSEWHERE
c,1.5,,,
a,-2,NA,,
zz,9,9,,3
"""


def cohort(ids=("a", "b", "c"), has_ids=True):
    X = np.zeros((len(ids), 2), np.float32)
    frame = pd.DataFrame(index=pd.Index(ids))
    return Features(X, np.array(ids), has_ids, frame, Path("cohort.h5ad"), "X")


@pytest.fixture
def read(tmp_path):
    def read(text, features=None):
        path = tmp_path / "ic50.csv"
        path.write_text(text)
        return read_response_numbers(path, features or cohort())

    return read


def test_rows_stand_as_in_the_cohort(read, tmp_path):
    found = read(TEXT.replace("c,1.5,,", "c,1.5,0.25,"))
    assert found.drugs == ("Docetaxel", "5-Fluorouracil")
    np.testing.assert_array_equal(found.values, [[-2, np.nan], [np.nan, np.nan], [1.5, 0.25]])
    assert found.n_samples == 2
    assert found.sha256 == hashlib.sha256((tmp_path / "ic50.csv").read_bytes()).hexdigest()


def test_a_column_without_a_number_for_a_sample_is_left_out(read):
    assert read(TEXT).drugs == ("Docetaxel",)


def test_ids_that_are_whole_numbers(read):
    found = read("id,D1\n12,1\n007,2.5\n", cohort(ids=("007", "12")))
    np.testing.assert_array_equal(found.values, np.float32([[2.5], [1]]))


def test_a_cohort_without_ids_is_paired_by_position(read):
    found = read("id,D1\nx,1\ny,2\nz,3\n", cohort(has_ids=False))
    np.testing.assert_array_equal(found.values, [[1], [2], [3]])


@pytest.mark.parametrize("codes", [[0, 1, 1], [1, -1, 0]])
def test_numbers_that_are_low_where_samples_are_resistant(read, caplog, codes):
    found = read("id,Iressa\na,1\nb,\nc,2.5\n")
    found.warn_where_low_is_resistant("docetaxel", np.array([1, 1, 0]))
    found.warn_where_low_is_resistant("gefitinib", np.array([1, -1, -1]))
    assert "resistant samples" not in caplog.text
    found.warn_where_low_is_resistant("gefitinib", np.array(codes))
    said = "column 'Iressa': resistant samples have the lower numbers (median 1, sensitive 2.5)"
    assert (said in caplog.text) == (codes[0] == 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT.replace("zz", "a"), "1 id occurs more than once: 'a'"),
        ("line,D1\nx,1\ny,2\n", "has no row for any of the 3 samples"),
        (TEXT.replace("1.5", "sensitive"), "column 'Docetaxel' holds 'sensitive' in row 1"),
        (TEXT.replace("1.5", "<0.1"), "holds '<0.1' in row 1"),
        (TEXT.replace("1.5", "inf"), "holds an infinite value in row 1"),
        ("line,D1\na,\nc,\n", "holds no number for any sample"),
        ("line\na\nb\n", "holds no number for any sample"),
        (TEXT.replace("Docetaxel", "(+)"), "'(+)' is no drug name"),
        (TEXT.replace("5-Fluorouracil", "Docetaxel"), "'Docetaxel'"),
        ("D1,D2\n0.5,1\n1.5,2\n2.5,3\n", "its first column 'D1' holds numbers, not ids"),
    ],
)
def test_what_is_no_table_of_numbers(read, text, said):
    with pytest.raises(InputError) as refused:
        read(text)
    assert said in str(refused.value)
    assert "ic50.csv" in str(refused.value)


LONG = """\
line,drug,value,censored
c,Docetaxel,1.5,yes
a,Docetaxel,-2,no
a,X5.FLUOROURACIL,7,
zz,Docetaxel,9,no
"""


def test_one_row_a_sample_and_drug(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text(LONG)
    found = read_response_numbers(path, cohort(), "censored")
    assert found.drugs == ("Docetaxel", "X5.FLUOROURACIL")
    np.testing.assert_array_equal(found.values, [[-2, 7], [np.nan, np.nan], [1.5, np.nan]])
    np.testing.assert_array_equal(found.is_least, [[0, 0], [0, 0], [1, 0]])
    assert read_response_numbers(path, cohort()).is_least is None


@pytest.mark.parametrize("words", [("1", "0"), (">", "="), ("True", "False"), (">", "")])
def test_words_that_say_what_is_censored(tmp_path, words):
    path = tmp_path / "long.csv"
    path.write_text(LONG.replace("yes", words[0]).replace("no", words[1]))
    found = read_response_numbers(path, cohort(), "censored")
    np.testing.assert_array_equal(found.is_least, [[0, 0], [0, 0], [1, 0]])


@pytest.mark.parametrize(
    ("text", "censored", "message"),
    [
        (LONG.replace("yes", "<"), "censored", "column 'censored'.*holds '<' in row 1"),
        (LONG.replace("zz,", "a,"), "censored", "has 'a' with Docetaxel twice, again in row 4"),
        (LONG, "sensored", "there is no column 'sensored'.*one of line, drug, value, censored"),
        (TEXT, "censored", "no column 'censored' can say.*one row a sample and drug"),
        (LONG.replace("1.5", "high"), None, "column 'value'.*holds 'high' in row 1"),
    ],
)
def test_long_tables_that_cannot_be_read(tmp_path, text, censored, message):
    path = tmp_path / "long.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_response_numbers(path, cohort(), censored)
