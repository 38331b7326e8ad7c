"""The blocks of all families: Swish, linear layers with or without spectral norm, residual blocks.

Attribute names (`fc`, `bn`, `swish`, `downsample`) are those of the published checkpoints, so that
a published state loads without a translation table.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEAKY_SLOPE = 0.01
POWER_ITERATIONS = 5


class Swish(nn.Module):
    """x * sigmoid(beta * x) with a trainable scalar `beta` that starts at 1."""

    def __init__(self) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        """Activate `x` of any shape."""
        return x * torch.sigmoid(self.beta * x)


def linear(n_in: int, n_out: int, *, spectral: bool, kaiming: bool) -> nn.Module:
    """Linear layer, initialised as published.

    Parameters
    ----------
    spectral
        Divide the weight by its largest singular value, estimated by five power iterations on every
        train-mode pass (torch's hook style, whose state keys are `weight_orig`, `weight_u`,
        `weight_v`).
    kaiming
        Kaiming normal with the leaky-ReLU gain (inside blocks) instead of Xavier normal (outputs).
    """
    layer = nn.Linear(n_in, n_out)
    if kaiming:
        nn.init.kaiming_normal_(layer.weight, a=LEAKY_SLOPE, nonlinearity="leaky_relu")
    else:
        nn.init.xavier_normal_(layer.weight)
    if spectral:
        return nn.utils.spectral_norm(layer, n_power_iterations=POWER_ITERATIONS)
    return layer


class ResidualBlock(nn.Module):
    """act(BN(fc(x))) + skip(x), without an activation after the sum.

    Parameters
    ----------
    n_in, n_out
        Widths; the skip is a linear layer where they differ, else the identity.
    spectral_fc, spectral_skip
        Spectral norm on the two linear layers.
    activation
        A `Swish`, possibly shared between blocks, or None for leaky ReLU.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        spectral_fc: bool,
        spectral_skip: bool,
        activation: Swish | None,
    ) -> None:
        super().__init__()
        self.fc = linear(n_in, n_out, spectral=spectral_fc, kaiming=True)
        self.bn = nn.BatchNorm1d(n_out)
        self.swish = activation
        self.downsample = (
            linear(n_in, n_out, spectral=spectral_skip, kaiming=True) if n_in != n_out else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x (n_obs, n_in) to (n_obs, n_out)."""
        return self.join(*self.linear_parts(x))

    def linear_parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Both linear maps of x: fc(x) and skip(x), each (n_obs, n_out)."""
        return self.fc(x), x if self.downsample is None else self.downsample(x)

    def join(self, h: Tensor, skip: Tensor) -> Tensor:
        """Combine the two linear parts to the output of the block, (n_obs, n_out)."""
        h = self.bn(h)
        h = nn.functional.leaky_relu(h, LEAKY_SLOPE) if self.swish is None else self.swish(h)
        return h + skip
