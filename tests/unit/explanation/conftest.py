"""Small response models, settled: spectral norms and batch statistics mean something."""

from __future__ import annotations

import pytest
import torch

from scatd.explanation.linear_path import LinearPath
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, Sizes

N_FEATURES = 12


def make_model(
    design: str, *, seed: int = 0, n_features: int = N_FEATURES, n_latent: int = 6
) -> ResponseClassifier:
    torch.manual_seed(seed)
    model = ResponseClassifier(
        Sizes(n_features, n_latent, (4 * n_latent, 2 * n_latent), (10,)), DESIGNS[design]
    )
    with torch.no_grad():
        for _ in range(3):
            model.train()(torch.randn(40, n_features))
    return model.eval()


@pytest.fixture
def model():
    return make_model


@pytest.fixture
def linear_model():
    """A response model of family sf that is linear in its input, and its weights (2, n_features).

    Its leaky ReLUs stay on one side, and a Swish with beta 0 is a half.
    """
    model = make_model("sf")
    with torch.no_grad():
        for block in model.Encoder_resblocks:
            block.bn.bias.fill_(1000.0)
        model.swish.beta.zero_()
    model.double()
    zero = torch.zeros(1, N_FEATURES, dtype=torch.float64)
    with torch.no_grad():
        weights = torch.cat(
            [model(row[None]) - model(zero) for row in torch.eye(N_FEATURES).double()]
        ).T
    return LinearPath([model]), weights
