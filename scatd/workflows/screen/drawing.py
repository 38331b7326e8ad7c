"""The cells in pictures: a sample that is drawn while the cohort is read once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scatd.data.cell_map import MOST_CELLS
from scatd.scores import ScoreOptions
from scatd.scoring import Scorer
from scatd.workflows.screen.scores import FoldScores

MOST_BY_FOLDS = 2000
"""Cells that the models of all folds score: enough to see how far the models disagree."""


class Drawing:
    """At most `MOST_CELLS` cells with features, drawn by a seed, and their features.

    Each cell has a random number, and the cells with the lowest ones are kept. So it is not
    necessary to know how many cells will come, and drawings of parts can be put together.

    Parameters
    ----------
    rows
        Which cells of the cohort will come.
    n_features
        Features a cell.
    seed
        Of the numbers.
    """

    def __init__(self, rows: range, n_features: int, seed: int) -> None:
        most = min(len(rows), MOST_CELLS)
        # Each cell takes one number: the cells of a part get the numbers of a whole run.
        self._rng = np.random.Generator(np.random.PCG64(seed).advance(rows.start))
        self._numbers = np.full(most, np.inf)
        self._rows = np.zeros(most, np.intp)
        self._X = np.zeros((most, n_features), np.float32)

    def add(self, start: int, X: NDArray[np.float32], has_features: NDArray[np.bool_]) -> None:
        """Look at the next cells of the cohort; `start` is the number of the first one."""
        numbers = self._rng.random(len(X))
        new = np.flatnonzero(has_features)
        self._keep_lowest(numbers[new], new + start, X, new)

    def add_drawn(
        self, numbers: NDArray[np.float64], rows: NDArray[np.intp], X: NDArray[np.float32]
    ) -> None:
        """Add what `drawn` gave of a part."""
        self._keep_lowest(numbers, rows, X, np.arange(len(rows)))

    def _keep_lowest(
        self,
        numbers: NDArray[np.float64],
        rows: NDArray[np.intp],
        X: NDArray[np.float32],
        places_in_X: NDArray[np.intp],
    ) -> None:
        both = np.concatenate([self._numbers, numbers])
        n_held = len(self._numbers)
        kept = np.argsort(both, kind="stable")[:n_held]
        places = np.setdiff1d(np.arange(n_held), kept)
        chosen = np.sort(kept[kept >= n_held]) - n_held
        self._numbers[places], self._rows[places] = numbers[chosen], rows[chosen]
        self._X[places] = X[places_in_X[chosen]]

    def drawn(self) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float32]]:
        """Number, row (ascending) and features of each drawn cell."""
        order = np.argsort(self._rows, kind="stable")
        order = order[np.isfinite(self._numbers[order])]
        return self._numbers[order], self._rows[order], self._X[order]

    def picked(self) -> NDArray[np.intp]:
        """The cells, ascending, (n_picked,)."""
        return np.sort(self._rows[np.isfinite(self._numbers)])

    def latent(self, scorer: Scorer) -> NDArray[np.float32]:
        """Posterior means of the cells under a model, (n_picked, n_latent), in that order."""
        found = scorer.score(self.drawn()[2], options=ScoreOptions(keep_latent=True)).latent
        assert found is not None
        return found

    def by_folds(self, scorer: Scorer) -> FoldScores | None:
        """What the models of all folds say of some of the cells; None where they are not stored."""
        if not scorer.knows_folds:
            return None
        _, rows, X = self.drawn()
        step = max(1, -(-len(rows) // MOST_BY_FOLDS))
        found = scorer.score(X[::step], options=ScoreOptions(fold_sd=True, keep_folds=True))
        assert found.prob_folds is not None
        return FoldScores(rows[::step], found.prob_folds.T)
