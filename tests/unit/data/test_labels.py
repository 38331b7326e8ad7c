from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scatd.data.features import Features, read_features
from scatd.data.given import TableInMemory
from scatd.data.label_words import drug_columns
from scatd.data.labels import open_labels, read_labels, require_two_classes
from scatd.data.tables import read_table
from scatd.errors import InputError

IDS = ["a", "b", "c", "d"]


def features(
    ids: list[str] | None = IDS, obs: dict[str, list[object]] | None = None, n_obs: int = 4
) -> Features:
    names = np.array(ids if ids is not None else [str(row) for row in range(n_obs)])
    X = np.zeros((len(names), 2), np.float32)
    frame = pd.DataFrame(obs or {}, index=pd.Index(names))
    return Features(X, names, ids is not None, frame, Path("cohort.h5ad"), "X")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "response.csv"
    path.write_text(
        "sample,DOCETAXEL,X5.FLUOROURACIL,SR,BIN,IC50\n"
        "d,Resistant,sensitive,R,1.0,0.31\n"
        "c,sensitive,sensitive,S,0.0,0.52\n"
        "b,resistant,NA,R,1.0,7.10\n"
        "a,SENSITIVE ,resistant,,0.0,1.00\n"
    )
    return path


# the grammar --------------------------------------------------------------------------------
def test_the_drugs_own_obs_column_is_the_default() -> None:
    cohort = features(obs={"5-Fluorouracil": ["sensitive", "resistant", None, np.nan]})
    labels = read_labels(cohort, "X5.FLUOROURACIL")
    assert labels.codes.tolist() == [0, 1, -1, -1]
    assert labels.codes.dtype == np.int8
    assert (labels.column, labels.origin) == ("5-Fluorouracil", "cohort.h5ad")
    assert (labels.matched_by, labels.n_missing) == ("id", 2)


def test_any_obs_column_can_be_named() -> None:
    words = pd.Categorical(["sensitive", None, "resistant", "resistant"])
    assert read_labels(features(obs={"truth": words}), "DOCETAXEL", "truth").codes.tolist() == [
        *(0, -1, 1, 1)
    ]


def test_a_file_is_searched_for_the_drug_and_matched_by_id(table: Path) -> None:
    labels = read_labels(features(), "docetaxel", str(table))
    assert labels.codes.tolist() == [0, 1, 0, 1]
    assert (labels.column, labels.origin) == ("DOCETAXEL", str(table))
    assert labels.matched_by == "id"


def test_a_synonym_finds_the_column(table: Path) -> None:
    assert read_labels(features(), "5-FU", str(table)).codes.tolist() == [1, -1, 0, 0]


def test_a_column_of_a_file_can_be_named(table: Path) -> None:
    labels = read_labels(features(), "GEFITINIB", f"{table}:DOCETAXEL")
    assert labels.codes.tolist() == [0, 1, 0, 1]


def test_a_column_name_may_hold_a_colon(tmp_path: Path) -> None:
    path = tmp_path / "r.tsv"
    path.write_text("id\tdrug:10uM\na\tsensitive\nb\tresistant\nc\tresistant\nd\tsensitive\n")
    assert read_labels(features(), "x", f"{path}:drug:10uM").codes.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "txt", "csv.gz", "xlsx", "parquet"])
def test_every_kind_of_table(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"r.{suffix}"
    frame = pd.DataFrame({"id": [11, 12, 13, 14], "DOCETAXEL": ["sensitive", "resistant"] * 2})
    if suffix == "xlsx":
        frame.to_excel(path, index=False)
    elif suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="," if "csv" in suffix else "\t")
    cohort = features(["14", "13", "12", "11"])
    assert read_labels(cohort, "docetaxel", str(path)).codes.tolist() == [1, 0, 1, 0]


# words --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("column", "label_map", "codes"),
    [
        ("SR", "S=sensitive,R=resistant", [-1, 1, 0, 1]),
        ("SR", " r = Resistant , s = Sensitive ", [-1, 1, 0, 1]),
        ("BIN", "0=sensitive,1=resistant", [0, 1, 0, 1]),
        ("BIN", "1=sensitive,0=resistant", [1, 0, 1, 0]),
        ("DOCETAXEL", "0=sensitive,1=resistant", [0, 1, 0, 1]),
    ],
)
def test_other_words_need_a_map(table: Path, column: str, label_map: str, codes: list[int]) -> None:
    labels = read_labels(features(), "docetaxel", f"{table}:{column}", label_map)
    assert labels.codes.tolist() == codes


@pytest.mark.parametrize(("column", "listed"), [("SR", "'r', 's'"), ("BIN", "'0', '1'")])
def test_unknown_words_are_refused_and_listed(table: Path, column: str, listed: str) -> None:
    with pytest.raises(InputError, match=f"holds {listed}.*sensitive or resistant.*--label-map"):
        read_labels(features(), "docetaxel", f"{table}:{column}")


@pytest.mark.parametrize("values", [[0, 1, 0, 1], [0.0, 1.0, np.nan, 1.0], [True, False] * 2])
def test_a_bare_binary_obs_column_is_refused(values: list[object]) -> None:
    with pytest.raises(InputError, match="--label-map") as error:
        read_labels(features(obs={"DOCETAXEL": values}), "DOCETAXEL")
    assert error.value.exit_code == 2


def test_a_binary_obs_column_with_gaps_follows_the_map() -> None:
    cohort = features(obs={"DOCETAXEL": [0.0, 1.0, np.nan, 1.0]})
    labels = read_labels(cohort, "DOCETAXEL", None, "1=sensitive,0=resistant")
    assert labels.codes.tolist() == [1, 0, -1, 0]


def test_a_map_that_misses_a_word_is_refused(table: Path) -> None:
    with pytest.raises(InputError, match="holds 'r'"):
        read_labels(features(), "docetaxel", f"{table}:SR", "S=sensitive")


def test_a_column_of_measurements_is_no_label(table: Path) -> None:
    with pytest.raises(InputError, match=r"'0.31'"):
        read_labels(features(), "docetaxel", f"{table}:IC50")


@pytest.mark.parametrize(
    "label_map",
    ["", "S", "S=", "=sensitive", "S=maybe", "S=sensitive,S=resistant", "sensitive=resistant"],
)
def test_a_bad_map_is_refused(table: Path, label_map: str) -> None:
    with pytest.raises(InputError, match="--label-map"):
        read_labels(features(), "docetaxel", f"{table}:SR", label_map)


def test_a_column_of_gaps_is_refused() -> None:
    with pytest.raises(InputError, match="no labels at all"):
        read_labels(features(obs={"DOCETAXEL": [None] * 4}), "DOCETAXEL")


# names --------------------------------------------------------------------------------------
def test_an_unknown_drug_names_the_nearest_response_columns(table: Path) -> None:
    with pytest.raises(InputError, match=r"unknown drug 'DOCETAXL'.*mean DOCETAXEL\?"):
        read_labels(features(), "DOCETAXL", str(table))
    with pytest.raises(InputError, match=r"one of DOCETAXEL, X5\.FLUOROURACIL\. "):
        read_labels(features(), "zzz", str(table))


def test_an_unknown_column_names_the_nearest(table: Path) -> None:
    with pytest.raises(InputError, match=r"no column 'DOCETAXLE'.*DOCETAXEL"):
        read_labels(features(), "docetaxel", f"{table}:DOCETAXLE")


def test_a_missing_file_and_missing_columns() -> None:
    with pytest.raises(InputError, match="no such file"):
        read_labels(features(), "docetaxel", "nowhere/response.csv")
    with pytest.raises(
        InputError, match=r"'truth' is no label file.*no obs columns.*--labels FILE"
    ):
        read_labels(features(), "docetaxel", "truth")
    with pytest.raises(InputError, match="no obs columns"):
        read_labels(features(), "docetaxel")


def test_two_columns_of_one_drug_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("id,5-FU,5.FU\na,sensitive,resistant\n")
    with pytest.raises(InputError, match=r"fits more than one name: 5-FU, 5.FU"):
        read_labels(features(["a"]), "5FU", str(path))


# rows ---------------------------------------------------------------------------------------
def test_labels_of_other_samples_are_refused(table: Path) -> None:
    with pytest.raises(InputError, match=r"no row for any of the 2 samples.*'d', 'c', 'b'.*'x1'"):
        read_labels(features(["x1", "x2"]), "docetaxel", str(table))


def test_samples_without_a_row_stay_unlabelled(
    table: Path, caplog: pytest.LogCaptureFixture
) -> None:
    labels = read_labels(features(["b", "new", "a"]), "docetaxel", str(table))
    assert labels.codes.tolist() == [1, -1, 0]
    assert labels.n_missing == 1
    assert "1 of 3 samples has no row" in caplog.text


def test_repeated_label_ids_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("id,DOCETAXEL\na,sensitive\nb,resistant\na,resistant\n")
    with pytest.raises(InputError, match="1 id occurs more than once: 'a'"):
        read_labels(features(), "docetaxel", str(path))


def test_without_ids_rows_are_paired_by_position(
    table: Path, caplog: pytest.LogCaptureFixture
) -> None:
    labels = read_labels(features(None), "docetaxel", str(table))
    assert labels.codes.tolist() == [1, 0, 1, 0]
    assert labels.matched_by == "position"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "by position" in caplog.text


def test_without_ids_the_number_of_rows_must_agree(table: Path) -> None:
    with pytest.raises(InputError, match=r"has 4 rows, but .* has 5 rows and no ids"):
        read_labels(features(None, n_obs=5), "docetaxel", str(table))


def test_row_numbers_in_the_table_are_matched_as_ids(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("row,DOCETAXEL\n1,resistant\n0,sensitive\n")
    labels = read_labels(features(None, n_obs=2), "docetaxel", str(path))
    assert labels.codes.tolist() == [0, 1]
    assert labels.matched_by == "id"


def test_a_table_of_labels_alone_can_only_be_paired_by_position(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("DOCETAXEL\nresistant\nsensitive\nsensitive\nresistant\n")
    labels = read_labels(features(None), "docetaxel", str(path))
    assert labels.codes.tolist() == [1, 0, 0, 1]
    with pytest.raises(InputError, match="no id column"):
        read_labels(features(), "docetaxel", str(path))


def test_empty_rows_at_the_end_of_a_sheet_are_nothing(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("id,DOCETAXEL\na,sensitive\nb,resistant\n,\n,\n")
    assert read_labels(features(["a", "b"]), "docetaxel", str(path)).codes.tolist() == [0, 1]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(codes=st.lists(st.sampled_from([0, 1, -1]), min_size=2, max_size=12), order=st.randoms())
def test_matching_by_id_does_not_depend_on_the_order_of_rows(
    tmp_path: Path, codes: list[int], order: object
) -> None:
    codes = [0, *codes]
    words = {0: "sensitive", 1: "resistant", -1: ""}
    rows = [f"s{row},{words[code]}" for row, code in enumerate(codes)]
    order.shuffle(rows)  # type: ignore[attr-defined]
    path = tmp_path / "r.csv"
    path.write_text("\n".join(["id,DOCETAXEL", *rows]))
    labels = read_labels(features([f"s{i}" for i in range(len(codes))]), "docetaxel", str(path))
    assert labels.codes.tolist() == codes
    assert labels.n_missing == codes.count(-1)


# the rest -----------------------------------------------------------------------------------
def test_drug_columns_hold_response_words_only(table: Path) -> None:
    frame = read_table(table, as_text=True)
    assert drug_columns(frame) == ["DOCETAXEL", "X5.FLUOROURACIL"]
    obs = pd.DataFrame({"A": ["sensitive", None], "B": [0, 1], "C": [None, None], "D": ["x", "y"]})
    assert drug_columns(obs) == ["A"]


def test_two_classes_with_enough_samples_pass() -> None:
    require_two_classes(np.array([0] * 5 + [1] * 5 + [-1]), 5, "response.csv")


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([1] * 9, r"response.csv: the labels have only one class \(0 sensitive, 9 resistant\)"),
        ([0] * 9 + [-1], "only one class"),
        ([-1] * 9, "only one class"),
        ([0] * 9 + [1] * 4, r"for 5 folds \(9 sensitive, 4 resistant\)"),
    ],
)
def test_labels_that_cannot_be_split_are_refused(codes: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        require_two_classes(np.array(codes), 5, "response.csv")


def test_real_tables_load_as_they_are(real_data: Path) -> None:
    panel = read_table(real_data / "gdsc/ALL_label_binary_wf.csv", as_text=True)
    assert len(drug_columns(panel)) == 83
    bulk = features(panel.iloc[:, 0].tolist()[::-1])
    labels = read_labels(bulk, "5-Fluorouracil", str(real_data / "gdsc/ALL_label_binary_wf.csv"))
    assert labels.column == "X5.FLUOROURACIL"
    expected = (panel["X5.FLUOROURACIL"] == "resistant").to_numpy()[::-1]
    np.testing.assert_array_equal(labels.codes, expected)

    prostate = real_data / "gdsc/preprocessed_GSE140440_label.xlsx"
    words = pd.read_excel(prostate).set_index("Cell_ID")["label"]
    cells = features(words.index.tolist())
    read = read_labels(cells, "docetaxel", f"{prostate}:label")
    np.testing.assert_array_equal(read.codes, words == "resistant")

    embedded = read_features(real_data / "scc47/scfoundation_embedding.npy", "sf")
    response = str(real_data / "scc47/response.csv")
    afatinib = read_labels(embedded, "afatinib", response)
    assert afatinib.matched_by == "position"
    # README of the data: SORAFENIB is the exact inverse, TAE684 the same vector.
    np.testing.assert_array_equal(read_labels(embedded, "tae684", response).codes, afatinib.codes)
    np.testing.assert_array_equal(
        read_labels(embedded, "SORAFENIB", response).codes, 1 - afatinib.codes
    )
    line = read_features(real_data / "jhu006/expression_z.csv.gz", "dist")
    gefitinib = read_labels(line, "GEFITINIB", str(real_data / "jhu006/response.csv"))
    assert gefitinib.matched_by == "id"
    assert gefitinib.n_missing == 0


def test_a_table_in_memory_with_two_levels_of_ids_is_refused() -> None:
    ids = pd.MultiIndex.from_arrays([["a", "b"], [1, 2]])
    labels = TableInMemory(pd.DataFrame({"D": ["sensitive", "resistant"]}, index=ids), "labels")
    with pytest.raises(InputError, match=r"labels has an index of 2 levels"):
        open_labels(features(), labels)
