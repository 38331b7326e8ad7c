"""Groups of rows: from obs or the label table, none missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scatd.data.features import Features
from scatd.data.groups import group_column, read_groups
from scatd.data.labels import open_labels
from scatd.errors import InputError

IDS = ["a", "b", "c", "d"]


@pytest.fixture
def obs():
    columns = {
        "patient": pd.Categorical(["p1", "p2", "p1", "p2"]),
        "batch": [1, 2, 1, 2],
        "site": ["x", None, "y", " "],
    }
    return pd.DataFrame(columns, index=IDS)


@pytest.fixture
def features(obs):
    return Features(np.zeros((4, 2), np.float32), np.array(IDS), True, obs, Path("c.h5ad"), "X")


@pytest.fixture
def labels(features, tmp_path):
    text = "id,DRUG,tissue,patient\nd,resistant,skin,q\nb,sensitive,lung,q\na,resistant,NA,q\n"
    (tmp_path / "labels.csv").write_text(text)
    return open_labels(features, str(tmp_path / "labels.csv"))


def test_groups_are_text(obs):
    assert group_column("patient", obs).tolist() == ["p1", "p2", "p1", "p2"]
    assert group_column("batch", obs).tolist() == ["1", "2", "1", "2"]
    assert group_column("batch", obs, rows=np.array([3, 0])).tolist() == ["2", "1"]


def test_obs_wins_over_the_label_table_which_is_paired_by_id(features, labels):
    rows = np.array([1, 3])
    assert read_groups(features, rows, "patient", labels).tolist() == ["p2", "p2"]
    assert read_groups(features, rows, "tissue", labels).tolist() == ["lung", "skin"]


def test_a_missing_column_is_refused_with_the_columns_there_are(features, labels, obs):
    with pytest.raises(InputError, match=r"--group-by: there is no column 'organ' in obs\. ") as it:
        group_column("organ", obs)
    assert "Expected one of patient, batch, site" in str(it.value)
    with pytest.raises(InputError, match="in obs or in the label table") as it:
        read_groups(features, np.arange(4), "tisue", labels)
    assert "Expected tissue." in str(it.value)
    with pytest.raises(InputError, match="Expected a column of obs"):
        group_column("patient", pd.DataFrame(index=IDS))


def test_gaps_are_refused_with_their_number(features, labels, obs):
    said = "--group-by: column 'site' is empty for 2 of 4 rows"
    with pytest.raises(InputError, match=said):
        group_column("site", obs)
    # c has no row in the table, and a has a gap in it.
    with pytest.raises(InputError, match="column 'tissue' is empty for 2 of 4 rows"):
        read_groups(features, np.arange(4), "tissue", labels)


def test_gaps_of_rows_that_are_not_used_do_not_matter(obs):
    assert group_column("site", obs, rows=np.array([0, 2])).tolist() == ["x", "y"]


def test_none_is_a_group_like_any_other():
    table = pd.DataFrame({"treatment": ["none", "chemo"]})
    assert group_column("treatment", table).tolist() == ["none", "chemo"]
