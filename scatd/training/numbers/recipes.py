"""The candidates of a regression: ridge, ridge of many drugs, trees, and ridge on the latent."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scatd.candidates.candidate import Values
from scatd.candidates.linear import Linear
from scatd.candidates.trees import Trees
from scatd.training.candidates.trees import FEATURE_SHARE, INNER_SHARE, MOST_FEATURES, additive
from scatd.training.forests import grown
from scatd.training.numbers.rows import NumberRows, Space

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesRegressor

RIDGE, LOW_RANK, TREES, ON_LATENT = (
    "ridge",
    "low-rank ridge of many drugs",
    "extra trees",
    "ridge on the latent",
)
PENALTIES = (2.5, 10.0, 5.0, 1.25, 0.6, 0.3)
"""The usual one first; see `Shrinkage.ridge`."""
RANK = 20
"""Patterns over the drugs that answers may be made of, at most."""
N_TREES, LEAF = 60, 5


class NumberRecipe(ABC):
    """How a candidate is fitted; one recipe serves all drugs.

    Class attributes
    ----------------
    name
        Of the candidate.
    """

    name: ClassVar[str]

    def can_fit(self, rows: NumberRows) -> bool:  # noqa: ARG002
        """Whether the rows hold what it needs."""
        return True

    @abstractmethod
    def strength(self, rows: NumberRows) -> float:
        """Penalty, or least number of rows in a leaf."""

    @abstractmethod
    def inner(self, rows: NumberRows, drug: int, number: int) -> Values:
        """Predictions for the rows that an inner fold scores, by a model that did not see them."""

    @abstractmethod
    def fit(self, rows: NumberRows, drug: int) -> Linear | Trees:
        """Fit all rows. What it calls log odds are numbers here."""


class RidgeRecipe(NumberRecipe):
    """Ridge regression on the features."""

    name: ClassVar[str] = RIDGE
    space: ClassVar[Space] = "features"
    rank: ClassVar[int | None] = None

    def strength(self, rows: NumberRows) -> float:
        """The penalty that inner folds choose, for all drugs together."""
        return rows.penalty(self.space, self.rank, PENALTIES)

    def inner(self, rows: NumberRows, drug: int, number: int) -> Values:
        """Predictions for the rows of an inner fold."""
        coef, level = self._weights(rows, drug, number)
        return np.asarray(rows.columns(self.space)[rows.inner[number][1]] @ coef + level)

    def fit(self, rows: NumberRows, drug: int) -> Linear:
        """Fit all rows."""
        return rows.linear(self.space, *self._weights(rows, drug, -1))

    def _weights(self, rows: NumberRows, drug: int, number: int) -> tuple[Values, float]:
        strength = self.strength(rows)
        if self.rank is None:
            ridge = rows.ridge(self.space, strength, number)
        else:
            ridge = rows.of_rank(self.space, strength, number, self.rank)
        return ridge.coef[:, drug], float(ridge.level[drug])


class LowRankRecipe(RidgeRecipe):
    """Ridge regression of all drugs, whose answers share some patterns: drugs help each other."""

    name: ClassVar[str] = LOW_RANK
    rank: ClassVar[int | None] = RANK

    def can_fit(self, rows: NumberRows) -> bool:
        """Whether there are more drugs than patterns."""
        return rows.numbers.given.shape[1] > RANK


class LatentRecipe(RidgeRecipe):
    """Ridge regression on the latent of the backbone: a network whose head is one linear layer."""

    name: ClassVar[str] = ON_LATENT
    space: ClassVar[Space] = "latent"

    def can_fit(self, rows: NumberRows) -> bool:
        """Whether there is a latent."""
        return rows.latent is not None


class TreesRecipe(NumberRecipe):
    """A forest of extremely randomised trees; a ridge fills censored numbers before."""

    name: ClassVar[str] = TREES

    def strength(self, rows: NumberRows) -> float:  # noqa: ARG002
        """One: forests differ little in what inner folds can tell apart."""
        return LEAF

    def inner(self, rows: NumberRows, drug: int, number: int) -> Values:
        """Predictions for the rows of an inner fold."""
        forest = self._grown(rows, drug, number)
        return np.asarray(forest.predict(rows.X[rows.inner[number][1]]), dtype=np.float64)

    def fit(self, rows: NumberRows, drug: int) -> Trees:
        """Fit all rows."""
        return additive(self._grown(rows, drug, -1))

    def _grown(self, rows: NumberRows, drug: int, number: int) -> ExtraTreesRegressor:
        from sklearn.ensemble import ExtraTreesRegressor

        train = rows.train(number)
        wanted, is_least = rows.numbers.given[train, drug], rows.numbers.is_least[train, drug]
        known = np.isfinite(wanted)
        if is_least.any():
            penalty = rows.penalty("features", None, PENALTIES)
            wanted = rows.ridge("features", penalty, number).filled[:, drug]
        forest = ExtraTreesRegressor(
            N_TREES if number < 0 else round(INNER_SHARE * N_TREES),
            max_features=min(math.ceil(FEATURE_SHARE * rows.X.shape[1]), MOST_FEATURES),
            min_samples_leaf=LEAF,
            random_state=rows.seed,
        )
        return grown(forest, rows.X[train[known]], wanted[known])


RECIPES: tuple[NumberRecipe, ...] = (
    RidgeRecipe(),
    LowRankRecipe(),
    LatentRecipe(),
    TreesRecipe(),
)
