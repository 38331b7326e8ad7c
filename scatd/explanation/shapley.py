"""Exact Shapley values of decision trees, against single baselines.

A coalition of features takes the cell's values; all other features take those of the baseline. A
leaf is reached by the coalitions that hold every feature whose value only the cell has on the
leaf's side, and no feature whose value only the baseline has there. With s features of the first
kind and t of the second, each of the first gets (s-1)! t! / (s+t)! of the leaf's value, and each of
the second minus s! (t-1)! / (s+t)! (interventional Shapley values; Lundberg et al. 2020). Only the
leaves that some coalition reaches are visited: a path splits where cell and baseline part.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import comb

from scatd.candidates.trees import Trees

_PATHS_AT_ONCE = 32_768
"""Paths that start together. They split on their way, up to some dozen times."""
_CELL, _BASELINE = 1, 2
"""Who alone has a value on the path's side; 0 where both have, or nothing was asked yet."""


class ShapleyTrees:
    """Trees, prepared for Shapley values.

    Parameters
    ----------
    trees
        Each node of them follows one other node.

    Attributes
    ----------
    used
        Features that any node asks for, rising.
    """

    def __init__(self, trees: Trees) -> None:
        self._trees = trees
        self._is_leaf = trees.is_leaf
        self.used = np.unique(trees.feature[~self._is_leaf])
        self._feature = np.searchsorted(self.used, trees.feature).clip(max=len(self.used) - 1)
        n_nodes = len(trees.left)
        # (n_nodes, depth): what is asked on the way to a node. (n_nodes,): at which step of it the
        # node's own feature is asked first.
        self._asked = np.full((n_nodes, trees.depth), -1, dtype=np.int32)
        self._first = np.zeros(n_nodes, dtype=np.int32)
        at = np.asarray(trees.roots)
        for step in range(trees.depth):
            at = at[~self._is_leaf[at]]
            feature = self._feature[at]
            seen = self._asked[at] == feature[:, None]
            self._first[at] = np.where(seen.any(axis=1), seen.argmax(axis=1), step)
            for child in (trees.left[at], trees.right[at]):
                self._asked[child] = self._asked[at]
                self._asked[child, step] = feature
            at = np.concatenate([trees.left[at], trees.right[at]])

    def values(self, x: NDArray[np.float32], baselines: NDArray[np.float32]) -> NDArray[np.float64]:
        """Shapley values (n_obs, n_features) of cells; the mean over several baselines.

        Parameters
        ----------
        x, baselines
            (n_obs, n_features) and (n_baselines, n_features).
        """
        cells, others = x[:, self.used], baselines[:, self.used]
        found = np.zeros(cells.shape)
        n_cells = max(1, _PATHS_AT_ONCE // len(self._trees.roots))
        for baseline in others:
            for start in range(0, len(cells), n_cells):
                rows = slice(start, start + n_cells)
                found[rows] += self._of_some(cells[rows], baseline)
        whole = np.zeros(x.shape)
        whole[:, self.used] = found / len(others)
        return whole

    def _of_some(
        self, x: NDArray[np.float32], baseline: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Shapley values of some cells against one baseline, of the features in `used`."""
        trees = self._trees
        if not trees.depth:
            return np.zeros(x.shape)
        others_left = baseline[self._feature] <= trees.threshold
        cell = np.repeat(np.arange(len(x)), len(trees.roots))
        at = np.tile(trees.roots, len(x))
        sides = np.zeros((len(at), trees.depth), dtype=np.int8)
        places: list[NDArray[np.int64]] = []
        amounts: list[NDArray[np.float64]] = []
        while True:
            ends = self._is_leaf[at]
            feature, row, amount = self._shared_out(at[ends], sides[ends])
            places.append(cell[ends][row] * x.shape[1] + feature)
            amounts.append(amount)
            goes_on = ~ends
            cell, at, sides = cell[goes_on], at[goes_on], sides[goes_on]
            if not len(at):
                break
            first, rows = self._first[at], np.arange(len(at))
            is_left = x[cell, self._feature[at]] <= trees.threshold[at]
            other_left = others_left[at]
            side = sides[rows, first]
            splits = np.flatnonzero((side == 0) & (is_left != other_left))
            goes_left = np.where(side == _BASELINE, other_left, is_left)
            goes_left = np.concatenate([goes_left, other_left[splits]])
            twins = sides[splits]
            sides[splits, first[splits]] = _CELL
            twins[np.arange(len(splits)), first[splits]] = _BASELINE
            cell = np.concatenate([cell, cell[splits]])
            at = np.concatenate([at, at[splits]])
            sides = np.concatenate([sides, twins])
            at = np.where(goes_left, trees.left[at], trees.right[at])
        total = np.zeros(x.size)
        np.add.at(total, np.concatenate(places), np.concatenate(amounts))
        return total.reshape(x.shape)

    def _shared_out(
        self, leaves: NDArray[np.int32], sides: NDArray[np.int8]
    ) -> tuple[NDArray[np.int32], NDArray[np.intp], NDArray[np.float64]]:
        """What features get of the values of some leaves.

        Returns
        -------
        The feature, the number of the leaf in `leaves`, and the amount.
        """
        n_cell, n_baseline = ((sides == who).sum(axis=1) for who in (_CELL, _BASELINE))
        values = self._trees.value[leaves] / comb(n_cell + n_baseline, n_cell)
        row, step = np.nonzero(sides)
        is_cell = sides[row, step] == _CELL
        share = np.where(is_cell, n_cell[row], -n_baseline[row])
        return self._asked[leaves[row], step], row, values[row] / share
