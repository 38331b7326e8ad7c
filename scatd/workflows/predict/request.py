"""The request of a prediction, and its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import keys
from scatd.data.given import GivenCohort
from scatd.data.scoring_request import ScoringRequest
from scatd.evaluation.domain import CohortShift
from scatd.keys import AlignmentMethod, StatsSource, Uncertainty
from scatd.ranges import CountOrNone, Seed, ShareInside
from scatd.registry import ModelRef

ANNOTATED = ".h5ad"
"""The one kind of output that holds the cohort and the posterior means."""
POSTERIOR_DRAWS = 50
"""Draws for `--uncertainty posterior` where `--mc-samples` names no number."""


@dataclass(frozen=True)
class PredictRequest(ScoringRequest):
    """Which cells to score with which model.

    Parameters
    ----------
    drug
        In any spelling.
    input
        Cohort or feature matrix; None takes the demo target.
    output
        A file that ends in one of `output.OUTPUT_SUFFIXES`; None writes nothing, and the result
        holds all.
    threshold, alignment
        In place of those stored with the model.
    mc_samples, seed
        Posterior draws a cell; 0 scores at the posterior mean.
    uncertainty
        S.d. to report beside each score: over the models of all "folds", over draws of the
        "posterior" (`POSTERIOR_DRAWS` of them where `mc_samples` is 0).
    stats
        "reference": a cell's score does not depend on the others. "cohort": re-centre (published).
    """

    drug: str
    input: GivenCohort | None
    output: Path | None
    threshold: ShareInside | None = None
    mc_samples: CountOrNone = 0
    seed: Seed = 0
    uncertainty: tuple[Uncertainty, ...] = ()
    alignment: AlignmentMethod | None = None
    stats: StatsSource = "reference"

    @property
    def keeps_latent(self) -> bool:
        """Whether the result needs the posterior means."""
        return self.output is None or self.output.suffix == ANNOTATED

    @property
    def n_draws(self) -> int:
        """Posterior draws that are needed."""
        wanted = POSTERIOR_DRAWS if "posterior" in self.uncertainty else 0
        return self.mc_samples or wanted


@dataclass(frozen=True, eq=False)
class PredictResult:
    """Scores of a cohort.

    Parameters
    ----------
    ref
        The model version that scored.
    table
        One row a cell: barcode, prob_resistant, response, ood, reason; prob_sd, prob_sd_folds and
        ood_p where they are known.
    obs
        Annotations of the cells as the cohort has them.
    about
        Provenance of the scores, as plain values.
    notes
        Findings about the cohort, in sentences.
    latent
        Posterior means, (n_obs, n_latent), NaN for a cell without a score; None unless the output
        holds them.
    shift
        Position of the cohort relative to the training domain; None where the model does not know
        its domain, or no cell has a score.
    not_assessed
        Reason why the model does not know its domain; empty where it does.
    output
        The file that was written, if one was.
    """

    ref: ModelRef
    table: pd.DataFrame
    obs: pd.DataFrame = field(default_factory=pd.DataFrame)
    about: Mapping[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    latent: NDArray[np.float32] | None = None
    shift: CohortShift | None = None
    not_assessed: str = ""
    output: Path | None = None

    @property
    def is_scored(self) -> NDArray[np.bool_]:
        """(n_obs,) whether a cell has a score."""
        return (self.table["reason"] == "").to_numpy()

    @property
    def table_in_words(self) -> pd.DataFrame:
        """The table as text files hold it: where `ood` was not assessed, it gives the reason.

        In `table`, and in files whose columns have types, `ood` is true, false or missing.
        """
        if not self.not_assessed:
            return self.table
        words = np.where(self.is_scored, self.not_assessed, "")
        return self.table.assign(ood=words)

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return len(self.table)

    @property
    def n_failed(self) -> int:
        """Number of cells without a score."""
        return int((~self.is_scored).sum())

    @property
    def n_resistant(self) -> int:
        """Number of cells that are called resistant."""
        return int((self.table["response"] == keys.RESISTANT).sum())

    @property
    def n_abstained(self) -> int:
        """Number of cells without a call, because their score lies too near the threshold."""
        return int((self.table["response"] == keys.ABSTAIN).sum())
