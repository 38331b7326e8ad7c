"""Ridge regression of many columns at once, some of whose numbers are missing or censored.

A number that is missing is filled with its prediction. A number that is censored (at least this
high) is filled with what a normal error lets expect of it above its bound. The ridge is fitted
again, until nothing changes. At the end, a missing number has no part in the weights, and a
censored one has the part that a Tobit model (Tobin 1958) gives it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from scatd.candidates.candidate import Values

_STEPS, _TOLERANCE = 100, 1e-4
"""Fewest changes, in s.d. of a column, that are still looked at; and most rounds."""
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Numbers:
    """Responses as numbers; high is resistant.

    Parameters
    ----------
    given
        (n_obs, n_drugs), NaN where there is none.
    is_least
        (n_obs, n_drugs), whether the true number is at least the value (right-censored).
    """

    given: Values
    is_least: NDArray[np.bool_]

    def of(self, rows: NDArray[np.intp]) -> Numbers:
        """Those of some rows."""
        return Numbers(self.given[rows], self.is_least[rows])

    def errors(self, predicted: Values) -> Values:
        """Numbers minus predictions; 0 for a prediction above the bound of a censored number."""
        errors = self.given - predicted
        return np.where(self.is_least, np.maximum(errors, 0.0), errors)

    @property
    def is_exact(self) -> NDArray[np.bool_]:
        """(n_obs, n_drugs), whether a number is known and not censored."""
        return np.isfinite(self.given) & ~self.is_least


@dataclass(frozen=True, eq=False)
class Ridge:
    """A ridge regression of some columns.

    Parameters
    ----------
    coef, level
        (n_columns, n_drugs) and (n_drugs,): prediction = T @ coef + level.
    filled
        (n_obs, n_drugs), the numbers that it was fitted to.
    answers
        (n_obs, n_drugs), T @ coef in s.d. of each column, with mean 0.
    spread
        (n_drugs,), s.d. of each column.
    """

    coef: Values
    level: Values
    filled: Values
    answers: Values
    spread: Values

    def predict(self, T: Values) -> Values:
        """Numbers of rows, (n_rows, n_drugs)."""
        return np.asarray(T @ self.coef + self.level)

    def of_rank(self, rank: int, T: Values) -> Ridge:
        """The same with its answers reduced to their leading patterns over the columns.

        Reduced rank ridge regression (Mukherjee and Zhu 2011).

        Parameters
        ----------
        T
            The rows that it was fitted to.
        """
        _, patterns = np.linalg.eigh(self.answers.T @ self.answers)
        leading = patterns[:, -rank:]
        coef = (self.coef / self.spread) @ leading @ leading.T * self.spread
        level = self.level + T.mean(axis=0) @ (self.coef - coef)
        answers = self.answers @ leading @ leading.T
        return Ridge(coef, level, self.filled, answers, self.spread)


class Shrinkage:
    """What ridge regressions on the same rows share.

    Parameters
    ----------
    T
        (n_obs, n_columns), of the rows.
    """

    def __init__(self, T: Values) -> None:
        self.T = T
        self._centre = T.mean(axis=0)
        self._rows = T - self._centre
        self._squares, self._axes = np.linalg.eigh(self._rows.T @ self._rows)
        self._squares = np.maximum(self._squares, 0)

    def ridge(self, numbers: Numbers, penalty: float) -> Ridge:
        """Fit all columns; each needs a number.

        Parameters
        ----------
        penalty
            Weight of the squared weights beside the summed squared error, as a multiple of the mean
            squared length of a row. It then means the same for few features as for many.
        """
        n_obs = len(self.T)
        alpha = max(penalty * float(self._squares.sum()) / n_obs, _TINY)
        shrunk = (self._axes / (self._squares + alpha)) @ self._axes.T
        n_free = 1 + float((self._squares / (self._squares + alpha)).sum())
        known, exact = np.isfinite(numbers.given), numbers.is_exact
        level, spread = _mean_and_spread(numbers.given)
        given = np.where(known, (numbers.given - level) / spread, 0.0)
        z = given
        for _ in range(_STEPS):
            mean = z.mean(axis=0)
            coef = shrunk @ (self._rows.T @ (z - mean))
            answers = self._rows @ coef
            fitted = answers + mean
            new = np.where(known, given, fitted)
            if numbers.is_least.any():
                new = _lifted(new, fitted, known, exact, n_free)
            change, z = float(np.abs(new - z).max()), new
            if change < _TOLERANCE:
                break
        coef = coef * spread
        mean = mean * spread + level - self._centre @ coef
        return Ridge(coef, mean, z * spread + level, answers, spread)


def _lifted(z: Values, fitted: Values, known: NDArray, exact: NDArray, n_free: float) -> Values:
    """Numbers with the censored ones as high as a normal error lets expect above their bounds.

    The variance of the error is that of a Tobit model: it counts what is not known of a censored
    number. Parameters are on one scale; `n_free` is the number of free parameters.
    """
    least = known & ~exact
    variance = np.where(known, (z - fitted) ** 2, 0.0).sum(axis=0) / _left(known, n_free)
    for _ in range(_STEPS):
        sd = np.sqrt(np.maximum(variance, _TINY))
        above = (z - fitted) / sd
        ratio = _mills(above)
        squared = np.where(least, sd**2 * (1 + above * ratio), (z - fitted) ** 2)
        new = np.where(known, squared, 0.0).sum(axis=0) / _left(known, n_free)
        if np.abs(new - variance).max() <= _TOLERANCE * np.maximum(variance, _TINY).max():
            break
        variance = new
    return np.where(least, fitted + sd * ratio, z)


def _left(known: NDArray, n_free: float) -> Values:
    """Degrees of freedom of the error of each column: at least a tenth of its numbers."""
    n_known = known.sum(axis=0)
    return np.maximum(n_known - n_free, np.maximum(n_known / 10, 1.0))


def _mills(above: Values) -> Values:
    """Density over upper tail of the standard normal: mean of a normal above a bound."""
    return np.exp(-0.5 * above**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(-above))


def _mean_and_spread(values: Values) -> tuple[Values, Values]:
    """Mean and s.d. of each column; the s.d. is 1 where a column does not vary."""
    known = np.isfinite(values)
    n_known = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, values, 0.0)
    mean = filled.sum(axis=0) / n_known
    spread = np.sqrt(np.where(known, (filled - mean) ** 2, 0.0).sum(axis=0) / n_known)
    return mean, np.where(spread > 1e-9 * (1 + np.abs(mean)), spread, 1.0)
