"""What every recipe is: settings from a strong to a weak penalty, and a fit of each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from scatd.candidates.candidate import Values
from scatd.candidates.linear import Linear
from scatd.candidates.trees import Trees
from scatd.keys import CandidateName
from scatd.training.candidates.many_drugs import DrugValues
from scatd.training.standardised import Standardised

Rows = NDArray[np.intp]
Split = tuple[Rows, Rows]
Fitted = TypeVar("Fitted", Linear, Trees)


@dataclass(frozen=True)
class Setting:
    """A kind of model, and how strongly it is penalised.

    Parameters
    ----------
    variant
        Kind of model within a candidate.
    strength
        Its penalty as the kind names it: C of logistic regression, alpha of ridge.
    """

    variant: str
    strength: float


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The training rows of a fold, as every recipe takes them.

    Parameters
    ----------
    X
        Aligned features (n_obs, n_features).
    codes
        (n_obs,), 0 sensitive, 1 resistant.
    standardised
        The features with mean 0 and s.d. 1; labels have no part in it.
    latent
        The same of the latent of the rows.
    inner
        Inner folds: positions to train on, and positions to score. No row is scored twice.
    seed
        Of all draws.
    n_few
        The last rows are labelled target cells.
    many_drugs
        Responses of the rows to this drug and to others; None where they are not known.
    """

    X: NDArray[np.float32]
    codes: NDArray[np.int_]
    standardised: Standardised
    latent: Standardised
    inner: Sequence[Split]
    seed: int
    n_few: int = 0
    many_drugs: DrugValues | None = None

    @cached_property
    def weights(self) -> Values:
        """(n_obs,), weight of each row: target cells weigh together as much as the source."""
        n_source = len(self.codes) - self.n_few
        weights = np.ones(len(self.codes))
        if self.n_few:
            weights[n_source:] = n_source / self.n_few
        return weights

    @cached_property
    def is_few(self) -> NDArray[np.bool_]:
        """(n_obs,), whether a row is a labelled target cell."""
        return np.arange(len(self.codes)) >= len(self.codes) - self.n_few

    @cached_property
    def judged(self) -> Rows:
        """Positions of the rows that inner folds score, ascending."""
        return np.sort(np.concatenate([val for _, val in self.inner]))


class Recipe(ABC, Generic[Fitted]):
    """How a candidate is fitted.

    Class attributes
    ----------------
    name
        Of the candidate.
    fallback
        The setting where there are too few rows for inner folds.
    """

    name: ClassVar[CandidateName]
    fallback: ClassVar[Setting]

    @abstractmethod
    def settings(self, rows: TrainingRows) -> tuple[Setting, ...]:
        """All that is tried. Those of one variant stand from the strongest penalty on."""

    @abstractmethod
    def inner_scores(self, rows: TrainingRows) -> dict[Setting, Values]:
        """Scores (n_obs,) of every row by models of the inner folds that did not see it."""

    @abstractmethod
    def fit(self, rows: TrainingRows, setting: Setting) -> Fitted:
        """Fit all rows. Its log odds are scores as `inner_scores` gives them, not calibrated."""

    def fit_unjudged(self, rows: TrainingRows) -> Fitted:
        """Fit all rows at the fallback, with log odds that no inner fold could calibrate."""
        return self.fit(rows, self.fallback)
