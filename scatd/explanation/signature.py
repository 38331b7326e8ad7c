"""Importance and slopes of features from a few cells: fast enough to compare many models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor

from scatd.explanation.explainers.explainer import RESISTANT, Explainer
from scatd.explanation.importance import Floats, Tally
from scatd.keys import RESPONSES

STEPS = 24
"""Integration steps for controls. They suffice for ranks, but not for completeness of a cell."""


@dataclass(frozen=True, eq=False)
class Signature:
    """Importance of each feature, and the direction of its effect, both (n_features,).

    Parameters
    ----------
    importance
        Mean absolute attribution of the resistant logit.
    slope
        Logits a unit of the feature; see `Tally.slope`.
    """

    importance: Floats
    slope: Floats

    def top(self, n: int) -> NDArray[np.intp]:
        """Positions of the n most important features, in falling order."""
        return np.argsort(-self.importance, kind="stable")[:n]


def signature(explainer: Explainer, x: Tensor, baseline: Tensor, n_steps: int = STEPS) -> Signature:
    """Importance and slopes over aligned cells x (n_obs, n_features)."""
    found = explainer.quick(x, baseline, n_steps)
    word = RESPONSES[RESISTANT]
    tally = Tally([word], x.shape[1])
    tally.add({word: found}, (x - baseline).cpu().numpy())
    return Signature(tally.importance(word), tally.slope(word))


def rank_correlation(a: Floats, b: Floats) -> float:
    """Spearman's correlation; 0 when one input is constant, because it then carries no ranks."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(spearmanr(a, b).statistic)


def top_overlap(a: NDArray, b: NDArray) -> float:
    """Share of list `a` that is also in list `b`; both have the same length."""
    return len(np.intersect1d(a, b)) / max(len(a), 1)


def agreement(a: Signature, b: Signature, top: int) -> dict[str, float]:
    """Agreement of two models about the features.

    Returns
    -------
    `spearman` of importance, `slope_spearman` (signed, and independent of the spread of a
    feature), and `top_overlap` of the lists.
    """
    return {
        "spearman": rank_correlation(a.importance, b.importance),
        "slope_spearman": rank_correlation(a.slope, b.slope),
        "top_overlap": top_overlap(a.top(top), b.top(top)),
    }
