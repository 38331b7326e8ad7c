"""The baseline logistic regression: C by inner folds, best mean AUROC. It is no candidate.

Candidates have a rule of their own (the strongest penalty within one standard error, on leading
components), and share no code with this.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scatd.data.splits import stratified_folds
from scatd.decision import logit
from scatd.errors import InputError
from scatd.training.standardised import Standardised, Values

GRID = (1e-4, 10**-3.5, 1e-3, 10**-2.5, 1e-2, 10**-1.5, 1e-1, 1.0)
"""Values of C, the strongest penalty first: weight of the summed loss beside half the weights²."""
FALLBACK_C = 0.01
"""Where inner folds cannot choose."""
N_INNER = 3
FEWEST = 5
"""Rows of the rarer class that are enough to choose C."""
_TOLERANCE, _ROUGH = 1e-6, 1e-4
"""Of the solver: for the weights, and to choose by."""

Codes = NDArray[np.int_]
Split = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True, eq=False)
class Logistic:
    """A fitted logistic regression in the terms of single features.

    Parameters
    ----------
    weights
        (n_features,), 0 for a feature that did not vary.
    bias
        Log odds at all features 0.
    C
        The one that was chosen.
    """

    weights: Values
    bias: float
    C: float


def fit_logistic(
    rows: Standardised, codes: Codes, *, seed: int, inner: Sequence[Split] | None = None
) -> Logistic:
    """Fit scikit-learn's logistic regression (L2) to standardised rows.

    It is found in the span of the rows, which is exact and takes a fraction of the time.

    Parameters
    ----------
    codes
        (n_obs,), 0 or 1; both must occur.
    inner
        Inner folds: positions to train on, and to score. None draws them (`inner_folds`); with
        none at all, C is `FALLBACK_C`.
    seed
        Of the inner folds that are drawn.
    """
    from sklearn.linear_model import LogisticRegression

    columns = rows.span
    if not columns.shape[1]:  # a few cells may all have one profile
        return Logistic(np.zeros(len(rows.scale.varies)), float(logit(codes.mean())), FALLBACK_C)
    C = chosen_C(columns, codes, inner_folds(codes, seed) if inner is None else inner)
    fitted = LogisticRegression(C=C, max_iter=2000, tol=_TOLERANCE).fit(columns, codes)
    weights, offset = rows.of_span(fitted.coef_[0])
    return Logistic(weights, float(fitted.intercept_[0] + offset), C)


def chosen_C(columns: Values, codes: Codes, inner: Sequence[Split]) -> float:
    """The C with the best mean AUROC over inner folds; the strongest penalty of equal ones.

    Parameters
    ----------
    columns
        (n_obs, n_columns), rows that are standardised.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    if not inner:
        return FALLBACK_C
    found = np.zeros((len(inner), len(GRID)))
    columns = columns.astype(np.float32)  # enough to rank by, in half the time
    for fold, (train, val) in enumerate(inner):
        # From a strong to a weak penalty, each is a good start for the next one.
        model = LogisticRegression(warm_start=True, max_iter=2000, tol=_ROUGH)
        for place, C in enumerate(GRID):
            with rough_fits():
                model.set_params(C=C).fit(columns[train], codes[train])
            found[fold, place] = roc_auc_score(codes[val], columns[val] @ model.coef_[0])
    return GRID[int(found.mean(axis=0).argmax())]


@contextlib.contextmanager
def rough_fits() -> Iterator[None]:
    """Say nothing of fits to choose by, which end early.

    float32 ends the search before the tolerance is reached, at ranks that are final. Filters are
    shared by all threads: who fits in several enters this before they start.
    """
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def inner_folds(
    codes: Codes,
    seed: int,
    groups: NDArray[np.str_] | None = None,
    few: Codes | None = None,
) -> list[Split]:
    """Inner folds that choose C; empty where there are too few rows of a class.

    Parameters
    ----------
    codes, groups
        Of the source samples, (n_source,). A group is never split.
    few
        Classes of labelled target cells that stand behind them. Where there are enough of them,
        they alone are scored.
    """
    if few is None:
        return _splits(codes, seed, groups)
    source, cells = np.arange(len(codes)), len(codes) + np.arange(len(few))
    of_cells = [
        (np.concatenate([source, cells[train]]), cells[val]) for train, val in _splits(few, seed)
    ]
    return of_cells or [
        (np.concatenate([train, cells]), val) for train, val in _splits(codes, seed, groups)
    ]


def _splits(codes: Codes, seed: int, groups: NDArray[np.str_] | None = None) -> list[Split]:
    if np.bincount(codes, minlength=2).min() < FEWEST:
        return []
    for n_folds in range(N_INNER, 1, -1):
        try:
            return stratified_folds(codes, n_folds, seed, groups)
        except InputError:  # too few groups, or a class that one group holds
            continue
    return []
