"""A registered model by its drug, and a backbone that is one."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from scatd import registry
from scatd.artifact import Artifact
from scatd.data.drugs import drug_key
from scatd.errors import InputError
from scatd.evaluation.gate import load_config
from scatd.registry import ModelRef
from scatd.scoring import Scorer


def find_model(drug: str, family: str | None, stage: str) -> ModelRef:
    """The registered model of a drug: the first family of its configuration that has one.

    Raises
    ------
    InputError
        When there is none at this stage.
    """
    key = drug_key(drug)
    families = load_config(key).families if family is None else (family,)
    return registry.resolve(key, stage=stage, families=families)


@dataclass(frozen=True, eq=False)
class Loaded:
    """A registered model that was found and read once: its version, and its scorer."""

    ref: ModelRef
    scorer: Scorer


def load_model(drug: str, family: str | None, stage: str, device: torch.device) -> Loaded:
    """Find the registered model of a drug, and read it.

    Raises
    ------
    InputError
        When there is none at this stage, or its model folder is gone, damaged or was changed.
    """
    ref = find_model(drug, family, stage)
    return Loaded(ref, Scorer(registry.fetch(ref), str(device)))


def require_backbone(where: str, found: Artifact) -> None:
    """Refuse a response model in place of a backbone.

    Raises
    ------
    InputError
        Says what it is.
    """
    if found.kind != "backbone":
        what = "is a response model, whose encoder belongs to one drug"
        remedy = "See the backbones: scatd registry list"
        raise InputError(what, where=where, expected="a backbone", remedy=remedy)
