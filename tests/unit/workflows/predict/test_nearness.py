"""A prediction says which genes a cohort lacks, and calls it near only by those that it has."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from scatd import artifact
from scatd.artifact import Artifact
from scatd.cards.card import About, FeaturesRead
from scatd.nn.alignment import Alignment, FeatureStats
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, Sizes
from scatd.registry import ModelRef
from scatd.scoring import Scorer
from scatd.workflows.cohorts.features import scoring_input
from scatd.workflows.predict.request import PredictRequest
from scatd.workflows.predict.run import score_cells

GENES = tuple(f"GENE{number}" for number in range(125))
REF = ModelRef("scatd-dist-docetaxel", 1, "dist", "docetaxel", "production", "run", simulated=False)


@pytest.fixture
def predicted(tmp_path):
    """Score cells (genes by name) with a model of 125 genes, on a scale."""

    def notes_of(cells: pd.DataFrame, scale: str, mean: float):
        cells.rename_axis("cell").to_csv(tmp_path / "cells.csv")
        sizes = Sizes(125, 4, (8,), (8,))
        network = ResponseClassifier(sizes, DESIGNS["dist"])
        stats = FeatureStats(torch.full((125,), mean), torch.ones(125), 300)
        model = Artifact(
            *("response", "dist", "dist", sizes, network.state_dict()),
            alignment=Alignment("adain", stats, stats),
            threshold=0.5,
            about=About(FeaturesRead(125, "X", GENES), scale),
        )
        artifact.write(tmp_path / "model", model)
        scorer = Scorer(tmp_path / "model")
        request = PredictRequest("docetaxel", tmp_path / "cells.csv", None)
        with scoring_input(
            request.input, "dist", scorer.card, request.preparation, scorer.device
        ) as given:
            return " ".join(score_cells(request, REF, scorer, given).result.notes)

    return notes_of


def cells_of(values, genes):
    return pd.DataFrame(values, [f"cell{n}" for n in range(len(values))], list(genes))


def test_z_scores_of_a_quarter_of_the_genes_are_never_near(predicted):
    """Regression: the cohort was said to lie at 0.00 s.d."""
    values = np.random.default_rng(0).normal(0.8, 1, (60, 31))
    said = predicted(cells_of(values, GENES[:31]), "zscore", mean=0.0)
    distance = np.median(np.abs(values.astype(np.float32).mean(axis=0)))
    assert f"31 of 125 model genes were measured; those lie {distance:.2f} s.d." in said
    assert "94 genes are missing. Missing genes are filled with 0, which is the mean of" in said
    assert "cannot be called near" in said
    assert "0.00 s.d." not in said


def test_counts_that_lack_some_genes(predicted):
    counts = np.random.default_rng(0).poisson(20, (60, 100)).astype(float)
    said = predicted(cells_of(counts, GENES[:100]), "log1p", mean=4.0)
    logs = np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))
    distance = np.median(np.abs(logs.mean(axis=0) - 4.0))
    assert f"100 of 125 model genes were measured; those lie {distance:.2f} s.d." in said
    assert "25 genes are missing. Missing genes are filled with 0, as if no cell" in said
    assert "Re-centring is worth a look" in said
