"""Dependence of an attribution on the value of its feature, and on other features."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

_SPAN = 2 / 3
"""Share of the cells that determine a point of the line (Cleveland's default)."""
_MAX_BINS, _BIN_SHARE = 50, 10


def smoothed(values: npt.ArrayLike, attributions: npt.ArrayLike) -> pd.DataFrame:
    """LOWESS line (Cleveland 1979) of attribution against value.

    Parameters
    ----------
    values, attributions
        (n_cells,) of one feature, in the feature's unit and in logits.

    Returns
    -------
    pandas.DataFrame
        Columns `value`, `attribution`, by rising value; empty for fewer than three distinct values.
    """
    from statsmodels.nonparametric.smoothers_lowess import lowess

    x, y = np.asarray(values, dtype=float), np.asarray(attributions, dtype=float)
    columns = ["value", "attribution"]
    if len(np.unique(x)) < 3:
        return pd.DataFrame(columns=columns, dtype=float)
    # Points within 1 % of the range share a fit, so thousands of cells take little time.
    line = lowess(y, x, frac=_SPAN, delta=0.01 * np.ptp(x))
    table = pd.DataFrame(line, columns=columns).dropna()
    return table.drop_duplicates("value", ignore_index=True)


def interactions(values: pd.DataFrame, attributions: pd.Series) -> pd.Series:
    """Interaction of each other feature with the attribution of one feature.

    Cells are sorted by the value of the feature and cut into bins of equal size. Inside a bin this
    value hardly varies. If the attribution still correlates with another feature there, the two
    interact. The result is the sum of the absolute correlations over bins. SHAP's dependence plots,
    and with them the published script, choose the second feature by this rule.

    Parameters
    ----------
    values
        (n_cells, n_features).
    attributions
        (n_cells,) of one feature; the name of the series is the name of the feature.

    Returns
    -------
    pandas.Series
        Indexed by feature, strongest first, without the feature itself; 0 for constant features.
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
    """|r| of each column with `y`; 0 when either is constant."""
    X, y = X - X.mean(axis=0), y - y.mean()
    spread = np.linalg.norm(X, axis=0) * np.linalg.norm(y)
    return np.abs(np.divide(y @ X, spread, out=np.zeros(X.shape[1]), where=spread > 1e-12))
