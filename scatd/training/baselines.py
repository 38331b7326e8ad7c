"""Baselines of a response model, on the same folds and the same aligned features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scatd.data.files import row_blocks
from scatd.training.cores import one_thread
from scatd.training.forests import grown
from scatd.training.kept_baselines import LinearBaseline
from scatd.training.logistic import Codes, Split
from scatd.training.standardised import FeatureScale, Standardised, Values

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

RECIPE = 2
"""Counts up when a baseline changes: killed work with other baselines is not continued."""
BOOSTED_FEATURES = 1024
"""Most features of gradient boosting: with more, those that tell the classes apart best."""
BOOSTING = {
    "learning_rate": 0.05,
    "max_iter": 100,
    "max_depth": 3,
    "l2_regularization": 1.0,
    "max_bins": 32,
    "early_stopping": False,
}
FOREST_LEAF = 3
HALVED = 20
"""From so many rows on, a tree reads half of them: half the time, and the forest is as good."""
TREE_ROWS = 60_000
"""Rows that all trees of the forest are grown for together: few rows get many trees."""
FEWEST_TREES, MOST_TREES = 50, 200


@dataclass(frozen=True, eq=False)
class Baselines:
    """All baselines that need nothing but features, trained on one fold.

    Parameters
    ----------
    linear
        Logistic regression, and the prevalence.
    scale
        Of the training rows; trees read standardised features.
    picked
        Positions of the features that boosting reads, among those that vary.
    boosting, forest
        Trees.
    """

    linear: LinearBaseline
    scale: FeatureScale
    picked: NDArray[np.intp]
    boosting: HistGradientBoostingClassifier
    forest: RandomForestClassifier

    @classmethod
    def fit(
        cls,
        rows: Standardised,
        codes: Codes,
        *,
        seed: int,
        inner: Sequence[Split] | None = None,
    ) -> Baselines:
        """Fit standardised rows to classes (n_obs,).

        Parameters
        ----------
        seed
            Of the trees, and of inner folds.
        inner
            Inner folds that choose C of logistic regression; see `fit_logistic`.
        """
        from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

        with one_thread():
            linear = LinearBaseline.fit(rows, codes, seed=seed, inner=inner)
            picked = _picked(rows.rows, codes)
            share = 1 / math.sqrt(len(picked))
            boosting = HistGradientBoostingClassifier(
                **BOOSTING,
                # 20 is scikit-learn's; with few rows no node could be cut.
                min_samples_leaf=min(20, max(2, len(codes) // 8)),
                max_features=share,
                random_state=seed,
            )
            boosting.fit(rows.rows[:, picked], codes)
            forest = RandomForestClassifier(
                min(max(TREE_ROWS // len(codes), FEWEST_TREES), MOST_TREES),
                min_samples_leaf=FOREST_LEAF,
                max_samples=0.5 if len(codes) >= HALVED else None,
                max_features="sqrt",
                class_weight="balanced",
                random_state=seed,
            )
            grown(forest, rows.rows, codes)
        return cls(linear, rows.scale, picked, boosting, forest)

    def probabilities(self, X: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        """P(resistant) of aligned rows (n_obs, n_features), by baseline.

        They are `prevalence`, `logistic_regression`, `gradient_boosting` and `random_forest`.
        """
        boosted, voted = [], []
        with one_thread():
            for block in row_blocks(X):
                rows = self.scale.standardise(X[block])
                boosted.append(self.boosting.predict_proba(rows[:, self.picked])[:, 1])
                voted.append(self.forest.predict_proba(rows)[:, 1])
        return {
            "prevalence": np.full(len(X), self.linear.prevalence),
            "logistic_regression": self.linear.probability(X),
            "gradient_boosting": np.concatenate(boosted),
            "random_forest": np.concatenate(voted),
        }


def _picked(rows: Values, codes: Codes) -> NDArray[np.intp]:
    """Positions of the features that boosting reads, ascending: all, or the best by t-test."""
    if rows.shape[1] <= BOOSTED_FEATURES:
        return np.arange(rows.shape[1])
    # Features have s.d. 1, so that the difference of means orders them as the t-test does.
    apart = np.abs(rows[codes == 1].mean(axis=0) - rows[codes == 0].mean(axis=0))
    return np.sort(np.argsort(-apart, kind="stable")[:BOOSTED_FEATURES])
