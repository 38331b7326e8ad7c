"""What a learner fits depends on no response of a held-out sample, and no hidden response."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scatd.artifact import Artifact
from scatd.candidates.mean import Mean
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.training.candidates import inner
from scatd.training.candidates.many_drugs import ManyDrugs
from scatd.training.jobs import FoldJob
from scatd.training.learner import Fitted, Learner, LearnerInputs
from scatd.training.settings import TransferSettings

N_OBS, N_DRUGS = 120, 30
DRUGS = ["D0", *(f"OTHER{number}" for number in range(1, N_DRUGS))]


@pytest.fixture(scope="module")
def inputs(few_trees):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_OBS, 40)).astype(np.float32)
    shared = X[:, :12] @ rng.normal(size=(12, 2))
    values = shared @ rng.normal(size=(2, N_DRUGS)) + 3 * rng.normal(size=(N_OBS, N_DRUGS))
    torch.manual_seed(0)
    vae = ResidualVAE(Sizes(40, 4, (6,), (6,)), DESIGNS["sf"]).eval()
    return LearnerInputs(
        X=X,
        backbone=Artifact("backbone", "sf", "sf", vae.sizes, vae.state_dict()),
        reference_stats=None,
        reference_sample=None,
        settings=TransferSettings(model="mean", alignment="none"),
        device=torch.device("cpu"),
        many_drugs=ManyDrugs(values.astype(np.float32), DRUGS, "numbers"),
    )


def job(inputs, seed=3, is_permuted=False):
    codes = (inputs.many_drugs.values[:, 0] > 0).astype(np.int64)
    rng = np.random.default_rng(seed)
    if is_permuted:
        codes = rng.permutation(codes)
    order = rng.permutation(N_OBS)
    train, val = np.sort(order[:90]), np.sort(order[90:])
    return FoldJob(
        drug_key="d0",
        number=1,
        seed=seed,
        train=train,
        val=val,
        codes_train=codes[train],
        codes_val=codes[val],
        inner=inner.inner_splits(codes[train], None, seed),
        is_permuted=is_permuted,
    )


def fitted(inputs, one, change=None) -> Fitted:
    values = inputs.many_drugs.values.copy()
    if change is not None:
        values[change] = np.random.default_rng(9).normal(size=values[change].shape)
    changed = replace(inputs, many_drugs=replace(inputs.many_drugs, values=values))
    return Learner(changed).fit([one])[0]


def numbers(found: Fitted) -> np.ndarray:
    assert isinstance(found.candidate, Mean)
    parts = [value.numpy().ravel() for value in found.candidate.tensors().values()]
    return np.concatenate([*parts, found.prob_val, [one.auroc for one in found.selection.tried]])


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_a_held_out_sample_is_held_out_for_every_drug(inputs, seed):
    one = job(inputs, seed)
    ours = fitted(inputs, one)
    np.testing.assert_array_equal(numbers(fitted(inputs, one, np.s_[one.val])), numbers(ours))
    others = fitted(inputs, one, np.s_[one.train, 1:])
    assert {n.variant: n.auroc for n in others.selection.tried} != {
        n.variant: n.auroc for n in ours.selection.tried
    }


def test_permuted_classes_do_not_meet_the_true_numbers(inputs):
    """Its own numbers, which hold the true classes, could as well be noise."""
    own = np.s_[:, 0]
    permuted, plain = job(inputs, is_permuted=True), job(inputs)
    ours, hidden = fitted(inputs, permuted), fitted(inputs, permuted, own)
    np.testing.assert_array_equal(numbers(hidden), numbers(ours))
    alone = [
        next(one.auroc for one in found.selection.tried if one.variant.endswith("ridge alone"))
        for found in (fitted(inputs, plain), fitted(inputs, plain, own))
    ]
    assert alone[0] != alone[1]


def test_a_learner_without_other_drugs(inputs):
    (found,) = Learner(replace(inputs, many_drugs=None)).fit([job(inputs)])
    tried = [one.variant for one in found.selection.tried]
    assert not any("multi-drug" in name for name in tried)
    tried = [one.variant for one in fitted(inputs, job(inputs)).selection.tried]
    assert sum("multi-drug" in name for name in tried) == 2
