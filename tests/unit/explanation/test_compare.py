"""Agreement of importance tables against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from scatd.errors import InputError
from scatd.explanation.compare import asked_for, correlations, pairs, ranked


def importance(values, names="abcdef"):
    return pd.DataFrame({"feature": list(names), "mean_abs_resistant": values})


A = importance([6, 5, 4, 3, 2, 1])
B = importance([5, 6, 4, 1, 2, 3])


def test_dense_ranks_as_published():
    table = importance([2, 2, 9], "abc").assign(mean_abs_sensitive=[1, 0, 0])
    ranks = ranked(table, "t")
    assert ranks["resistant"].tolist() == [2, 2, 1]
    assert ranks["sum"].tolist() == [2, 3, 1]


def test_pairs():
    tables = {"one": ranked(A, "one"), "two": ranked(B, "two")}
    found = pairs(tables, top=2).set_index("class").loc["resistant"]
    expected = spearmanr(A["mean_abs_resistant"], B["mean_abs_resistant"]).statistic
    assert found["spearman"] == pytest.approx(expected)
    assert found["top_overlap"] == 1
    assert found["top_by_chance"] == pytest.approx(2 / 6)
    assert found["n_shared"] == 6
    square = correlations(pairs(tables, 2))
    np.testing.assert_allclose(square, [[1, expected], [expected, 1]])


def test_only_shared_features_are_compared():
    other = importance([1, 2, 3], "fed")
    tables = {"one": ranked(A, "one"), "two": ranked(other, "two")}
    found = pairs(tables, top=50).iloc[0]
    assert found["n_shared"] == 3
    assert found["spearman"] == pytest.approx(1.0)
    with pytest.raises(InputError, match="share 0 features"):
        pairs({"one": ranked(A, "one"), "x": ranked(importance([1, 2], "xy"), "x")}, 5)


def test_queried_features():
    tables = {"one": ranked(A, "one"), "two": ranked(importance([1, 2], "ax"), "two")}
    table = asked_for(tables, ["a", "x"])
    assert table["one:resistant"].fillna(-1).tolist() == [1, -1]
    assert table["two:resistant"].tolist() == [2, 1]
    with pytest.raises(InputError, match="no table has TP53"):
        asked_for(tables, ["TP53"])


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pd.DataFrame({"gene": ["a"]}), "is no importance table"),
        (importance([1, 2], "aa"), "'a' occurs more than once"),
    ],
)
def test_what_is_no_importance_table(table, said):
    with pytest.raises(InputError, match=said):
        ranked(table, "t.csv")
