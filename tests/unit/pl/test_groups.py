"""The heat map of groups and drugs holds the shares that a plain count gives."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from scatd import pl
from scatd.errors import InputError


def drawn(axes) -> pd.DataFrame:
    values = axes.images[0].get_array().filled(np.nan)
    return pd.DataFrame(
        values,
        [label.get_text() for label in axes.get_yticklabels()],
        [label.get_text() for label in axes.get_xticklabels()],
    )


def counted(cells, drug: str, group: str | None) -> float:
    obs = cells.obs if group is None else cells.obs[cells.obs["patient"] == group]
    calls = obs[f"scatd_{drug}_response"]
    return (calls == "resistant").sum() / calls.isin(["resistant", "sensitive"]).sum()


def test_shares_are_of_the_cells_with_an_answer(cells):
    shown = drawn(pl.heatmap(cells, show=False))
    assert shown.index.tolist() == ["P2", "P10", "all cells"]
    assert shown.columns.tolist() == ["docetaxel", "5fluorouracil"]
    for drug in shown:
        for group in ("P2", "P10"):
            assert shown.loc[group, drug] == pytest.approx(counted(cells, drug, group))
        assert shown.loc["all cells", drug] == pytest.approx(counted(cells, drug, None))


def test_drugs_are_chosen_by_any_name_in_the_order_asked_for(cells):
    shown = drawn(pl.heatmap(cells, drugs=["5-FU", "Taxotere"], groupby=None, show=False))
    assert shown.columns.tolist() == ["5fluorouracil", "docetaxel"]
    assert shown.index.tolist() == ["all cells"]
    assert drawn(pl.heatmap(cells, drugs="docetaxel", show=False)).shape == (3, 1)


@pytest.mark.parametrize("as_column", [False, True])
def test_a_screen_is_drawn_as_it_is(as_column):
    matrix = pd.DataFrame({"docetaxel": [0.2, 0.4], "cisplatin": [np.nan, 1.0]}, ["A", "all cells"])
    held = matrix.rename_axis("group").reset_index() if as_column else matrix
    axes = pl.heatmap(SimpleNamespace(matrix=held), drugs=["Cisplatin", "docetaxel"], show=False)
    expected = matrix[["cisplatin", "docetaxel"]]
    pd.testing.assert_frame_equal(drawn(axes), expected, check_names=False)
    assert axes.get_title(loc="left") == "1 group: resistant fraction"


def test_what_is_not_there_is_refused(cells):
    with pytest.raises(InputError, match=r"no column 'sample'.*groupby=None takes all cells"):
        pl.heatmap(cells, groupby="sample")
    with pytest.raises(InputError, match="no scores of 'gefitinib'"):
        pl.heatmap(cells, drugs=["gefitinib"])
    with pytest.raises(InputError, match=r"'gefitinib' was not screened.*Expected docetaxel"):
        pl.heatmap(SimpleNamespace(matrix=pd.DataFrame({"docetaxel": [1]})), drugs=["gefitinib"])
    cells.obs = cells.obs[["patient"]]
    with pytest.raises(InputError, match=r"has no scores.*Run scatd.predict"):
        pl.heatmap(cells)
    with pytest.raises(InputError, match="Expected an AnnData"):
        pl.heatmap([1])
