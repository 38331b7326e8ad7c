"""Forward passes, buffers and losses of every family equal the published classes'."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from scatd.nn.classifier import ResponseClassifier
from scatd.nn.losses import cosine_distance, kl_to_standard_normal, reconstruction_loss
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, sample_latent

pytestmark = pytest.mark.golden
FAMILIES = ("sf", "gf", "dist", "dist_script")
CLASSIFIERS = ("sf", "gf", "dist")


def close(actual, expected, rel=1e-5):
    scale = np.abs(expected).max()
    np.testing.assert_allclose(actual.detach().numpy(), expected, rtol=rel, atol=rel * scale)


@pytest.fixture(params=FAMILIES)
def vae(request, golden_sizes, load_state, load_arrays):
    family = request.param
    model = ResidualVAE(golden_sizes(family), DESIGNS[family])
    state = load_state(f"{family}/vae_state.pth")
    assert set(model.state_dict()) == set(state)
    model.load_state_dict(state)
    return family, model.eval(), load_arrays(f"{family}/vae_io.npz")


def test_vae_eval_pass(vae):
    _, model, io = vae
    x, eps = torch.from_numpy(io["x"]), torch.from_numpy(io["eps"])
    h = x
    for number, block in enumerate(model.Encoder_resblocks):
        h = block(h)
        close(h, io[f"enc_h{number}"])
    out = model(x, eps)
    close(out.mu, io["mu"])
    close(out.logvar, io["logvar"])
    close(out.z, io["z"])
    close(out.recon, io["recon"], rel=1e-4)
    close(model.decode(out.mu), io["decode_mu"], rel=1e-4)


def test_vae_train_pass_and_buffers(vae):
    _, model, io = vae
    out = model.train()(torch.from_numpy(io["x"]), torch.from_numpy(io["eps"]))
    close(out.mu, io["train_mode_mu"])
    close(out.logvar, io["train_mode_logvar"])
    close(out.recon, io["train_mode_recon"], rel=1e-4)
    expected = {k.split("/", 1)[1]: v for k, v in io.items() if k.startswith("train_mode_buffer/")}
    buffers = {k: v for k, v in model.named_buffers() if not k.endswith("num_batches_tracked")}
    assert expected
    assert set(expected) == set(buffers)
    for name, value in expected.items():
        close(buffers[name].double(), value.astype(float))


def test_losses(vae, scatd_golden):
    family, model, io = vae
    x = torch.from_numpy(io["x"])
    out = model(x, torch.from_numpy(io["eps"]))
    expected = json.loads((scatd_golden / family / "vae_losses.json").read_text())
    assert len(expected) == 4
    for name, values in expected.items():
        kind, reduction = name.split("_")
        rec = reconstruction_loss(out.recon, x, rooted=kind == "RMSE", reduction=reduction)
        kld = kl_to_standard_normal(out.mu, out.logvar, reduction=reduction)
        total = values["beta"] * rec + kld
        assert rec.item() == pytest.approx(values["rec"], rel=1e-5)
        assert kld.item() == pytest.approx(values["kld"], rel=1e-5)
        if "cosine" in values and "teacher_z" in io:
            distance = cosine_distance(
                out.z, torch.from_numpy(io["teacher_z"]), reduction=reduction
            )
            assert distance.item() == pytest.approx(values["cosine"], rel=1e-5)
            total = total + values["cosine_beta"] * distance
        assert total.item() == pytest.approx(values["total"], rel=1e-5)


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_classifier(family, golden_sizes, load_state, load_arrays):
    model = ResponseClassifier(golden_sizes(family), DESIGNS[family])
    state = load_state(f"{family}/classifier_state.pth")
    assert set(model.state_dict()) == set(state)
    model.load_state_dict(state)
    model.eval()
    io = load_arrays(f"{family}/classifier_io.npz")
    x = torch.from_numpy(io["x"])
    mu, logvar = model.encode(x)
    close(mu, io["mu"])
    close(logvar, io["logvar"])
    close(model(x), io["logits_mu"])
    close(model(x).softmax(dim=1), io["prob_mu"])
    logits_z = model.head(sample_latent(mu, logvar, torch.from_numpy(io["eps"])))
    close(logits_z, io["logits_z"])
    weights = torch.from_numpy(io["class_weights"])
    loss = torch.nn.functional.cross_entropy(logits_z, torch.from_numpy(io["labels"]), weights)
    assert loss.item() == pytest.approx(float(io["weighted_ce_logits_z"]), rel=1e-5)
    close(model.fc3.weight, io["fc3_weight_effective"])
    close(model.fc4.weight, io["fc4_weight_effective"])
