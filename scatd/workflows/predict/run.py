"""Use case: score a cohort with a registered model, found by drug name."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from scatd import console, registry
from scatd.data.demo_files import given_or_demo
from scatd.data.features import Features
from scatd.data.opened import OpenedInput, open_input
from scatd.data.simulated import refuse_mixing
from scatd.evaluation.domain import cohort_shift, not_assessed_sentence, why_not_assessed
from scatd.evaluation.nearness import nearness
from scatd.nn.devices import pick_device
from scatd.registry import ModelRef
from scatd.registry.by_drug import find_model
from scatd.scoring import ScoreOptions, Scorer, Scores
from scatd.workflows.cohorts.features import ScoringInput, scoring_input
from scatd.workflows.predict.output import require_output, write_prediction
from scatd.workflows.predict.report import provenance, score_table
from scatd.workflows.predict.request import PredictRequest, PredictResult

logger = logging.getLogger(__name__)

SHIFT_ROWS = 2000


def predict(request: PredictRequest) -> PredictResult:
    """Score every cell of a cohort; nothing is written unless all were scored.

    Raises
    ------
    InputError
        When there is no such model, or the cohort cannot be used.
    """
    if request.output is not None:
        require_output(request.output)
    device = pick_device(request.device)
    ref = find_model(request.drug, request.family, request.stage)
    return score_file(request, ref, Scorer(registry.read(ref), str(device)))


def score_file(
    request: PredictRequest,
    ref: ModelRef,
    scorer: Scorer,
    progress: Callable[[int], object] = int,
) -> PredictResult:
    """Open a cohort, score it with a model that is loaded, and write the scores.

    The command and the server both call this. Parameters are those of `score_cells`.

    Raises
    ------
    InputError
        When the cohort cannot be used.
    """
    scorer.require_draws(request.n_draws)  # before the file is opened
    with open_input(given_or_demo(request.input, "target")) as opened:
        result = score_opened(request, ref, scorer, opened, progress)
        if request.output is not None:
            write_prediction([result], opened, request.output)
    return replace(result, output=request.output)


def score_opened(
    request: PredictRequest,
    ref: ModelRef,
    scorer: Scorer,
    opened: OpenedInput,
    progress: Callable[[int], object] = int,
) -> PredictResult:
    """Score an input that is open; nothing is written. Parameters are those of `score_cells`.

    Raises
    ------
    InputError
        When the cohort cannot be used.
    """
    scorer.require_draws(request.n_draws)  # before features are made, which may take hours
    family, prepared = ref.family, request.preparation
    with scoring_input(opened, family, scorer.card, prepared, scorer.device) as given:
        return score_cells(request, ref, scorer, given, progress)


def score_cells(
    request: PredictRequest,
    ref: ModelRef,
    scorer: Scorer,
    given: ScoringInput,
    progress: Callable[[int], object] = int,
) -> PredictResult:
    """Score every cell of an opened cohort; nothing is written.

    Parameters
    ----------
    request
        How to score; its drug, family, stage and device were decided with the model.
    ref, scorer
        The model.
    given
        The cohort as the model reads it.
    progress
        Called with the number of cells scored since the last call.

    Raises
    ------
    InputError
        When simulated and real would mix, or the model cannot score as the request asks.
    """
    features = given.features
    refuse_mixing(
        {f"model {ref.name}": ref.simulated, str(features.path): features.simulated},
        allowed=request.allow_simulated,
    )
    for note in given.notes:
        logger.info("%s", note)
    notes = [*given.notes, *_nearness_note(scorer, features, request, given.reasons == "")]
    scores = _scores(request, ref, scorer, features, progress)
    is_scored = given.reasons == ""
    about = provenance(ref, scorer, scores, request)
    shift, not_assessed = None, ""
    if scorer.domain is None:
        few = scorer.card.about.too_few_for_domain
        not_assessed, sentence = why_not_assessed(few), not_assessed_sentence(few)
        about["domain"] = {"not_assessed": not_assessed}
        notes.append(sentence)
        logger.warning("%s", sentence)
    elif scores.ood_p is not None and is_scored.any():
        shift = cohort_shift(scores.ood_p[is_scored], scorer.domain.role)
        about["domain"] = asdict(shift)
        notes.append(shift.sentence)
        logger.log(logging.WARNING if shift.is_foreign else logging.INFO, "%s", shift.sentence)
    if scores.latent is not None:
        scores.latent[~is_scored] = np.nan
    table = score_table(features.ids, given.reasons, scores)
    return PredictResult(
        *(ref, table, features.obs, about, notes, scores.latent),
        shift=shift,
        not_assessed=not_assessed,
    )


def _scores(
    request: PredictRequest,
    ref: ModelRef,
    scorer: Scorer,
    features: Features,
    progress: Callable[[int], object],
) -> Scores:
    with console.progress(features.n_obs, f"Scoring {ref.drug}", "cell") as bar:

        def done(n_rows: int) -> None:
            bar.update(n_rows)
            progress(n_rows)

        return scorer.score(
            features.X,
            threshold=request.threshold,
            mc_samples=request.n_draws,
            options=ScoreOptions(
                alignment=request.alignment,
                stats=request.stats,
                seed=request.seed,
                fold_sd="folds" in request.uncertainty,
                keep_latent=request.keeps_latent,
            ),
            progress=done,
        )


def _nearness_note(
    scorer: Scorer, features: Features, request: PredictRequest, is_scored: NDArray[np.bool_]
) -> list[str]:
    """How far the cohort lies from the reference, from a sample of the rows that have features."""
    reference = scorer.alignment.reference
    rows = np.flatnonzero(is_scored)
    if reference is None or not len(rows):
        return []
    some = rows[:: max(len(rows) // SHIFT_ROWS, 1)]
    found = nearness(
        np.array(features.X[some], dtype=np.float32),
        reference.mean.cpu().numpy(),
        reference.std.cpu().numpy(),
        missing=features.missing,
        scale=scorer.card.about.input_scale,
    )
    note = found.sentence
    if request.stats == "reference" and found.is_far:
        note += " Re-centring is worth a look: --stats cohort."
    logger.log(logging.INFO if found.is_known else logging.WARNING, "%s", note)
    return [note]
