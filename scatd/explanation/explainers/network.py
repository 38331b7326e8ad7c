"""Explanations of networks, by gradients."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.explanation.attributed import Attributed
from scatd.explanation.attribution import (
    complete_integrated_gradients,
    gradient_shap,
    integrated_gradients,
    shap_draws,
)
from scatd.explanation.explainers.explainer import (
    METHODS,
    RESISTANT,
    Explainer,
    OddsExplainer,
)
from scatd.explanation.linear_path import LinearPath
from scatd.explanation.randomised import STAGES, randomised
from scatd.explanation.settings import ExplainSettings
from scatd.nn.moving import doubles, like


@dataclass(frozen=True, eq=False)
class NetworkExplainer(Explainer):
    """Integrated Gradients or GradientSHAP of the logits of networks on one encoder.

    Parameters
    ----------
    path
        The networks behind their first linear maps.
    """

    path: LinearPath

    stages: ClassVar[tuple[str, ...]] = STAGES

    @property
    def quantity(self) -> str:
        """What the attributions of a cell add up to, in words."""
        return "centred logit" if self.path.centred else "logit"

    def way(self, settings: ExplainSettings) -> str:
        """How attributions are computed, in words."""
        return METHODS[settings.method]

    def project(self, x: Tensor) -> Tensor:
        """What the model reads of aligned rows x (n_obs, n_features): u (n_obs, width)."""
        return self.path.project(x)

    def shift(self, features: Tensor, by: Tensor) -> Tensor:
        """Change of u (n_obs, width), where features (n_picked,) change by (n_obs, n_picked)."""
        columns = self.path.columns(features)
        # A GPU may round the factors of a matrix product, but not those of a plain one.
        return by * columns if len(columns) == 1 else by @ columns

    def values(self, u: Tensor) -> Tensor:
        """Logits (n_obs, 2), sensitive and resistant."""
        return self.path(u)

    def probability(self, values: Tensor) -> Tensor:
        """P(resistant) (n_obs,) that belongs to logits."""
        return values.softmax(dim=1)[:, RESISTANT]

    def whole(self, x: Tensor) -> Tensor:
        """Logits (n_obs, 2) of aligned rows, with gradients by x."""
        return self.path.whole(x)

    def attribute(
        self,
        x: Tensor,
        rows: NDArray[np.int64],
        pool: Tensor,
        target: int,
        settings: ExplainSettings,
    ) -> Attributed:
        """Attributions of one logit to the features of cells."""
        if settings.method == "ig":
            baseline = pool.mean(dim=0, keepdim=True)
            return complete_integrated_gradients(self.path, x, baseline, target, settings.steps)
        draws = shap_draws(
            rows, settings.samples, len(pool), x.shape[1], settings.noise, settings.seed
        )
        return gradient_shap(self.path, x, pool, draws, target)

    def quick(self, x: Tensor, baseline: Tensor, n_steps: int) -> NDArray[np.floating]:
        """Attributions (n_obs, n_features) of the resistant logit."""
        return integrated_gradients(self.path, x, baseline, RESISTANT, n_steps).attributions

    def randomised(self, stage: str, seed: int) -> NetworkExplainer:
        """A copy with random weights from the output down to a stage."""
        return NetworkExplainer(randomised(self.path, stage, seed))


@dataclass(frozen=True, eq=False, kw_only=True)
class PathOdds(OddsExplainer):
    """Gradients of log odds that a network gives: a part of another candidate.

    Parameters
    ----------
    path
        The network, centred: its resistant logit is half the log odds.
    """

    path: LinearPath

    def way(self, settings: ExplainSettings) -> str:
        """How attributions are computed, in words."""
        return METHODS[settings.method]

    @property
    def width(self) -> int:
        """Length of u."""
        return self.path.width

    def project(self, x: Tensor) -> Tensor:
        """What the model reads of aligned rows x (n_obs, n_features): u (n_obs, width)."""
        return doubles(self.path.project(x))

    def shift(self, features: Tensor, by: Tensor) -> Tensor:
        """Change of u (n_obs, width), where features (n_picked,) change by (n_obs, n_picked)."""
        return doubles(by) @ doubles(self.path.columns(features))

    def odds(self, u: Tensor) -> Tensor:
        """Log odds of "resistant", (n_obs,)."""
        own = next(self.path.parameters())
        with torch.no_grad():
            return 2 * doubles(self.path(like(u, own)))[:, RESISTANT]

    def whole(self, x: Tensor) -> Tensor:
        """Logits (n_obs, 2) of aligned rows, with gradients by x."""
        return self._both(2 * self.path.whole(x)[:, RESISTANT])

    def attributed(
        self, x: Tensor, rows: NDArray[np.int64], pool: Tensor, settings: ExplainSettings
    ) -> Attributed:
        """Attributions of the log odds of "resistant"."""
        own = NetworkExplainer(self.path)
        return own.attribute(x, rows, pool, RESISTANT, settings).times(2)

    def quick_odds(self, x: Tensor, baseline: Tensor, n_steps: int) -> NDArray[np.floating]:
        """Attributions (n_obs, n_features) of the log odds of "resistant"."""
        return 2 * NetworkExplainer(self.path).quick(x, baseline, n_steps)

    def randomised(self, stage: str, seed: int) -> PathOdds:
        """A copy with random weights."""
        return replace(self, path=randomised(self.path, stage, seed))
