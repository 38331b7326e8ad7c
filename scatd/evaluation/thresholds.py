"""Where to cut a probability."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def youden(codes: npt.ArrayLike, prob: npt.ArrayLike) -> float:
    """Threshold with the highest sensitivity + specificity - 1 (Youden 1950).

    The cut lies midway between two neighbouring scores, and inside (0, 1); of equally good cuts the
    one nearest to 0.5 is taken.

    Parameters
    ----------
    codes
        (n_obs,) 0 sensitive, 1 resistant; both must occur.
    prob
        (n_obs,) P(resistant).
    """
    truth, scores = np.asarray(codes), np.asarray(prob, dtype=np.float64)
    levels = np.unique(scores)
    inner = (levels[:-1] + levels[1:]) / 2
    cuts = np.concatenate([[levels[0] / 2], inner, [(levels[-1] + 1) / 2]])
    called = scores[:, None] > cuts
    hits = called[truth == 1].mean(axis=0) - called[truth == 0].mean(axis=0)
    best = np.flatnonzero(np.isclose(hits, hits.max()))
    return float(cuts[best[np.argmin(np.abs(cuts[best] - 0.5))]])
