"""The published network: the latent of a cell, and a small head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from scatd.candidates.candidate import Candidate, Values
from scatd.keys import CandidateName
from scatd.nn.classifier import HEAD_PREFIXES, ResponseClassifier, resistant_probability
from scatd.nn.moving import Arriving, doubles


@dataclass(frozen=True, eq=False)
class Network(Candidate):
    """A response classifier, of which only the head is asked: the latent is given."""

    model: ResponseClassifier

    name: ClassVar[CandidateName] = "network"
    draws: ClassVar[bool] = True

    @property
    def reads_latent(self) -> bool:
        """It does."""
        return True

    def log_odds(self, x: Tensor, z: Tensor) -> Values:  # noqa: ARG002
        """Log odds of "resistant", (n_obs,)."""
        with torch.no_grad():
            logits = doubles(self.model.head(z))
        return (logits[:, 1] - logits[:, 0]).numpy()

    def probability(self, x: Tensor, z: Tensor) -> Values:
        """P(resistant), (n_obs,)."""
        return self.asked(x, z)()

    def asked(self, x: Tensor, z: Tensor) -> Callable[[], Values]:  # noqa: ARG002
        """Start to compute P(resistant); what is returned waits for it and gives it."""
        with torch.no_grad():
            logits = Arriving(self.model.head(z))
        return lambda: resistant_probability(logits.wait()).numpy()

    def tensors(self) -> dict[str, Tensor]:
        """Weights of the head, under the published names."""
        state = self.model.state_dict()
        return {name: state[name] for name in state if name.startswith(HEAD_PREFIXES)}

    def to(self, device: torch.device) -> Network:
        """The same where it is computed on."""
        return Network(self.model.to(device))
