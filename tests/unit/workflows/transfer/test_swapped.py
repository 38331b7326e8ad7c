"""A source and a reference in each other's place are recognised by labels and by names."""

from __future__ import annotations

import logging
from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scatd.data.features import read_features
from scatd.data.labels import open_labels
from scatd.errors import InputError
from scatd.workflows.transfer.swapped import require_roles

LINES = [f"LINE{number}" for number in range(6)]
BARCODES = [f"ACGTTGCAAC{a}{b}-1" for a in "AC" for b in "ACGT"]


def features(path, ids, obs=None):
    X = np.random.default_rng(len(ids)).normal(size=(len(ids), 4)).astype(np.float32)
    frame = pd.DataFrame(obs or {}, index=ids)
    ad.AnnData(obs=frame, obsm={"X_scfoundation": X}).write_h5ad(path)
    return read_features(path, "sf")


@pytest.fixture
def cohorts(tmp_path):
    return features(tmp_path / "bulk.h5ad", LINES), features(tmp_path / "cells.h5ad", BARCODES)


@pytest.fixture
def table(tmp_path):
    words = ["sensitive", "resistant"] * 3
    pd.DataFrame({"DOCETAXEL": words}, index=LINES).to_csv(tmp_path / "labels.csv")
    return str(tmp_path / "labels.csv")


def test_labels_of_the_reference_say_that_the_files_are_swapped(cohorts, table, tmp_path):
    bulk, cells = cohorts
    require_roles(bulk, cells, open_labels(bulk, table), "docetaxel")
    remedy = f"Try --source {bulk.path} --reference {cells.path}"
    with pytest.raises(InputError, match=r"names 6 rows of .*bulk.h5ad") as refused:
        require_roles(cells, bulk, open_labels(cells, table), "docetaxel")
    assert remedy in str(refused.value)


@pytest.mark.parametrize("spec", [None, "DOCETAXEL"])
def test_labels_in_obs_of_the_reference_say_it_too(tmp_path, spec):
    words = {"DOCETAXEL": ["sensitive", "resistant"] * 3}
    bulk = features(tmp_path / "bulk.h5ad", LINES, words)
    cells = features(tmp_path / "cells.h5ad", BARCODES, {"batch": ["a", "b"] * 4})
    require_roles(bulk, cells, open_labels(bulk, spec), "docetaxel")
    with pytest.raises(InputError, match=r"obs of .*bulk.h5ad has the labels"):
        require_roles(cells, bulk, open_labels(cells, spec), "docetaxel")


def test_labels_of_nobody_are_no_swap(cohorts, tmp_path):
    """They have a message of their own."""
    bulk, cells = cohorts
    pd.DataFrame({"DOCETAXEL": ["sensitive"] * 2}, index=["x", "y"]).to_csv(tmp_path / "o.csv")
    require_roles(bulk, cells, open_labels(bulk, str(tmp_path / "o.csv")), "docetaxel")


def test_a_source_named_like_single_cells_is_warned_of(cohorts, tmp_path, caplog):
    """It may be meant so, with labels of its own cells."""
    bulk, cells = cohorts
    words = ["sensitive", "resistant"] * 4
    pd.DataFrame({"DOCETAXEL": words}, index=BARCODES).to_csv(tmp_path / "cells.csv")
    labels = open_labels(cells, str(tmp_path / "cells.csv"))
    with caplog.at_level(logging.WARNING, logger="scatd"):
        require_roles(cells, cells, labels, "docetaxel")
        require_roles(cells, None, labels, "docetaxel")
        require_roles(replace(cells, has_ids=False), bulk, labels, "docetaxel")
        assert not caplog.messages
        require_roles(cells, bulk, labels, "docetaxel")
    assert "named like single cells" in caplog.text
