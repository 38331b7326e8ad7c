"""From an array of features to probabilities, by a model that is loaded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.artifact import Artifact
from scatd.candidates.candidate import mean_probability
from scatd.data.limits import BLOCK
from scatd.errors import InputError
from scatd.nn.alignment import (
    COHORT_MINIMUM,
    FeatureStats,
    feature_stats,
    shrink,
)
from scatd.nn.products import fast_products
from scatd.row_scoring import RowScorer, rows_at_once
from scatd.scores import DEFAULTS, ScoreOptions, Scores, joined
from scatd.scoring_model import ScoringModel
from scatd.wording import counted


class Scorer(ScoringModel):
    """A response model that scores cells."""

    def score(
        self,
        X: NDArray[np.float32],
        *,
        threshold: float | None = None,
        mc_samples: int = 0,
        options: ScoreOptions = DEFAULTS,
        progress: Callable[[int], object] = int,
    ) -> Scores:
        """Score cells.

        The scripts that MLflow stored with older versions call this with `threshold` and
        `mc_samples`, so both stay parameters of their own.

        Parameters
        ----------
        X
            Features (n_obs, n_features), as the cohort holds them (not aligned). A memory map is
            read block by block.
        threshold
            Replaces the stored one; no cell then abstains.
        mc_samples
            Posterior draws a cell; with any, `prob_resistant` is their mean. 0 scores the posterior
            mean and is deterministic.
        options
            How cells are aligned, and which further results are wanted.
        progress
            Called with the number of rows done since the last call.

        Raises
        ------
        InputError
            When the number of features is wrong, the cohort is too small for `stats="cohort"`, the
            model holds nothing of other folds for `fold_sd`, or a score is not finite.
        """
        self.require_width(X)
        cohort = self.cohort_stats(X, options)
        rows = self.by_rows(
            threshold=threshold, mc_samples=mc_samples, options=options, cohort=cohort
        )
        parts, at_once = [], rows_at_once(self.n_features)
        for start in range(0, max(len(X), 1), at_once):
            parts.append(rows.score(start, X[start : start + at_once]))
            progress(len(parts[-1].own))
        return joined(parts)

    def by_rows(
        self,
        *,
        threshold: float | None = None,
        mc_samples: int = 0,
        options: ScoreOptions = DEFAULTS,
        cohort: FeatureStats | None = None,
        groups: NDArray[np.int32] | None = None,
    ) -> RowScorer:
        """Make what scores a cohort block by block, so that it is never in memory.

        Parameters
        ----------
        threshold, mc_samples, options
            As in `score`.
        cohort
            From `cohort_stats`.
        groups
            (n_obs,), groups of all cells of the cohort, as the regression numbers them; their
            numbers get the intervals of their groups.

        Raises
        ------
        InputError
            When the model cannot align as asked, cannot make draws, or holds nothing of other folds
            for `fold_sd`.
        """
        self.require_draws(mc_samples)
        aligned = self._alignment(options.alignment)
        return RowScorer(
            *(self, threshold, mc_samples, options),
            move=lambda block: aligned.move_target(block, cohort),
            folds=self._all_folds() if options.fold_sd else [],
            groups=groups,
        )

    def cohort_stats(
        self, X: NDArray[np.float32], options: ScoreOptions = DEFAULTS
    ) -> FeatureStats | None:
        """The statistics of a cohort (n_obs, n_features) by which it is re-centred.

        None where `options` or the alignment use none.

        Raises
        ------
        InputError
            When the cohort is too small, or the number of features is wrong.
        """
        reference = self._alignment(options.alignment).reference
        if options.stats != "cohort" or reference is None:
            return None
        self.require_width(X)
        if options.shrunk and len(X) < COHORT_MINIMUM:
            what = f"{counted(len(X), 'cell', 'has')} no statistics of their own"
            remedy = "Use --stats reference."
            raise InputError(what, expected=f"at least {COHORT_MINIMUM}", remedy=remedy)
        blocks = (X[start : start + BLOCK] for start in range(0, len(X), BLOCK))
        found = feature_stats(torch.tensor(np.asarray(rows, np.float32)) for rows in blocks)
        found = found.to(self.device)
        return shrink(found, reference) if options.shrunk else found


def artifact_probability(stored: Artifact, X: Tensor) -> NDArray[np.float64]:
    """P(resistant) (n_obs,) of aligned rows, as a stored response model gives it."""
    network = stored.classifier()
    with torch.inference_mode(), fast_products():
        return mean_probability(stored.members(network), X, network.encode(X)[0])
