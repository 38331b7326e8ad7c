"""The table of what inner folds tried says which model each validation AUROC belongs to."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from scatd.evaluation.evidence import MODEL, FoldPredictions
from scatd.training.candidates.linear import LOGISTIC, TARGET_ONLY
from scatd.training.candidates.selection import Selection, Tried
from scatd.workflows.transfer.folds import candidates_table
from scatd.workflows.transfer.report import tried_in_folds


@pytest.mark.parametrize(("alone", "expected"), [(0.8, 1), (0.7, 0), (0.6, 0)])
def test_of_two_linear_models_the_better_one_has_the_validation_auroc(alone, expected):
    rng = np.random.default_rng(0)
    codes, prob = np.repeat([0, 1], 10), rng.random(20)
    tried = (
        Tried("linear", LOGISTIC, 0.1, 0.7, 0.1, is_strength=True),
        Tried("linear", TARGET_ONLY, 0.01, alone, 0.1, is_strength=True),
        Tried("linear", LOGISTIC, 0.2, 0.9, 0.1),
        Tried("trees", "extra trees", 5, 0.9, 0.1, is_strength=True, is_chosen=True),
    )
    fold = SimpleNamespace(
        job=SimpleNamespace(number=3),
        selection=Selection("trees", None, tried, ""),
        predictions=FoldPredictions(3, np.arange(20), codes, {MODEL: prob}, 0.5),
        beside={"linear": 0.25, "trees": 0.0},
    )
    outer = candidates_table(fold)["outer_auroc"]
    assert np.flatnonzero(outer.notna()).tolist() == [expected, 3]
    assert outer[expected] == 0.25
    assert outer[3] == pytest.approx(roc_auc_score(codes, prob))


def without_inner_folds():
    """A fold with too few rows of a class."""
    return SimpleNamespace(
        job=SimpleNamespace(number=1),
        selection=Selection("linear", None),
        predictions=FoldPredictions(1, np.arange(2), np.arange(2), {MODEL: np.ones(2)}, 0.5),
        beside={},
    )


def test_without_inner_folds_the_table_is_empty():
    table = candidates_table(without_inner_folds())
    assert table.empty
    assert {"fold", "candidate", "outer_auroc"} <= set(table)


def test_an_empty_table_changes_no_type_of_the_others():
    codes, prob = np.repeat([0, 1], 10), np.linspace(0, 1, 20)
    tried = (Tried("linear", LOGISTIC, 0.1, 0.7, 0.1, is_strength=True, is_chosen=True),)
    full = SimpleNamespace(
        job=SimpleNamespace(number=2),
        selection=Selection("linear", None, tried, ""),
        predictions=FoldPredictions(2, np.arange(20), codes, {MODEL: prob}, 0.5),
        beside={"linear": 1.0},
    )
    tables = [candidates_table(without_inner_folds()), candidates_table(full)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        joined = tried_in_folds(tables)
    pd.testing.assert_frame_equal(joined, tables[1])
    assert tried_in_folds(tables[:1]).empty
