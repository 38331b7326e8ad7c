"""Candidates that are fitted beside each other get the numbers that each gets by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scatd.artifact import Artifact
from scatd.evaluation.evidence import MODEL
from scatd.nn.alignment import feature_stats
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.training.beside import fit_beside
from scatd.training.candidates.inner import inner_folds
from scatd.training.candidates.many_drugs import ManyDrugs
from scatd.training.fitting import fit_folds
from scatd.training.jobs import FoldJob, LabelledCells
from scatd.training.learner import Learner, LearnerInputs
from scatd.training.settings import TransferSettings

N_OBS, N_FEATURES, DRUGS = 120, 20, ("d0", "d1", "d2")
CANDIDATES = ("network", "linear", "trees", "mean")


@pytest.fixture(scope="module")
def inputs(few_trees):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_OBS, N_FEATURES)).astype(np.float32)
    values = X[:, :2] @ rng.normal(size=(2, 3)) + 0.5 * rng.normal(size=(N_OBS, 3))
    torch.manual_seed(0)
    vae = ResidualVAE(Sizes(N_FEATURES, 4, (6,), (6,)), DESIGNS["sf"]).eval()
    cells = rng.normal(1, 2, size=(30, N_FEATURES)).astype(np.float32)
    return LearnerInputs(
        X=X,
        backbone=Artifact("backbone", "sf", "sf", vae.sizes, vae.state_dict()),
        reference_stats=feature_stats([torch.from_numpy(cells)]),
        reference_sample=cells,
        settings=TransferSettings(epochs=3, min_steps=0, learning_rate=3e-3),
        device=torch.device("cpu"),
        many_drugs=ManyDrugs(np.sign(values).astype(np.float32), DRUGS, "labels"),
    )


def jobs(inputs, *, has_inner=True):
    codes = (inputs.many_drugs.values[:, 0] > 0).astype(np.int64)
    rng = np.random.default_rng(1)
    cells = LabelledCells(np.arange(30), inputs.reference_sample, rng.integers(0, 2, 30))
    found = []
    for number in (1, 2):
        order = rng.permutation(N_OBS)
        train, val = np.sort(order[:80]), np.sort(order[80:])
        inner = inner_folds(codes[train], None, None, number) if has_inner else ()
        found.append(
            FoldJob("d0", number, number, train, val, codes[train], codes[val], inner, None, cells)
        )
    return found


def learner(inputs, model):
    return Learner(replace(inputs, settings=replace(inputs.settings, model=model)))


@pytest.fixture(scope="module")
def together(inputs):
    """All four candidates, and the same with the choice among them."""
    return {
        "mean": fit_beside(learner(inputs, "mean"), jobs(inputs), CANDIDATES),
        "auto": fit_beside(learner(inputs, "auto"), jobs(inputs), (*CANDIDATES, "auto")),
    }


@pytest.mark.parametrize("name", [*CANDIDATES, "auto"])
def test_each_candidate_is_what_it_is_alone(inputs, together, name):
    beside_each_other = together["auto" if name == "auto" else "mean"]
    wanted = [*CANDIDATES, "auto"] if name == "auto" else [*CANDIDATES]
    alone = fit_folds(learner(inputs, name), jobs(inputs))
    for beside, fold in zip(beside_each_other, alone, strict=True):
        assert list(beside.candidates) == list(beside.on_target) == wanted
        theirs = fold.predictions.prob
        # A network is trained in float32, where other heads beside it round the products otherwise:
        # as in `test_learner`.
        atol = 1e-4 if name in ("network", "auto") else 1e-6
        np.testing.assert_allclose(beside.candidates[name], theirs[MODEL], atol=atol)
        np.testing.assert_allclose(beside.on_target[name], fold.target.prob[MODEL], atol=atol)
        assert set(beside.baselines) == set(theirs) - {MODEL, "no_adaptation"}
        for baseline, prob in beside.baselines.items():
            np.testing.assert_allclose(prob, theirs[baseline], atol=1e-6)
            on_target = fold.target.prob[baseline]
            np.testing.assert_allclose(beside.baselines_on_target[baseline], on_target, atol=1e-6)


@pytest.mark.parametrize("wanted", [("network",), ("trees",), ("linear", "network"), ("mean",)])
def test_only_what_is_wanted_is_fitted(inputs, wanted):
    (first, _) = fit_beside(learner(inputs, "mean"), jobs(inputs), wanted)
    assert tuple(first.candidates) == wanted
    assert first.seconds > 0


def test_classes_of_rows_to_score_change_nothing(inputs, together):
    blind = [replace(one, codes_val=np.zeros_like(one.codes_val)) for one in jobs(inputs)]
    for ours, theirs in zip(
        together["mean"],
        fit_beside(learner(inputs, "mean"), blind, CANDIDATES),
        strict=True,
    ):
        for name, prob in (ours.candidates | ours.baselines).items():
            np.testing.assert_array_equal(prob, (theirs.candidates | theirs.baselines)[name])


def test_without_inner_folds_each_stands_alone(inputs):
    some = jobs(inputs, has_inner=False)
    (first, _) = fit_beside(learner(inputs, "mean"), some, CANDIDATES)
    for name in ("linear", "trees", "mean"):
        (alone, _) = fit_folds(learner(inputs, name), some)
        expected = alone.predictions.prob[MODEL]
        np.testing.assert_allclose(first.candidates[name], expected, atol=1e-6)
