"""Score one file with the models of several drugs; features that are alike are made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scatd.data.opened import OpenedInput, open_input
from scatd.errors import ScatdError
from scatd.registry import ModelRef
from scatd.scoring import Scorer
from scatd.workflows.cohorts.features import scoring_input, what_is_read
from scatd.workflows.predict.output import write_prediction
from scatd.workflows.predict.request import PredictedCells, PredictRequest
from scatd.workflows.predict.run import score_cells

Model = tuple[ModelRef, Scorer]


@dataclass(frozen=True, eq=False)
class Together:
    """The scores of a file for several drugs.

    Parameters
    ----------
    cells
        Of each drug that could be scored, in the order of the models.
    left_out
        Why the model of a drug cannot read or score the file.
    """

    cells: list[PredictedCells]
    left_out: dict[ModelRef, ScatdError]


def score_together(
    request: PredictRequest, models: Sequence[Model], progress: Callable[[int], object] = int
) -> Together:
    """Score a file with several models, and write the cohort with all scores.

    Parameters
    ----------
    request
        How to score; its output is an `.h5ad`. Its drug is replaced by those of the models.
    models
        Loaded models, one a drug.
    progress
        Called with the number of cells scored since the last call.

    Raises
    ------
    ScatdError
        When no model can score the file: the fault that the first one met.
    """
    found: dict[ModelRef, PredictedCells] = {}
    left_out: dict[ModelRef, ScatdError] = {}
    assert request.input is not None
    assert request.output is not None
    with open_input(request.input) as opened:
        for some in _alike(models):
            try:
                found |= _score_alike(request, some, opened, progress, left_out)
            except ScatdError as error:
                left_out |= {ref: error for ref, _ in some if ref not in left_out}
        cells = [found[ref] for ref, _ in models if ref in found]
        if not cells:
            raise left_out[models[0][0]]
        write_prediction(cells, opened, request.output)
    return Together(cells, left_out)


def _alike(models: Sequence[Model]) -> list[list[Model]]:
    """Models that read the same features, together."""
    alike: dict[tuple[Any, ...], list[Model]] = {}
    for ref, scorer in models:
        alike.setdefault(what_is_read(scorer.card), []).append((ref, scorer))
    return list(alike.values())


def _score_alike(
    request: PredictRequest,
    models: Sequence[Model],
    opened: OpenedInput,
    progress: Callable[[int], object],
    left_out: dict[ModelRef, ScatdError],
) -> dict[ModelRef, PredictedCells]:
    ref, scorer = models[0]
    found = {}
    reads = opened, ref.family, scorer.card, request.preparation, scorer.device
    with scoring_input(*reads) as given:
        if len(models) > 1:
            given.keep()
        for ref, scorer in models:
            asked = replace(request, drug=ref.drug)
            try:
                found[ref] = score_cells(asked, ref, scorer, given, progress)
            except ScatdError as error:
                left_out[ref] = error
    return found
