"""Decision trees whose answers are added: log odds = bias + the value of the leaf of every tree."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.candidates.candidate import Candidate, Values
from scatd.keys import CandidateName

Places = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Trees(Candidate):
    """Trees as arrays over the nodes of all of them, one tree behind the other.

    A child stands behind its node, so that no path is endless. A leaf is its own child.

    Parameters
    ----------
    roots
        (n_trees,), places of the first nodes, rising from 0.
    left, right
        (n_nodes,), places of the nodes that follow. A cell goes left where its feature is at most
        the node's threshold.
    feature
        (n_nodes,), the feature that a node asks for; 0 for a leaf.
    threshold
        (n_nodes,), float32.
    value
        (n_nodes,), log odds that a leaf adds; a high one speaks for "resistant". 0 for other nodes.
    bias
        Log odds before any tree.
    """

    roots: Places
    left: Places
    right: Places
    feature: Places
    threshold: NDArray[np.float32]
    value: Values
    bias: float

    name: ClassVar[CandidateName] = "trees"

    def log_odds(self, x: Tensor, z: Tensor) -> Values:  # noqa: ARG002
        """Log odds of "resistant", (n_obs,)."""
        return self.value[self.leaves(x.detach().cpu().numpy())].sum(axis=1) + self.bias

    def leaves(self, x: NDArray[np.float32]) -> Places:
        """Place of each cell's leaf in every tree, (n_obs, n_trees)."""
        rows = np.arange(len(x))[:, None]
        at = np.broadcast_to(self.roots, (len(x), len(self.roots)))
        for _ in range(self.depth):
            goes_left = x[rows, self.feature[at]] <= self.threshold[at]
            at = np.where(goes_left, self.left[at], self.right[at])
        return at

    @property
    def is_leaf(self) -> NDArray[np.bool_]:
        """(n_nodes,), whether nothing follows a node."""
        return self.left == np.arange(len(self.left))

    @cached_property
    def depth(self) -> int:
        """Steps from a root to the farthest leaf."""
        at = self.roots
        steps = 0
        while True:
            at = at[~self.is_leaf[at]]
            if not len(at):
                return steps
            at, steps = np.concatenate([self.left[at], self.right[at]]), steps + 1

    def tensors(self) -> dict[str, Tensor]:
        """The numbers that it is stored as."""
        arrays = ("roots", "left", "right", "feature", "threshold", "value")
        found = {name: torch.from_numpy(getattr(self, name)) for name in arrays}
        return found | {"bias": torch.tensor(self.bias, dtype=torch.float64)}

    def scaled(self, slope: float, intercept: float) -> Trees:
        """The trees whose log odds are slope * (those of these) + intercept."""
        return replace(self, value=self.value * slope, bias=self.bias * slope + intercept)
