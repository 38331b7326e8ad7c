"""Logistic and ridge regression on standardised features, in the span of their components."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from scatd.candidates.candidate import Values
from scatd.candidates.linear import Linear
from scatd.decision import expit
from scatd.keys import CandidateName
from scatd.training.candidates.recipe import Recipe, Setting, TrainingRows

Fit = tuple[Values, float]
"""Weights of the columns, and bias."""

MOST_COMPONENTS = 256
"""Leading components that hold the span of the rows; with more rows, the rest is noise."""
_FEW_COMPONENTS = 50
_STEPS, _TOLERANCE = 50, 1e-7

LOGISTIC_C = tuple(10.0 ** (exponent / 2) for exponent in range(-9, 0))
RIDGE_ALPHA = tuple(10.0 ** (exponent / 2) for exponent in range(12, 4, -1))


class LinearRecipe(Recipe[Linear]):
    """Logistic regression and ridge regression with an L2 penalty.

    Both are fitted to the leading components of all training rows, which their labels have no part
    in. A strongly penalised model has hardly any weight outside of them.
    """

    name: ClassVar[CandidateName] = "linear"
    settings: ClassVar[tuple[Setting, ...]] = tuple(
        [Setting("logistic regression", c) for c in LOGISTIC_C]
        + [Setting("ridge", alpha) for alpha in RIDGE_ALPHA]
    )
    fallback: ClassVar[Setting] = Setting("logistic regression", 1e-3)
    fallback_calibration: ClassVar[tuple[float, float]] = (1.0, 0.0)

    def inner_scores(self, rows: TrainingRows) -> dict[Setting, Values]:
        """Log odds, or the ridge's answer, of every row by models that did not see it."""
        components = rows.standardised.components(MOST_COMPONENTS)
        found = {setting: np.full(len(rows.codes), np.nan) for setting in self.settings}
        for train, val in rows.inner:
            some, codes = components[train], rows.codes[train]
            for setting, (coef, bias) in _path(some, codes, self.settings).items():
                found[setting][val] = components[val, : len(coef)] @ coef + bias
        return found

    def fit(self, rows: TrainingRows, setting: Setting) -> Linear:
        """Fit all rows, in the terms of single features."""
        components = rows.standardised.components(MOST_COMPONENTS)
        coef, bias = _path(components, rows.codes, (setting,))[setting]
        weights, offset = rows.standardised.of_components(coef)
        return Linear(weights, bias + offset)


def _path(T: Values, codes: np.ndarray, settings: tuple[Setting, ...]) -> dict[Setting, Fit]:
    """Weights of components (n_obs, n_components) and bias, for each setting."""
    logistic = [one for one in settings if one.variant == "logistic regression"]
    ridge = [one for one in settings if one.variant == "ridge"]
    fitted = logistic_path(T, codes, [one.strength for one in logistic])
    fitted += ridge_path(T, codes, [one.strength for one in ridge])
    return dict(zip([*logistic, *ridge], fitted, strict=True))


def logistic_path(T: Values, codes: np.ndarray, strengths: list[float]) -> list[Fit]:
    """Logistic regressions with an L2 penalty, each started from the one before (Newton's method).

    Parameters
    ----------
    T
        (n_obs, n_columns).
    codes
        (n_obs,), 0 or 1; both must occur.
    strengths
        C of scikit-learn: weight of the summed loss beside half the squared weights.

    Returns
    -------
    Weights (n_columns,) and bias of each.
    """
    design = np.column_stack([T, np.ones(len(T))])
    share = codes.mean()
    coef = np.append(np.zeros(T.shape[1]), np.log(share / (1 - share)))
    penalty = np.append(np.ones(T.shape[1]), 0)
    found = []
    for c in strengths:
        loss = _loss(design, codes, coef, penalty, c)
        for _ in range(_STEPS):
            prob = expit(design @ coef)
            gradient = c * (design.T @ (prob - codes)) + penalty * coef
            curved = design * (c * prob * (1 - prob))[:, None]
            hessian = design.T @ curved
            hessian[np.diag_indices_from(hessian)] += penalty + 1e-12
            step = np.linalg.solve(hessian, gradient)
            rate, was = 1.0, loss
            while (loss := _loss(design, codes, coef - rate * step, penalty, c)) > was + 1e-12:
                rate /= 2
                if rate < 1e-6:
                    break
            coef = coef - rate * step
            if was - loss < _TOLERANCE * (1 + abs(loss)):
                break
        found.append((coef[:-1].copy(), float(coef[-1])))
    return found


def _loss(design: Values, codes: np.ndarray, coef: Values, penalty: Values, c: float) -> float:
    odds = design @ coef
    return float(c * (np.logaddexp(0, odds) - codes * odds).sum() + 0.5 * penalty @ coef**2)


def ridge_path(T: Values, codes: np.ndarray, strengths: list[float]) -> list[Fit]:
    """Ridge regressions of the classes, as -1 and 1, with a bias that is not penalised.

    Parameters
    ----------
    T
        (n_obs, n_columns).
    codes
        (n_obs,), 0 or 1.
    strengths
        alpha of scikit-learn: weight of the squared weights beside the summed squared error.

    Returns
    -------
    Weights (n_columns,) and bias of each.
    """
    if not strengths:
        return []
    wanted = 2.0 * codes - 1
    centre, level = T.mean(axis=0), wanted.mean()
    rows = T - centre
    squares, axes = np.linalg.eigh(rows.T @ rows)
    turned = axes.T @ (rows.T @ (wanted - level))
    found = []
    for alpha in strengths:
        coef = axes @ (turned / (np.maximum(squares, 0) + alpha))
        found.append((coef, float(level - centre @ coef)))
    return found
