"""The table of a prediction, and the provenance of its scores."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import artifact, keys
from scatd.evaluation import label_kinds
from scatd.evaluation.domain import is_outside
from scatd.registry import ModelRef
from scatd.scoring import Scorer, Scores
from scatd.workflows.predict.request import PredictRequest


def score_table(
    ids: NDArray[np.str_], reasons: NDArray[np.object_], scores: Scores
) -> pd.DataFrame:
    """The table of a prediction, one row a cell.

    Parameters
    ----------
    ids, reasons
        (n_obs,) names of the cells, and reasons why they have no features; empty where they have.
    """
    is_scored = reasons == ""
    table = pd.DataFrame(
        {
            "barcode": ids,
            "prob_resistant": np.where(is_scored, scores.prob_resistant, np.nan),
            "response": np.where(is_scored, scores.responses, ""),
            # Missing where a cell has no score, or the model does not know its training domain.
            "ood": _outside(scores, is_scored),
            "reason": reasons,
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
        "candidate_in_words": scorer.card.candidate_in_words,
        "labels_in_words": label_kinds.in_words(scorer.card.about.label_kinds),
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
