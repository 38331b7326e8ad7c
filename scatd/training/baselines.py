"""What a response model has to beat, on the same folds and the same aligned features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scatd.nn.alignment import CONSTANT

N_COMPONENTS = 50
LOGISTIC_C = 0.01


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

    train, val = _principal_coordinates(X_train, X_val)
    logistic = LogisticRegression(C=LOGISTIC_C, max_iter=2000).fit(train, codes)
    boosting = HistGradientBoostingClassifier(random_state=seed)
    boosting.fit(train[:, :N_COMPONENTS], codes)
    return {
        "prevalence": np.full(len(val), codes.mean()),
        "logistic_regression": logistic.predict_proba(val)[:, 1],
        "gradient_boosting": boosting.predict_proba(val[:, :N_COMPONENTS])[:, 1],
    }


def _principal_coordinates(
    X_train: NDArray[np.float32], X_val: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates of both sets in the span of the standardised training rows, largest first.

    An L2-penalised model in these coordinates is exactly the one in the original features, since
    weights outside the span of the rows would only be penalised; with fewer rows than features it
    is much faster.
    """
    mean, std = X_train.mean(axis=0), X_train.std(axis=0)
    # A feature that is constant but for rounding would put other rows a million s.d. away.
    varies = std > CONSTANT * (1 + np.abs(mean))
    mean, std = mean[varies], std[varies]
    train = ((X_train[:, varies] - mean) / std).astype(np.float64)
    val = ((X_val[:, varies] - mean) / std).astype(np.float64)
    squares, left = np.linalg.eigh(train @ train.T)
    keep = squares > squares[-1] * 1e-10
    order = np.argsort(squares[keep])[::-1]
    scale = np.sqrt(squares[keep][order])
    left = left[:, keep][:, order]
    return left * scale, (val @ train.T) @ left / scale
