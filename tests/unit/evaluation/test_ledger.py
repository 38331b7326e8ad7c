"""A training cell is recognised under another name or with another embedding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scatd.cards import model_folder
from scatd.cards.card import About, Calibrated, CohortUsed, DataUsed, FewShot, SeenCells
from scatd.data.features import Features
from scatd.evaluation.ledger import cell_ledger, fingerprints, seen_cells, without_cells
from tests.frozen import FROZEN


def cohort(X: np.ndarray, ids: list[str] | None = None) -> Features:
    names = np.array(ids or [str(number) for number in range(len(X))])
    obs = pd.DataFrame(index=names)
    return Features(X, names, ids is not None, obs, Path("x.npy"), "X", simulated=False, names=None)


def source(sha256=None, cells=None) -> DataUsed:
    return DataUsed(source=CohortUsed("bulk.h5ad", sha256, cells=cells))


def few_shot(*ids: str) -> FewShot:
    return FewShot("train", 1, SeenCells(ids), (1,))


def asked(about: About, features: Features, rows: np.ndarray) -> dict[str, np.ndarray]:
    return seen_cells(about, cell_ledger(features, rows), features.sha256())


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


def names(n: int, prefix: str = "c") -> list[str]:
    return [f"{prefix}{number}" for number in range(n)]


def test_equal_rows_have_equal_fingerprints(X):
    prints = fingerprints(cohort(np.concatenate([X, X[:2]])))
    assert prints[:2].tolist() == prints[6:].tolist()
    assert len(set(prints[:6])) == 6


def test_cells_are_known_by_id_or_by_features(X):
    rows = np.array([0, 1])
    card = About(
        data=source(cells=cell_ledger(cohort(X, names(6)), rows)),
        few_shot=few_shot("c2"),
        calibration=Calibrated(cells=cell_ledger(cohort(X, names(6)), np.array([3]))),
    )
    everyone = np.arange(6)
    same = asked(card, cohort(X, names(6)), everyone)
    assert {use: np.flatnonzero(seen).tolist() for use, seen in same.items()} == {
        "source": [0, 1],
        "few_shot": [2],
        "calibration": [3],
    }
    renamed = asked(card, cohort(X, names(6, "other")), everyone)
    assert np.flatnonzero(renamed["source"]).tolist() == [0, 1]
    assert not renamed["few_shot"].any()  # a ledger without fingerprints knows ids alone
    embedded_anew = asked(card, cohort(X + 1e-3, names(6)), everyone)
    assert np.flatnonzero(embedded_anew["source"]).tolist() == [0, 1]
    strangers = asked(card, cohort(X + 1, names(6, "other")), everyone)
    assert not any(seen.any() for seen in strangers.values())


def test_row_numbers_are_no_ids(X):
    ledger = cell_ledger(cohort(X), np.arange(6))
    assert ledger.ids == ()
    card = About(data=source(cells=ledger))
    (seen,) = asked(card, cohort(X + 1), np.arange(6)).values()
    assert not seen.any()


def test_strangers_see_how_many_cells_and_not_which(X):
    ledger = cell_ledger(cohort(X, names(6)), np.arange(6))
    about = About(
        data=source("abc", ledger),
        few_shot=few_shot("c2"),
        calibration=Calibrated(1, cells=cell_ledger(cohort(X), np.arange(2)), run_id="r"),
    )
    card = model_folder.read_card(FROZEN / "folders" / "sf")
    shown = without_cells(replace(card, about=about))
    assert shown["data"] == {
        "source": {"file": "bulk.h5ad", "sha256": "abc", "cells": {"n_cells": 6}}
    }
    assert shown["few_shot"] == {"use": "train", "n_per_class": 1, "n_cells": 1}
    made = {name: shown["calibration"][name] for name in ("from_version", "cells", "run_id")}
    assert made == {"from_version": 1, "cells": {"n_cells": 2}, "run_id": "r"}
    assert "c2" not in str(shown)
    assert about.few_shot is not None
    assert about.few_shot.cells.ids == ("c2",)


def test_a_card_without_ledgers_knows_no_cell(X):
    assert asked(About(data=source("")), cohort(X), np.arange(6)) == {}


def test_an_older_card_knows_the_whole_source_by_its_hash(X):
    card = About(data=source(cohort(X).sha256()))
    assert asked(card, cohort(X), np.arange(3))["source"].all()
    assert asked(card, cohort(X[:5]), np.arange(3)) == {}
