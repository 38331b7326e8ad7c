"""The features of a cohort for a model: from a file, and to the bit the same from memory."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from scatd.artifact import Artifact
from scatd.cards.card import About, FeaturesRead
from scatd.data.preparation import Preparation
from scatd.errors import InputError
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, Sizes
from scatd.workflows.cohorts.features import scoring_input

GENES = tuple(f"GENE{number}" for number in range(60))
PANEL = GENES[50:10:-1]
CPU = torch.device("cpu")


def card_of(family, n_features, genes=None, input_scale=None):
    """The card of a model that reads these features; its weights do not matter."""
    sizes = Sizes(n_features, 2, (3,), (3,))
    state = ResponseClassifier(sizes, DESIGNS[family]).state_dict()
    about = About(FeaturesRead(n_features, "X", genes), input_scale)
    return Artifact("response", family, family, sizes, state, threshold=0.5, about=about).card()


def counts():
    X = np.random.default_rng(0).integers(0, 5, (30, 60)).astype(np.float32)
    X[4] = 0
    return X


def cohort(X, **more):
    obs = pd.DataFrame({"site": "lung"}, index=[f"cell{number}" for number in range(X.shape[0])])
    return ad.AnnData(X, obs=obs, var=pd.DataFrame(index=list(GENES)), **more)


def logs(X):
    totals = np.maximum(X.sum(axis=1, keepdims=True), 1)
    return np.log1p(1e4 * X / totals).astype(np.float32)


COHORTS = {
    "rows": lambda: cohort(sparse.csr_matrix(counts())),
    "columns": lambda: cohort(sparse.csc_matrix(counts().astype(np.float64))),
    "dense": lambda: cohort(counts()),
    "dense, float64": lambda: cohort(counts().astype(np.float64)),
    "whole numbers": lambda: cohort(sparse.csr_matrix(counts().astype(np.int64))),
    "counts in a layer": lambda: cohort(logs(counts()), layers={"counts": counts()}),
    "logarithms": lambda: cohort(sparse.csr_matrix(logs(counts()))),
}


@pytest.mark.parametrize("name", COHORTS)
def test_expression_in_memory_gives_what_its_file_gives(tmp_path, name):
    cells = COHORTS[name]()
    cells.copy().write_h5ad(tmp_path / "cells.h5ad")
    before = cells.copy()
    card = card_of("dist", len(PANEL), PANEL, "log1p")
    found = {}
    for source in (tmp_path / "cells.h5ad", cells):
        with scoring_input(source, "dist", card, Preparation(), CPU) as given:
            found[type(source)] = np.array(given.features.X[:]), given
    (X, of_file), (Y, of_memory) = found.values()
    np.testing.assert_array_equal(X, Y)
    assert X.dtype == Y.dtype
    assert list(of_file.reasons) == list(of_memory.reasons)
    assert [bool(reason) for reason in of_file.reasons].index(True) == 4
    assert of_file.notes == of_memory.notes
    assert list(of_file.features.ids) == list(of_memory.features.ids)
    both = [given.features.obs.astype(str) for given in (of_file, of_memory)]
    pd.testing.assert_frame_equal(*both)
    # The AnnData is the user's: it is as it was.
    pd.testing.assert_frame_equal(cells.obs, before.obs)
    assert type(cells.X) is type(before.X)
    assert cells.X.dtype == before.X.dtype


@pytest.mark.parametrize("made", [np.asarray, sparse.csr_matrix, pd.DataFrame])
def test_embeddings_in_memory_give_what_their_file_gives(tmp_path, made):
    cells = cohort(sparse.csr_matrix(counts()))
    embedding = np.random.default_rng(1).normal(size=(30, 7))
    if made is pd.DataFrame:
        embedding = pd.DataFrame(embedding, index=cells.obs_names)
        embedding.columns = [f"z{number}" for number in range(7)]
    cells.obsm["X_scfoundation"] = made(embedding)
    cells.uns["simulated"] = True
    cells.write_h5ad(tmp_path / "cells.h5ad")
    card = card_of("sf", 7)
    with scoring_input(tmp_path / "cells.h5ad", "sf", card, Preparation(), CPU) as given:
        expected, is_simulated = np.array(given.features.X[:]), given.features.simulated
    with scoring_input(cells, "sf", card, Preparation(), CPU) as given:
        np.testing.assert_array_equal(np.array(given.features.X[:]), expected)
        assert given.features.simulated is is_simulated is True


def test_z_scores_in_memory_give_what_their_file_gives(tmp_path):
    cells = cohort(np.random.default_rng(2).normal(size=(30, 60)).astype(np.float32))
    cells.write_h5ad(tmp_path / "cells.h5ad")
    card = card_of("dist", len(PANEL), PANEL, "zscore")
    with scoring_input(tmp_path / "cells.h5ad", "dist", card, Preparation(), CPU) as given:
        expected = np.array(given.features.X[:])
    with scoring_input(cells, "dist", card, Preparation(), CPU) as given:
        np.testing.assert_array_equal(np.array(given.features.X[:]), expected)


def test_faults_of_an_anndata_are_named(tmp_path):
    card = card_of("dist", len(PANEL), PANEL, "log1p")
    cells = cohort(-counts())
    with (
        pytest.raises(InputError, match="AnnData"),
        scoring_input(cells, "dist", card, Preparation(), CPU),
    ):
        pass
    with (
        pytest.raises(InputError, match="no weights"),
        scoring_input(cohort(counts()), "sf", card_of("sf", 7), Preparation(), CPU),
    ):
        pass


def test_a_file_is_opened_once_for_its_features(tmp_path, opens, monkeypatch):
    monkeypatch.setattr("scatd.data.lazy.IN_MEMORY_BYTES", 0)  # rows are read when asked for
    cells = cohort(sparse.csr_matrix(counts()))
    embedding = np.random.default_rng(1).normal(size=(30, 7)).astype(np.float32)
    cells.obsm["X_scfoundation"] = embedding
    cells.write_h5ad(tmp_path / "cells.h5ad", compression="gzip")
    cards = {"sf": card_of("sf", 7), "dist": card_of("dist", len(PANEL), PANEL, "log1p")}
    for family, card in cards.items():
        opens.clear()
        with scoring_input(tmp_path / "cells.h5ad", family, card, Preparation(), CPU) as given:
            X = np.array(given.features.X[:])
            assert given.opened.whole().n_obs == 30
        assert opens == ["cells.h5ad"]
        assert family == "dist" or (embedding == X).all()


def test_a_value_that_no_model_can_read_is_counted_once_however_often_it_is_met():
    cells = cohort(counts())
    cells.X[7, 3] = np.nan
    card = card_of("dist", len(PANEL), PANEL, "log1p")
    said = []
    with scoring_input(cells, "dist", card, Preparation(), CPU) as given:
        for _ in range(2):
            with pytest.raises(InputError) as raised:
                list(given.blocks(range(given.n_obs)))
            said.append(str(raised.value))
    assert said[0] == said[1]
    assert "1 value is NaN" in said[0]
