"""Tables of importance against pandas on the whole matrix."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scatd.explanation.importance import Tally, group_table

rng = np.random.default_rng(0)
SHIFT = rng.normal(size=(30, 4)).astype(np.float32)
WEIGHTS = np.array([1.0, -2.0, 0.0, 0.5], np.float32)
VALUES = {"resistant": SHIFT * WEIGHTS, "sensitive": -0.5 * SHIFT * WEIGHTS}


@pytest.fixture
def tally():
    made = Tally(("sensitive", "resistant"), 4)
    for start in (0, 7, 20):
        stop = {0: 7, 7: 20, 20: 30}[start]
        made.add({name: v[start:stop] for name, v in VALUES.items()}, SHIFT[start:stop])
    return made


def test_means_ranks_and_slopes(tally):
    table = tally.table(["a", "b", "c", "d"]).set_index("feature").loc[["a", "b", "c", "d"]]
    for name, values in VALUES.items():
        np.testing.assert_allclose(table[f"mean_abs_{name}"], np.abs(values).mean(axis=0), 1e-6)
        np.testing.assert_allclose(table[f"mean_{name}"], values.mean(axis=0), atol=1e-7)
    np.testing.assert_allclose(table["slope_resistant"], WEIGHTS, rtol=1e-6)
    summed = sum(np.abs(values).mean(axis=0) for values in VALUES.values())
    expected = pd.Series(summed).rank(ascending=False)
    np.testing.assert_array_equal(table["rank_average"], expected)
    assert tally.table(["a", "b", "c", "d"])["rank_dense"].is_monotonic_increasing


def test_ties_share_a_dense_rank_and_average_the_other():
    made = Tally(("resistant",), 3)
    made.add({"resistant": np.array([[1, 1, 2]], np.float32)}, np.ones((1, 3), np.float32))
    table = made.table(["a", "b", "c"])
    assert table["feature"].tolist() == ["c", "a", "b"]
    assert table["rank_dense"].tolist() == [1, 2, 2]
    assert table["rank_average"].tolist() == [1, 2.5, 2.5]


def test_a_feature_that_never_moves_has_no_slope():
    made = Tally(("resistant",), 2)
    made.add({"resistant": np.zeros((3, 2), np.float32)}, np.array([[1, 0]] * 3, np.float32))
    assert made.slope("resistant").tolist() == [0, 0]


def test_groups(tally):
    table = group_table({"p1": tally, "p2": tally}, ["a", "b", "c", "d"])
    assert table["group"].tolist() == ["p1"] * 4 + ["p2"] * 4
    assert set(table["n_obs"]) == {30}
