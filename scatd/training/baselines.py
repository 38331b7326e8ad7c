"""Baselines of a response model, on the same folds and the same aligned features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from scatd.data.files import is_whole, row_blocks, sha256_file, stored_hashes, write_hashes
from scatd.errors import InputError
from scatd.training.standardised import Standardised

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

LINEAR_FILE = "logistic_regression.safetensors"
N_COMPONENTS = 50
LOGISTIC_C = 0.01
_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class LinearBaseline:
    """Logistic regression (L2, all standardised features) in the terms of single features.

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
        from threadpoolctl import threadpool_limits

        # With a few hundred rows threads wait for each other: seconds where one takes a fraction.
        with threadpool_limits(1):
            return _logistic_regression(Standardised(X), codes)

    @classmethod
    def read(cls, folder: Path) -> LinearBaseline:
        """Read what `write` wrote.

        Raises
        ------
        InputError
            When the file is damaged. One of scatd before 0.2 has no hash beside it.
        """
        path = folder / LINEAR_FILE
        what, remedy = "is damaged", "Learn the drug again: scatd transfer."
        damaged = InputError(what, where=str(path), remedy=remedy)
        if stored_hashes(path) and not is_whole(path):
            raise damaged
        try:
            tensors = load_file(path)
            numbers = (tensors["weights"], tensors["bias"], tensors["prevalence"])
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise damaged from error
        weights, bias, prevalence = numbers
        if not all(np.isfinite(values).all() for values in numbers) or weights.ndim != 1:
            raise damaged
        return cls(weights, float(bias), float(prevalence))

    def write(self, folder: Path) -> None:
        """Write it into a folder that is there."""
        numbers = {"bias": np.array(self.bias), "prevalence": np.array(self.prevalence)}
        save_file({"weights": self.weights, **numbers}, folder / LINEAR_FILE)
        write_hashes(folder / LINEAR_FILE, sha256_file(folder / LINEAR_FILE))

    def probabilities(self, X: Any) -> dict[str, NDArray[np.float64]]:
        """P(resistant) of aligned rows (n_obs, n_features), a baseline; read block by block."""
        odds = np.concatenate(
            [np.asarray(X[rows], np.float64) @ self.weights for rows in row_blocks(X)]
        )
        return {
            "prevalence": np.full(len(odds), self.prevalence),
            "logistic_regression": 1 / (1 + np.exp(-(odds + self.bias))),
        }


@dataclass(frozen=True, eq=False)
class Baselines:
    """All baselines that need nothing but features, trained on one fold.

    Parameters
    ----------
    linear
        Logistic regression, and the prevalence.
    axes, offset
        (n_features, n_components) and (n_components,): X @ axes - offset are the first principal
        components of the standardised training rows.
    boosting
        Reads those; on all 3,072 columns it would take forty times as long.
    """

    linear: LinearBaseline
    axes: NDArray[np.float64]
    offset: NDArray[np.float64]
    boosting: HistGradientBoostingClassifier

    @classmethod
    def fit(cls, rows: Standardised, codes: NDArray[np.int_], *, seed: int) -> Baselines:
        """Fit standardised rows to classes (n_obs,)."""
        from sklearn.ensemble import HistGradientBoostingClassifier
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):  # as for `LinearBaseline`
            linear = _logistic_regression(rows, codes)
            axes, offset = rows.axes(N_COMPONENTS)
            boosting = HistGradientBoostingClassifier(random_state=seed)
            boosting.fit(rows.components(N_COMPONENTS), codes)
        return cls(linear, axes, offset, boosting)

    def probabilities(self, X: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        """P(resistant) of aligned rows (n_obs, n_features), a baseline.

        They are `prevalence`, `logistic_regression` and `gradient_boosting`.
        """
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):
            boosted = self.boosting.predict_proba(X @ self.axes - self.offset)[:, 1]
        return self.linear.probabilities(X) | {"gradient_boosting": boosted}


def _logistic_regression(rows: Standardised, codes: NDArray[np.int_]) -> LinearBaseline:
    """Fit standardised rows to classes (n_obs,)."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=LOGISTIC_C, max_iter=2000, tol=_TOLERANCE).fit(rows.root, codes)
    weights, offset = rows.of_root(fitted.coef_[0])
    return LinearBaseline(weights, float(fitted.intercept_[0] + offset), float(codes.mean()))
