"""Nested selection of a regression: inner folds choose the strength, and the candidate.

Nothing here sees a row that the outer folds score.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scatd.candidates.candidate import Candidate, Values
from scatd.candidates.mean import Mean
from scatd.training.candidates.recipe import Rows
from scatd.training.numbers.filling import Numbers
from scatd.training.numbers.recipes import RECIPES, NumberRecipe
from scatd.training.numbers.rows import NumberRows

MEAN = "mean"


@dataclass(frozen=True)
class TriedNumber:
    """A candidate at its strength, as inner folds scored it.

    Parameters
    ----------
    candidate, strength
        Its name, and penalty or least number of rows in a leaf; NaN for the mean of all others.
    rmse
        Root of the mean squared error in inner folds; NaN where there were none.
    is_chosen
        Whether it is the candidate that was chosen.
    """

    candidate: str
    strength: float
    rmse: float
    is_chosen: bool = False


@dataclass(frozen=True, eq=False)
class ChosenNumber:
    """A regression of one drug that was chosen and fitted.

    Parameters
    ----------
    model
        What it calls log odds are numbers.
    tried
        What inner folds say of each candidate.
    """

    model: Candidate
    tried: tuple[TriedNumber, ...]

    @property
    def name(self) -> str:
        """Of the candidate that was chosen."""
        return next(one.candidate for one in self.tried if one.is_chosen)


def choose(
    rows: NumberRows, drug: int = 0, recipes: Sequence[NumberRecipe] = RECIPES
) -> ChosenNumber:
    """Choose a candidate for a drug by inner folds, and fit it to all rows.

    The mean of all candidates is taken, which varies least, unless the squared error of one of them
    is lower by more than one standard error of the difference.

    Parameters
    ----------
    drug
        Its column among the numbers of the rows.
    """
    usable = [recipe for recipe in recipes if recipe.can_fit(rows)]
    judged = np.concatenate([val for _, val in rows.inner]) if rows.inner else np.empty(0, int)
    predicted = [
        np.concatenate([recipe.inner(rows, drug, number) for number in range(len(rows.inner))])
        for recipe in usable
        if rows.inner
    ]
    squared = np.array([_squared(rows, drug, judged, made) for made in predicted])
    if not squared.size or len(usable) == 1:
        errors = _rmse(squared) if squared.size else [math.nan]
        tried = _tried(rows, usable[:1], errors, chosen=0)
        return ChosenNumber(usable[0].fit(rows, drug), tried)
    of_mean = _squared(rows, drug, judged, np.mean(predicted, axis=0))
    lead = of_mean - squared
    se = lead.std(axis=1, ddof=1) / math.sqrt(lead.shape[1]) if lead.shape[1] > 1 else np.inf
    sure = np.where(lead.mean(axis=1) > se, lead.mean(axis=1), -np.inf)
    best = int(sure.argmax()) if np.isfinite(sure).any() else len(usable)
    tried = _tried(rows, usable, _rmse(np.vstack([squared, of_mean])), chosen=best)
    if best < len(usable):
        return ChosenNumber(usable[best].fit(rows, drug), tried)
    return ChosenNumber(Mean(tuple(recipe.fit(rows, drug) for recipe in usable)), tried)


def _squared(rows: NumberRows, drug: int, judged: Rows, predicted: Values) -> Values:
    """Squared errors of the judged rows that have a number."""
    own = Numbers(rows.numbers.given[judged, drug], rows.numbers.is_least[judged, drug])
    errors = own.errors(predicted)
    return np.asarray(errors[np.isfinite(own.given)] ** 2)


def _rmse(squared: Values) -> list[float]:
    return [math.sqrt(float(one.mean())) for one in squared]


def _tried(
    rows: NumberRows, usable: Sequence[NumberRecipe], errors: Sequence[float], *, chosen: int
) -> tuple[TriedNumber, ...]:
    named = [(recipe.name, recipe.strength(rows)) for recipe in usable] + [(MEAN, math.nan)]
    return tuple(
        TriedNumber(name, strength, error, is_chosen=place == chosen)
        for place, ((name, strength), error) in enumerate(zip(named, errors, strict=False))
    )
