"""What is asked of a response model, and the scores that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scatd.keys import AlignmentMethod, StatsSource


@dataclass(frozen=True)
class ScoreOptions:
    """How cells are aligned, and which further results are wanted.

    Parameters
    ----------
    alignment
        Replaces the stored method.
    stats
        "reference" uses the stored statistics: the score of a cell does not depend on the other
        cells. "cohort" re-centres on the cohort itself.
    shrunk
        Pull the cohort's statistics towards the stored ones (not as published), and refuse cohorts
        that are too small to have statistics.
    seed
        For the posterior draws. Each block has draws of its own.
    fold_sd
        Also compute how far the models of all folds disagree, at the posterior mean.
    keep_folds
        With `fold_sd`: also return what the model of each fold says.
    keep_latent
        Also return the posterior means: 1.7 GB for a million cells of sf.
    numbers
        Also return the numbers, such as ln IC50, of a model that predicts them.
    """

    alignment: AlignmentMethod | None = None
    stats: StatsSource = "reference"
    shrunk: bool = True
    seed: int = 0
    fold_sd: bool = False
    keep_folds: bool = False
    keep_latent: bool = False
    numbers: bool = False


DEFAULTS = ScoreOptions()


@dataclass(frozen=True)
class Scores:
    """The scores of n cells for one response model.

    Parameters
    ----------
    prob_resistant
        (n_obs,), P(resistant); high means that the cell resists the drug.
    prob_sd
        (n_obs,), its s.d. over posterior draws; None when no draws were asked for.
    latent
        (n_obs, n_latent), the posterior mean; None unless `keep_latent`.
    responses
        (n_obs,), "sensitive", "resistant" or, where the version may abstain, "abstain".
    threshold
        A cell is resistant strictly above it.
    own
        (n_obs,), P(resistant) before the version's calibration. It equals `prob_resistant` where
        the version has no calibration.
    prob_sd_folds
        (n_obs,), its s.d. over the models of all folds; None unless `fold_sd`.
    prob_folds
        (n_obs, n_folds), P(resistant) of the model of each fold; None unless `keep_folds`.
    ood_p
        (n_obs,), conformal p-value: the fraction of training cells that lie at least as far out.
        A low value means that the cell is unlike the training cells. None when the model does not
        store its training domain.
    numbers
        (n_obs, 3), predicted number, such as ln IC50, and the ends of its interval; None unless
        `numbers`, and when the model predicts none.
    """

    prob_resistant: NDArray[np.float64]
    prob_sd: NDArray[np.float64] | None
    latent: NDArray[np.float32] | None
    responses: NDArray[np.str_]
    threshold: float
    own: NDArray[np.float64]
    prob_sd_folds: NDArray[np.float64] | None = None
    prob_folds: NDArray[np.float64] | None = None
    ood_p: NDArray[np.float64] | None = None
    numbers: NDArray[np.float64] | None = None


def joined(parts: Sequence[Scores]) -> Scores:
    """Scores of consecutive cells by one model as one; at least one part."""
    whole: dict[str, Any] = {"threshold": parts[0].threshold}
    for name in (field.name for field in fields(Scores) if field.name not in whole):
        values = [getattr(part, name) for part in parts]
        whole[name] = None if values[0] is None else np.concatenate(values)
    return Scores(**whole)
