"""A registered model of a drug, ready to score."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from scatd import registry
from scatd.registry import ModelRef
from scatd.registry.by_drug import find_model
from scatd.scoring import Scorer


@dataclass(frozen=True, eq=False)
class Loaded:
    """A registered model that was found and read once: its version, and its scorer."""

    ref: ModelRef
    scorer: Scorer


def load_model(drug: str, family: str | None, wanted: str, device: torch.device) -> Loaded:
    """Find the registered model of a drug, and read it.

    Raises
    ------
    InputError
        When there is none, or its model folder is gone, damaged or was changed.
    """
    ref = find_model(drug, family, wanted)
    return Loaded(ref, Scorer(registry.read(ref), str(device)))
