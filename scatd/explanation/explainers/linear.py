"""Explanations of linear models: the attribution of a feature is its weight times its distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scatd.candidates.linear import Linear
from scatd.explanation.attributed import Attributed, exactly
from scatd.explanation.explainers.explainer import OddsExplainer, compared_with
from scatd.explanation.explainers.network import PathOdds
from scatd.explanation.linear_path import LinearPath
from scatd.explanation.settings import ExplainSettings
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.moving import doubles, like


@dataclass(frozen=True, eq=False, kw_only=True)
class LinearExplainer(OddsExplainer):
    """Exact attributions of log odds that are linear in the features.

    Parameters
    ----------
    model
        Its weights of the latent are not read here: see `latent_odds`.
    """

    model: Linear

    @property
    def is_exact(self) -> bool:
        """Whether attributions are computed without a path of integration."""
        return True

    def way(self, settings: ExplainSettings) -> str:  # noqa: ARG002
        """How attributions are computed, in words."""
        return "exact attributions (weight times distance from the baseline)"

    @property
    def width(self) -> int:
        """Length of u: the log odds alone."""
        return 1

    def project(self, x: Tensor) -> Tensor:
        """Log odds (n_obs, 1) of aligned rows x (n_obs, n_features), without the bias."""
        return doubles(x) @ self._weights[:, None]

    def shift(self, features: Tensor, by: Tensor) -> Tensor:
        """Change of the log odds (n_obs, 1)."""
        return doubles(by) @ self._weights[features.cpu(), None]

    def odds(self, u: Tensor) -> Tensor:
        """Log odds of "resistant", (n_obs,)."""
        return u[:, 0] + self.model.bias

    def whole(self, x: Tensor) -> Tensor:
        """Logits (n_obs, 2) of aligned rows, with gradients by x."""
        return self._both(x @ like(self._weights, x) + self.model.bias)

    def attributed(
        self,
        x: Tensor,
        rows: NDArray[np.int64],  # noqa: ARG002
        pool: Tensor,
        settings: ExplainSettings,
    ) -> Attributed:
        """Attributions of the log odds of "resistant"."""
        baselines = doubles(compared_with(pool, settings))
        values = self._weights * (doubles(x) - baselines.mean(dim=0))
        change = self.project(x)[:, 0] - self.project(baselines)[:, 0].mean()
        return exactly(values.numpy(), change.numpy())

    def quick_odds(self, x: Tensor, baseline: Tensor, n_steps: int) -> NDArray[np.floating]:  # noqa: ARG002
        """Attributions (n_obs, n_features) of the log odds of "resistant"."""
        return (self._weights * (doubles(x) - doubles(baseline))).numpy()

    def randomised(self, stage: str, seed: int) -> LinearExplainer:  # noqa: ARG002
        """The same weights, shuffled among the features."""
        shuffled = np.random.default_rng(seed).permutation(self.model.weights)
        return LinearExplainer(scale=self.scale, model=Linear(shuffled, self.model.bias))

    @property
    def _weights(self) -> Tensor:
        return torch.from_numpy(self.model.weights)


def latent_odds(weights: NDArray[np.float64], network: ResponseClassifier) -> PathOdds:
    """Explain log odds that are linear in the latent of a network.

    Parameters
    ----------
    weights
        (n_latent,), log odds for one unit of the latent.
    network
        Its encoder gives the latent.
    """
    model = network.with_new_head()
    half = torch.from_numpy(weights)[None] / 2
    linear = nn.Linear(len(weights), 2, bias=False)
    linear.weight = nn.Parameter(like(torch.cat([-half, half]), next(network.parameters())))
    model.add_module("fc3", linear)
    for name in ("bn3", "swish", "fc4"):
        model.add_module(name, nn.Identity())
    return PathOdds(path=LinearPath([model], centred=True))
