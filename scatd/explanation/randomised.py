"""Models with random weights: they show whether a list depends on the model or only on the cells.

Source: Adebayo et al. 2018, "Sanity checks for saliency maps". Weights are randomised from the
output towards the input. An explanation that hardly changes does not explain the model. The values
of each tensor are shuffled, so their size stays the same.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils import remove_spectral_norm

from scatd.explanation.linear_path import LinearPath

WHOLE = "whole model"
STAGES = ("head", "latent", WHOLE)
"""The part, seen from the input, from which on the weights are random."""


def randomised(path: LinearPath, stage: str, seed: int) -> LinearPath:
    """Copy a response model, with random weights from the output down to `stage`."""
    model = copy.deepcopy(path.encoder)
    for part in model.modules():
        _bake(part)
    chosen: list[nn.Module] = [model.fc3, model.bn3, model.fc4]
    if stage != "head":
        chosen.append(model.fc21)
    if stage == WHOLE:
        chosen.append(model.Encoder_resblocks)
    generator = torch.Generator().manual_seed(seed)
    for part in chosen:
        for parameter in part.parameters():
            order = torch.randperm(parameter.numel(), generator=generator)
            shuffled = parameter.detach().flatten()[order.to(parameter.device)]
            parameter.data = shuffled.view_as(parameter)
    return LinearPath([model], centred=path.centred)


def _bake(part: nn.Module) -> None:
    """Make a weight with spectral norm plain: its singular vectors no longer fit."""
    if isinstance(part, nn.Linear) and hasattr(part, "weight_orig"):
        remove_spectral_norm(part)
