"""A linear model: log odds = features x weights + latent x weights + bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from scatd.candidates.candidate import Candidate, Values, rows_of
from scatd.keys import CandidateName


@dataclass(frozen=True, eq=False)
class Linear(Candidate):
    """Logistic or ridge regression, whatever it was fitted on, in the terms of single features.

    Parameters
    ----------
    weights
        (n_features,), log odds for one unit of an aligned feature; a high one speaks for
        "resistant".
    bias
        Log odds where all features are 0.
    latent_weights
        (n_latent,), log odds for one unit of the latent; None where it is not read.
    """

    weights: Values
    bias: float
    latent_weights: Values | None = None

    name: ClassVar[CandidateName] = "linear"

    @property
    def reads_latent(self) -> bool:
        """Whether the latent has weights."""
        return self.latent_weights is not None

    def log_odds(self, x: Tensor, z: Tensor) -> Values:
        """Log odds of "resistant", (n_obs,)."""
        odds = rows_of(x) @ self.weights + self.bias
        return odds if self.latent_weights is None else odds + rows_of(z) @ self.latent_weights

    def tensors(self) -> dict[str, Tensor]:
        """The numbers that it is stored as."""
        found = {
            "weights": torch.from_numpy(self.weights),
            "bias": torch.tensor(self.bias, dtype=torch.float64),
        }
        if self.latent_weights is not None:
            found["latent_weights"] = torch.from_numpy(self.latent_weights)
        return found

    def scaled(self, slope: float, intercept: float) -> Linear:
        """The linear model whose log odds are slope * (those of this one) + intercept."""
        latent = self.latent_weights
        return Linear(
            self.weights * slope,
            self.bias * slope + intercept,
            None if latent is None else latent * slope,
        )
