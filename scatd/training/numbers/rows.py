"""Training rows of a regression, and the ridges that its candidates and drugs share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scatd.candidates.candidate import Values
from scatd.candidates.linear import Linear
from scatd.training.candidates.linear import MOST_COMPONENTS
from scatd.training.candidates.recipe import Rows, Split
from scatd.training.numbers.filling import Numbers, Ridge, Shrinkage
from scatd.training.standardised import Standardised

Space = Literal["features", "latent"]


@dataclass(frozen=True, eq=False)
class NumberRows:
    """The training rows of a fold, with the numbers of one drug or of many.

    Parameters
    ----------
    X
        Aligned features (n_obs, n_features).
    numbers
        Of the rows, for the drugs that are learned and those that help.
    inner
        Inner folds: positions to train on, and positions to score. No row is scored twice.
    seed
        Of all draws.
    latent
        (n_obs, n_latent), of the rows; None where no candidate may read it.
    """

    X: NDArray[np.float32]
    numbers: Numbers
    inner: Sequence[Split]
    seed: int
    latent: NDArray[np.float32] | None = None
    _spaces: dict[Space, Standardised] = field(default_factory=dict, init=False)
    _shared: dict[tuple[Space, int], Shrinkage] = field(default_factory=dict, init=False)
    _ridges: dict[tuple[Space, int, float], Ridge] = field(default_factory=dict, init=False)
    _penalties: dict[tuple[Space, int | None], float] = field(default_factory=dict, init=False)
    _low_ranks: dict[tuple[Space, int, float, int], Ridge] = field(default_factory=dict, init=False)

    def columns(self, space: Space) -> Values:
        """What a linear model is fitted to: leading components, which no number has a part in."""
        return self._standardised(space).components(MOST_COMPONENTS)

    def train(self, number: int) -> Rows:
        """Training rows of an inner fold; all rows for -1."""
        return np.arange(len(self.X)) if number < 0 else self.inner[number][0]

    def ridge(self, space: Space, penalty: float, number: int = -1) -> Ridge:
        """Ridge regressions of all drugs, on an inner fold or (-1) on all rows."""
        key = (space, number, penalty)
        if key not in self._ridges:
            rows = self.train(number)
            if key[:2] not in self._shared:
                self._shared[key[:2]] = Shrinkage(self.columns(space)[rows])
            self._ridges[key] = self._shared[key[:2]].ridge(self.numbers.of(rows), penalty)
        return self._ridges[key]

    def of_rank(self, space: Space, penalty: float, number: int, rank: int) -> Ridge:
        """The same ridges with answers of a rank."""
        key = (space, number, penalty, rank)
        if key not in self._low_ranks:
            ridge = self.ridge(space, penalty, number)
            self._low_ranks[key] = ridge.of_rank(rank, self.columns(space)[self.train(number)])
        return self._low_ranks[key]

    def penalty(self, space: Space, rank: int | None, tried: Sequence[float]) -> float:
        """The penalty with the least error in inner folds, over all drugs that are known.

        What the rows hold is the same for all drugs, and the error of one drug is too noisy to
        choose by. Errors are in s.d. of each drug. A prediction above the bound of a censored
        number is no error.

        Parameters
        ----------
        rank
            Of the answers; None is not reduced.
        tried
            Penalties, the usual one first: it is taken where there are no inner folds.
        """
        key = (space, rank)
        if key not in self._penalties:
            self._penalties[key] = min(tried, key=lambda one: self._error(space, one, rank))
        return self._penalties[key]

    def _error(self, space: Space, penalty: float, rank: int | None) -> float:
        """Mean over drugs of the squared error in inner folds; 0 without any."""
        squared = np.full(self.numbers.given.shape, np.nan)
        for number, (_, val) in enumerate(self.inner):
            ridge = self.ridge(space, penalty, number)
            if rank is not None:
                ridge = self.of_rank(space, penalty, number, rank)
            errors = self.numbers.of(val).errors(ridge.predict(self.columns(space)[val]))
            squared[val] = (errors / ridge.spread) ** 2
        known = np.isfinite(squared)
        n_known = known.sum(axis=0)
        sums = np.where(known, squared, 0.0).sum(axis=0)[n_known > 0]
        return float((sums / n_known[n_known > 0]).mean()) if len(sums) else 0.0

    def linear(self, space: Space, coef: Values, level: float) -> Linear:
        """Weights of components as a model of single features, or of the latent."""
        weights, offset = self._standardised(space).of_components(coef)
        if space == "latent":
            return Linear(np.zeros(self.X.shape[1]), level + offset, weights)
        return Linear(weights, level + offset)

    def _standardised(self, space: Space) -> Standardised:
        if space not in self._spaces:
            values = self.X if space == "features" else self.latent
            assert values is not None
            self._spaces[space] = Standardised(values)
        return self._spaces[space]
