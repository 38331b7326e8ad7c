"""Nested selection of a regression: inner folds choose the strength, and the candidate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scatd.candidates.candidate import Candidate, Values
from scatd.candidates.mean import Mean
from scatd.training.candidates.recipe import Rows
from scatd.training.numbers.recipes import RECIPES, USUAL, NumberRecipe
from scatd.training.numbers.rows import NumberRows

MEAN = "mean"


@dataclass(frozen=True)
class TriedNumber:
    """A candidate at the strength that inner folds chose for it.

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

    The candidates compete at the strength with the least error, and so does the mean of all of
    them. A prediction above the bound of a censored number is no error.

    Parameters
    ----------
    drug
        Its column among the numbers of the rows.
    """
    usable = [recipe for recipe in recipes if recipe.can_fit(rows)]
    judged = np.concatenate([val for _, val in rows.inner]) if rows.inner else np.empty(0, int)
    known = np.isfinite(rows.numbers.values[judged, drug])
    if not known.any():
        model = usable[0].fit(rows, drug, USUAL)
        return ChosenNumber(model, (TriedNumber(usable[0].name, USUAL, math.nan, is_chosen=True),))
    scored = [_best(rows, drug, recipe, judged) for recipe in usable]
    found = [
        (recipe.name, strength, predicted)
        for recipe, (strength, predicted) in zip(usable, scored, strict=True)
    ]
    if len(found) > 1:
        found.append((MEAN, math.nan, np.mean([one for _, one in scored], axis=0)))
    errors = [_rmse(rows, drug, judged, predicted) for _, _, predicted in found]
    best = int(np.argmin(errors))
    tried = tuple(
        TriedNumber(name, strength, error, is_chosen=place == best)
        for place, ((name, strength, _), error) in enumerate(zip(found, errors, strict=True))
    )
    parts = [
        recipe.fit(rows, drug, strength)
        for place, (recipe, (strength, _)) in enumerate(zip(usable, scored, strict=True))
        if best in (place, len(usable))
    ]
    return ChosenNumber(parts[0] if best < len(usable) else Mean(tuple(parts)), tried)


def _best(rows: NumberRows, drug: int, recipe: NumberRecipe, judged: Rows) -> tuple[float, Values]:
    """The strength with the least error, and its predictions for the judged rows."""
    found = {
        strength: np.concatenate(
            [recipe.inner(rows, drug, strength, number) for number in range(len(rows.inner))]
        )
        for strength in recipe.strengths
    }
    return min(found.items(), key=lambda item: _rmse(rows, drug, judged, item[1]))


def _rmse(rows: NumberRows, drug: int, judged: Rows, predicted: Values) -> float:
    numbers = rows.numbers
    errors = numbers.values[judged, drug] - predicted
    errors = np.where(numbers.is_least[judged, drug], np.maximum(errors, 0), errors)
    return math.sqrt(float(np.nanmean(errors**2)))
