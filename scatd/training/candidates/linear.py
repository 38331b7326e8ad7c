"""Logistic and ridge regression on standardised features, in the span of their components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from scatd.candidates.candidate import Values
from scatd.candidates.linear import Linear
from scatd.decision import expit
from scatd.keys import CandidateName
from scatd.training.candidates.recipe import Recipe, Rows, Setting, TrainingRows

Fit = tuple[Values, float]
"""Weights of the columns, and bias."""

MOST_COMPONENTS = 256
"""Leading components that hold the span of the rows; with more rows, the rest is noise."""
FEW_COMPONENTS = 50
_STEPS, _TOLERANCE, _JITTER = 50, 1e-9, 1e-12

LOGISTIC = "logistic regression"
RIDGE = "ridge"
ON_COMPONENTS = f"logistic regression on {FEW_COMPONENTS} components"
ON_LATENT = "logistic regression on the latent"
TARGET_ONLY = "logistic regression on the target cells alone"

GRIDS: Mapping[str, tuple[float, ...]] = {
    LOGISTIC: tuple(10.0 ** (exponent / 2) for exponent in range(-6, -1)),
    RIDGE: (1e4, 10**3.5, 1e3),
    ON_COMPONENTS: (1e-3, 1e-2, 1e-1),
    ON_LATENT: (1e-3, 1e-2, 1e-1),
}
"""Strengths of each variant, the strongest penalty first.

Penalties under 1e-3 lost on left-out tissues, under noise and within the source.
"""


class LinearRecipe(Recipe[Linear]):
    """Logistic regression and ridge regression with an L2 penalty.

    They are fitted to leading components of all training rows, which labels have no part in. A
    strongly penalised model has hardly any weight outside of them.
    """

    name: ClassVar[CandidateName] = "linear"
    fallback: ClassVar[Setting] = Setting(LOGISTIC, 1e-3)

    def settings(self, rows: TrainingRows) -> tuple[Setting, ...]:  # noqa: ARG002
        """All variants and strengths; the plainest variant first."""
        return tuple(Setting(name, strength) for name, grid in GRIDS.items() for strength in grid)

    def inner_scores(self, rows: TrainingRows) -> dict[Setting, Values]:
        """Log odds, or the ridge's answer, of every row by models that did not see it."""
        settings = self.settings(rows)
        found = {setting: np.full(len(rows.codes), np.nan) for setting in settings}
        for variant in dict.fromkeys(setting.variant for setting in settings):
            own = [setting for setting in settings if setting.variant == variant]
            columns = _columns(rows, variant)
            for train, val in rows.inner:
                for setting, (coef, bias) in zip(own, _fit(rows, columns, train, own), strict=True):
                    found[setting][val] = columns[val] @ coef + bias
        return found

    def fit(self, rows: TrainingRows, setting: Setting) -> Linear:
        """Fit all rows, in the terms of single features, or of the latent."""
        everything = np.arange(len(rows.codes))
        columns = _columns(rows, setting.variant)
        ((coef, bias),) = _fit(rows, columns, everything, [setting])
        if setting.variant == ON_LATENT:
            weights, offset = rows.latent.of_components(coef)
            return Linear(np.zeros(rows.X.shape[1]), bias + offset, weights)
        weights, offset = rows.standardised.of_components(coef)
        return Linear(weights, bias + offset)


class TargetOnlyRecipe(LinearRecipe):
    """Logistic regression on the few labelled target cells: the source may mislead."""

    fallback: ClassVar[Setting] = Setting(TARGET_ONLY, 1e-2)

    def settings(self, rows: TrainingRows) -> tuple[Setting, ...]:  # noqa: ARG002
        """One strength: a few cells cannot choose it."""
        return (self.fallback,)


def _columns(rows: TrainingRows, variant: str) -> Values:
    """What a variant is fitted to, (n_obs, n_columns)."""
    if variant == ON_LATENT:
        return rows.latent.components(MOST_COMPONENTS)
    few = variant == ON_COMPONENTS
    return rows.standardised.components(FEW_COMPONENTS if few else MOST_COMPONENTS)


def _fit(rows: TrainingRows, columns: Values, train: Rows, own: Sequence[Setting]) -> list[Fit]:
    """Fit some rows at each of the settings of one variant."""
    variant = own[0].variant
    some = train[rows.is_few[train]] if variant == TARGET_ONLY else train
    path = ridge_path if variant == RIDGE else logistic_path
    weights = np.ones(len(some)) if variant == TARGET_ONLY else rows.weights[some]
    return path(columns[some], rows.codes[some], weights, [setting.strength for setting in own])


def logistic_path(
    T: Values, codes: NDArray[np.int_], weights: Values, strengths: Sequence[float]
) -> list[Fit]:
    """Logistic regressions with an L2 penalty, each started from the one before (Newton's method).

    Parameters
    ----------
    T
        (n_obs, n_columns).
    codes
        (n_obs,), 0 or 1; both must occur.
    weights
        (n_obs,), of the rows.
    strengths
        C of scikit-learn: weight of the summed loss beside half the squared weights.

    Returns
    -------
    Weights (n_columns,) and bias of each.
    """
    design = np.column_stack([T, np.ones(len(T))])
    share = np.average(codes, weights=weights)
    coef = np.append(np.zeros(T.shape[1]), np.log(share / (1 - share)))
    penalty = np.append(np.ones(T.shape[1]), 0)

    def loss_of(coef: Values, c: float) -> float:
        odds = design @ coef
        each = np.logaddexp(0, odds) - codes * odds
        return float(c * (weights @ each) + 0.5 * penalty @ coef**2)

    found = []
    for c in strengths:
        loss = loss_of(coef, c)
        for _ in range(_STEPS):
            prob = expit(design @ coef)
            gradient = c * (design.T @ (weights * (prob - codes))) + penalty * coef
            curvature = c * weights * prob * (1 - prob)
            hessian = design.T @ (design * curvature[:, None]) + np.diag(penalty + _JITTER)
            step = np.linalg.solve(hessian, gradient)
            was, rate = loss, 1.0
            while (loss := loss_of(coef - rate * step, c)) > was and rate > _JITTER:
                rate /= 2
            coef = coef - rate * step
            if was - loss <= _TOLERANCE * (1 + abs(loss)):
                break
        found.append((coef[:-1].copy(), float(coef[-1])))
    return found


def ridge_path(
    T: Values, codes: NDArray[np.int_], weights: Values, strengths: Sequence[float]
) -> list[Fit]:
    """Ridge regressions of the classes, as -1 and 1, with a bias that is not penalised.

    Parameters
    ----------
    T
        (n_obs, n_columns).
    codes
        (n_obs,), 0 or 1.
    weights
        (n_obs,), of the rows.
    strengths
        alpha of scikit-learn: weight of the squared weights beside the summed squared error.

    Returns
    -------
    Weights (n_columns,) and bias of each.
    """
    if not strengths:
        return []
    wanted = 2.0 * codes - 1
    centre, level = np.average(T, axis=0, weights=weights), np.average(wanted, weights=weights)
    rows = T - centre
    squares, axes = np.linalg.eigh(rows.T @ (rows * weights[:, None]))
    turned = axes.T @ (rows.T @ (weights * (wanted - level)))
    found = []
    for alpha in strengths:
        coef = axes @ (turned / (np.maximum(squares, 0) + alpha))
        found.append((coef, float(level - centre @ coef)))
    return found
