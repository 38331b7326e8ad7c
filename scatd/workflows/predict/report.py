"""The result of a prediction: a table of scores, and how they were made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import artifact, keys
from scatd.evaluation.domain import CohortShift, is_outside
from scatd.registry import ModelRef
from scatd.scoring import Scorer, Scores
from scatd.workflows.cohorts.features import ScoringInput
from scatd.workflows.predict.request import PredictRequest


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
        its domain.
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
    output: Path | None = None

    @property
    def is_scored(self) -> NDArray[np.bool_]:
        """(n_obs,) whether a cell has a score."""
        return (self.table["reason"] == "").to_numpy()

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


def score_table(given: ScoringInput, scores: Scores) -> pd.DataFrame:
    """The table of a prediction, in the order of the cohort."""
    is_scored = given.reasons == ""
    table = pd.DataFrame(
        {
            "barcode": given.features.ids,
            "prob_resistant": np.where(is_scored, scores.prob_resistant, np.nan),
            "response": np.where(is_scored, scores.responses, ""),
            # Empty where a cell has no score, or the model does not know its training domain.
            "ood": _outside(scores, is_scored),
            "reason": given.reasons,
        }
    )
    for name in ("prob_sd", "prob_sd_folds", "ood_p"):
        values = getattr(scores, name)
        if values is not None:
            table[name] = np.where(is_scored, values, np.nan)
    return table


def _outside(scores: Scores, is_scored: NDArray[np.bool_]) -> Any:
    """Cells outside the training domain: true, false or not known."""
    outside = pd.array([pd.NA] * len(is_scored), dtype="boolean")
    if scores.ood_p is not None:
        outside[is_scored] = is_outside(scores.ood_p[is_scored])
    return outside


def provenance(
    ref: ModelRef, scorer: Scorer, scores: Scores, request: PredictRequest
) -> dict[str, Any]:
    """The model that gave the scores, and its settings, as plain values."""
    return {
        **asdict(ref),
        "threshold": scores.threshold,
        "polarity": dict(keys.POLARITY),
        "alignment": request.alignment or scorer.alignment.method,
        "stats": request.stats,
        **_calibration(scorer, request),
        "mc_samples": request.n_draws,
        "versions": artifact.versions(),
        "use": keys.CAVEAT,
    }


def _calibration(scorer: Scorer, request: PredictRequest) -> dict[str, Any]:
    """How the version's own probability became the reported one, and the band without a call."""
    recalibration, band = scorer.decision.recalibration, scorer.decision.abstain
    about: dict[str, Any] = {
        "calibration": "none" if recalibration is None else recalibration.to_card()["method"]
    }
    if band is not None and request.threshold is None:
        about["abstain"] = list(band)
    return about
