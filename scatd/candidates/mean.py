"""The mean of the log odds of other candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from scatd.candidates.candidate import Candidate, Values
from scatd.keys import CandidateName


@dataclass(frozen=True, eq=False)
class Mean(Candidate):
    """The mean of the log odds of its parts. It asks each cell alone: no ranks within a cohort.

    Parameters
    ----------
    parts
        At least two.
    slope, intercept
        Calibration: log odds = slope * mean + intercept.
    """

    parts: tuple[Candidate, ...]
    slope: float = 1.0
    intercept: float = 0.0

    name: ClassVar[CandidateName] = "mean"

    @property
    def reads_latent(self) -> bool:
        """Whether a part does."""
        return any(part.reads_latent for part in self.parts)

    def log_odds(self, x: Tensor, z: Tensor) -> Values:
        """Log odds of "resistant", (n_obs,)."""
        mean = np.mean([part.log_odds(x, z) for part in self.parts], axis=0)
        return self.slope * mean + self.intercept

    def tensors(self) -> dict[str, Tensor]:
        """The numbers that it is stored as; those of a part have its number before them."""
        found = {
            f"part{number}.{name}": value
            for number, part in enumerate(self.parts)
            for name, value in part.tensors().items()
        }
        calibration = torch.tensor([self.slope, self.intercept], dtype=torch.float64)
        return found | {"calibration": calibration}

    def to(self, device: torch.device) -> Mean:
        """The same where it is computed on."""
        return Mean(tuple(part.to(device) for part in self.parts), self.slope, self.intercept)
