"""Losses of the published training scripts."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Reduction = Literal["mean", "sum"]


def reconstruction_loss(
    recon: Tensor, x: Tensor, *, rooted: bool = False, reduction: Reduction = "mean"
) -> Tensor:
    """Squared error over all elements, or its square root if `rooted`, plus 1e-8 as published."""
    error = torch.nn.functional.mse_loss(recon, x, reduction=reduction)
    if rooted:
        error = torch.sqrt(error + torch.finfo(error.dtype).eps)
    return error + 1e-8


def kl_to_standard_normal(mu: Tensor, logvar: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """KL divergence of the posterior from N(0, 1), over rows and latent dimensions."""
    terms = 1 + logvar - mu.square() - logvar.exp()
    return -0.5 * (terms.mean() if reduction == "mean" else terms.sum())


def maximum_mean_discrepancy(x: Tensor, y: Tensor) -> Tensor:
    """Squared maximum mean discrepancy between two sets of rows; 0 for equal sets.

    Biased estimate with the kernel exp(-gamma * d^2), gamma = 1 / (2 * median^2) over all distinct
    pairs of the pooled rows (the lower of the two middle values of an even number). The gradient
    also flows through gamma. The sets may differ in size. If all rows are equal the result is 0;
    the published code gives NaN (D26).

    Source: scATD (bbaf268), the domain loss of family dist.
    """
    pooled = torch.cat([x, y])
    norms = pooled.square().sum(dim=1)
    squares = (norms[:, None] + norms[None, :] - 2 * pooled @ pooled.T).clamp_min(0)
    upper = torch.triu_indices(len(pooled), len(pooled), offset=1, device=pooled.device)
    median = squares[upper[0], upper[1]].median().clamp_min(torch.finfo(pooled.dtype).tiny)
    kernel = torch.exp(-squares / (2 * median))
    n_x = len(x)
    return kernel[:n_x, :n_x].mean() + kernel[n_x:, n_x:].mean() - 2 * kernel[:n_x, n_x:].mean()


def cosine_distance(student: Tensor, teacher: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """1 - cosine similarity between rows of two (n_obs, n_latent) tensors."""
    distance = 1 - torch.nn.functional.cosine_similarity(student, teacher, dim=1)
    return distance.mean() if reduction == "mean" else distance.sum()
