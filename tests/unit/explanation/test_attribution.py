"""Attribution against captum on the whole network, and against what is known of a linear one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients

from scatd.explanation.attribution import (
    MAX_STEPS,
    ShapDraws,
    complete_integrated_gradients,
    gradient_shap,
    integrated_gradients,
    shap_draws,
)
from scatd.explanation.linear_path import LinearPath


@pytest.fixture
def rows():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(7, 12, generator=generator), torch.randn(1, 12, generator=generator)


@pytest.mark.parametrize("noise", [None, 0.1])
def test_cells_that_do_not_fit_together_are_attributed_in_pieces(model, rows, monkeypatch, noise):
    """The same numbers up to the order of sums, where only two cells fit into the memory."""
    path, (x, x0) = LinearPath([model("sf")]), rows
    draws = shap_draws(np.arange(7), 4, 1, 12, noise or 0, 0)
    whole = integrated_gradients(path, x, x0, 1, 30), gradient_shap(path, x, x0, draws, 1)
    forward = LinearPath.forward

    def small(self, u):
        if u.requires_grad and len(u) > 2 * 30:
            raise torch.cuda.OutOfMemoryError
        return forward(self, u)

    monkeypatch.setattr(LinearPath, "forward", small)
    pieces = integrated_gradients(path, x, x0, 1, 30), gradient_shap(path, x, x0, draws, 1)
    for found, expected in zip(pieces, whole, strict=True):
        np.testing.assert_allclose(found.attributions, expected.attributions, atol=1e-6)


@pytest.mark.parametrize("design", ["sf", "gf", "dist"])
@pytest.mark.parametrize("target", [0, 1])
def test_the_cut_network_gives_what_the_whole_one_gives(model, rows, design, target):
    whole, (x, x0) = model(design), rows
    expected = IntegratedGradients(whole).attribute(x, x0, target=target, n_steps=30)
    with torch.no_grad():
        change = whole(x)[:, target] - whole(x0)[:, target]
    found = integrated_gradients(LinearPath([whole]), x, x0, target, 30)
    np.testing.assert_allclose(found.attributions, expected.detach(), atol=1e-6)
    np.testing.assert_allclose(found.change, change, atol=1e-6)
    np.testing.assert_allclose(found.delta, expected.sum(dim=1).detach() - change, atol=1e-5)


def test_a_block_without_a_skip_layer(rows):
    """Where widths are equal the input itself is the skip."""
    from scatd.nn.classifier import ResponseClassifier
    from scatd.nn.residual_vae import DESIGNS, Sizes

    torch.manual_seed(0)
    whole = ResponseClassifier(Sizes(12, 6, (12, 8), (10,)), DESIGNS["sf"]).eval()
    x, x0 = rows
    expected = IntegratedGradients(whole).attribute(x, x0, target=1, n_steps=30)
    path = LinearPath([whole])
    found = integrated_gradients(path, x, x0, 1, 30)
    np.testing.assert_allclose(found.attributions, expected.detach(), atol=1e-5, rtol=1e-4)
    moved = path.project(x + torch.eye(12)[3]) - path.project(x)
    torch.testing.assert_close(moved, path.columns(torch.tensor([3])).expand_as(moved))


def test_a_linear_model_gives_weight_times_input_minus_baseline(linear_model, rows):
    path, weights = linear_model
    x, x0 = (part.double() for part in rows)
    for target in (0, 1):
        expected = weights[target] * (x - x0)
        found = integrated_gradients(path, x, x0, target, 5)
        np.testing.assert_allclose(found.attributions, expected, atol=1e-9)
        draws = shap_draws(np.arange(7), 6, 1, 12, noise=0, seed=0)
        shap = gradient_shap(path, x, x0, draws, target)
        np.testing.assert_allclose(shap.attributions, expected, atol=1e-6)
        assert np.abs(shap.delta).max() < 1e-5


def test_several_heads_are_explained_by_the_mean_of_their_logits(model, rows):
    first = model("gf")
    torch.manual_seed(5)
    second = first.with_new_head()
    assert second.Encoder_resblocks is first.Encoder_resblocks
    x, x0 = rows
    both = integrated_gradients(LinearPath([first, second]), x, x0, 1, 20)
    alone = [integrated_gradients(LinearPath([one]), x, x0, 1, 20) for one in (first, second)]
    expected = np.mean([one.attributions for one in alone], axis=0)
    np.testing.assert_allclose(both.attributions, expected, atol=1e-6)


def test_cells_that_do_not_add_up_are_done_again_with_more_steps(model, rows):
    path, (x, x0) = LinearPath([model("sf")]), rows
    coarse = integrated_gradients(path, x, x0, 1, 3)
    assert not coarse.is_complete.all()
    fine = complete_integrated_gradients(path, x, x0, 1, 3)
    assert fine.is_complete.all() or fine.n_steps.max() == MAX_STEPS
    kept = coarse.is_complete
    np.testing.assert_array_equal(fine.attributions[kept], coarse.attributions[kept])
    np.testing.assert_array_equal(fine.n_steps[kept], 3)
    assert (fine.n_steps[~kept] > 3).all()
    total = fine.attributions.sum(axis=1, dtype=np.float64)
    np.testing.assert_allclose(total - fine.change, fine.delta, atol=1e-5)


def test_gradient_shap_without_noise_is_the_same_both_ways(model, rows):
    path, (x, _) = LinearPath([model("dist")]), rows
    pool = torch.randn(3, 12, generator=torch.Generator().manual_seed(2))
    draws = shap_draws(np.arange(7), 9, 3, 12, noise=0, seed=3)
    plain = gradient_shap(path, x, pool, draws, 1)
    silent = ShapDraws(draws.baseline, draws.position, np.zeros((7, 9, 12), np.float32))
    np.testing.assert_allclose(
        plain.attributions, gradient_shap(path, x, pool, silent, 1).attributions, atol=1e-6
    )


def test_the_draws_of_a_cell_are_its_own():
    together = shap_draws(np.array([3, 8]), 5, 4, 2, noise=0.1, seed=1)
    alone = shap_draws(np.array([8]), 5, 4, 2, noise=0.1, seed=1)
    np.testing.assert_array_equal(together.baseline[1], alone.baseline[0])
    np.testing.assert_array_equal(together.noise[1], alone.noise[0])
    many = shap_draws(np.array([8]), 40, 2, 2, noise=0, seed=1)
    for pool in (0, 1):  # one position in each of as many intervals as a baseline has samples
        own = np.sort(many.position[many.baseline == pool])
        assert (np.floor(own * len(own)) == np.arange(len(own))).all()
    other = shap_draws(np.array([8]), 5, 4, 2, noise=0.1, seed=2)
    assert (other.position != alone.position).any()


def test_centred_logits_leave_out_what_both_classes_share(model, rows):
    """The resistant one is half the log odds, and probabilities stay as they are."""
    whole, (x, x0) = model("dist"), rows
    raw = [integrated_gradients(LinearPath([whole]), x, x0, code, 30) for code in (0, 1)]
    path = LinearPath([whole], centred=True)
    found = integrated_gradients(path, x, x0, 1, 30)
    expected = (raw[1].attributions - raw[0].attributions) / 2
    np.testing.assert_allclose(found.attributions, expected, atol=1e-6)
    with torch.no_grad():
        prob = whole(x).softmax(dim=1)
    torch.testing.assert_close(path.logits(x).softmax(dim=1), prob)
    torch.testing.assert_close(path.whole(x).softmax(dim=1), prob)
