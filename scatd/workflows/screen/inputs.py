"""The models of a screen: one a drug."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from scatd import keys, registry
from scatd.cards.card import Card
from scatd.data.drugs import resolve_drug
from scatd.errors import InputError
from scatd.registry import ModelRef
from scatd.registry.by_drug import find_model, require_any
from scatd.workflows.cohorts.features import what_is_read
from scatd.workflows.screen.request import ScreenRequest

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class DrugModel:
    """The model of one drug.

    Parameters
    ----------
    ref, card
        Its place in the registry, and its card.
    folder
        A copy of the model folder for workers, which do not ask the registry; else None.
    """

    ref: ModelRef
    card: Card
    folder: Path | None = None


def models_of(request: ScreenRequest) -> dict[str, DrugModel]:
    """One model a drug, by drug key in alphabetical order.

    Raises
    ------
    InputError
        When a drug that was named has none, or none has any.
    """
    return {drug: DrugModel(ref, registry.read_card(ref)) for drug, ref in _found(request).items()}


def _found(request: ScreenRequest) -> dict[str, ModelRef]:
    known = sorted(set(require_any(request.family, "scatd transfer")["drug"]) - {keys.ANYDRUG})
    if request.drugs is not None:
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
        remedy = "Promote one: scatd promote --drug DRUG"
        raise InputError(what, where="registry", remedy=remedy)
    return found


def reading_alike(models: dict[str, DrugModel]) -> list[list[str]]:
    """Drugs whose models read the same features, together."""
    alike: dict[tuple[object, ...], list[str]] = {}
    for drug, model in models.items():
        alike.setdefault(what_is_read(model.card), []).append(drug)
    return list(alike.values())
