"""What a screen needs: one model a drug, and what each says of the same cells."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from scatd import console, keys, registry
from scatd.artifact import read_card
from scatd.cards.card import Card
from scatd.data.drugs import resolve_drug
from scatd.data.features import Features
from scatd.data.lazy import IN_MEMORY_BYTES, LazyMatrix
from scatd.data.simulated import refuse_mixing
from scatd.errors import InputError, ScatdError
from scatd.evaluation.domain import is_outside
from scatd.ranges import Seed, check_fields
from scatd.registry import ModelRef
from scatd.scoring import BLOCK, ScoreOptions, Scorer
from scatd.workflows.cohorts.features import Preparation, ScoringInput, scoring_input
from scatd.workflows.cohorts.map import MOST_CELLS
from scatd.workflows.models.find import find_model

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScreenRequest:
    """Which drugs to look at in which cohort.

    Parameters
    ----------
    cohort
        Cells to score.
    output
        Folder for report, tables and figures; None names it after the cohort.
    drugs
        In any spelling; None takes every drug with a model at `stage`.
    group_by
        Column of obs, such as the patient; None takes all cells as one group.
    family, stage
        Which model of each drug: production of the first family that has one.
    preparation, seed, device, allow_simulated
        As in `PredictRequest`; the seed is that of resamples and of the cells in pictures.
    """

    cohort: Path
    output: Path | None = None
    drugs: tuple[str, ...] | None = None
    group_by: str | None = None
    family: str | None = None
    stage: str = keys.PRODUCTION
    preparation: Preparation = field(default_factory=Preparation)
    seed: Seed = 0
    device: str = "auto"
    allow_simulated: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)


@dataclass(frozen=True, eq=False)
class DrugScores:
    """What one drug's model says of the cohort.

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
    """

    ref: ModelRef
    card: Card
    threshold: float
    prob: NDArray[np.float32]
    responses: NDArray[np.str_]
    outside: NDArray[np.bool_] | None


@dataclass(frozen=True, eq=False)
class Screened:
    """A cohort and what every drug's model says of it.

    Parameters
    ----------
    ids, obs
        Of the cells.
    simulated
        Whether the cohort, or a model, is simulated.
    drugs
        By drug key, in alphabetical order.
    left_out
        Why a drug has no scores, by drug key.
    picked
        (n_picked,) cells to draw, ascending.
    latent
        (n_picked, n_latent) posterior means of the picked cells under the first drug's model.
    """

    ids: NDArray[np.str_]
    obs: pd.DataFrame
    simulated: bool
    drugs: dict[str, DrugScores]
    left_out: dict[str, str]
    picked: NDArray[np.intp]
    latent: NDArray[np.float32]


def models_of(request: ScreenRequest) -> dict[str, ModelRef]:
    """One model a drug, by drug key.

    Raises
    ------
    InputError
        When a drug that was named has none, or none has any.
    """
    listed = registry.list_models().dropna(subset="drug")
    if request.family is not None:
        listed = listed[listed["family"] == request.family]
    known = sorted(set(listed["drug"]))
    if request.drugs is not None:
        if not known:
            raise InputError("no drug has a model yet", remedy="Train one: scatd transfer")
        wanted = [resolve_drug(name, known, where="--drugs") for name in request.drugs]
        return {
            drug: find_model(drug, request.family, request.stage) for drug in sorted(set(wanted))
        }
    found = {}
    for drug in known:
        try:
            found[drug] = find_model(drug, request.family, request.stage)
        except InputError as error:
            logger.debug("%s is no part of the screen: %s", drug, error)
    if not found:
        what = f"no drug has a {request.stage} model"
        remedy = "See: scatd registry list; scatd promote --drug DRUG"
        raise InputError(what, where="registry", remedy=remedy)
    return found


def score_all(request: ScreenRequest, device: torch.device) -> Screened:
    """Score the cohort for every drug; its features are made once for models that read the same.

    A drug whose model cannot read the cohort is left out, with the reason.

    Raises
    ------
    InputError
        When no model can read the cohort, or it has no such groups.
    """
    models = models_of(request)
    cards = {drug: read_card(registry.fetch(ref)) for drug, ref in models.items()}
    alike: dict[tuple[object, ...], list[str]] = {}
    for drug, card in cards.items():
        alike.setdefault(_reads(card), []).append(drug)
    found: dict[str, DrugScores] = {}
    left_out: dict[str, str] = {}
    first: tuple[Features, NDArray[np.intp], NDArray[np.float32]] | None = None
    with console.progress(len(models), "Screening", "drug") as bar:
        for drugs in alike.values():
            with contextlib.ExitStack() as stack:
                try:
                    opened = _opened(request, models[drugs[0]], cards[drugs[0]], device)
                    given = stack.enter_context(opened)
                except ScatdError as error:
                    left_out |= dict.fromkeys(drugs, str(error))
                    continue
                groups_of(given.features.obs, request.group_by)
                for drug in drugs:
                    try:
                        scorer = Scorer(registry.fetch(models[drug]), str(device))
                        found[drug] = _scored(given, models[drug], scorer, request)
                    except ScatdError as error:
                        left_out[drug] = str(error)
                        continue
                    if first is None:
                        first = (given.features, *_to_draw(given, scorer, request.seed))
                    bar.update(1)
    for drug, reason in left_out.items():
        logger.warning("%s is left out: %s", drug, reason)
    if first is None:
        what = "no model can read the cohort"
        raise InputError(what, where=str(request.cohort), remedy=next(iter(left_out.values())))
    features, picked, latent = first
    return Screened(
        ids=features.ids,
        obs=features.obs,
        simulated=features.simulated or any(one.ref.simulated for one in found.values()),
        drugs={drug: found[drug] for drug in models if drug in found},
        left_out=dict(sorted(left_out.items())),
        picked=picked,
        latent=latent,
    )


def groups_of(obs: pd.DataFrame, column: str | None) -> NDArray[np.str_] | None:
    """Group of each cell, (n_obs,); None where no column is named.

    Raises
    ------
    InputError
        When there is no such column, or a cell has no group.
    """
    if column is None:
        return None
    if column not in obs:
        held = ", ".join(map(str, obs.columns[:10])) or "none"
        what = f"there is no column '{column}' in obs"
        raise InputError(what, where="--group-by", expected=f"one of: {held}")
    values = obs[column]
    if values.isna().any():
        what = f"column '{column}' is empty for {int(values.isna().sum())} cells"
        raise InputError(what, where="--group-by", expected="a group for every cell")
    return values.astype(str).to_numpy(dtype=str)


def _reads(card: Card) -> tuple[object, ...]:
    """What a model reads: models with the same answer read the same features."""
    return card.family, card.sizes.n_features, card.about.genes, card.about.input_scale


@contextlib.contextmanager
def _opened(
    request: ScreenRequest, ref: ModelRef, card: Card, device: torch.device
) -> Iterator[ScoringInput]:
    """The cohort's features for models that read the same, computed once."""
    with (
        scoring_input(request.cohort, ref.family, card, request.preparation, device) as given,
        tempfile.TemporaryDirectory() as scratch,
    ):
        X = given.features.X
        if isinstance(X, LazyMatrix):  # whose rows are made anew whenever they are asked for
            X = _kept(X, Path(scratch))
        yield replace(given, features=replace(given.features, X=X))


def _kept(X: LazyMatrix, scratch: Path) -> NDArray[np.float32]:
    """All rows, in memory or in a file."""
    made: NDArray[np.float32]
    if 4 * X.shape[0] * X.shape[1] > IN_MEMORY_BYTES:
        made = np.lib.format.open_memmap(scratch / "X.npy", "w+", np.float32, X.shape)
    else:
        made = np.empty(X.shape, np.float32)
    for start in range(0, X.shape[0], BLOCK):
        made[start : start + BLOCK] = X[start : start + BLOCK]
    return made


def _scored(
    given: ScoringInput, ref: ModelRef, scorer: Scorer, request: ScreenRequest
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
    )


def _to_draw(
    given: ScoringInput, scorer: Scorer, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Cells for pictures, and their posterior means."""
    cells: Sequence[int] = np.flatnonzero(given.reasons == "").tolist()
    if len(cells) > MOST_CELLS:
        drawn = np.random.default_rng(seed).choice(len(cells), MOST_CELLS, replace=False)
        cells = np.asarray(cells)[np.sort(drawn)].tolist()
    picked = np.asarray(cells, dtype=np.intp)
    options = ScoreOptions(keep_latent=True)
    latent = scorer.score(np.asarray(given.features.X[picked]), options=options).latent
    assert latent is not None
    return picked, latent
