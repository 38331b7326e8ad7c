"""Faults of labels and samples are found and named, without false alarms."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from scatd.data.labels import read_label_table
from scatd.evaluation.integrity import (
    REMEDIES,
    SEVERITIES,
    Profiles,
    findings,
    findings_table,
    id_findings,
    sample_key,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def random_codes(rng, n_samples=60, n_drugs=4):
    values = rng.integers(0, 2, (n_samples, n_drugs)).astype(np.int8)
    return pd.DataFrame(values, columns=[f"D{number}" for number in range(n_drugs)])


def of(found, check):
    return [finding for finding in found if finding.check == check]


def test_nothing_is_found_where_nothing_is_wrong(rng):
    codes = random_codes(rng)
    X = rng.normal(size=(60, 5)).astype(np.float32)
    groups = pd.Series(rng.integers(0, 3, 60), name="batch")
    auroc = {"D0": (0.5, 0.4, 0.6), "D1": (float("nan"),) * 3}
    assert findings(codes, profiles=Profiles(X, groups), auroc=auroc) == []
    assert findings_table([]).columns[0] == "severity"


def test_equal_and_inverted_columns(rng):
    codes = random_codes(rng)
    codes["COPY"], codes["INVERSE"] = codes["D1"], 1 - codes["D1"]
    found = findings(codes)
    (same,) = of(found, "same labels")
    assert same.columns == ("D1", "COPY")
    assert same.value == 60
    (inverse,) = of(found, "inverted labels")
    assert set(inverse.columns) == {"D1", "COPY", "INVERSE"}
    assert inverse.found == "INVERSE is the exact inverse of D1 and COPY (60 samples)."
    assert found[0] is inverse  # the worst comes first
    assert len(found) == 2


def test_only_findings_of_the_drug_asked_for(rng):
    codes = random_codes(rng).assign(ONE=np.int8(1))
    codes["COPY"], codes["TWIN"] = codes["D1"], codes["D2"]
    assert [finding.columns for finding in findings(codes, drug="D2")] == [("D2", "TWIN")]
    assert findings(codes, drug="D3") == []


def test_gaps_are_left_out_of_the_comparison(rng):
    codes = random_codes(rng)
    copy = codes["D1"].copy()
    copy[:20] = -1
    codes.loc[20:25, "D1"] = -1
    (same,) = findings(codes.assign(COPY=copy))
    assert (same.columns, same.value) == (("D1", "COPY"), 34)


def test_few_samples_agree_by_accident():
    """Six samples, three of them resistant: one shuffle in twenty gives the same column."""
    column = np.array([0, 0, 0, 1, 1, 1], dtype=np.int8)
    table = pd.DataFrame({"A": column, "B": column})
    assert len(of(findings(table, n_folds=2), "same labels")) == 1
    table = table.assign(C=[1, 0, 1, 0, 1, 0])  # now there are three pairs to agree
    assert of(findings(table, n_folds=2), "same labels") == []


@pytest.mark.parametrize(
    ("n_sensitive", "reported"), [(4, True), (5, False), (95, False), (96, True)]
)
def test_rare_classes(n_sensitive, reported):
    codes = pd.DataFrame({"D": (np.arange(100) >= n_sensitive).astype(np.int8)})
    found = of(findings(codes, n_folds=2), "imbalance")
    assert bool(found) == reported
    if reported:
        assert found[0].value == n_sensitive / 100


@pytest.mark.parametrize(("n_folds", "reported"), [(5, False), (6, True)])
def test_classes_too_small_for_the_folds(n_folds, reported):
    codes = pd.DataFrame({"D": [0] * 5 + [1] * 30 + [-1] * 10}, dtype=np.int8)
    found = of(findings(codes, n_folds=n_folds), "too few")
    assert [finding.severity for finding in found] == ["serious"] * reported


def test_samples_with_one_label_vector(rng):
    codes = random_codes(rng, 60, 40)
    codes.iloc[7] = codes.iloc[3]
    codes.iloc[50] = codes.iloc[3]
    codes.iloc[20:22] = -1  # unlabelled samples are not alike
    names = np.array([f"line{row}" for row in range(60)])
    (vector,) = findings(codes, names)
    assert vector.check == "same label vector"
    assert vector.samples == ("line3", "line7", "line50")
    # With four drugs, sixty samples must share vectors.
    assert findings(codes.iloc[:, :4], names) == []


def test_repeated_ids_and_one_name_in_two_spellings():
    found = id_findings(np.array(["HT-29", "ht29", "a", "b", "a", "p1_11", "p11_1"]))
    assert [(finding.check, finding.samples) for finding in found] == [
        ("repeated ids", ("a",)),
        ("one name, two ids", ("HT-29", "ht29")),
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("HT-29", "ht 29", True),
        ("NCI_H1299", "NCI-H1299", True),
        ("X22RV1", "22Rv1", True),
        ("T47-D", "T-47D", True),
        ("SW-1116", "SW-111", False),
        ("s1.12", "s11.2", False),
        ("s1.12", "s1-12", True),
        ("AAAC-1", "AAAC-2", False),
        ("--", "..", False),
        ("\uff21549", "A549", True),
    ],
)
def test_sample_key(one, other, same):
    assert (sample_key(one) == sample_key(other)) == same


def test_copies_of_a_profile(rng):
    codes = pd.DataFrame({"D": np.tile([0, 1], 10)}, dtype=np.int8)
    X = rng.normal(size=(20, 5)).astype(np.float32)
    X[4], X[9] = X[2], X[0]
    X[7, 0], X[12] = 0.0, X[7]
    X[12, 0] = -0.0
    codes.loc[12] = -1
    found = findings(codes, profiles=Profiles(X))
    assert [(finding.check, finding.samples, finding.columns) for finding in found] == [
        ("contradicting copies", ("0", "9"), ("D",)),
        ("copies", ("2", "4"), ()),
        ("copies", ("7", "12"), ()),
    ]


@pytest.mark.parametrize(
    ("auroc", "severity"),
    [((0.3, 0.2, 0.4), "serious"), ((0.45, 0.35, 0.55), "note"), ((0.5, 0.4, 0.6), None)],
)
def test_an_auroc_under_a_half_is_reported(rng, auroc, severity):
    found = findings(random_codes(rng), auroc={"D0": auroc})
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    for finding in found:
        assert finding.columns == ("D0",)
        assert finding.value == auroc[0]
        assert "nothing was flipped" in str(finding)


def test_a_batch_that_predicts_the_response(rng):
    codes = random_codes(rng, 200, 1)
    truth = codes["D0"].to_numpy()
    X = rng.normal(size=(200, 8)).astype(np.float32)
    batch = np.where(rng.random(200) < 0.8, truth, 1 - truth)
    groups = pd.Series(np.array(["a", "b"])[batch], name="batch")
    (found,) = findings(codes, profiles=Profiles(X, groups))
    assert (found.check, found.columns) == ("confounding", ("D0", "batch"))
    assert 0.7 < found.value < 0.9
    signal = X + 10 * truth[:, None].astype(np.float32)
    assert findings(codes, profiles=Profiles(signal, groups)) == []
    # A batch that is the response is no better than perfect profiles, and worth a word.
    same = pd.Series(truth, name="batch")
    assert [finding.value for finding in findings(codes, profiles=Profiles(signal, same))] == [1.0]


def test_groups_with_gaps_and_rare_classes_are_asked_as_far_as_they_go(rng):
    codes = random_codes(rng, 100, 1).assign(RARE=np.int8(1))
    groups = pd.Series(codes["D0"].astype(object), name="batch")
    groups[:10], groups[10:20] = None, ""
    codes.loc[30:35, "D0"] = -1
    X = rng.normal(size=(100, 4)).astype(np.float32)
    (found,) = of(findings(codes, profiles=Profiles(X, groups)), "confounding")
    assert found.columns == ("D0", "batch")


def test_the_table_has_a_row_a_finding(rng):
    codes = random_codes(rng)
    codes["COPY"], codes["INVERSE"] = codes["D1"], 1 - codes["D1"]
    found = findings(codes)
    table = findings_table(found)
    assert list(table) == ["severity", "check", "columns", "samples", "value", "found", "remedy"]
    assert table["columns"].tolist() == ["INVERSE; D1; COPY", "D1; COPY"]
    assert table["remedy"].tolist() == [REMEDIES[check] for check in table["check"]]
    assert set(table["severity"]) <= set(SEVERITIES)


# Real tables --------------------------------------------------------------------------------


def test_the_one_contrast_of_scc47(real_data):
    table = read_label_table(str(real_data / "scc47" / "response.csv"))
    inverse, same = findings(table.codes, table.ids)
    assert same.columns == ("AFATINIB", "CETUXIMAB", "NVP-TAE684")
    assert inverse.columns == ("SORAFENIB", *same.columns)
    assert (inverse.check, inverse.severity) == ("inverted labels", "serious")


def test_the_published_label_table(real_data):
    path = real_data / "gdsc" / "ALL_label_binary_wf.csv"
    table = read_label_table(str(path))
    found = findings(table.codes, table.ids)
    words = pd.read_csv(path, index_col=0)
    share = (words == "sensitive").mean()
    rare = share[(share < 0.05) | (share > 0.95)]
    assert {f.columns[0]: f.value for f in of(found, "imbalance")} == rare.to_dict()
    vectors = words.apply("".join, axis=1)
    groups = [set(group.index) for _, group in vectors.groupby(vectors) if len(group) > 1]
    assert len(groups) == 15
    assert sorted(map(set, (f.samples for f in of(found, "same label vector"))), key=sorted) == (
        sorted(groups, key=sorted)
    )
    assert not any((words[a] == words[b]).all() for a, b in itertools.combinations(words, 2))
    assert not of(found, "same labels")
