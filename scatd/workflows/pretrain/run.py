"""Use case: pretrain a backbone, or find the one that the same work made before."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch

from scatd import keys
from scatd.data.demo_files import given_or_demo
from scatd.data.expression import log_normalised
from scatd.data.features import Features, read_features
from scatd.nn.devices import pick_device
from scatd.ranges import CountOrNone, check_fields
from scatd.registry import ModelRef
from scatd.training.settings import PretrainSettings
from scatd.workflows.pretrain import backbones
from scatd.workflows.pretrain.backbones import PretrainResult, Work

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PretrainRequest:
    """What to pretrain on (None: the demo reference), and how.

    `checkpoint_every` is in epochs; 0 saves every 10 seconds at most.
    """

    input: Path | None
    family: str
    settings: PretrainSettings
    device: str = "auto"
    checkpoint_every: CountOrNone = 0

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)


def pretrain(request: PretrainRequest) -> PretrainResult:
    """Pretrain a backbone on unlabelled cells and register it at `staging`.

    Raises
    ------
    InputError
        When the features cannot be used.
    TrainingError
        When training diverges.
    """
    device = pick_device(request.device)
    path = given_or_demo(request.input, "reference")
    features = read_features(path, request.family, mmap=True)
    every = request.checkpoint_every
    return backbones.make(_work(features, request.family, request.settings, device, every))


def backbone_for(
    features: Features,
    family: str,
    settings: PretrainSettings,
    device: torch.device,
    *,
    input_scale: str | None = None,
) -> ModelRef:
    """The backbone pretrained on `features` with these settings; made if there is none yet.

    Expression is log-normalised unless `input_scale` says that it is on its scale already.
    """
    work = _work(features, family, settings, device, input_scale=input_scale)
    made = backbones.find(work)
    if made is not None:
        logger.info("Backbone: %s version %d", made.name, made.version)
        return made
    logger.info("Backbone: pretraining one on %s", features.path)
    return backbones.make(work).ref


def _work(
    features: Features,
    family: str,
    settings: PretrainSettings,
    device: torch.device,
    checkpoint_every: int = 0,
    input_scale: str | None = None,
) -> Work:
    if family not in keys.OBSM_FEATURES and input_scale is None:
        features, input_scale = log_normalised(features)
    return Work(
        "pretrain",
        features,
        family,
        settings,
        device,
        input_scale=input_scale,
        checkpoint_every=checkpoint_every,
    )
