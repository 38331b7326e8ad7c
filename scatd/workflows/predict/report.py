"""What a prediction says beside its scores: the model, its settings, and findings in sentences."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

from scatd import artifact, keys
from scatd.evaluation import label_kinds
from scatd.evaluation.domain import (
    CohortShift,
    not_assessed_sentence,
    shift_of_counts,
    why_not_assessed,
)
from scatd.evaluation.nearness import RowSums, nearness
from scatd.notes import Advised
from scatd.registry import ModelRef
from scatd.scoring import Scorer
from scatd.workflows.cohorts.scoring_input import ScoringInput
from scatd.workflows.predict.request import PredictRequest, PredictResult
from scatd.workflows.predict.totals import Totals

logger = logging.getLogger(__name__)


def summary(
    request: PredictRequest, ref: ModelRef, scorer: Scorer, given: ScoringInput, totals: Totals
) -> PredictResult:
    """The result of a prediction, from the numbers of all its cells; it is also logged.

    Raises
    ------
    InputError
        When no cell expresses a gene.
    """
    about, notes = provenance(ref, scorer, request), list(given.notes)
    notes[:0] = given.warnings(totals.cells)
    for note in notes:
        logger.info("%s", note)
    if scorer.regression is not None:
        notes.append(keys.NUMBER_CAVEAT)
    if totals.sample is not None:
        notes += _nearness_note(scorer, given, request, totals.sample)
    shift, not_assessed = _shift(scorer, totals), why_not_assessed_by(scorer)
    if not_assessed:
        about["domain"] = {"not_assessed": not_assessed}
        notes.append(not_assessed_sentence(scorer.card.about.too_few_for_domain))
        logger.warning("%s", notes[-1])
    elif shift is not None:
        about["domain"] = asdict(shift)
        notes.append(shift.sentence)
        logger.log(logging.WARNING if shift.is_foreign else logging.INFO, "%s", shift.sentence)
    return PredictResult(ref, totals, about, notes, shift, not_assessed)


def why_not_assessed_by(scorer: Scorer) -> str:
    """Why a model does not know its training domain; empty where it does."""
    return (
        "" if scorer.domain is not None else why_not_assessed(scorer.card.about.too_few_for_domain)
    )


def _shift(scorer: Scorer, totals: Totals) -> CohortShift | None:
    if scorer.domain is None or not totals.n_by_p:
        return None
    return shift_of_counts(totals.n_by_p, scorer.domain.role)


def _nearness_note(
    scorer: Scorer, given: ScoringInput, request: PredictRequest, sample: RowSums
) -> list[str]:
    """How far the cohort lies from the reference, by a sample of the rows that have features."""
    reference = scorer.alignment.reference
    if reference is None:
        return []
    found = nearness(
        sample,
        reference.mean.cpu().numpy(),
        reference.std.cpu().numpy(),
        missing=given.missing,
        scale=scorer.card.about.input_scale,
    )
    note = found.sentence
    if request.stats == "reference" and found.is_far:
        note = Advised(note, "Re-centring is worth a look: --stats cohort.")
    logger.log(logging.INFO if found.is_known else logging.WARNING, "%s", note)
    return [note]


def provenance(ref: ModelRef, scorer: Scorer, request: PredictRequest) -> dict[str, Any]:
    """The model that gives the scores, and its settings, as plain values."""
    decision = scorer.decision
    return {
        **asdict(ref),
        "candidate_in_words": scorer.card.candidate_in_words,
        "labels_in_words": label_kinds.in_words(scorer.card.about.label_kinds),
        "threshold": decision.threshold if request.threshold is None else request.threshold,
        "polarity": dict(keys.POLARITY),
        "alignment": request.alignment or scorer.alignment.method,
        "stats": request.stats,
        **_calibration(scorer, request),
        **_numbers(scorer),
        "mc_samples": request.n_draws,
        "versions": artifact.versions(),
        "use": keys.CAVEAT,
    }


def _numbers(scorer: Scorer) -> dict[str, Any]:
    """What the numbers mean that stand beside the probabilities; empty where there are none."""
    if scorer.regression is None:
        return {}
    said = scorer.regression.said
    return {
        "numbers": {
            "units": said.units,
            "columns": list(keys.number_names(said.units)),
            "level": said.level,
            "groups": said.column or "none",
            "use": keys.NUMBER_CAVEAT,
        }
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
