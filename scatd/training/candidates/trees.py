"""Extremely randomised trees (Geurts et al. 2006), by scikit-learn, as additive trees."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from scatd.candidates.candidate import Values
from scatd.candidates.trees import Trees
from scatd.decision import logit
from scatd.keys import CandidateName
from scatd.training.candidates.recipe import Recipe, Setting, TrainingRows
from scatd.training.forests import grown

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

EXTRA_TREES = "extra trees"
TREE_ROWS = 109_000
"""Rows that all trees of a forest are fitted to together: few rows get many trees."""
FEWEST_TREES, MOST_TREES = 100, 300
INNER_SHARE = 0.4
"""Share of the trees that is enough to choose by."""
_SLOPE = 4.0
"""Log odds from no vote to all votes, where nothing could calibrate them."""
FEATURE_SHARE, MOST_FEATURES = 0.15, 100
"""Features that a node draws its cuts from; more are slower and no better."""


class TreesRecipe(Recipe[Trees]):
    """A forest of extremely randomised trees; the strength is the least number of rows in a leaf.

    Its score is the mean over trees of the share of resistant rows in a leaf, with both classes
    weighing the same. It is a sum over trees, so that its attributions are exact.
    """

    name: ClassVar[CandidateName] = "trees"
    fallback: ClassVar[Setting] = Setting(EXTRA_TREES, 5)

    def settings(self, rows: TrainingRows) -> tuple[Setting, ...]:  # noqa: ARG002
        """One: forests differ little in what inner folds can tell apart."""
        return (self.fallback,)

    def inner_scores(self, rows: TrainingRows) -> dict[Setting, Values]:
        """Votes for "resistant", 0 to 1, of every row by trees that did not see it."""
        found = {}
        for setting in self.settings(rows):
            votes = np.full(len(rows.codes), np.nan)
            for train, val in rows.inner:
                forest = _forest(rows, setting, INNER_SHARE)
                grown(forest, rows.X[train], rows.codes[train], rows.weights[train])
                votes[val] = forest.predict_proba(rows.X[val])[:, 1]
            found[setting] = votes
        return found

    def fit(self, rows: TrainingRows, setting: Setting) -> Trees:
        """Fit all rows."""
        forest = _forest(rows, setting, 1)
        return additive(grown(forest, rows.X, rows.codes, rows.weights))

    def fit_unjudged(self, rows: TrainingRows) -> Trees:
        """Fit all rows: a vote of one half is the share of resistant rows."""
        trees = self.fit(rows, self.fallback)
        return trees.scaled(_SLOPE, float(logit(rows.codes.mean())) - _SLOPE / 2)


def _forest(rows: TrainingRows, setting: Setting, share: float) -> ExtraTreesClassifier:
    """A forest for these rows, or with a share of its trees."""
    from sklearn.ensemble import ExtraTreesClassifier

    n_trees = min(max(TREE_ROWS // len(rows.X), FEWEST_TREES), MOST_TREES)
    return ExtraTreesClassifier(
        round(share * n_trees),
        max_features=min(math.ceil(FEATURE_SHARE * rows.X.shape[1]), MOST_FEATURES),
        min_samples_leaf=int(setting.strength),
        class_weight="balanced",
        random_state=rows.seed,
    )


def additive(forest: ExtraTreesClassifier | ExtraTreesRegressor) -> Trees:
    """The trees of a forest as arrays; their sum is the forest's answer.

    It is the P(resistant) of a forest of two classes, and the number of a forest of one number.
    """
    trees = [member.tree_ for member in forest.estimators_]
    firsts = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]

    def joined(name: str) -> NDArray[np.int32]:
        found = []
        for first, tree in zip(firsts, trees, strict=True):
            child = getattr(tree, name)
            own = np.arange(tree.node_count)
            found.append(np.where(child < 0, own, child) + first)
        return np.concatenate(found).astype(np.int32)

    leaf = np.concatenate([tree.children_left < 0 for tree in trees])
    feature = np.concatenate([tree.feature for tree in trees])
    threshold = _down(np.concatenate([tree.threshold for tree in trees]))
    has_classes = trees[0].value.shape[2] == 2
    answers = [
        tree.value[:, 0, 1] / tree.value[:, 0].sum(axis=1) if has_classes else tree.value[:, 0, 0]
        for tree in trees
    ]
    return Trees(
        roots=firsts.astype(np.int32),
        left=joined("children_left"),
        right=joined("children_right"),
        feature=np.where(leaf, 0, feature).astype(np.int32),
        threshold=np.where(leaf, np.float32(0), threshold),
        value=np.where(leaf, np.concatenate(answers) / len(trees), 0.0),
        bias=0.0,
    )


def _down(thresholds: Values) -> NDArray[np.float32]:
    """The largest float32 at or under each number: a float32 feature passes one as the other."""
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)
