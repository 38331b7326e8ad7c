"""The residual VAE of every family.

Source: scATD (bbaf268). The published classes of the families differ only in the layers with
spectral norm and in the activation; `Design` holds these differences.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from scatd.nn.blocks import ResidualBlock, Swish, linear

LOGVAR_LIMIT = 15.0
"""Above this limit, a poorly trained encoder overflows: variances are infinite, scores constant."""


@dataclass(frozen=True)
class Sizes:
    """Layer widths of a residual VAE.

    `encoder_hidden` is ordered from the input to the latent space, `decoder_hidden` from the latent
    space to the output.
    """

    n_features: int
    n_latent: int
    encoder_hidden: tuple[int, ...]
    decoder_hidden: tuple[int, ...]


@dataclass(frozen=True)
class Design:
    """The differences between the published classes of the families."""

    spectral_fc: bool
    spectral_skip: bool
    spectral_output: bool
    swish: str | None = None
    """None: leaky ReLU. "each": every block has its own Swish. "shared": all blocks share one."""


DESIGNS = {
    "sf": Design(spectral_fc=False, spectral_skip=False, spectral_output=False),
    "gf": Design(spectral_fc=True, spectral_skip=True, spectral_output=True, swish="each"),
    "dist": Design(spectral_fc=False, spectral_skip=True, spectral_output=True, swish="shared"),
    # The class in the published Dist-VAE pretraining script differs from the released class.
    "dist_script": Design(spectral_fc=True, spectral_skip=True, spectral_output=True, swish="each"),
}


def sample_latent(mu: Tensor, logvar: Tensor, eps: Tensor) -> Tensor:
    """Draw z = mu + eps * sd, all (n_obs, n_latent), with standard-normal `eps`."""
    return mu + eps * torch.exp(0.5 * logvar)


class Encoder(nn.Module):
    """Residual blocks and the two heads of the posterior.

    Parameters
    ----------
    sizes
        Layer widths; decoder widths are not used here.
    design
        Spectral norm and activation of the family.
    """

    def __init__(self, sizes: Sizes, design: Design) -> None:
        super().__init__()
        self.sizes = sizes
        self.design = design
        # With a shared Swish, the decoder uses the same module.
        self._shared_swish = [Swish()] if design.swish == "shared" else []
        self.Encoder_resblocks = self._blocks((sizes.n_features, *sizes.encoder_hidden))
        n_hidden = sizes.encoder_hidden[-1]
        self.fc21 = linear(n_hidden, sizes.n_latent, spectral=design.spectral_output, kaiming=False)
        self.fc22 = linear(n_hidden, sizes.n_latent, spectral=design.spectral_output, kaiming=False)

    def _blocks(self, widths: tuple[int, ...]) -> nn.ModuleList:
        def activation() -> Swish | None:
            if self._shared_swish:
                return self._shared_swish[0]
            return Swish() if self.design.swish == "each" else None

        return nn.ModuleList(
            ResidualBlock(
                n_in,
                n_out,
                spectral_fc=self.design.spectral_fc,
                spectral_skip=self.design.spectral_skip,
                activation=activation(),
            )
            for n_in, n_out in pairwise(widths)
        )

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and log-variance, both (n_obs, n_latent), of x (n_obs, n_features)."""
        return self.encode_rest(self.Encoder_resblocks[0](x))

    def encode_rest(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and log-variance from the output of the first block, (n_obs, width)."""
        for block in self.Encoder_resblocks[1:]:
            h = block(h)
        return self.fc21(h), self.fc22(h).clamp(-LOGVAR_LIMIT, LOGVAR_LIMIT)

    def encoder_parts(self) -> list[nn.Module]:
        """The modules that transfer freezes."""
        return [self.Encoder_resblocks, self.fc21, self.fc22]


class VAEOutput(NamedTuple):
    """Output of a forward pass: reconstruction (n_obs, n_features) and posterior."""

    recon: Tensor
    mu: Tensor
    logvar: Tensor
    z: Tensor


class ResidualVAE(Encoder):
    """Encoder and decoder: the backbone.

    The decoder ends in a linear layer without activation, so it can reconstruct features of any
    scale.
    """

    def __init__(self, sizes: Sizes, design: Design) -> None:
        super().__init__(sizes, design)
        self.Decoder_resblocks = self._blocks((sizes.n_latent, *sizes.decoder_hidden))
        self.fc4 = linear(
            sizes.decoder_hidden[-1],
            sizes.n_features,
            spectral=design.spectral_output,
            kaiming=False,
        )

    def decode(self, z: Tensor) -> Tensor:
        """Reconstruct features (n_obs, n_features) from z (n_obs, n_latent)."""
        for block in self.Decoder_resblocks:
            z = block(z)
        return self.fc4(z)

    def forward(self, x: Tensor, eps: Tensor) -> VAEOutput:
        """Encode, draw z with the given standard-normal `eps` (n_obs, n_latent), decode."""
        mu, logvar = self.encode(x)
        z = sample_latent(mu, logvar, eps)
        return VAEOutput(self.decode(z), mu, logvar, z)
