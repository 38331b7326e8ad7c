"""Ridge regression of many drugs at once, of reduced rank: drugs help each other.

Its answer for a drug is linear in the features. It is a part of the candidate `mean`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scatd.candidates.candidate import Values
from scatd.candidates.linear import Linear
from scatd.training.candidates.linear import MOST_COMPONENTS, Fit
from scatd.training.candidates.many_drugs import DrugValues
from scatd.training.candidates.recipe import Rows, TrainingRows

NAME = "multi-drug ridge"
_TINY = 1e-12


def inner_scores(rows: TrainingRows, known: DrugValues) -> Values:
    """Scores (n_obs,) of the own drug, by models of the inner folds that did not see a row."""
    components = rows.standardised.components(MOST_COMPONENTS)
    found = np.full(len(rows.codes), np.nan)
    for train, val in rows.inner:
        coef, bias = _fit(rows, known, train)
        found[val] = components[val] @ coef + bias
    return found


def fit(rows: TrainingRows, known: DrugValues) -> Linear:
    """Fit all rows: the score of the own drug, in the terms of single features."""
    coef, bias = _fit(rows, known, np.arange(len(rows.codes)))
    weights, offset = rows.standardised.of_components(coef)
    return Linear(weights, bias + offset)


def _fit(rows: TrainingRows, known: DrugValues, train: Rows) -> Fit:
    """Weights of the components, and bias, of the own drug. Other rows are not looked at.

    With numbers of its own, the score is the sum of two answers that vary alike: for its classes,
    made of what drugs have in common, and for its numbers.
    """
    components = rows.standardised.components(MOST_COMPONENTS)[train]
    weights = rows.weights[train]
    wanted = standardised_columns(known.values[train], weights)
    ridge = ridge_of_columns(components, wanted, weights, known.strength.penalty)
    coef = ridge.varying_alike(ridge.of_rank(known.strength.rank)[:, 0])
    if known.has_numbers:
        coef += ridge.varying_alike(ridge.coef[:, 1])
    return coef, float(-(ridge.centre @ coef))


def standardised_columns(values: Values, weights: Values) -> Values:
    """Columns with mean 0 and s.d. 1 over what is known, and 0 where nothing is known.

    A column that does not vary is 0 everywhere.

    Parameters
    ----------
    values
        (n_obs, n_columns), NaN where nothing is known.
    weights
        (n_obs,), of the rows.
    """
    known = np.isfinite(values)
    counted = known * weights[:, None]
    total = np.maximum(counted.sum(axis=0), _TINY)
    filled = np.where(known, values, 0.0)
    centred = np.where(known, filled - (counted * filled).sum(axis=0) / total, 0.0)
    spread = np.sqrt((counted * centred**2).sum(axis=0) / total)
    varies = spread > 1e-9 * (1 + np.abs(filled).max(axis=0))
    return np.where(varies, centred / np.where(varies, spread, 1.0), 0.0)


@dataclass(frozen=True, eq=False)
class Ridge:
    """Ridge regressions of some columns on the same rows.

    Parameters
    ----------
    coef
        (n_features, n_columns), weights.
    centre
        (n_features,), where all answers are 0.
    products
        (n_features, n_features) covariance of the features on the training rows.
    """

    coef: Values
    centre: Values
    products: Values

    def of_rank(self, rank: int) -> Values:
        """Weights of the answers, reduced to their leading patterns over the columns.

        These are the leading right singular vectors of the answers on the training rows (reduced
        rank ridge regression, Mukherjee and Zhu 2011).
        """
        _, patterns = np.linalg.eigh(self.coef.T @ self.products @ self.coef)
        leading = patterns[:, -rank:]
        return self.coef @ leading @ leading.T

    def varying_alike(self, coef: Values) -> Values:
        """Weights of one column, whose answer then has s.d. 1 on the training rows."""
        return coef / np.sqrt(max(float(coef @ self.products @ coef), _TINY))


def ridge_of_columns(T: Values, wanted: Values, weights: Values, penalty: float) -> Ridge:
    """Ridge regression of all columns at once.

    Parameters
    ----------
    T
        (n_obs, n_features), of the rows.
    wanted
        (n_obs, n_columns), each with mean 0.
    weights
        (n_obs,), of the rows.
    penalty
        See `Strength`.
    """
    total = weights.sum()
    share = weights / total
    centre = share @ T
    rows = T - centre
    products = rows.T @ (rows * share[:, None])
    alpha = max(penalty * float(products.trace() / total), _TINY)
    asked = rows.T @ (wanted * share[:, None])
    coef = np.linalg.solve(products + alpha * np.eye(len(products)), asked)
    return Ridge(coef, centre, products)
