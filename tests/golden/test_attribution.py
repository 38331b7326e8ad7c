"""Integrated Gradients and GradientSHAP equal the published scripts', on their model and input."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scatd import keys
from scatd.explanation.attribution import (
    ShapDraws,
    gradient_shap,
    integrated_gradients,
    shap_draws,
)
from scatd.explanation.linear_path import LinearPath
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS

pytestmark = pytest.mark.golden
TOLERANCE = 1e-4


@pytest.fixture(params=["sf", "dist"])
def published(request, golden_sizes, load_state, load_arrays):
    """The model in the class of the attribution scripts, and what they gave."""
    family = request.param
    model = ResponseClassifier(golden_sizes(family), DESIGNS[family])
    model.load_state_dict(load_state(f"{family}/classifier_state.pth"))
    if family == "dist":  # defect D1: the head's beta is used everywhere
        with torch.no_grad():
            model.Encoder_resblocks[0].swish.beta.copy_(model.swish.beta)
    return LinearPath([model]), load_arrays(f"attribution/{family}/attributions.npz")


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=TOLERANCE, atol=TOLERANCE)


def baseline_of(name, x, arrays, code):
    """(1, n_features) as the scripts make it."""
    if name == "zero":
        return torch.zeros_like(x[:1])
    mean = x.mean(dim=0, keepdim=True)
    if name == "mean":
        return mean
    rows = x[arrays[f"ig/{name}/row_index_per_class"][code]].mean(dim=0, keepdim=True)
    return rows if name == "random" else 0.5 * mean + 0.5 * rows


def test_logits(published):
    path, arrays = published
    close(path.logits(torch.from_numpy(arrays["x"])).numpy(), arrays["logits_mu"])


@pytest.mark.parametrize("code", [0, 1], ids=keys.RESPONSES)
@pytest.mark.parametrize("name", ["zero", "mean", "random", "mix"])
def test_integrated_gradients(published, name, code):
    path, arrays = published
    x = torch.from_numpy(arrays["x"])
    found = integrated_gradients(path, x, baseline_of(name, x, arrays, code), code)
    key = f"ig/{name}/{keys.RESPONSES[code]}"
    close(found.attributions, arrays[f"{key}/attributions"])
    close(found.delta, arrays[f"{key}/delta"])
    if name == "mean":
        close(found.attributions.sum(axis=1), arrays[f"{key}/sum_and_minmax"][:, 0])


@pytest.mark.parametrize(
    ("name", "code"), [("mean", 1), ("zero", 0), ("random", 1)], ids=lambda value: str(value)
)
def test_gradient_shap_with_the_recorded_draws(published, name, code):
    path, arrays = published
    key = f"gs/{name}/{keys.RESPONSES[code]}"
    x = torch.from_numpy(arrays["x"][:3])
    noise = arrays[f"{key}/noise"].reshape(3, 100, -1)
    draws = ShapDraws(
        arrays[f"{key}/baseline_row"].astype(np.int64).reshape(3, 100),
        arrays[f"{key}/coef"].astype(np.float32).reshape(3, 100),
        noise,
    )
    pool = torch.from_numpy(arrays[f"{key}/baseline_pool"])
    found = gradient_shap(path, x, pool, draws, code)
    close(found.attributions, arrays[f"{key}/attributions"])
    # Their delta is against the noisy cells, ours against the cell itself.
    ends = (x[:, None] + torch.from_numpy(noise)).flatten(0, 1)
    shift = path.logits(ends)[:, code].view(3, 100).mean(dim=1) - path.logits(x)[:, code]
    close(found.delta - shift.numpy(), arrays[f"{key}/delta_mean"])


@pytest.mark.parametrize(("name", "code"), [("mean", 0), ("mean", 1), ("zero", 0), ("zero", 1)])
def test_gradient_shap_is_within_its_sampling_error(published, name, code):
    path, arrays = published
    key = f"gs_expect/{name}/{keys.RESPONSES[code]}"
    x = torch.from_numpy(arrays["x"][:3])  # the baselines are those of these three rows
    pool = baseline_of(name, x, arrays, code)
    n = 4000
    draws = shap_draws(np.arange(3), n, 1, x.shape[1], noise=0.09, seed=7)
    found = gradient_shap(path, x, pool, draws, code)
    bound = 5 * arrays[f"{key}/sd_per_sample"] * np.sqrt(1 / n + 1 / 20_000)
    assert (np.abs(found.attributions - arrays[f"{key}/mean"]) <= bound + 1e-6).all()
