"""What every candidate is: a function of one cell, and the tensors that it is stored as."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from scatd.decision import expit
from scatd.keys import CandidateName

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Values = NDArray[np.float64]


class Candidate(ABC):
    """Turns the aligned features of a cell into P(resistant), whatever cells are beside it.

    Class attributes
    ----------------
    name
        As `--model` names it.
    draws
        Whether a draw from the posterior of a cell changes its score.
    """

    name: ClassVar[CandidateName]
    draws: ClassVar[bool] = False

    @property
    def reads_latent(self) -> bool:
        """Whether it belongs to one encoder: it does not answer from features alone."""
        return False

    @abstractmethod
    def log_odds(self, x: Tensor, z: Tensor) -> Values:
        """Log odds of "resistant", (n_obs,); 0 is even.

        Parameters
        ----------
        x
            Aligned features (n_obs, n_features).
        z
            Their latent (n_obs, n_latent).
        """

    def probability(self, x: Tensor, z: Tensor) -> Values:
        """P(resistant), (n_obs,), of aligned features and their latent."""
        return expit(self.log_odds(x, z))

    def asked(self, x: Tensor, z: Tensor) -> Callable[[], Values]:
        """Start to compute P(resistant); what is returned waits for it and gives it.

        A network computes on its device meanwhile. Others compute in numpy, when waited for.
        """
        return partial(self.probability, x, z)

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """The numbers that it is stored as, by name; empty names stand for nothing else."""

    def to(self, device: torch.device) -> Candidate:  # noqa: ARG002
        """The same where it is computed on. Only a network moves; others compute in numpy."""
        return self


def rows_of(x: Tensor) -> Values:
    """Rows of a tensor in double precision, on the CPU."""
    return x.detach().cpu().numpy().astype(np.float64)


def mean_probability(members: list[Candidate], x: Tensor, z: Tensor) -> Values:
    """Mean of P(resistant) over members, (n_obs,)."""
    return np.mean([member.probability(x, z) for member in members], axis=0)
