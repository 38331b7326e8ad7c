"""Calibration of probabilities, fitted on labelled cells."""

from __future__ import annotations

import logging
from typing import Literal

import numpy as np
import numpy.typing as npt

from scatd.decision import Isotonic, Platt, Recalibration, logit
from scatd.errors import InputError
from scatd.evaluation.metrics import check_scores, response_metrics
from scatd.wording import counted

logger = logging.getLogger(__name__)

CalibrationMethod = Literal["platt", "isotonic"]

_SDS = np.linspace(0, 4, 81)
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(31)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
FEW_FOR_ISOTONIC = 1000
"""With fewer cells, isotonic regression fits their noise (Niculescu-Mizil & Caruana 2005)."""


def fit_recalibration(
    codes: npt.ArrayLike, prob: npt.ArrayLike, method: CalibrationMethod
) -> Recalibration:
    """Fit a function from the model's own probability to a calibrated one.

    Both methods keep the order of the cells (isotonic makes ties), so ranking metrics stay the
    same.

    Parameters
    ----------
    codes
        (n_obs,) 0 sensitive, 1 resistant; both must occur.
    prob
        (n_obs,) the model's own P(resistant).
    method
        "platt": two parameters, for few cells. "isotonic": any rising curve, for many cells.

    Raises
    ------
    InputError
        When the scores rank these cells no better than chance. Calibration would then give a
        constant, or reverse the scores.
    """
    truth, scores = check_scores(codes, prob)
    auroc = response_metrics(truth, scores)["auroc"]
    if not auroc > 0.5:
        raise InputError(
            f"the scores rank the labelled cells no better than chance (AUROC {auroc:.3f})",
            where="--calibrate-probability",
            remedy="Nothing is turned around; check which label means what (--label-map).",
        )
    if method == "isotonic":
        if len(truth) < FEW_FOR_ISOTONIC:
            logger.warning(
                "%s too few for isotonic calibration, which then follows their noise; platt needs "
                "fewer.",
                counted(len(truth), "cell", "is"),
            )
        return _isotonic(truth, scores)
    return fit_platt(truth, scores)


def error_between_groups(
    codes: npt.ArrayLike, prob: npt.ArrayLike, groups: npt.NDArray[np.intp]
) -> float:
    """S.d. of the error of log odds between groups: the most probable one, of `_SDS`.

    The error of a group is a shift of the log odds of its cells, normal around 0. It is integrated
    out.

    Parameters
    ----------
    codes
        (n_obs,) 0 sensitive, 1 resistant.
    prob
        (n_obs,) calibrated P(resistant).
    groups
        (n_obs,) number of the group of each cell.
    """
    odds, resistant = logit(prob)[:, None], np.asarray(codes)[:, None] == 1
    starts = np.arange(int(groups.max()) + 1)
    found = []
    for sd in _SDS:
        shifted = odds + sd * _NODES
        own = -np.logaddexp(0, np.where(resistant, -shifted, shifted))
        by_group = np.stack([own[groups == one].sum(axis=0) for one in starts])
        found.append(np.logaddexp.reduce(by_group + np.log(_WEIGHTS), axis=1).sum())
    return float(_SDS[int(np.argmax(found))])


def fit_platt(truth: npt.NDArray[np.float64], scores: npt.NDArray[np.float64]) -> Platt:
    """Logistic regression on the log odds, with Platt's smoothed targets; see `platt_of_odds`."""
    return platt_of_odds(truth, logit(scores))


def platt_of_odds(truth: npt.NDArray[np.float64], odds: npt.NDArray[np.float64]) -> Platt:
    """The same for scores of any range, (n_obs,): log odds, votes or answers of a regression.

    Reversed scores get a negative slope. A target is (n + 1) / (n + 2) for the n resistant cells
    and 1 / (n + 2) for the n sensitive cells. So the slope stays finite when the classes are
    perfectly separated.
    """
    from sklearn.linear_model import LogisticRegression

    n_resistant, n_sensitive = truth.sum(), (1 - truth).sum()
    high, low = (n_resistant + 1) / (n_resistant + 2), 1 / (n_sensitive + 2)
    target = np.where(truth == 1, high, low)
    column = odds[:, None]
    fitted = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(
        np.concatenate([column, column]),
        np.repeat([1, 0], len(truth)),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    return Platt(float(fitted.coef_[0, 0]), float(fitted.intercept_[0]))


def _isotonic(truth: npt.NDArray[np.float64], scores: npt.NDArray[np.float64]) -> Isotonic:
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0, y_max=1, increasing=True).fit(scores, truth)
    return Isotonic(tuple(fitted.X_thresholds_.tolist()), tuple(fitted.y_thresholds_.tolist()))
