"""Explanations of sums: the attributions of the parts, added up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.explanation.attributed import Attributed
from scatd.explanation.explainers.explainer import OddsExplainer
from scatd.explanation.settings import ExplainSettings


class Part(NamedTuple):
    """A part of a sum of log odds: its explainer, on the scale of log odds, and its factor."""

    explainer: OddsExplainer
    factor: float


@dataclass(frozen=True, eq=False, kw_only=True)
class SumExplainer(OddsExplainer):
    """Attributions of a weighted sum of log odds: the sum of those of its parts.

    Parameters
    ----------
    parts
        At least one.
    intercept
        Log odds beside those of the parts.
    """

    parts: Sequence[Part]
    intercept: float

    @property
    def is_exact(self) -> bool:
        """Whether attributions are computed without a path of integration, in every part."""
        return all(part.explainer.is_exact for part in self.parts)

    @property
    def has_gradients(self) -> bool:
        """Whether `whole` has a gradient by its input: those of all parts do."""
        return all(part.explainer.has_gradients for part in self.parts)

    def way(self, settings: ExplainSettings) -> str:
        """How attributions are computed, in words."""
        return " and ".join(dict.fromkeys(part.explainer.way(settings) for part in self.parts))

    def project(self, x: Tensor) -> Tensor:
        """What the parts read of aligned rows, side by side, (n_obs, width)."""
        return torch.cat([part.explainer.project(x) for part in self.parts], dim=1)

    def shift(self, features: Tensor, by: Tensor) -> Tensor:
        """Change of what the parts read, side by side, (n_obs, width)."""
        return torch.cat([part.explainer.shift(features, by) for part in self.parts], dim=1)

    @property
    def width(self) -> int:
        """Length of u."""
        return sum(part.explainer.width for part in self.parts)

    def odds(self, u: Tensor) -> Tensor:
        """Log odds of "resistant", (n_obs,)."""
        pieces = u.split([part.explainer.width for part in self.parts], dim=1)
        own = zip(self.parts, pieces, strict=True)
        total = torch.stack([part.factor * part.explainer.odds(piece) for part, piece in own])
        return total.sum(dim=0) + self.intercept

    def whole(self, x: Tensor) -> Tensor:
        """Logits (n_obs, 2) of aligned rows, with gradients by x where all parts have them."""
        own = [part.factor * part.explainer.whole(x)[:, 1] for part in self.parts]
        return self._both(torch.stack(own).sum(dim=0) + self.intercept)

    def attributed(
        self, x: Tensor, rows: NDArray[np.int64], pool: Tensor, settings: ExplainSettings
    ) -> Attributed:
        """Attributions of the log odds of "resistant"."""
        found = [
            part.explainer.attributed(x, rows, pool, settings).times(part.factor)
            for part in self.parts
        ]
        return Attributed(
            np.sum([one.attributions for one in found], axis=0),
            np.sum([one.change for one in found], axis=0),
            np.sum([one.delta for one in found], axis=0),
            np.max([one.n_steps for one in found], axis=0),
        )

    def quick_odds(self, x: Tensor, baseline: Tensor, n_steps: int) -> NDArray[np.floating]:
        """Attributions (n_obs, n_features) of the log odds of "resistant"."""
        found = [
            part.factor * part.explainer.quick_odds(x, baseline, n_steps) for part in self.parts
        ]
        return np.sum(found, axis=0)

    def randomised(self, stage: str, seed: int) -> SumExplainer:
        """The sum of the parts, each of them random."""
        parts = [Part(part.explainer.randomised(stage, seed), part.factor) for part in self.parts]
        return SumExplainer(scale=self.scale, parts=parts, intercept=self.intercept)
