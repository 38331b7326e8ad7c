"""Controls on models of which it is known what they should say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scatd.explanation import controls
from scatd.explanation.controls import FAILED, NOT_RUN, PASSED, Control
from scatd.explanation.curves import LIST, areas, counts_up_to, deletion_insertion
from scatd.explanation.explainers.network import NetworkExplainer
from scatd.explanation.linear_path import LinearPath
from scatd.explanation.permuted import retrained
from scatd.explanation.perturbation import changes_of, perturb
from scatd.explanation.randomised import STAGES
from scatd.explanation.signature import Signature, signature, top_overlap
from scatd.training.settings import TransferSettings

N = 60


@pytest.fixture
def cells():
    return torch.randn(N, 12, generator=torch.Generator().manual_seed(4))


def test_labels():
    good, bad = Control("a", PASSED, 1, 0, "s"), Control("b", FAILED, 0, 1, "s")
    skipped = Control("c", NOT_RUN, np.nan, 1, "s")
    assert controls.label([good, skipped]) == "passed"
    assert controls.label([good, bad, bad]) == "failed: b, b"
    assert controls.label([skipped]) == controls.label([]) == "not run"


@pytest.mark.parametrize(
    ("auroc", "low", "status"), [(0.8, 0.7, PASSED), (0.52, 0.46, FAILED), (None, None, NOT_RUN)]
)
def test_a_model_no_better_than_chance_is_flagged(auroc, low, status):
    assert controls.evidence(auroc, low).status == status


def test_stability_counts_shared_features():
    def listed(order):
        importance = np.zeros(8)
        importance[list(order)] = np.arange(len(order), 0, -1)
        return Signature(importance, importance)

    own = listed([0, 1, 2, 3])
    (control,), table = controls.stability(
        own, {"zero": listed([4, 5, 6, 7])}, [listed([3, 2, 1, 0]), listed([0, 4, 5, 6])], top=4
    )
    assert control.value == pytest.approx((1 + 0.25) / 2)
    assert control.status == PASSED
    assert table["compared"].tolist() == ["seed 1", "seed 2", "baseline zero"]
    assert table["top_overlap"].tolist() == [1, 0.25, 0]


def test_random_weights_leave_the_model_alone_and_lose_its_slopes(model, cells):
    explainer = NetworkExplainer(LinearPath([model("dist", n_features=200)]))
    x = torch.randn(N, 200, generator=torch.Generator().manual_seed(4))
    centre = x.mean(dim=0, keepdim=True)
    before = explainer.logits(x)
    own = signature(explainer, x, centre)
    (control,), table = controls.randomised_models(explainer, x, centre, own, top=20, seed=0)
    torch.testing.assert_close(explainer.logits(x), before)
    assert control.status == PASSED
    assert table.groupby("stage", sort=False).size().index.tolist() == list(STAGES)
    other = explainer.randomised("whole model", 0)
    for name, value in other.path.encoder.named_parameters():
        if name == "Encoder_resblocks.0.fc.weight":
            original = dict(explainer.path.encoder.named_parameters())[name]
            assert sorted(value.flatten().tolist()) == sorted(original.flatten().tolist())
            assert not torch.equal(value, original)


def test_a_list_that_random_weights_give_too_is_flagged(model, cells, monkeypatch):
    explainer = NetworkExplainer(LinearPath([model("sf")]))
    centre = cells.mean(dim=0, keepdim=True)
    own = signature(explainer, cells, centre)
    monkeypatch.setattr(NetworkExplainer, "randomised", lambda self, stage, seed: self)
    (control,), _ = controls.randomised_models(explainer, cells, centre, own, top=4, seed=0)
    assert control.status == FAILED


def test_a_model_trained_on_permuted_labels_is_flagged(model):
    """Heads on one encoder whose latent is informative; one learned the labels, one noise."""
    encoder = model("sf", n_features=60, n_latent=30)
    generator = torch.Generator().manual_seed(0)
    bulk = torch.randn(240, 60, generator=generator)
    with torch.no_grad():
        z = encoder.encode(bulk)[0]
    codes = (z[:, 0] > z[:, 0].median()).long().numpy()
    rng = np.random.default_rng(0)
    settings = TransferSettings(epochs=10, min_steps=100, learning_rate=3e-3)
    shuffled = [rng.permutation(codes) for _ in range(20)]
    heads = retrained(LinearPath([encoder]), z, [codes] * 5 + shuffled, settings, seed=1)
    centre = bulk.mean(dim=0, keepdim=True)
    signatures = [signature(NetworkExplainer(path), bulk[:N], centre) for path in heads]
    true, null = signatures[:5], signatures[5:]
    good, bad = map(
        NetworkExplainer,
        retrained(LinearPath([encoder]), z, [codes, rng.permutation(codes)], settings, seed=99),
    )
    (passed,), table = controls.permuted_labels(signature(good, bulk[:N], centre), true, null, 10)
    (failed,), _ = controls.permuted_labels(signature(bad, bulk[:N], centre), true, null, 10)
    assert passed.status == PASSED
    assert failed.status == FAILED
    assert table["labels"].value_counts().to_dict() == {"permuted": 20, "true": 5}


def test_curves_of_a_linear_model_beat_random_orders(linear_model, cells):
    explainer, weights = NetworkExplainer(linear_model[0]), linear_model[1]
    x = cells.double()
    zero = torch.zeros(1, 12, dtype=torch.float64)
    own = signature(explainer, x, zero)
    found, curves = controls.deletion(explainer, x, zero, own, seed=0)
    assert {control.status for control in found} == {PASSED}
    full = curves[curves["n_features"] == 12]
    np.testing.assert_allclose(full["deleted"], 1, atol=1e-6)
    np.testing.assert_allclose(full["inserted"], 1, atol=1e-6)
    # By hand: the first feature at the baseline changes the logit by its weight times its value.
    first = own.top(1)[0]
    lost = (weights[1, first] * x[:, first]).abs().mean() / (x @ weights[1]).abs().mean()
    row = curves[(curves["order"] == LIST) & (curves["n_features"] == 1)].iloc[0]
    assert row["deleted"] == pytest.approx(float(lost), rel=1e-6)
    worst = deletion_insertion(explainer, x, zero, own.top(12)[::-1].copy(), seed=0)
    assert areas(worst)[LIST][0] < areas(curves)[LIST][0]


def test_counts():
    assert counts_up_to(12) == [1, 2, 5, 10, 12]
    assert counts_up_to(1) == [1]


def test_changed_features_of_a_linear_model(linear_model, cells):
    explainer, weights = NetworkExplainer(linear_model[0]), linear_model[1]
    x = cells.double()
    is_resistant = np.arange(N) % 2 == 0
    slope = weights[1].numpy()
    zero = torch.zeros_like(x[:1])
    changes = changes_of(x, zero, is_resistant)
    table = perturb(explainer, x, changes, {0: slope[0], 5: slope[5]}, seed=0)
    np.testing.assert_allclose(table["effect"], table["expected"], rtol=1e-6)
    effects = table.set_index(["to", "feature"])["effect"]
    by_hand = -float((weights[1, 5] * x[:, 5]).mean())
    assert effects["zero", 5] == pytest.approx(by_hand)
    resistant = torch.from_numpy(is_resistant)
    gap = x[~resistant].mean(dim=0) - x[resistant].mean(dim=0)
    assert effects["level of sensitive cells", 5] == pytest.approx(float(weights[1, 5] * gap[5]))
    assert effects["level of resistant cells", 5] == pytest.approx(float(-weights[1, 5] * gap[5]))
    assert table.groupby("to")["n_obs"].first().to_dict() == {
        "zero": N, "level of sensitive cells": N // 2, "level of resistant cells": N // 2,
    }  # fmt: skip
    assert (table["ci_low"] <= table["effect"]).all()
    assert (table["effect"] <= table["ci_high"]).all()
    assert table["as_expected"].all()
    assert controls.perturbation(table).status == PASSED
    assert len(changes_of(x, zero, np.ones(N, bool))) == 1


def test_overlap():
    assert top_overlap(np.array([1, 2, 3, 4]), np.array([4, 9, 8, 1])) == 0.5
