"""Explanations of trees: exact Shapley values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.candidates.trees import Trees
from scatd.explanation.attributed import Attributed, exactly
from scatd.explanation.explainers.explainer import OddsExplainer, compared_with
from scatd.explanation.settings import ExplainSettings
from scatd.explanation.shapley import ShapleyTrees
from scatd.nn.moving import doubles


@dataclass(frozen=True, eq=False, kw_only=True)
class TreesExplainer(OddsExplainer):
    """Shapley values of log odds that trees add up. Trees have no gradients.

    Parameters
    ----------
    model
        The trees.
    n_features
        Of a cell.
    """

    model: Trees
    n_features: int

    @property
    def has_gradients(self) -> bool:
        """Whether `whole` has a gradient by its input."""
        return False

    @property
    def is_exact(self) -> bool:
        """Whether attributions are computed without a path of integration."""
        return True

    def way(self, settings: ExplainSettings) -> str:  # noqa: ARG002
        """How attributions are computed, in words."""
        return "exact Shapley values"

    @property
    def width(self) -> int:
        """Number of features that the trees ask for."""
        return len(self._shapley.used)

    def project(self, x: Tensor) -> Tensor:
        """The features that the trees ask for, (n_obs, width)."""
        return doubles(x[:, torch.from_numpy(self._shapley.used).to(x.device)])

    def shift(self, features: Tensor, by: Tensor) -> Tensor:
        """Change of the features that the trees ask for, (n_obs, width)."""
        own = torch.from_numpy(self._place[features.cpu().numpy()])
        moved = torch.zeros(len(by), self.width, dtype=torch.float64)
        moved[:, own[own >= 0]] = doubles(by)[:, own >= 0]
        return moved

    def odds(self, u: Tensor) -> Tensor:
        """Log odds of "resistant", (n_obs,)."""
        found = self._compact.log_odds(u.float(), u[:, :0])
        return torch.from_numpy(found)

    def whole(self, x: Tensor) -> Tensor:
        """Logits (n_obs, 2) of aligned rows."""
        return self.logits(x)

    def attributed(
        self,
        x: Tensor,
        rows: NDArray[np.int64],  # noqa: ARG002
        pool: Tensor,
        settings: ExplainSettings,
    ) -> Attributed:
        """Attributions of the log odds of "resistant"."""
        baselines = compared_with(pool, settings)
        values = self._shapley.values(_array(x), _array(baselines))
        change = self.odds(self.project(x)) - self.odds(self.project(baselines)).mean()
        return exactly(values, change.numpy())

    def quick_odds(self, x: Tensor, baseline: Tensor, n_steps: int) -> NDArray[np.floating]:  # noqa: ARG002
        """Attributions (n_obs, n_features) of the log odds of "resistant"."""
        return self._shapley.values(_array(x), _array(baseline))

    def randomised(self, stage: str, seed: int) -> TreesExplainer:  # noqa: ARG002
        """The same trees, which ask for other features: these are permuted."""
        order = np.random.default_rng(seed).permutation(self.n_features).astype(np.int32)
        feature = np.where(self.model.is_leaf, self.model.feature, order[self.model.feature])
        return replace(self, model=replace(self.model, feature=feature))

    @cached_property
    def _shapley(self) -> ShapleyTrees:
        return ShapleyTrees(self.model)

    @cached_property
    def _place(self) -> NDArray[np.int64]:
        """(n_features,), place among the features that the trees ask for; -1 for no such."""
        place = np.full(self.n_features, -1)
        place[self._shapley.used] = np.arange(self.width)
        return place

    @cached_property
    def _compact(self) -> Trees:
        """The trees, on the features that they ask for."""
        feature = self._place[self.model.feature].clip(min=0).astype(np.int32)
        return replace(self.model, feature=feature)


def _array(x: Tensor) -> NDArray[np.float32]:
    return x.detach().cpu().numpy()
