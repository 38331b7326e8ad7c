"""The cells in pictures: a sample that is drawn while the cohort is read once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scatd.data.cell_map import MOST_CELLS
from scatd.scoring import ScoreOptions, Scorer


class Drawing:
    """At most `MOST_CELLS` cells with features, drawn by a seed, and their features.

    Each cell has a random number, and the cells with the lowest ones are kept. So it is not
    necessary to know how many cells will come.

    Parameters
    ----------
    n_obs, n_features
        Of the cohort.
    seed
        Of the numbers.
    """

    def __init__(self, n_obs: int, n_features: int, seed: int) -> None:
        most = min(n_obs, MOST_CELLS)
        self._rng = np.random.default_rng(seed)
        self._numbers = np.full(most, np.inf)
        self._rows = np.zeros(most, np.intp)
        self._X = np.zeros((most, n_features), np.float32)

    def add(self, start: int, X: NDArray[np.float32], has_features: NDArray[np.bool_]) -> None:
        """Look at the next cells of the cohort; `start` is the number of the first one."""
        numbers = self._rng.random(len(X))
        new = np.flatnonzero(has_features)
        both = np.concatenate([self._numbers, numbers[new]])
        n_held = len(self._numbers)
        kept = np.argsort(both, kind="stable")[:n_held]
        places = np.setdiff1d(np.arange(n_held), kept)
        chosen = new[np.sort(kept[kept >= n_held]) - n_held]
        self._numbers[places], self._rows[places] = numbers[chosen], chosen + start
        self._X[places] = X[chosen]

    def picked(self) -> NDArray[np.intp]:
        """The cells, ascending, (n_picked,)."""
        return np.sort(self._rows[np.isfinite(self._numbers)])

    def latent(self, scorer: Scorer) -> NDArray[np.float32]:
        """Posterior means of the cells under a model, (n_picked, n_latent), in that order."""
        is_drawn = np.isfinite(self._numbers)
        order = np.argsort(self._rows[is_drawn])
        n_drawn = len(order)
        X = self._X[:n_drawn] if is_drawn[:n_drawn].all() else self._X[is_drawn]
        found = scorer.score(X, options=ScoreOptions(keep_latent=True)).latent
        assert found is not None
        return found[order]
