"""How good a set of pretraining settings is: the cross-validated loss that a search makes small.

Source: scATD (bbaf268), search of pretraining settings. A trial is worth the mean over its own
folds. The published code for sf takes the mean over those of all trials before it too (defect D12).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
from torch import Tensor

from scatd.data.splits import fold_seed
from scatd.nn.residual_vae import ResidualVAE, Sizes
from scatd.training.backbone import new_vae
from scatd.training.draws import SeededDraws
from scatd.training.loop import Reporter
from scatd.training.pretrain import train_vae
from scatd.training.settings import PretrainSettings

Rows = tuple[np.ndarray, np.ndarray]
"""Training and validation rows of a fold."""
STEPS_A_FOLD = 10_000
"""How finely a fold's progress is counted: trials of 10 and of 60 epochs share one scale."""


@dataclass(frozen=True)
class Progress:
    """Where a trial stands after an epoch.

    Parameters
    ----------
    fold, epoch
        From 1.
    step
        Rises over all folds; the same for all trials that have done the same share of their work.
    objective
        Mean over the folds begun of the lowest validation loss so far; low is good.
    losses
        Of this epoch.
    """

    fold: int
    epoch: int
    step: int
    objective: float
    losses: Mapping[str, float]


def objective(
    X: Tensor,
    folds: Sequence[Rows],
    settings: PretrainSettings,
    vae_of: Callable[[Sizes], ResidualVAE],
    watch: Callable[[Progress], None],
) -> float:
    """Mean over folds of the lowest validation loss of any epoch.

    Parameters
    ----------
    X
        Features (n_obs, n_features).
    folds
        Training and validation rows of each.
    vae_of
        Makes the family's network.
    watch
        Told of every epoch; may raise to end the trial.

    Raises
    ------
    TrainingError
        When training diverges in any fold.
    """

    def fit(number: int, reporter: Reporter) -> None:
        fit_fold(X, folds[number - 1], number, settings, vae_of, reporter)

    return over_folds(fit, len(folds), settings.epochs, watch)


def over_folds(
    fit: Callable[[int, Reporter], None],
    n_folds: int,
    n_epochs: int,
    watch: Callable[[Progress], None],
) -> float:
    """The objective of folds that are fitted in their order, wherever that is done.

    Parameters
    ----------
    fit
        Fits the fold of a number, from 1, and reports its epochs.
    """
    lowest: list[float] = []
    for number in range(1, n_folds + 1):
        fit(number, _FoldWatcher(lowest, n_epochs, watch))
    return fmean(lowest)


def fit_fold(
    X: Tensor,
    fold: Rows,
    number: int,
    settings: PretrainSettings,
    vae_of: Callable[[Sizes], ResidualVAE],
    reporter: Reporter,
) -> None:
    """Train on the rows of one fold; its number, from 1, decides its draws.

    Raises
    ------
    TrainingError
        When training diverges.
    """
    train, val = fold
    ours = replace(settings, seed=fold_seed(settings.seed, number))
    vae = new_vae(X[train], ours, vae_of)
    train_vae(vae, X[train], X[val], ours, SeededDraws(ours.seed, X.device), reporter)


class _FoldWatcher:
    """A reporter that keeps the lowest validation loss of a new fold at the end of `lowest`."""

    def __init__(
        self, lowest: list[float], n_epochs: int, watch: Callable[[Progress], None]
    ) -> None:
        self._lowest, self._n_epochs, self._watch = lowest, n_epochs, watch
        lowest.append(math.inf)

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        self._lowest[-1] = min(self._lowest[-1], values["val_total"])
        fold = len(self._lowest)
        step = (fold - 1) * STEPS_A_FOLD + round(STEPS_A_FOLD * epoch / self._n_epochs)
        losses = {name: value for name, value in values.items() if name != "epoch"}
        self._watch(Progress(fold, epoch, step, fmean(self._lowest), losses))
