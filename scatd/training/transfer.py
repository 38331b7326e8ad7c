"""Training a drug's classifier on one fold of the bulk source.

Source: scATD (bbaf268), transfer learning on bulk data, each fold. `published_transfer()` selects
the published settings; the defaults train more steps at a higher rate, keep the encoder's
statistics frozen (so that it is run once and cached) and score at the posterior mean. Where the
encoder never moves, `scatd.training.trainer` trains several heads at once instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from scatd.nn.alignment import Alignment
from scatd.nn.classifier import HEAD_PREFIXES, ResponseClassifier, resistant_probability
from scatd.nn.losses import maximum_mean_discrepancy
from scatd.nn.moving import like
from scatd.nn.products import fast_products
from scatd.nn.residual_vae import ResidualVAE, sample_latent
from scatd.training import augment
from scatd.training.cores import one_thread
from scatd.training.draws import Draws
from scatd.training.folds import FoldData
from scatd.training.loop import (
    Reporter,
    adamw,
    learning_rate,
    n_epochs,
    require_finite,
    set_learning_rate,
)
from scatd.training.settings import TransferSettings

ENCODE_BLOCK = 2048


@dataclass(frozen=True, eq=False)
class FittedFold:
    """A trained classifier, how its source was aligned, and what it says of its validation rows."""

    classifier: ResponseClassifier
    alignment: Alignment
    prob_val: NDArray[np.float64]
    history: list[dict[str, float]]
    counts: dict[str, tuple[int, int]]


def fit_fold(
    backbone: ResidualVAE,
    data: FoldData,
    alignment: Alignment,
    settings: TransferSettings,
    draws: Draws,
    reporter: Reporter,
) -> FittedFold:
    """Augment and train one fold.

    Parameters
    ----------
    backbone
        Pretrained VAE in eval mode; it is not changed.
    data, alignment
        Aligned rows, and how they were: see `scatd.training.folds.align`.
    draws
        Source of shuffles and noise.

    Raises
    ------
    TrainingError
        When the loss is no longer finite.
    """
    balanced = augment.balance(backbone, data, settings, draws)
    classifier = new_classifier(backbone, settings).to(data.X_train.device)
    weights = like(augment.class_weights(balanced.codes), data.X_train)
    history, prob_val = train_classifier(
        classifier,
        replace(data, X_train=balanced.X, codes_train=balanced.codes),
        weights,
        settings,
        draws,
        reporter,
    )
    return FittedFold(classifier.eval(), alignment, prob_val, history, balanced.counts)


def new_classifier(backbone: ResidualVAE, settings: TransferSettings) -> ResponseClassifier:
    """An untrained head, initialised from the seed, on a copy of the backbone's encoder."""
    torch.manual_seed(settings.seed)
    return ResponseClassifier.from_backbone(backbone)


def train_classifier(
    model: ResponseClassifier,
    data: FoldData,
    class_weights: Tensor,
    settings: TransferSettings,
    draws: Draws,
    reporter: Reporter,
) -> tuple[list[dict[str, float]], NDArray[np.float64]]:
    """Train head, and for the last epochs encoder, on aligned and balanced rows.

    Parameters
    ----------
    model
        Trained in place.
    class_weights
        (2,), of the cross-entropy.

    Returns
    -------
    One record an epoch, and P(resistant) of the validation rows after the last.
    """
    device = data.X_train.device
    codes = torch.from_numpy(np.asarray(data.codes_train, dtype=np.int64)).to(device)
    codes_val = torch.from_numpy(np.asarray(data.codes_val, dtype=np.int64)).to(device)
    last_epoch = n_epochs(settings.epochs, settings.min_steps, settings.batch_size, len(codes))
    n_frozen = 0 if settings.train_encoder else last_epoch - settings.post_training
    parameters = list(model.parameters()) if n_frozen < last_epoch else _head_parameters(model)
    optimizer = adamw(parameters, rate=settings.learning_rate, weight_decay=settings.weight_decay)
    _set_encoder_trainable(model, trainable=False)
    model.eval()
    # A frozen encoder answers the same every epoch: run it once.
    is_constant = settings.encoder_norm == "frozen" and n_frozen > 0
    cached = posterior_of(model, data.X_train) if is_constant else None
    cached_val = posterior_of(model, data.X_val) if is_constant else None
    history: list[dict[str, float]] = []
    for epoch in range(1, last_epoch + 1):
        if epoch > n_frozen:
            _set_encoder_trainable(model, trainable=True)
            cached = cached_val = None
        rate = learning_rate(settings.schedule, epoch, last_epoch, settings.learning_rate)
        set_learning_rate(optimizer, rate)
        with one_thread(when=cached is not None), fast_products():
            trained = _train_epoch(
                model, data, codes, cached, class_weights, optimizer, settings, draws
            )
            model.eval()
            with torch.no_grad():
                mu, logvar = cached_val or posterior_of(model, data.X_val)
                logits = model.head(_latent(mu, logvar, settings, draws))
                val_loss = cross_entropy(logits, codes_val, class_weights).item()
        require_finite(trained["train_loss"], epoch=epoch, name="the training loss")
        history.append({"epoch": epoch, "learning_rate": rate, **trained, "val_loss": val_loss})
        reporter.epoch(epoch, history[-1])
    with torch.no_grad():
        logits = model.head(_latent(mu, logvar, settings, draws))
        return history, resistant_probability(logits).numpy()


def _train_epoch(
    model: ResponseClassifier,
    data: FoldData,
    codes: Tensor,
    cached: tuple[Tensor, Tensor] | None,
    class_weights: Tensor,
    optimizer: torch.optim.Optimizer,
    settings: TransferSettings,
    draws: Draws,
) -> dict[str, float]:
    """One pass over the training rows; returns mean losses over rows."""
    model.train()
    if settings.encoder_norm == "frozen":
        _set_encoder_mode(model, training=False)
    # On a cached encoder the domain loss has nothing to act on (defect D9).
    has_domain = settings.alignment == "mmd" and cached is None
    loss_of: dict[str, Tensor] = {}
    totals: dict[str, Tensor] = {}
    n_seen = 0
    for batch in draws.batches(len(codes), settings.batch_size, drop_last=settings.drop_last):
        if cached is not None:
            mu, logvar = cached[0][batch], cached[1][batch]
        else:
            mu, logvar = model.encode(data.X_train[batch])
        z = _latent(mu, logvar, settings, draws)
        loss_of["train_loss"] = cross_entropy(model.head(z), codes[batch], class_weights)
        if has_domain:
            loss_of["train_ce"] = loss_of["train_loss"]
            loss_of["train_mmd"] = _domain_loss(model, data, batch, z, settings, draws)
            loss_of["train_loss"] = loss_of["train_ce"] + settings.mmd_weight * loss_of["train_mmd"]
        optimizer.zero_grad(set_to_none=True)
        loss_of["train_loss"].backward()
        optimizer.step()
        for name, value in loss_of.items():
            totals[name] = totals.get(name, 0) + value.detach() * len(batch)
        n_seen += len(batch)
    summed = torch.stack(list(totals.values())).tolist()  # read from the device at once
    return {name: value / n_seen for name, value in zip(totals, summed, strict=True)}


def _domain_loss(
    model: ResponseClassifier,
    data: FoldData,
    batch: Tensor,
    z: Tensor,
    settings: TransferSettings,
    draws: Draws,
) -> Tensor:
    """MMD between the latent of a bulk batch and of as many random single cells."""
    assert data.X_domain is not None
    if settings.latent == "sampled":  # the published code encodes, and draws, a second time
        z = _latent(*model.encode(data.X_train[batch]), settings, draws)
    cells = data.X_domain[draws.subset(len(data.X_domain), len(batch))]
    return maximum_mean_discrepancy(z, _latent(*model.encode(cells), settings, draws))


def _latent(mu: Tensor, logvar: Tensor, settings: TransferSettings, draws: Draws) -> Tensor:
    if settings.latent == "mean":
        return mu
    return sample_latent(mu, logvar, draws.normal(*mu.shape).to(mu))


def posterior_of(model: ResponseClassifier, X: Tensor) -> tuple[Tensor, Tensor]:
    """Posterior mean and log-variance (n_obs, n_latent) of aligned rows, block by block."""
    with torch.no_grad(), fast_products():
        parts = [model.encode(block) for block in X.split(ENCODE_BLOCK)]
    return torch.cat([mu for mu, _ in parts]), torch.cat([logvar for _, logvar in parts])


def probabilities(model: ResponseClassifier, X: Tensor) -> NDArray[np.float64]:
    """P(resistant) (n_obs,) of aligned rows, at the posterior mean."""
    with torch.no_grad():
        logits = model.head(posterior_of(model, X)[0])
        return resistant_probability(logits).numpy()


def _head_parameters(model: ResponseClassifier) -> list[torch.nn.Parameter]:
    return [
        parameter for name, parameter in model.named_parameters() if name.startswith(HEAD_PREFIXES)
    ]


def _set_encoder_trainable(model: ResponseClassifier, *, trainable: bool) -> None:
    for part in model.encoder_parts():
        part.requires_grad_(requires_grad=trainable)


def _set_encoder_mode(model: ResponseClassifier, *, training: bool) -> None:
    for part in model.encoder_parts():
        part.train(mode=training)
