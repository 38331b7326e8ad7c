"""Use case: score a cohort with a registered model, found by drug name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.data.demo_files import given_or_demo
from scatd.data.opened import OpenedInput, open_input
from scatd.data.simulated import refuse_mixing
from scatd.nn.devices import pick_device
from scatd.registry import ModelRef
from scatd.registry.loaded import Loaded, load_model
from scatd.scoring import RowScorer, ScoreOptions, Scorer
from scatd.workflows.cohorts.features import scoring_input
from scatd.workflows.cohorts.scoring_input import ScoringInput
from scatd.workflows.predict.chunks import Totals, scored_chunks
from scatd.workflows.predict.output import require_output, write_prediction, writing
from scatd.workflows.predict.report import summary, why_not_assessed_by
from scatd.workflows.predict.request import PredictedCells, PredictRequest, PredictResult


def predict(request: PredictRequest) -> PredictResult:
    """Score every cell of a cohort into a file, as the cohort is read.

    The file is there only when all cells were scored.

    Raises
    ------
    InputError
        When there is no such model, or the cohort cannot be used.
    """
    assert request.output is not None, "score_file keeps the scores in memory"
    require_output(request.output)
    model = load_model(request.drug, request.family, request.stage, pick_device(request.device))
    return score_into_file(request, model)


def score_into_file(request: PredictRequest, model: Loaded) -> PredictResult:
    """As `predict`, with a model that is loaded."""
    ref, scorer = model.ref, model.scorer
    scorer.require_draws(request.n_draws)  # before the file is opened
    with (
        open_input(given_or_demo(request.input, "target")) as opened,
        scoring_input(opened, ref.family, scorer.card, request.preparation, scorer.device) as given,
    ):
        return _stream(request, ref, scorer, given)


def _stream(
    request: PredictRequest, ref: ModelRef, scorer: Scorer, given: ScoringInput
) -> PredictResult:
    output = request.output
    assert output is not None
    rows, totals = row_scorer(request, ref, scorer, given), Totals()
    not_assessed = why_not_assessed_by(scorer)
    with writing(output, given.opened, ref, given.ids, not_assessed=not_assessed) as writer:
        for chunk in scored_chunks(given, rows, f"Scoring {ref.drug}"):
            writer.add(chunk.table, chunk.latent)
            totals.add(chunk.totals)
        result = summary(request, ref, scorer, given, totals)
        writer.finish(result.about)
    return replace(result, output=output)


def score_file(
    request: PredictRequest,
    ref: ModelRef,
    scorer: Scorer,
    progress: Callable[[int], object] = int,
) -> PredictedCells:
    """Score a cohort with a model that is loaded, write the scores if asked to, and keep them.

    Parameters are those of `score_cells`.

    Raises
    ------
    InputError
        When the cohort cannot be used.
    """
    scorer.require_draws(request.n_draws)  # before the file is opened
    with open_input(given_or_demo(request.input, "target")) as opened:
        cells = score_opened(request, ref, scorer, opened, progress)
        if request.output is not None:
            write_prediction([cells], opened, request.output)
    return replace(cells, result=replace(cells.result, output=request.output))


def score_opened(
    request: PredictRequest,
    ref: ModelRef,
    scorer: Scorer,
    opened: OpenedInput,
    progress: Callable[[int], object] = int,
) -> PredictedCells:
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
) -> PredictedCells:
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
    rows, totals = row_scorer(request, ref, scorer, given), Totals()
    tables: list[pd.DataFrame] = []
    latents: list[NDArray[np.float32]] = []
    for chunk in scored_chunks(given, rows, f"Scoring {ref.drug}", progress=progress):
        tables.append(chunk.table)
        latents += [] if chunk.latent is None else [chunk.latent]
        totals.add(chunk.totals)
    result = summary(request, ref, scorer, given, totals)
    latent = np.concatenate(latents) if latents else None
    return PredictedCells(result, pd.concat(tables, ignore_index=True), latent)


def row_scorer(
    request: PredictRequest, ref: ModelRef, scorer: Scorer, given: ScoringInput
) -> RowScorer:
    """What scores the cells of a cohort as a request asks.

    Raises
    ------
    InputError
        When simulated and real would mix, or the model cannot score as the request asks.
    """
    refuse_mixing(
        {f"model {ref.name}": ref.simulated, str(given.path): given.simulated},
        allowed=request.allow_simulated,
    )
    options = ScoreOptions(
        alignment=request.alignment,
        stats=request.stats,
        seed=request.seed,
        fold_sd="folds" in request.uncertainty,
        keep_latent=request.keeps_latent,
    )
    cohort = None
    if request.stats == "cohort":
        cohort = scorer.cohort_stats(given.features.X, options)
    return scorer.by_rows(
        threshold=request.threshold, mc_samples=request.n_draws, options=options, cohort=cohort
    )
