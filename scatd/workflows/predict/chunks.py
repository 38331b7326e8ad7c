"""A cohort scored as a stream: chunks of cells in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import keys
from scatd.data.baseline_groups import groups_of
from scatd.evaluation.domain import is_outside
from scatd.keys import NumberUnits
from scatd.nn.alignment import FeatureStats
from scatd.row_scoring import RowScorer
from scatd.scores import ScoreOptions, Scores
from scatd.scoring import Scorer
from scatd.workflows.cohorts.scoring_input import ScoringInput
from scatd.workflows.predict.request import PredictRequest
from scatd.workflows.predict.totals import Totals

COLUMNS = (
    *("barcode", "prob_resistant", "response", "ood", "reason"),
    *("prob_sd", "prob_sd_folds", "ood_p"),
    *keys.NUMBER_COLUMNS,
)
"""Columns of a table of scores, in their order; those behind `reason` where they are known."""
_MORE = ("prob_sd", "prob_sd_folds", "ood_p")
SAMPLED_ROWS = 2000
"""About so many rows tell how far a cohort lies from the reference."""


@dataclass(frozen=True, eq=False)
class Chunk:
    """Consecutive cells that were scored.

    Parameters
    ----------
    start
        Number of the first cell.
    table
        One row a cell: see `score_table`.
    latent
        Posterior means (n_rows, n_latent), NaN for a cell without a score; None unless wanted.
    totals
        What these cells add to the numbers of the cohort.
    """

    start: int
    table: pd.DataFrame
    latent: NDArray[np.float32] | None
    totals: Totals


def row_scorer(
    request: PredictRequest, scorer: Scorer, given: ScoringInput, cohort: FeatureStats | None
) -> RowScorer:
    """What scores cells as a request asks; `cohort` are the statistics of `--stats cohort`.

    Where obs has the column of groups that a regression knows, such as the tissue, the numbers of
    a cell get the interval of its group.

    Raises
    ------
    InputError
        When the model cannot score as the request asks.
    """
    return scorer.by_rows(
        threshold=request.threshold,
        mc_samples=request.n_draws,
        options=score_options(request),
        cohort=cohort,
        groups=_groups(scorer, given),
    )


def _groups(scorer: Scorer, given: ScoringInput) -> NDArray[np.int32] | None:
    """Groups of all cells, as the regression of the model numbers them; None without any."""
    found = scorer.regression
    if found is None or not found.said.groups:
        return None
    words = groups_of(given.obs(), found.said.column)
    return None if words is None else found.codes(words)


def score_options(request: PredictRequest) -> ScoreOptions:
    """How a request aligns cells, and which further results it needs."""
    return ScoreOptions(
        alignment=request.alignment,
        stats=request.stats,
        seed=request.seed,
        fold_sd="folds" in request.uncertainty,
        keep_latent=request.keeps_latent,
        numbers=True,
    )


def scored_chunks(
    given: ScoringInput,
    scorer: RowScorer,
    rows: range,
    progress: Callable[[int], object] = int,
) -> Iterator[Chunk]:
    """Score rows of an opened cohort as they are read.

    Parameters
    ----------
    progress
        Called with the number of cells scored since the last call.

    Raises
    ------
    InputError
        When a value cannot be read by the model, or a score is not finite.
    """
    every = max(given.n_obs // SAMPLED_ROWS, 1)
    regression = scorer.scorer.regression
    units = None if regression is None else regression.said.units
    for block in given.blocks(rows):
        scores = scorer.score(block.start, block.X)
        ids = given.ids[block.start : block.stop]
        table = score_table(ids, block.reasons, scores, units)
        if scores.latent is not None:
            scores.latent[block.reasons != ""] = np.nan
        yield Chunk(block.start, table, scores.latent, Totals.of(table, block, every))
        progress(len(table))


def score_table(
    ids: NDArray[np.str_],
    reasons: NDArray[np.object_],
    scores: Scores,
    units: NumberUnits | None = None,
) -> pd.DataFrame:
    """The table of a prediction, one row a cell.

    Parameters
    ----------
    ids, reasons
        (n_obs,) names of the cells, and reasons why they have no features; empty where they have.
    units
        Of the numbers of the scores, which name their columns.
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
    for name in _MORE:
        values = getattr(scores, name)
        if values is not None:
            table[name] = np.where(is_scored, values, np.nan)
    if scores.numbers is not None and units is not None:
        for name, values in zip(keys.number_names(units), scores.numbers.T, strict=True):
            table[name] = np.where(is_scored, values, np.nan)
    return table


def _outside(scores: Scores, is_scored: NDArray[np.bool_]) -> Any:
    """Cells outside the training domain: true, false or not known."""
    outside = pd.array([pd.NA] * len(is_scored), dtype="boolean")
    if scores.ood_p is not None:
        outside[is_scored] = is_outside(scores.ood_p[is_scored])
    return outside
