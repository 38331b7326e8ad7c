"""Cohorts of a transfer: one panel of genes, one scale, and what may not be mixed."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from scatd.artifact import Artifact
from scatd.cards.card import About, FeaturesRead
from scatd.data.features import read_features
from scatd.data.preparation import Preparation
from scatd.errors import InputError
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, Sizes
from scatd.workflows.cohorts.features import scoring_input
from scatd.workflows.cohorts.training import (
    ExpressionRead,
    pooled,
    read_embeddings,
    read_expression,
)

GENES = ["TP53", "EGFR", "MYC", "KRAS", "BRAF", "PTEN"]


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def table(name, values, genes=GENES):
    index = pd.Index([f"row{number}" for number in range(len(values))], name="cell")
    pd.DataFrame(values, index=index, columns=genes).to_csv(name)
    return Path(name)


def counts(seed, n_genes=6):
    return np.random.default_rng(seed).integers(1, 9, (5, n_genes)).astype(float)


def read(*cohorts, panel=None, backbone_genes=None, scale=None, reads="log1p"):
    source, reference, target = (*cohorts, None, None)[:3]
    return read_expression(
        source,
        reference,
        target,
        panel=panel,
        scale=scale,
        reads=ExpressionRead(backbone_genes, reads),
    )


def normalised(X):
    return np.log1p(1e4 * X / X.sum(axis=1, keepdims=True))


def test_shared_panel_takes_common_genes_in_the_order_of_the_source():
    X, Y = counts(0, 5), counts(1, 4)
    cohorts = read(
        table("a.csv", X, GENES[:5]),
        table("b.csv", Y, ["PTEN", "KRAS", "EGFR", "TP53"]),
        panel="shared",
    )
    assert cohorts.source.names == cohorts.reference.names == ("TP53", "EGFR", "KRAS")
    # Each is scaled to the genes of the panel, as a cell to be scored is.
    np.testing.assert_allclose(cohorts.source.X, normalised(X[:, [0, 1, 3]]), rtol=1e-6)
    np.testing.assert_allclose(cohorts.reference.X, normalised(Y[:, [3, 2, 1]]), rtol=1e-6)
    assert cohorts.input_scale == "log1p"


def test_counts_of_one_gene_add_up_and_log_values_are_averaged():
    Path("panel.txt").write_text("KRAS\nTP53\n")
    genes = ["TP53", "TP53-1", "KRAS", "MYC"]
    X = counts(2, 4)
    found = read(table("counts.csv", X, genes), panel="panel.txt").source.X
    by_hand = np.column_stack([X[:, 2], X[:, 0] + X[:, 1]])
    np.testing.assert_allclose(found, normalised(by_hand), rtol=1e-6)
    logs = np.log1p(X) + 0.01
    found = read(table("logs.csv", logs, genes), panel="panel.txt").source.X
    by_hand = np.column_stack([logs[:, 2], (logs[:, 0] + logs[:, 1]) / 2])
    np.testing.assert_allclose(found, by_hand, rtol=1e-6)


def card_of(genes, input_scale):
    """The card of a model that reads these genes; its weights do not matter."""
    sizes = Sizes(len(genes), 2, (3,), (3,))
    state = ResponseClassifier(sizes, DESIGNS["dist"]).state_dict()
    about = About(FeaturesRead(len(genes), "X", tuple(genes)), input_scale)
    return Artifact("response", "dist", "dist", sizes, state, threshold=0.5, about=about).card()


def test_training_and_prediction_make_the_same_of_the_same_counts():
    """Regression: training scaled cells to all genes of the file, prediction to the model's."""
    rng = np.random.default_rng(3)
    names = [f"GENE{number}" for number in range(60)]
    path = table("cells.csv", rng.integers(1, 9, (6, 60)).astype(float), names)
    Path("panel.txt").write_text("\n".join(names[10:50][::-1]) + "\n")
    trained = read(path, panel="panel.txt").source
    card = card_of(trained.names, "log1p")
    with scoring_input(path, "dist", card, Preparation(), torch.device("cpu")) as given:
        assert not given.reasons.any()
        np.testing.assert_array_equal(given.features.X[:], trained.X)


def test_z_scores_are_taken_when_they_are_said_to_be_and_in_the_order_of_the_model():
    Z = np.random.default_rng(4).normal(size=(5, len(GENES)))
    path = table("z.csv", Z)
    with pytest.raises(InputError, match="no counts and no log1p") as error:
        read(path)
    assert "--scale zscore" in str(error.value)
    cohorts = read(path, scale="zscore")
    np.testing.assert_allclose(cohorts.source.X, Z, rtol=1e-6)
    assert cohorts.input_scale == "zscore"
    card = card_of(("KRAS", "TP53", "PTEN", "EGFR"), "zscore")
    with scoring_input(path, "dist", card, Preparation(), torch.device("cpu")) as given:
        np.testing.assert_allclose(given.features.X, Z[:, [3, 0, 5, 1]], rtol=1e-6)


def test_a_published_backbone_reads_counts_as_they_are():
    X = counts(5)
    cohorts = read(table("a.csv", X), backbone_genes=GENES[::-1], reads="counts")
    np.testing.assert_array_equal(cohorts.source.X, X[:, ::-1])
    with pytest.raises(InputError, match="no counts, which the backbone reads"):
        read(table("b.csv", X + 0.5), reads="counts")
    with pytest.raises(InputError, match="not whole numbers"):
        read(table("b.csv", X + 0.5), scale="counts")


def test_cohorts_of_different_genes_need_a_panel():
    source, reference = table("a.csv", counts(0)), table("b.csv", counts(1, 3), GENES[:3])
    with pytest.raises(InputError, match="different genes"):
        read(source, reference)
    with pytest.raises(InputError, match="not those of the panel"):
        read(source, reference, panel="shared", backbone_genes=GENES)


def test_too_few_shared_or_found_genes_are_refused_and_a_few_missing_ones_warned_of(caplog):
    names = [f"GENE{number}" for number in range(20)]
    source = table("a.csv", counts(0, 20), names)
    other = table("b.csv", counts(1, 20), [*names[:3], *(f"OTHER{n}" for n in range(17))])
    with pytest.raises(InputError, match="share 3 genes"):
        read(source, other, panel="shared")
    Path("panel.txt").write_text("\n".join(names) + "\n")
    with pytest.raises(InputError, match="3 of the 20 genes"):
        read(source, other, panel="panel.txt")
    most = table("c.csv", counts(2, 12), names[:12])
    filled = read(source, most, panel="panel.txt").reference.X
    assert "12 of 20 genes" in caplog.text
    assert not filled[:, 12:].any()
    assert filled[:, :12].all()


def test_a_target_without_reference_takes_its_place_and_pooling_keeps_every_row():
    rng = np.random.default_rng(6)
    for name, n in (("source", 4), ("target", 7)):
        np.save(f"{name}.npy", rng.normal(size=(n, 8)).astype(np.float32))
    cohorts = read_embeddings(Path("source.npy"), None, Path("target.npy"), "sf")
    assert cohorts.is_transductive
    assert cohorts.reference is cohorts.target
    assert [cohort.n_obs for cohort in cohorts.all] == [4, 7]
    both = pooled(cohorts.all)
    np.testing.assert_array_equal(both.X, np.vstack([cohorts.source.X, cohorts.target.X]))
    np.save("narrow.npy", rng.normal(size=(4, 5)).astype(np.float32))
    with pytest.raises(InputError, match="features a row"):
        read_embeddings(Path("source.npy"), Path("narrow.npy"), None, "sf")


def test_a_table_of_genes_in_rows_is_turned(tmp_path, caplog):
    """With a note; the genes are those of the rows, and not the names of the samples."""
    genes = [*GENES, "ACTB", "GAPDH"]
    counts = np.random.default_rng(0).poisson(3.0, (5, len(genes)))
    frame = pd.DataFrame(counts, index=[f"line{row}" for row in range(5)], columns=genes)
    frame.to_csv(tmp_path / "across.csv")
    frame.T.to_csv(tmp_path / "down.csv")
    with caplog.at_level(logging.INFO, logger="scatd"):
        found = [read_features(tmp_path / name, "dist") for name in ("across.csv", "down.csv")]
    np.testing.assert_array_equal(found[0].X, found[1].X)
    assert found[0].names == found[1].names == tuple(genes)
    assert list(found[0].ids) == list(found[1].ids)
    assert f"down.csv: genes x samples ({len(genes)} x 5): turned" in caplog.text
    assert "across.csv: genes x samples" not in caplog.text


def test_a_table_of_genes_is_no_embedding(tmp_path):
    counts = np.random.default_rng(0).poisson(3.0, (5, len(GENES)))
    frame = pd.DataFrame(counts, index=[f"line{row}" for row in range(5)], columns=GENES)
    for name, table in {"across": frame, "down": frame.T}.items():
        path = tmp_path / f"{name}.csv"
        table.to_csv(path)
        with pytest.raises(InputError, match="is a table of genes, and no embedding") as refused:
            read_features(path, "sf")
        assert f"scatd embed {path} --backend scfoundation" in str(refused.value)


def test_cohorts_of_different_genes_are_told_the_commands(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for name, genes in {"bulk": GENES, "cells": GENES[1:]}.items():
        paths.append(tmp_path / f"{name}.csv")
        counts = pd.DataFrame(rng.poisson(3.0, (5, len(genes))), columns=genes)
        counts.set_axis([f"{name}{row}" for row in range(5)]).to_csv(paths[-1])
    with pytest.raises(InputError, match="have different genes") as refused:
        read_expression(*paths, None)
    for path in paths:
        assert f"scatd prepare {path} -o {path.stem}-prepared.h5ad" in str(refused.value)
