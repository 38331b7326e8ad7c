"""Which column gives the groups of the baseline, found in obs or named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scatd.data.baseline_groups import baseline_groups, groups_in, require_no_gaps
from scatd.data.features import Features
from scatd.data.labels import open_labels
from scatd.errors import InputError

N = 12
TISSUE = ["skin", "lung", "skin", "lung"] * 3


def cohort(**columns):
    ids = np.array([f"s{row}" for row in range(N)])
    obs = pd.DataFrame({"DRUG": ["resistant", "sensitive"] * 6, **columns}, index=ids)
    return Features(np.zeros((N, 2), np.float32), ids, True, obs, Path("c.h5ad"), "X")


def found(features, asked=None, target=None, labels=None, target_labels=None):
    source = open_labels(features, None if labels is None else str(labels))
    return baseline_groups(asked, source, target, target_labels)


@pytest.mark.parametrize("name", ["tissue", "Tissue", "TISSUE ", "primary site", "Primary.Site"])
def test_a_usual_name_in_any_spelling(name):
    groups = found(cohort(**{name: TISSUE}))
    assert (groups.column, groups.source.tolist(), groups.target) == (name, TISSUE, None)
    assert "2 groups of column" in groups.in_words


def test_the_order_is_fixed():
    columns = {"batch": list("aabb") * 3, "patient": list("abab") * 3, "tissue": TISSUE}
    assert found(cohort(**columns)).column == "tissue"
    del columns["tissue"]
    assert found(cohort(**columns)).column == "patient"
    assert found(cohort(cell_line=TISSUE)) is None


@pytest.mark.parametrize(
    "useless",
    [["skin"] * N, [f"t{row}" for row in range(N)], [None] * N, ["a", "a", *map(str, range(10))]],
    ids=["constant", "ids", "empty", "almost ids"],
)
def test_columns_without_groups_are_passed_over(useless):
    assert found(cohort(tissue=useless)) is None
    assert found(cohort(tissue=useless, batch=list("abab") * 3)).column == "batch"


def test_none_switches_it_off():
    assert found(cohort(tissue=TISSUE), "none") is None


def test_a_named_column_of_obs_or_of_the_label_table(tmp_path):
    features = cohort(tissue=TISSUE)
    table = pd.DataFrame({"DRUG": features.obs["DRUG"], "site": list("uvuv") * 3})
    table.iloc[::-1].to_csv(tmp_path / "labels.csv")
    groups = found(features, "site", labels=tmp_path / "labels.csv")
    assert (groups.column, groups.source.tolist()) == ("site", list("uvuv") * 3)
    assert found(features, "tissue").source.tolist() == TISSUE


@pytest.mark.parametrize(
    ("asked", "said"),
    [("patient", "no column 'patient'"), ("site", "has 1 group of"), ("name", "has 12 groups")],
)
def test_a_named_column_that_holds_no_groups_is_refused(asked, said):
    features = cohort(site=["x"] * N, name=[f"n{row}" for row in range(N)])
    with pytest.raises(InputError, match=said) as refused:
        found(features, asked)
    assert refused.value.where == "--group-baseline"


def test_gaps_are_refused_where_named_and_said_where_found(caplog):
    features = cohort(tissue=[None, "NA", *TISSUE[2:]])
    rows = np.arange(N)
    named = found(features, "tissue")
    with pytest.raises(InputError, match="empty for 2 of 12 rows") as refused:
        require_no_gaps(named, rows, features.ids)
    assert refused.value.where == "--group-baseline"
    require_no_gaps(named, rows[2:], features.ids)  # rows that are not used may have gaps
    groups = found(features)
    require_no_gaps(groups, rows, features.ids)
    assert "empty for 2 of 12 rows: group mean gives them the prevalence" in caplog.text
    assert groups.source.tolist() == ["", "", *TISSUE[2:]]


def test_the_same_column_of_a_target():
    features, cells = cohort(tissue=TISSUE), cohort(Tissue=["bone"] * 11 + [None])
    groups = found(features, target=cells)
    assert groups.target.tolist() == ["bone"] * 11 + [""]
    assert groups_in(cells, "batch") is None
    assert found(features, target=cohort()).target is None


def test_other_groups_are_other_work():
    one, other = cohort(tissue=TISSUE), cohort(tissue=TISSUE[::-1])
    assert found(one).sha256() == found(cohort(tissue=TISSUE)).sha256()
    assert len({found(c, target=t).sha256() for c in (one, other) for t in (None, one)}) == 4
