"""A response model cut after its first linear maps, where a straight path stays straight.

A network reads its input x only through u = W x + b (the first block's `fc` and skip). On a
straight path from x0 to x, u also moves on a straight line, and the gradient by x is the gradient
by u times W. So the mean gradient along the path is computed by u, and multiplied by W once a cell
instead of once a step. This is exact. For 19,264 genes it takes minutes instead of hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from scatd.nn.blocks import ResidualBlock
from scatd.nn.classifier import ResponseClassifier


class LinearPath(nn.Module):
    """The part of a response model that maps u to class logits.

    Parameters
    ----------
    models
        Response models that share one encoder, in eval mode. Their logits are averaged, like the
        scores of their heads. Their weights cannot be trained afterwards.
    centred
        Subtract the mean of both logits. This changes no probability; the resistant logit is then
        half the log odds.
    """

    def __init__(self, models: Sequence[ResponseClassifier], *, centred: bool = False) -> None:
        super().__init__()
        self.centred = centred
        self.models: Any = nn.ModuleList(models).requires_grad_(requires_grad=False)
        for model in models:
            model.eval()

    def forward(self, u: Tensor) -> Tensor:
        """Logits (n, 2), sensitive and resistant, of u (n, width), at the posterior mean."""
        h = self._first.join(*u.split(self._widths, dim=1))
        mu = self.encoder.encode_rest(h)[0]
        return self._mean([model.head(mu) for model in self.models])

    @torch.no_grad()
    def project(self, x: Tensor) -> Tensor:
        """Compute u (n, width) from x (n, n_features)."""
        return torch.cat(self._first.linear_parts(x), dim=1)

    def whole(self, x: Tensor) -> Tensor:
        """Logits (n, 2) of aligned rows, with gradients by x."""
        return self._mean([model(x) for model in self.models])

    def logits(self, x: Tensor) -> Tensor:
        """Logits (n, 2) of aligned rows x (n, n_features)."""
        with torch.no_grad():
            return self(self.project(x))

    @torch.no_grad()
    def carry(self, gradient: Tensor) -> Tensor:
        """Convert gradients by u (n, width) to gradients by x (n, n_features)."""
        by_fc, by_skip = gradient.split(self._widths, dim=1)
        skip = self._first.downsample
        carried = by_fc @ _weight(self._first.fc)
        return carried + (by_skip if skip is None else by_skip @ _weight(skip))

    def columns(self, features: Tensor) -> Tensor:
        """Change of u for one unit of each of these features, (n_picked, width)."""
        fc, skip = _weight(self._first.fc), self._first.downsample
        if skip is None:
            own = torch.eye(fc.shape[1], device=fc.device)[features]
        else:
            own = _weight(skip)[:, features].T
        return torch.cat([fc[:, features].T, own], dim=1)

    def _mean(self, logits: list[Tensor]) -> Tensor:
        found = torch.stack(logits).mean(dim=0)
        return found - found.mean(dim=1, keepdim=True) if self.centred else found

    @property
    def encoder(self) -> ResponseClassifier:
        """One of the models; all have the same encoder."""
        return self.models[0]

    @property
    def width(self) -> int:
        """Length of u."""
        return sum(self._widths)

    @property
    def _first(self) -> ResidualBlock:
        return cast(ResidualBlock, self.encoder.Encoder_resblocks[0])

    @property
    def _widths(self) -> list[int]:
        return [self._first.bn.num_features] * 2


def _weight(layer: nn.Module) -> Tensor:
    """Weight (n_out, n_in) as the last forward pass used it: divided by its spectral norm."""
    return cast(Tensor, layer.weight)
