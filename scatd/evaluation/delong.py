"""The variance of an AUROC without resampling (DeLong et al. 1988)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_Z = 1.959964


def auroc_variance(codes: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[float, float]:
    """AUROC of scores of any range, and its variance; ties count half.

    Parameters
    ----------
    codes
        (n_obs,) 0 sensitive, 1 resistant; two of each are needed for a variance.
    scores
        (n_obs,), higher for "resistant".

    Returns
    -------
    AUROC and variance. The AUROC is NaN without one sample of each class; the variance is that of
    chance, 1/4, without two.
    """
    from scipy.stats import rankdata

    truth, values = np.asarray(codes), np.asarray(scores, dtype=np.float64)
    resistant, sensitive = values[truth == 1], values[truth == 0]
    n_resistant, n_sensitive = len(resistant), len(sensitive)
    if not n_resistant or not n_sensitive:
        return float("nan"), 0.25
    ranks = rankdata(np.concatenate([resistant, sensitive]))
    # Share of the other class that each sample is ranked above (resistant) or under (sensitive).
    above = (ranks[:n_resistant] - rankdata(resistant)) / n_sensitive
    under = 1 - (ranks[n_resistant:] - rankdata(sensitive)) / n_resistant
    auroc = float(above.mean())
    if min(n_resistant, n_sensitive) < 2:
        return auroc, 0.25
    variance = above.var(ddof=1) / n_resistant + under.var(ddof=1) / n_sensitive
    return auroc, float(variance)


def auroc_interval(codes: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[float, float]:
    """95 % interval of an AUROC on the scale of its log odds, which keeps it inside 0 and 1.

    Parameters
    ----------
    codes, scores
        See `auroc_variance`.

    Returns
    -------
    Lower and upper end; 0 and 1 where the AUROC is 0 or 1, or is not defined.
    """
    auroc, variance = auroc_variance(codes, scores)
    if not 0 < auroc < 1:
        return 0.0, 1.0
    reach = _Z * np.sqrt(variance) / (auroc * (1 - auroc))
    odds = np.log(auroc / (1 - auroc))
    low, high = 1 / (1 + np.exp(-(odds + np.array([-reach, reach]))))
    return float(low), float(high)
