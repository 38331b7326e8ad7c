"""The response model: a backbone's encoder and a small head for one drug."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from torch import Tensor, nn

from scatd.nn.blocks import Swish, linear
from scatd.nn.moving import doubles
from scatd.nn.residual_vae import Design, Encoder, ResidualVAE, Sizes


class ResponseClassifier(Encoder):
    """Encoder plus head z -> fc3 -> BatchNorm -> Swish -> fc4 -> two logits.

    Both linear layers of the head have spectral norm. The head has its own Swish. The published
    inference class shares one `beta` between head and encoder and is therefore not the model that
    was trained (D1).
    """

    def __init__(self, sizes: Sizes, design: Design, *, n_classes: int = 2) -> None:
        super().__init__(sizes, design)
        self.n_classes = n_classes
        self._new_head()

    def _new_head(self) -> None:
        n_hidden = self.sizes.n_latent // 2
        self.fc3 = linear(self.sizes.n_latent, n_hidden, spectral=True, kaiming=True)
        self.bn3 = nn.BatchNorm1d(n_hidden)
        self.swish = Swish()
        self.fc4 = linear(n_hidden, self.n_classes, spectral=True, kaiming=False)

    @classmethod
    def from_backbone(cls, backbone: ResidualVAE) -> ResponseClassifier:
        """New head on a copy of the backbone's encoder."""
        model = cls(backbone.sizes, backbone.design)
        weights = backbone.state_dict()
        encoder_keys = [key for key in model.state_dict() if not key.startswith(HEAD_PREFIXES)]
        model.load_state_dict({key: weights[key] for key in encoder_keys}, strict=False)
        return model

    def with_new_head(self) -> ResponseClassifier:
        """Make another response model on this encoder (not a copy), with an untrained head."""
        model = copy.copy(self)
        model._modules = dict(self._modules)
        model._new_head()
        return model.to(self.bn3.weight.device).eval()

    def with_head(self, weights: Mapping[str, Tensor] | None = None) -> ResponseClassifier:
        """Make another response model on this encoder (not a copy).

        Parameters
        ----------
        weights
            Weights of the head, by state key. None copies the head of this model.
        """
        model = copy.copy(self)
        parts = {part: copy.deepcopy(self._modules[part]) for part in _HEAD_PARTS}
        model._modules = {**self._modules, **parts}
        if weights is not None:
            model.load_state_dict(dict(weights), strict=False)
        return model

    def head(self, z: Tensor) -> Tensor:
        """Logits (n_obs, 2), columns sensitive and resistant, from z (n_obs, n_latent)."""
        return self.fc4(self.swish(self.bn3(self.fc3(z))))

    def forward(self, x: Tensor) -> Tensor:
        """Logits at the posterior mean: deterministic, unlike the published forward pass (D3)."""
        return self.head(self.encode(x)[0])


def resistant_probability(logits: Tensor) -> Tensor:
    """P(resistant), (n_obs,), from logits (n_obs, 2), sensitive and resistant.

    It is in double precision on the processor.
    """
    return doubles(logits).softmax(dim=1)[:, 1]


_HEAD_PARTS = ("fc3", "bn3", "swish", "fc4")

HEAD_PREFIXES = tuple(f"{part}." for part in _HEAD_PARTS)
"""State keys of the head. All other keys belong to the encoder."""
