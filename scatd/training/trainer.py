"""Training response models on one backbone, as many at once as their settings allow.

A frozen encoder answers the same in every epoch: it is run once over every row, and heads of many
folds (and drugs) then train together. An encoder that moves is trained with each head.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from scatd.nn.alignment import Alignment
from scatd.nn.moving import like
from scatd.nn.residual_vae import ResidualVAE
from scatd.training import augment
from scatd.training.draws import Draws
from scatd.training.folds import FoldData
from scatd.training.heads import HeadTask, can_share, train_heads
from scatd.training.loop import Reporter, Silent
from scatd.training.settings import TransferSettings
from scatd.training.transfer import FittedFold, fit_fold, new_classifier, posterior_of

Counts = dict[str, tuple[int, int]]
"""Sensitive and resistant rows after each step of balancing."""


@dataclass(frozen=True, eq=False)
class AlignedFold:
    """A fold as `scatd.training.folds.align` leaves it.

    Parameters
    ----------
    alignment, data
        How its rows were moved, and the moved rows.
    draws
        Source of shuffles and noise.
    reporter
        Is told the epochs of its training.
    posterior, z_val
        Posterior (mean, log-variance) of the training rows and posterior mean of the validation
        rows, where the encoder has been run over them already.
    """

    alignment: Alignment
    data: FoldData
    draws: Draws
    reporter: Reporter = field(default_factory=Silent)
    posterior: tuple[Tensor, Tensor] | None = None
    z_val: Tensor | None = None


@dataclass(frozen=True, eq=False)
class BegunFold:
    """What the training of a fold needs of no other fold.

    Parameters
    ----------
    fold
        Its rows; None where `task` holds all that a head needs of them.
    alignment
        How its rows were moved.
    task, counts
        Balanced rows in latent space, for a head on a frozen encoder; None where the encoder moves.
    """

    fold: AlignedFold | None
    alignment: Alignment
    task: HeadTask | None = None
    counts: Counts = field(default_factory=dict)


class Trainer:
    """Trains response models on one backbone.

    Parameters
    ----------
    backbone
        Pretrained VAE in eval mode, where it is computed on; it is not changed.
    settings
        Of every model; how a fold was aligned is said by the fold.
    """

    def __init__(self, backbone: ResidualVAE, settings: TransferSettings) -> None:
        self.backbone = backbone
        self.settings = settings
        device = next(backbone.parameters()).device
        self.untrained = new_classifier(backbone, settings).to(device).eval()

    def fit(self, folds: Iterable[AlignedFold]) -> list[FittedFold]:
        """Augment and train; each fold gets the numbers that it gets alone.

        Raises
        ------
        TrainingError
            When a loss is no longer finite.
        """
        return self.finish([self.begin(fold) for fold in folds])

    def begin(self, fold: AlignedFold) -> BegunFold:
        """Balance a fold whose encoder is frozen; its rows are not kept then."""
        if not can_share(self.settings):
            return BegunFold(fold, fold.alignment)
        return BegunFold(None, fold.alignment, *self.task(fold))

    def finish(self, begun: Sequence[BegunFold]) -> list[FittedFold]:
        """Train what `begin` began, as many at once as their settings allow.

        Raises
        ------
        TrainingError
            When a loss is no longer finite.
        """
        tasks = [one.task for one in begun if one.task is not None]
        trained = iter(train_heads(tasks, self.settings) if tasks else [])
        found = []
        for one in begun:
            if one.task is None:
                assert one.fold is not None
                found.append(self._fit_alone(one.fold))
            else:
                own, head = one.task.classifier, next(trained)
                prob, history = head.prob_val, head.history
                found.append(FittedFold(own, one.alignment, prob, history, one.counts))
        return found

    def task(self, fold: AlignedFold) -> tuple[HeadTask, Counts]:
        """Balanced rows of a fold in latent space, for a head on the frozen encoder."""
        data, posterior, z_val = fold.data, fold.posterior, fold.z_val
        if posterior is None:
            posterior = posterior_of(self.untrained, data.X_train)
        if z_val is None:
            z_val = posterior_of(self.untrained, data.X_val)[0]
        balanced = augment.balance(self.backbone, data, self.settings, fold.draws, posterior)
        n_kept = len(balanced.kept)
        z = posterior[0][torch.from_numpy(balanced.kept).to(z_val.device)]
        if len(balanced.X) > n_kept:
            z = torch.cat([z, posterior_of(self.untrained, balanced.X[n_kept:])[0]])
        weights = like(augment.class_weights(balanced.codes), z)
        task = HeadTask(
            classifier=self.untrained.with_head(),
            z_train=z,
            codes_train=balanced.codes,
            z_val=z_val,
            codes_val=data.codes_val,
            class_weights=weights,
            draws=fold.draws,
            reporter=fold.reporter,
        )
        return task, balanced.counts

    def _fit_alone(self, fold: AlignedFold) -> FittedFold:
        settings = replace(self.settings, alignment=fold.alignment.method)
        rest = (fold.draws, fold.reporter)
        return fit_fold(self.backbone, fold.data, fold.alignment, settings, *rest)
