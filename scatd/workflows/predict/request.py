"""The request of a prediction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scatd.data.scoring_request import ScoringRequest
from scatd.keys import AlignmentMethod, StatsSource, Uncertainty
from scatd.ranges import CountOrNone, Seed, ShareInside

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
        S.d. to report beside each score: over heads of all "folds", over draws of the "posterior"
        (`POSTERIOR_DRAWS` of them where `mc_samples` is 0).
    stats
        "reference": a cell's score does not depend on the others. "cohort": re-centre (published).
    """

    drug: str
    input: Path | None
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
