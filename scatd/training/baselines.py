"""What a response model has to beat, on the same folds and the same aligned features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scatd.data.files import row_blocks
from scatd.nn.alignment import CONSTANT

N_COMPONENTS = 50
LOGISTIC_C = 0.01
_JITTER = 1e-12


def baseline_probabilities(
    X_train: NDArray[np.float32],
    codes: NDArray[np.int_],
    X_val: NDArray[np.float32],
    *,
    seed: int,
) -> dict[str, NDArray[np.float64]]:
    """P(resistant) of the validation rows, a baseline.

    Parameters
    ----------
    X_train, X_val
        Aligned features (n_obs, n_features).
    codes
        Classes of the training rows.

    Returns
    -------
    `prevalence` (the share of resistant training rows), `logistic_regression` (L2, all standardised
    features) and `gradient_boosting` (on the first 50 principal components of the training rows;
    on all 3,072 columns it takes forty times as long).
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    # With a few hundred rows threads wait for each other: seconds where one takes a fraction.
    with threadpool_limits(1):
        train, val = _principal_coordinates(X_train, X_val)
        logistic = LogisticRegression(C=LOGISTIC_C, max_iter=2000).fit(train, codes)
        boosting = HistGradientBoostingClassifier(random_state=seed)
        boosting.fit(train[:, :N_COMPONENTS], codes)
        return {
            "prevalence": np.full(len(val), codes.mean()),
            "logistic_regression": logistic.predict_proba(val)[:, 1],
            "gradient_boosting": boosting.predict_proba(val[:, :N_COMPONENTS])[:, 1],
        }


@dataclass(frozen=True, eq=False)
class LinearBaseline:
    """Logistic regression as `baseline_probabilities` fits it, in the terms of single features.

    Parameters
    ----------
    weights
        (n_features,), 0 for a feature that did not vary.
    bias
        Log odds at all features 0.
    prevalence
        Share of resistant training rows.
    """

    weights: NDArray[np.float64]
    bias: float
    prevalence: float

    @classmethod
    def fit(cls, X: NDArray[np.float32], codes: NDArray[np.int_]) -> LinearBaseline:
        """Fit aligned features (n_obs, n_features) to classes (n_obs,)."""
        from scipy.linalg import solve_triangular
        from sklearn.linear_model import LogisticRegression

        mean, std, varies = _spread(X)
        rows = ((X[:, varies] - mean) / std).astype(np.float64)
        # As good as principal axes: any square root of the rows' products has their lengths and
        # angles, and this one takes a tenth of the time. What it adds makes it a root at all.
        products = rows @ rows.T
        products[np.diag_indices_from(products)] += _JITTER * products.trace()
        root = np.linalg.cholesky(products)
        fitted = LogisticRegression(C=LOGISTIC_C, max_iter=2000).fit(root, codes)
        per_sd = rows.T @ solve_triangular(root, fitted.coef_[0], lower=True, trans="T")
        weights = np.zeros(X.shape[1])
        weights[varies] = per_sd / std
        bias = float(fitted.intercept_[0] - weights[varies] @ mean)
        return cls(weights, bias, float(codes.mean()))

    def probabilities(self, X: Any) -> dict[str, NDArray[np.float64]]:
        """P(resistant) of aligned rows (n_obs, n_features), a baseline; read block by block."""
        odds = np.concatenate(
            [np.asarray(X[rows], np.float64) @ self.weights for rows in row_blocks(X)]
        )
        return {
            "prevalence": np.full(len(odds), self.prevalence),
            "logistic_regression": 1 / (1 + np.exp(-(odds + self.bias))),
        }


def _principal_coordinates(
    X_train: NDArray[np.float32], X_val: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates of both sets in the span of the standardised training rows, largest first.

    An L2-penalised model in these coordinates is exactly the one in the original features, since
    weights outside the span of the rows would only be penalised; with fewer rows than features it
    is much faster.
    """
    mean, std, varies = _spread(X_train)
    train = ((X_train[:, varies] - mean) / std).astype(np.float64)
    val = ((X_val[:, varies] - mean) / std).astype(np.float64)
    squares, left = np.linalg.eigh(train @ train.T)
    keep = squares > squares[-1] * 1e-10
    order = np.argsort(squares[keep])[::-1]
    scale = np.sqrt(squares[keep][order])
    left = left[:, keep][:, order]
    return left * scale, (val @ train.T) @ left / scale


def _spread(
    X: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Mean and s.d. of the features that vary, and which these are, (n_features,)."""
    mean, std = X.mean(axis=0), X.std(axis=0)
    # A feature that is constant but for rounding would put other rows a million s.d. away.
    varies = std > CONSTANT * (1 + np.abs(mean))
    return mean[varies], std[varies], varies
