"""What every explainer is: the logits of aligned cells, and their attributions to features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.explanation.attributed import EXACT_TOLERANCE, TOLERANCE, Attributed
from scatd.explanation.randomised import WHOLE
from scatd.explanation.settings import ExplainSettings

RESISTANT = 1
METHODS = {"ig": "Integrated Gradients", "gradshap": "GradientSHAP"}


class Explainer(ABC):
    """A response model whose logits can be attributed to the features of its cells.

    The model reads a cell through some numbers u that are linear in its features. Changing features
    moves u by `shift`, so a changed cell need not be read again as a whole.

    Class attributes
    ----------------
    is_mirrored
        Whether both logits differ by their sign only.
    stages
        The parts, seen from the input, from which on `randomised` makes the model random; the last
        is the whole model.
    """

    is_mirrored: ClassVar[bool] = False
    stages: ClassVar[tuple[str, ...]] = (WHOLE,)

    @property
    @abstractmethod
    def quantity(self) -> str:
        """What the attributions of a cell add up to, in words."""

    @property
    def is_exact(self) -> bool:
        """Whether attributions are computed without a path of integration, whatever the method."""
        return False

    @property
    def has_gradients(self) -> bool:
        """Whether `whole` has a gradient by its input."""
        return True

    @abstractmethod
    def way(self, settings: ExplainSettings) -> str:
        """How attributions are computed, in words."""

    @abstractmethod
    def project(self, x: Tensor) -> Tensor:
        """What the model reads of aligned rows x (n_obs, n_features): u (n_obs, width)."""

    @abstractmethod
    def shift(self, features: Tensor, by: Tensor) -> Tensor:
        """Change of u (n_obs, width), where features (n_picked,) change by (n_obs, n_picked)."""

    @abstractmethod
    def values(self, u: Tensor) -> Tensor:
        """Logits (n_obs, 2), sensitive and resistant."""

    @abstractmethod
    def probability(self, values: Tensor) -> Tensor:
        """P(resistant) (n_obs,) that belongs to logits."""

    @abstractmethod
    def whole(self, x: Tensor) -> Tensor:
        """Logits (n_obs, 2) of aligned rows, with gradients by x where there are any."""

    @abstractmethod
    def attribute(
        self,
        x: Tensor,
        rows: NDArray[np.int64],
        pool: Tensor,
        target: int,
        settings: ExplainSettings,
    ) -> Attributed:
        """Attributions of one logit to the features of cells.

        Parameters
        ----------
        x
            Aligned cells (n_obs, n_features).
        rows
            (n_obs,), their numbers: each cell has random draws of its own.
        pool
            Aligned baselines (n_pool, n_features). Integrated Gradients compares with their mean,
            GradientSHAP with each of them.
        target
            Class, 0 sensitive or 1 resistant.
        settings
            Method, and its numbers.
        """

    @abstractmethod
    def quick(self, x: Tensor, baseline: Tensor, n_steps: int) -> NDArray[np.floating]:
        """Attributions (n_obs, n_features) of the resistant logit, by at most `n_steps` points."""

    @abstractmethod
    def randomised(self, stage: str, seed: int) -> Explainer:
        """The same kind of model, random from the output down to one of its `stages`."""

    @property
    def tolerance(self) -> float:
        """What |sum of attributions - change of the logit| is compared with."""
        return EXACT_TOLERANCE if self.is_exact else TOLERANCE

    def logits(self, x: Tensor) -> Tensor:
        """Logits (n_obs, 2) of aligned rows x (n_obs, n_features)."""
        with torch.no_grad():
            return self.values(self.project(x))

    def in_words(self, settings: ExplainSettings) -> str:
        """What is attributed, and how."""
        instead = f", in place of {METHODS[settings.method]}" if self.is_exact else ""
        return f"{self.quantity} by {self.way(settings)}{instead}"


@dataclass(frozen=True, eq=False)
class OddsExplainer(Explainer):
    """An explainer of log odds, which are one number and not two logits.

    The logit of "resistant" is `scale` times the log odds, and that of "sensitive" is minus it.

    Parameters
    ----------
    scale
        1, or a half where logits are to be centred: the centred logits of a network are half its
        log odds.
    """

    scale: float = 1.0

    is_mirrored: ClassVar[bool] = True

    @property
    @abstractmethod
    def width(self) -> int:
        """Length of u."""

    @abstractmethod
    def odds(self, u: Tensor) -> Tensor:
        """Log odds of "resistant", (n_obs,), in double precision on the CPU, as u is."""

    @abstractmethod
    def attributed(
        self, x: Tensor, rows: NDArray[np.int64], pool: Tensor, settings: ExplainSettings
    ) -> Attributed:
        """Attributions of the log odds of "resistant"; parameters as for `attribute`."""

    @abstractmethod
    def randomised(self, stage: str, seed: int) -> OddsExplainer:
        """The same kind of model, random from the output down to one of its `stages`."""

    @abstractmethod
    def quick_odds(self, x: Tensor, baseline: Tensor, n_steps: int) -> NDArray[np.floating]:
        """Attributions (n_obs, n_features) of the log odds of "resistant"."""

    @property
    def quantity(self) -> str:
        """What the attributions of a cell add up to, in words."""
        return "log odds" if self.scale == 1 else "half the log odds"

    def values(self, u: Tensor) -> Tensor:
        """Logits (n_obs, 2), sensitive and resistant."""
        return self._both(self.odds(u))

    def _both(self, odds: Tensor) -> Tensor:
        return self.scale * torch.stack([-odds, odds], dim=1)

    def probability(self, values: Tensor) -> Tensor:
        """P(resistant) (n_obs,) that belongs to logits."""
        return torch.sigmoid(values[:, RESISTANT] / self.scale)

    def attribute(
        self,
        x: Tensor,
        rows: NDArray[np.int64],
        pool: Tensor,
        target: int,
        settings: ExplainSettings,
    ) -> Attributed:
        """Attributions of one logit to the features of cells."""
        factor = self.scale if target == RESISTANT else -self.scale
        return self.attributed(x, rows, pool, settings).times(factor)

    def quick(self, x: Tensor, baseline: Tensor, n_steps: int) -> NDArray[np.floating]:
        """Attributions (n_obs, n_features) of the resistant logit."""
        return self.scale * self.quick_odds(x, baseline, n_steps)


def compared_with(pool: Tensor, settings: ExplainSettings) -> Tensor:
    """The baselines that attributions without draws are averaged over, (n, n_features)."""
    return pool.mean(dim=0, keepdim=True) if settings.method == "ig" else pool
