"""The table of the page: few columns, so that it fits on a phone."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from scatd.serving.outcome import first_rows


def scored(not_assessed="", **more):
    """Three cells of a model; the second lies outside its training domain."""
    outside = [pd.NA] * 3 if not_assessed else [False, True, False]
    table = pd.DataFrame(
        {
            "barcode": ["A", "B", "C"],
            "prob_resistant": [0.25, 0.75, np.nan],
            "response": ["sensitive", "resistant", ""],
            "ood": pd.array(outside, dtype="boolean"),
            "reason": ["", "", "no gene is expressed"],
            "ood_p": [0.5, 0.01, np.nan],
        }
    ).assign(**more)
    return SimpleNamespace(table=table, result=SimpleNamespace(not_assessed=not_assessed))


@pytest.mark.parametrize("said", ["", " (outside the training domain)"])
def test_the_response_says_which_cells_lie_outside(said):
    shown = first_rows([scored("" if said else "the model holds no training domain")])
    assert shown["columns"] == ["Cell", "P(resistant)", "Response", "Why it has no score"]
    assert shown["rows"] == [
        ["A", 0.25, "sensitive", ""],
        ["B", 0.75, f"resistant{said}", ""],
        ["C", None, "", "no gene is expressed"],
    ]


def test_a_column_without_reasons_is_left_out():
    assert first_rows([scored(reason="")])["columns"] == ["Cell", "P(resistant)", "Response"]
