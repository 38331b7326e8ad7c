"""How an attribution depends on a feature's value, and on other features."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

_SPAN = 2 / 3
"""Share of the cells that a point of the line looks at (Cleveland's own default)."""
_MAX_BINS, _BIN_SHARE = 50, 10


def smoothed(values: npt.ArrayLike, attributions: npt.ArrayLike) -> pd.DataFrame:
    """A LOWESS line (Cleveland 1979) through attribution against value.

    Parameters
    ----------
    values, attributions
        (n_cells,) of one feature, in the feature's unit and in logits.

    Returns
    -------
    pandas.DataFrame
        Columns `value`, `attribution`, by rising value; empty where fewer than three values differ.
    """
    from statsmodels.nonparametric.smoothers_lowess import lowess

    x, y = np.asarray(values, dtype=float), np.asarray(attributions, dtype=float)
    columns = ["value", "attribution"]
    if len(np.unique(x)) < 3:
        return pd.DataFrame(columns=columns, dtype=float)
    # Points within a hundredth of the range share a fit: thousands of cells take no time.
    line = lowess(y, x, frac=_SPAN, delta=0.01 * np.ptp(x))
    table = pd.DataFrame(line, columns=columns).dropna()
    return table.drop_duplicates("value", ignore_index=True)


def interactions(values: pd.DataFrame, attributions: pd.Series) -> pd.Series:
    """How strongly each other feature goes with what its value leaves unexplained.

    Cells are sorted by the feature's value and cut into bins of equally many. Inside a bin the
    value hardly varies, so that an attribution which goes with another feature there interacts
    with it: the absolute correlations are summed over bins. This is the rule by which SHAP's
    dependence plots, and with them the published script, choose a partner.

    Parameters
    ----------
    values
        (n_cells, n_features).
    attributions
        (n_cells,) of one feature, whose name it bears.

    Returns
    -------
    pandas.Series
        By feature, strongest first, without the feature itself; 0 for what is constant.
    """
    name = attributions.name
    order = np.argsort(values[name].to_numpy(), kind="stable")
    others = values.drop(columns=[name])
    X = others.to_numpy(dtype=float)[order]
    y = attributions.to_numpy(dtype=float)[order]
    size = max(min(len(y) // _BIN_SHARE, _MAX_BINS), 2)
    strength = np.zeros(others.shape[1])
    for start in range(0, len(y) - size + 1, size):
        strength += _absolute_correlations(X[start : start + size], y[start : start + size])
    return pd.Series(strength, index=others.columns).sort_values(ascending=False, kind="stable")


def _absolute_correlations(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """|r| of each column with `y`, 0 where either is constant."""
    X, y = X - X.mean(axis=0), y - y.mean()
    spread = np.linalg.norm(X, axis=0) * np.linalg.norm(y)
    return np.abs(np.divide(y @ X, spread, out=np.zeros(X.shape[1]), where=spread > 1e-12))
