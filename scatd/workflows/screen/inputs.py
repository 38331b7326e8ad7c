"""The inputs of a screen: one model a drug, and the cohort as the models read it."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from scatd import registry
from scatd.cards.card import Card
from scatd.data.drugs import resolve_drug
from scatd.data.lazy import IN_MEMORY_BYTES, LazyMatrix
from scatd.data.opened import OpenedInput
from scatd.errors import InputError
from scatd.registry import ModelRef
from scatd.registry.by_drug import find_model
from scatd.scoring import BLOCK
from scatd.workflows.cohorts.features import ScoringInput, scoring_input
from scatd.workflows.screen.request import ScreenRequest

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class DrugModel:
    """The model of one drug: its place in the registry, and its card."""

    ref: ModelRef
    card: Card


def models_of(request: ScreenRequest) -> dict[str, DrugModel]:
    """One model a drug, by drug key in alphabetical order.

    Raises
    ------
    InputError
        When a drug that was named has none, or none has any.
    """
    return {drug: DrugModel(ref, registry.read_card(ref)) for drug, ref in _found(request).items()}


def _found(request: ScreenRequest) -> dict[str, ModelRef]:
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


def reading_alike(models: dict[str, DrugModel]) -> list[list[str]]:
    """Drugs whose models read the same features, together."""
    alike: dict[tuple[object, ...], list[str]] = {}
    for drug, model in models.items():
        card = model.card
        reads = card.family, card.sizes.n_features, card.about.genes, card.about.input_scale
        alike.setdefault(reads, []).append(drug)
    return list(alike.values())


@contextlib.contextmanager
def features_of(
    cohort: OpenedInput, request: ScreenRequest, model: DrugModel, device: torch.device
) -> Iterator[ScoringInput]:
    """The cohort's features for models that read the same, computed once.

    Raises
    ------
    InputError
        When the model cannot read the cohort.
    """
    family, preparation = model.ref.family, request.preparation
    with (
        scoring_input(cohort, family, model.card, preparation, device) as given,
        tempfile.TemporaryDirectory() as scratch,
    ):
        X = given.features.X
        if isinstance(X, LazyMatrix):  # its rows are computed at each access
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
