"""Tables that people open: no cell is a formula, and scatd reads back what was written."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scatd
from scatd.data.tables import read_table
from scatd.data.text.spreadsheets import guarded, plain, read_csv, to_csv

FORMULAS = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx", "\rx", "-", "=", "'=1", "''@x")
HARMLESS = ("-1.5", "+2", "1e-3", "-1.5e+10", "cell-1", "'quoted'", "O'Brien", "", "AT-1=x", "-inf")


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_gets_an_apostrophe(text):
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", HARMLESS)
def test_numbers_and_other_text_stay(text):
    assert guarded(text) == text


@given(st.text(alphabet="'=+-@\t\r1.ea ", max_size=6))
def test_what_is_written_comes_back(text):
    written = guarded(text)
    assert plain(written) == text
    if not re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", written):
        assert written[:1] not in tuple("=+-@\t\r")


def test_cells_names_of_columns_and_of_rows_are_guarded():
    table = pd.DataFrame(
        {"=name": ["=a", "b"], "word": pd.Categorical(["@x", "y"]), "number": [-1.5, 2.0]},
        index=pd.Index(["-row", "row"], name="+index"),
    )
    written = to_csv(table, index=True)
    assert list(csv.reader(written.splitlines())) == [
        ["'+index", "'=name", "word", "number"],
        ["'-row", "'=a", "'@x", "-1.5"],
        ["row", "b", "y", "2.0"],
    ]
    assert list(table.columns) == ["=name", "word", "number"], "the table itself was changed"
    assert table["=name"].tolist() == ["=a", "b"]


def test_a_table_comes_back(tmp_path):
    table = pd.DataFrame({"id": [*FORMULAS], "=n": np.linspace(-1, 1, len(FORMULAS))})
    to_csv(table, tmp_path / "x.csv")
    pd.testing.assert_frame_equal(read_csv(tmp_path / "x.csv"), table)


def test_a_carriage_return_begins_no_row():
    written = to_csv(pd.DataFrame({"id": ["a\r=1+1", "b"], "n": [1.5, np.nan]}))
    assert written == '"id","n"\n"a\r=1+1",1.5\n"b",""\n'


def test_a_table_without_text_is_written_as_pandas_does():
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 5)), columns=list("abcde"))
    assert to_csv(table) == table.to_csv(index=False)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".xlsx"])
def test_tables_of_users_are_read_without_the_apostrophe(tmp_path, ending):
    ids = ["'=1+1", "''@x", "'-row", "plain", "'quoted'"]
    table = pd.DataFrame({"'=id": ids, "word": ["'+a", "b", "c", "d", "e"]})
    path = tmp_path / f"x{ending}"
    if ending == ".xlsx":
        table.to_excel(path, index=False)
    else:
        table.to_csv(path, index=False, sep="\t" if ending == ".tsv" else ",")
    found = read_table(path, as_text=False)
    assert list(found.columns) == ["=id", "word"]
    assert found["=id"].tolist() == ["=1+1", "'@x", "-row", "plain", "'quoted'"]
    assert found["word"].tolist() == ["+a", "b", "c", "d", "e"]


def test_parquet_is_exact(tmp_path):
    pd.DataFrame({"id": ["'=1"], "word": ["=2"]}).to_parquet(tmp_path / "x.parquet")
    found = read_table(tmp_path / "x.parquet", as_text=True)
    assert found.to_numpy().tolist() == [["'=1", "=2"]]


def test_all_csv_is_written_in_one_place():
    package = Path(scatd.__file__).parent
    writers = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if re.search(r"\.to_csv\(|csv\.(writer|DictWriter)\(", path.read_text(encoding="utf-8"))
    ]
    assert writers == ["data/text/spreadsheets.py"]


def test_numbers_come_back_to_the_bit(tmp_path):
    """Folds that were kept are read again, and give the results of an uninterrupted run."""
    numbers = pd.DataFrame({"loss": np.random.default_rng(0).random(2000)})
    to_csv(numbers, tmp_path / "folds.csv", index=False)
    assert read_csv(tmp_path / "folds.csv")["loss"].tolist() == numbers["loss"].tolist()
