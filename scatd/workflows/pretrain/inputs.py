"""The cells of a pretraining: read, and expression brought to the scale of the network."""

from __future__ import annotations

import torch

from scatd import keys
from scatd.data.demo_files import given_or_demo
from scatd.data.expression import log_normalised
from scatd.data.features import Features, read_features
from scatd.nn.devices import pick_device
from scatd.training.settings import PretrainSettings
from scatd.workflows.pretrain.request import PretrainRequest
from scatd.workflows.pretrain.task import BackboneTask


def read_task(request: PretrainRequest) -> BackboneTask:
    """Open the cells of a request.

    Raises
    ------
    InputError
        When the features cannot be used, or there is no such device.
    """
    device = pick_device(request.device)
    path = given_or_demo(request.input, "reference")
    features = read_features(path, request.family, mmap=True)
    every = request.checkpoint_every
    return task_on(features, request.family, request.settings, device, checkpoint_every=every)


def task_on(
    features: Features,
    family: str,
    settings: PretrainSettings,
    device: torch.device,
    *,
    input_scale: str | None = None,
    checkpoint_every: int = 0,
) -> BackboneTask:
    """A backbone to pretrain on cells that are open.

    Expression is log-normalised unless `input_scale` says that it is on its scale already.
    """
    if family not in keys.OBSM_FEATURES and input_scale is None:
        features, input_scale = log_normalised(features)
    return BackboneTask(
        "pretrain",
        features,
        family,
        settings,
        device,
        input_scale=input_scale,
        checkpoint_every=checkpoint_every,
    )
