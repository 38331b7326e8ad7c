"""Use case: score a cohort with a registered model, found by drug name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import console
from scatd.data.demo_files import given_or_demo
from scatd.data.files import make_folder
from scatd.data.opened import OpenedInput, open_input
from scatd.data.simulated import refuse_mixing
from scatd.errors import InputError, ScatdError
from scatd.nn.alignment import FeatureStats
from scatd.nn.devices import pick_device
from scatd.parts.rows import RowSpan
from scatd.registry import ModelRef
from scatd.registry.loaded import Loaded, load_model
from scatd.scheduling import open_cluster
from scatd.scheduling.engine import Engine
from scatd.scoring import Scorer
from scatd.workflows.cohorts.features import scoring_input
from scatd.workflows.cohorts.scoring_input import ScoringInput
from scatd.workflows.predict.by_structure import predict_by_structure
from scatd.workflows.predict.chunks import row_scorer, score_options, scored_chunks
from scatd.workflows.predict.output import require_output, write_prediction, writing
from scatd.workflows.predict.parts import Work, chunks_of, note_part
from scatd.workflows.predict.report import summary, why_not_assessed_by
from scatd.workflows.predict.request import PredictedCells, PredictRequest, PredictResult
from scatd.workflows.predict.totals import Totals


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
    if request.is_by_structure:
        return predict_by_structure([request])[0]
    (result,) = score_into_files([request], _model_of(request))
    return result


def predict_all(requests: Sequence[PredictRequest]) -> list[PredictResult]:
    """Score several cohorts with one model, each into a file of its own in a folder.

    The folder is made. A cohort that cannot be used ends the work; files of those before it stay.

    Parameters
    ----------
    requests
        They differ in their inputs and outputs only.

    Raises
    ------
    InputError
        When there is no such model, or a cohort cannot be used.
    """
    by_structure = requests[0].is_by_structure
    model = None if by_structure else _model_of(requests[0])
    for request in requests:
        assert request.output is not None
        make_folder(request.output.parent, remedy="Choose another folder.")
    if model is None:
        return predict_by_structure(requests)
    return score_into_files(requests, model)


def _model_of(request: PredictRequest) -> Loaded:
    return load_model(
        request.named_drug, request.family, request.stage, pick_device(request.device)
    )


def score_into_files(requests: Sequence[PredictRequest], model: Loaded) -> list[PredictResult]:
    """As `predict_all`, with a model that is loaded."""
    scorer = model.scorer
    for request in requests:
        scorer.require_draws(request.n_draws)
    results = []
    with open_cluster(requests[0].machines) as cluster:
        for request in requests:
            with (
                open_input(given_or_demo(request.input, "target")) as opened,
                scoring_input(
                    opened, model.ref.family, scorer.card, request.preparation, scorer.device
                ) as given,
            ):
                results.append(_stream(request, model, given, cluster))
    return results


def _stream(
    request: PredictRequest, model: Loaded, given: ScoringInput, cluster: Engine | None
) -> PredictResult:
    """Score an opened cohort, or rows of it, into the file of a request."""
    ref, scorer, output = model.ref, model.scorer, request.output
    assert output is not None
    require_unmixed(request, ref, given)
    span = request.rows or RowSpan(0, None)
    rows = span.of(given.n_obs, str(given.path))
    work = Work(request, model, given, rows, cohort_stats(request, scorer, given))
    totals, not_assessed = Totals(), why_not_assessed_by(scorer)
    part = None if request.rows is None else rows
    with (
        writing(output, given.opened, ref, given.ids, not_assessed=not_assessed, rows=part) as file,
        console.progress(len(rows), f"Scoring {ref.drug}", "cell") as bar,
    ):
        chunks = chunks_of(work, cluster, bar.update)
        try:
            for chunk in chunks:
                file.add(chunk.table, chunk.latent)
                totals.add(chunk.totals)
        except ScatdError as error:
            chunks.throw(error)  # the output is refused: its parts are of no use, and are removed
        result = summary(request, ref, scorer, given, totals)
        file.finish(result.about)
    if part is not None:
        note_part(work, output, result)
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
    require_unmixed(request, ref, given)
    rows, totals = (
        row_scorer(request, scorer, given, cohort_stats(request, scorer, given)),
        Totals(),
    )
    tables: list[pd.DataFrame] = []
    latents: list[NDArray[np.float32]] = []
    with console.progress(given.n_obs, f"Scoring {ref.drug}", "cell") as bar:

        def done(n_rows: int) -> None:
            bar.update(n_rows)
            progress(n_rows)

        for chunk in scored_chunks(given, rows, range(given.n_obs), done):
            tables.append(chunk.table)
            latents += [] if chunk.latent is None else [chunk.latent]
            totals.add(chunk.totals)
    result = summary(request, ref, scorer, given, totals)
    latent = np.concatenate(latents) if latents else None
    return PredictedCells(result, pd.concat(tables, ignore_index=True), latent)


def require_unmixed(request: PredictRequest, ref: ModelRef, given: ScoringInput) -> None:
    """Refuse to score simulated cells with a model of real ones, or the reverse.

    Raises
    ------
    InputError
        When both meet, and the request does not allow it.
    """
    refuse_mixing(
        {f"model {ref.name}": ref.simulated, str(given.path): given.simulated},
        allowed=request.allow_simulated,
    )


def cohort_stats(
    request: PredictRequest, scorer: Scorer, given: ScoringInput
) -> FeatureStats | None:
    """The statistics by which `--stats cohort` re-centres the cells; None where it does not.

    Raises
    ------
    InputError
        When the cohort is too small to have statistics, or cannot be read; or when a cohort is
        named for statistics that are not asked for.
    """
    options = score_options(request)
    if request.stats != "cohort":
        if request.stats_from is not None:
            remedy = "Leave it out, or add --stats cohort."
            raise InputError("... is for --stats cohort", where="--stats-from", remedy=remedy)
        return None
    if request.stats_from is None:
        return scorer.cohort_stats(given.X, options)
    family, prepared = scorer.card.family, request.preparation
    with scoring_input(request.stats_from, family, scorer.card, prepared, scorer.device) as whole:
        return scorer.cohort_stats(whole.X, options)
