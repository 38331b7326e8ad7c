"""A registered model that is found and read once, and passed on."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from scatd.registry.by_drug import find_model
from scatd.registry.files import read
from scatd.registry.refs import ModelRef
from scatd.scoring import Scorer


@dataclass(frozen=True, eq=False)
class Loaded:
    """A version, and its scorer."""

    ref: ModelRef
    scorer: Scorer


def load_model(drug: str, family: str | None, wanted: str, device: torch.device) -> Loaded:
    """Find the registered model of a drug as `find_model` does, and read it.

    Raises
    ------
    InputError
        When there is none, or its model folder is gone, damaged or was changed.
    """
    ref = find_model(drug, family, wanted)
    return Loaded(ref, Scorer(read(ref), str(device)))
