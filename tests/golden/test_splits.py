"""Fold indices against those that the published code used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scatd.data.splits import stratified_folds


@pytest.mark.golden
def test_folds_are_the_published_ones(golden: Path) -> None:
    published = json.loads((golden / "scatd/common/splits.json").read_text())
    folds = stratified_folds(np.array(published["labels"]), n_folds=5, seed=42)
    assert len(folds) == 5
    for (train, validation), expected in zip(
        folds, published["stratified_5_shuffle_42"], strict=True
    ):
        assert train.tolist() == expected["train_index"]
        assert validation.tolist() == expected["val_index"]
