"""Heads trained on permuted labels: what a list looks like when there is nothing to learn.

The registered model's encoder stays; heads are trained on it anew, some on the source's labels, as
many or more on permutations of them, by the same recipe and on the same rows. A list that explains
the drug agrees with the former, and no list agrees with the latter but by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.explain.linear_path import LinearPath
from scatd.training.augment import class_weights
from scatd.training.draws import SeededDraws
from scatd.training.heads import HeadTask, train_heads
from scatd.training.settings import TransferSettings

TRAIN_SHARE = 0.8


def retrained(
    path: LinearPath,
    z: Tensor,
    codes: Sequence[NDArray[np.int_]],
    settings: TransferSettings,
    seed: int,
) -> list[LinearPath]:
    """Response models on one frozen encoder, each with a head of its own.

    Parameters
    ----------
    path
        Its encoder is shared, its head is not used.
    z
        Posterior means (n_samples, n_latent) of the source, aligned as in training.
    codes
        Classes (n_samples,), true or permuted, one array a head. Each head sees its own 80 % of
        the samples.
    settings
        Rates and epochs are taken from them. Rows are weighted by class and not augmented.
    """
    settings = replace(settings, augmentation="none", latent="mean", encoder_norm="frozen")
    tasks = []
    for number, labels in enumerate(codes):
        torch.manual_seed(seed + number)
        head = path.encoder.with_new_head()
        rng = np.random.default_rng(seed + number)
        train = np.sort(_stratified(labels, rng))
        tasks.append(
            HeadTask(
                head,
                z[train],
                labels[train],
                z[:1],
                labels[:1],
                torch.from_numpy(class_weights(labels[train])).to(z),
                SeededDraws(seed + number, z.device),
            )
        )
    train_heads(tasks, settings)
    return [LinearPath([task.classifier], centred=path.centred) for task in tasks]


def _stratified(labels: NDArray[np.int_], rng: np.random.Generator) -> NDArray[np.intp]:
    parts = [rng.permutation(np.flatnonzero(labels == code)) for code in (0, 1)]
    return np.concatenate([part[: max(round(TRAIN_SHARE * len(part)), 2)] for part in parts])
