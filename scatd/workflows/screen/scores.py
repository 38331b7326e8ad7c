"""Scores of one cohort by the models of many drugs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from scatd import registry
from scatd.cards.card import Card
from scatd.data.cell_map import MOST_CELLS
from scatd.data.simulated import refuse_mixing
from scatd.errors import ScatdError
from scatd.evaluation.domain import is_outside
from scatd.evaluation.nearness import few_genes_sentence
from scatd.registry import ModelRef
from scatd.scoring import ScoreOptions, Scorer
from scatd.workflows.cohorts.features import ScoringInput
from scatd.workflows.screen.inputs import DrugModel
from scatd.workflows.screen.request import ScreenRequest


@dataclass(frozen=True, eq=False)
class DrugScores:
    """Scores of the cohort by the model of one drug.

    Parameters
    ----------
    ref, card, threshold
        The model.
    prob
        (n_obs,) P(resistant); NaN for a cell without a score.
    responses
        (n_obs,) sensitive, resistant or abstain; "" for a cell without a score.
    outside
        (n_obs,) whether a cell lies outside the training domain; None where the model does not
        know it.
    few_genes
        A warning where the cohort lacks most genes of the model; else empty.
    """

    ref: ModelRef
    card: Card
    threshold: float
    prob: NDArray[np.float32]
    responses: NDArray[np.str_]
    outside: NDArray[np.bool_] | None
    few_genes: str = ""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Cells to draw, ascending (n_picked,), and their latent under one model (n_picked, n_latent).

    The latent is the posterior mean.
    """

    picked: NDArray[np.intp]
    latent: NDArray[np.float32]


@dataclass(eq=False)
class Scored:
    """Scores of one opened cohort, collected drug by drug.

    Parameters
    ----------
    drugs
        By drug key.
    left_out
        Reason why a drug has no scores, by drug key.
    drawn
        Of the first drug that was scored; None before.
    """

    drugs: dict[str, DrugScores] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    drawn: Drawn | None = None


@dataclass(frozen=True, eq=False)
class Screened:
    """A cohort and its scores by the model of each drug.

    Parameters
    ----------
    ids, obs
        Of the cells.
    groups
        (n_obs,) group of each cell; None without `--group-by`.
    simulated
        Whether the cohort, or a model, is simulated.
    drugs
        By drug key, in alphabetical order.
    left_out
        Reason why a drug has no scores, by drug key.
    drawn
        The cells in pictures.
    own_map
        (n_picked, 2 or more) the cohort's own coordinates of these cells, where it has any.
    against
        What labelled target cells show against a drug's version, by drug key.
    """

    ids: NDArray[np.str_]
    obs: pd.DataFrame
    groups: NDArray[np.str_] | None
    simulated: bool
    drugs: dict[str, DrugScores]
    left_out: dict[str, str]
    drawn: Drawn
    own_map: NDArray[np.float64] | None
    against: dict[str, str] = field(default_factory=dict)


def score_drugs(
    request: ScreenRequest,
    given: ScoringInput,
    models: dict[str, DrugModel],
    device: torch.device,
    progress: Callable[[int], object],
) -> Scored:
    """Score an opened cohort with models that read its features.

    A drug whose model cannot score the cohort is left out, with the reason.

    Parameters
    ----------
    progress
        Called with 1 after each drug.
    """
    found = Scored()
    for drug, model in models.items():
        try:
            scorer = Scorer(registry.read(model.ref), str(device))
            found.drugs[drug] = _scored(request, given, model.ref, scorer)
        except ScatdError as error:
            found.left_out[drug] = str(error)
            continue
        if found.drawn is None:
            found.drawn = _to_draw(given, scorer, request.seed)
        progress(1)
    return found


def _scored(
    request: ScreenRequest, given: ScoringInput, ref: ModelRef, scorer: Scorer
) -> DrugScores:
    refuse_mixing(
        {f"model {ref.name}": ref.simulated, str(request.cohort): given.features.simulated},
        allowed=request.allow_simulated,
    )
    scores = scorer.score(given.features.X)
    is_scored = given.reasons == ""
    return DrugScores(
        ref=ref,
        card=scorer.card,
        threshold=scores.threshold,
        prob=np.where(is_scored, scores.prob_resistant, np.nan).astype(np.float32),
        responses=np.where(is_scored, scores.responses, ""),
        outside=None if scores.ood_p is None else is_outside(scores.ood_p) & is_scored,
        few_genes=few_genes_sentence(given.features.missing),
    )


def _to_draw(given: ScoringInput, scorer: Scorer, seed: int) -> Drawn:
    """Cells for pictures, and their posterior means."""
    cells: Sequence[int] = np.flatnonzero(given.reasons == "").tolist()
    if len(cells) > MOST_CELLS:
        drawn = np.random.default_rng(seed).choice(len(cells), MOST_CELLS, replace=False)
        cells = np.asarray(cells)[np.sort(drawn)].tolist()
    picked = np.asarray(cells, dtype=np.intp)
    options = ScoreOptions(keep_latent=True)
    latent = scorer.score(np.asarray(given.features.X[picked]), options=options).latent
    assert latent is not None
    return Drawn(picked, latent)
