"""Models trained on permuted labels: the null distribution of a list of features.

The encoder of the registered model stays as it is. New models are trained by the same recipe and on
the same rows: some on the labels of the source, at least as many on permutations of them. Of a
network, only the head is trained. A list that explains the drug agrees with the models of the true
labels. It agrees with those of permuted labels only by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.candidates.candidate import Candidate
from scatd.explanation.linear_path import LinearPath
from scatd.keys import CandidateName
from scatd.nn.moving import like
from scatd.training.augment import class_weights
from scatd.training.candidates.inner import inner_splits
from scatd.training.candidates.recipe import TrainingRows
from scatd.training.candidates.selection import contest
from scatd.training.draws import SeededDraws
from scatd.training.heads import HeadTask, train_heads
from scatd.training.settings import TransferSettings
from scatd.training.standardised import Standardised

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
        Its encoder is shared; its head is not used.
    z
        Posterior means (n_samples, n_latent) of the source, aligned as in training.
    codes
        Classes (n_samples,), true or permuted, one array for each head. Each head is trained on
        its own random 80 % of the samples.
    settings
        Supply learning rate and epochs. Rows are weighted by class and not augmented.
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
                like(class_weights(labels[train]), z),
                SeededDraws(seed + number, z.device),
            )
        )
    train_heads(tasks, settings)
    return [LinearPath([task.classifier], centred=path.centred) for task in tasks]


def refitted(
    name: CandidateName,
    X: Tensor,
    z: Tensor,
    codes: Sequence[NDArray[np.int_]],
    seed: int,
) -> list[Candidate]:
    """Candidates that are no network, each fitted to its own random 80 % of the samples.

    Parameters
    ----------
    name
        Of the candidate; inner folds choose its strength anew.
    X, z
        Features (n_samples, n_features) of the source and their latent, aligned as in training.
    codes
        Classes (n_samples,), true or permuted, one array for each model.
    seed
        Of the samples, the inner folds and the trees.
    """
    found = []
    features, latent = X.cpu().numpy(), z.cpu().numpy()
    for number, labels in enumerate(codes):
        train = np.sort(_stratified(labels, np.random.default_rng(seed + number)))
        rows = TrainingRows(
            X=features[train],
            codes=labels[train],
            standardised=Standardised(features[train]),
            latent=Standardised(latent[train]),
            inner=inner_splits(labels[train], None, seed + number),
            seed=seed + number,
        )
        fitted = contest(rows, name).fitted
        found.append(fitted.get(name) or next(iter(fitted.values())))
    return found


def _stratified(labels: NDArray[np.int_], rng: np.random.Generator) -> NDArray[np.intp]:
    parts = [rng.permutation(np.flatnonzero(labels == code)) for code in (0, 1)]
    return np.concatenate([part[: max(round(TRAIN_SHARE * len(part)), 2)] for part in parts])
