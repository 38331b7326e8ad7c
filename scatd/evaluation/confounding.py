"""Test whether a batch or tissue column predicts the response better than the profiles do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from scatd.data.splits import stratified_folds
from scatd.evaluation.intervals import Bootstrap, Fold, fold_mean_interval
from scatd.evaluation.metrics import Array, response_metrics

LOGISTIC_C = 0.01
"""Inverse of the L2 penalty on standardised features."""

_MOST_ROWS = 2000
"""Most rows of the Gram matrix: the check must stay faster than the training."""
_NEWTON_STEPS, _TOLERANCE = 20, 1e-2
"""Logits that change by less than the tolerance rank the samples like the exact solution."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Confounding:
    """Mean fold AUROC of the groups with its interval, and of the profiles on the same folds."""

    groups: float
    ci_low: float
    ci_high: float
    profiles: float


def gram_matrix(X: npt.NDArray) -> Floats:
    """Inner products of standardised profiles, plus one for the intercept, (n_obs, n_obs).

    Mean and s.d. are computed over all rows; they contain no labels. Constant features become 0.
    """
    Z = np.array(X, dtype=np.float32)
    Z -= Z.mean(axis=0)
    std = Z.std(axis=0)
    Z /= np.where(std > 0, std, 1)
    return Z @ Z.T + np.float32(1)


def sample_rows(usable: npt.NDArray[np.bool_], seed: int) -> npt.NDArray[np.intp]:
    """Choose at most 2,000 usable rows, ascending."""
    rows = np.flatnonzero(usable)
    if len(rows) > _MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _MOST_ROWS, replace=False))
    return rows


def confounding(
    codes: npt.NDArray, groups: npt.NDArray, gram: Floats, *, n_folds: int, seed: int
) -> Confounding | None:
    """Compare the groups with the profiles, on the same stratified folds.

    Parameters
    ----------
    codes
        (n_obs,): 0 sensitive, 1 resistant.
    groups
        (n_obs,): batch, tissue, ...
    gram
        From `gram_matrix`, for the same rows.

    Returns
    -------
    None when the groups do no better than chance: the interval of their mean fold AUROC includes
    0.5. The profiles are then not scored.
    """
    folds = stratified_folds(codes, n_folds, seed)
    of_groups = [
        (codes[val], group_rates(codes[train], groups[train], groups[val])) for train, val in folds
    ]
    low, high = fold_mean_interval(of_groups, bootstrap=Bootstrap(seed=seed))
    if not low > 0.5:
        return None
    of_profiles = []
    for train, val in folds:
        weights = dual_logistic(gram[np.ix_(train, train)], codes[train])
        of_profiles.append((codes[val], expit(gram[np.ix_(val, train)] @ weights)))
    return Confounding(_mean_auroc(of_groups), low, high, _mean_auroc(of_profiles))


def group_rates(codes: npt.NDArray, groups: npt.NDArray, asked: npt.NDArray) -> Array:
    """Share of resistant samples in the group of each asked sample, (n_asked,).

    This is the answer of logistic regression on the one-hot column, with one sample at the
    overall share added to each group instead of a penalty. A group without training samples gets
    the overall share.
    """
    names, member = np.unique(groups, return_inverse=True)
    overall = float(codes.mean())
    resistant = np.bincount(member, weights=codes, minlength=len(names))
    rates = (resistant + overall) / (np.bincount(member, minlength=len(names)) + 1)
    at = np.clip(np.searchsorted(names, asked), 0, len(names) - 1)
    return np.where(names[at] == asked, rates[at], overall)


def dual_logistic(gram: Floats, codes: npt.NDArray, C: float = LOGISTIC_C) -> Floats:
    """L2-penalised logistic regression from inner products, by Newton steps.

    With fewer rows than features, this is the same model as one fitted to the features, but much
    faster: each step solves for one number a row. The step is that of Rasmussen and Williams
    (Gaussian Processes for Machine Learning, 2006, algorithm 3.1) for the kernel C * gram.

    Parameters
    ----------
    gram
        Inner products of the training rows, (n_train, n_train).
    codes
        (n_train,): 0 or 1.

    Returns
    -------
    (n_train,): the logit of a sample is its inner products with the training rows times these.
    """
    kernel = gram * np.float32(C)
    truth = codes.astype(np.float32)
    logits = np.zeros(len(codes), np.float32)
    dual = logits
    for _ in range(_NEWTON_STEPS):
        prob = expit(logits)
        curvature = prob * (1 - prob)
        root = np.sqrt(curvature)
        target = curvature * logits + truth - prob
        system = root[:, None] * kernel * root
        system[np.diag_indices_from(system)] += 1
        solved = cho_solve(cho_factor(system, overwrite_a=True), root * (kernel @ target))
        dual = target - root * solved
        before, logits = logits, kernel @ dual
        if np.abs(logits - before).max() < _TOLERANCE:
            break
    return dual * np.float32(C)


def _mean_auroc(folds: Sequence[Fold]) -> float:
    return float(np.mean([response_metrics(*fold)["auroc"] for fold in folds]))
