"""Losses of the published training scripts."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Reduction = Literal["mean", "sum"]


def reconstruction_loss(
    recon: Tensor, x: Tensor, *, rooted: bool = False, reduction: Reduction = "mean"
) -> Tensor:
    """Squared error over all elements (its square root if `rooted`), plus the published 1e-8."""
    error = torch.nn.functional.mse_loss(recon, x, reduction=reduction)
    if rooted:
        error = torch.sqrt(error + torch.finfo(error.dtype).eps)
    return error + 1e-8


def kl_to_standard_normal(mu: Tensor, logvar: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """KL divergence of the posterior to N(0, 1), over rows and latent dimensions alike."""
    terms = 1 + logvar - mu.square() - logvar.exp()
    return -0.5 * (terms.mean() if reduction == "mean" else terms.sum())


def cosine_distance(student: Tensor, teacher: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """1 - cosine similarity between rows of two (n_obs, n_latent) tensors."""
    distance = 1 - torch.nn.functional.cosine_similarity(student, teacher, dim=1)
    return distance.mean() if reduction == "mean" else distance.sum()
