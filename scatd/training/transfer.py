"""Training a drug's classifier on one fold of the bulk source.

Source: scATD (bbaf268), `golden/scatd` section 4.3. `published_transfer()` selects the published
settings; the defaults train more steps at a higher rate, keep the encoder's statistics frozen (so
that it is run once and cached) and score at the posterior mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from scatd.nn.alignment import Alignment, FeatureStats, feature_stats
from scatd.nn.classifier import HEAD_PREFIXES, ResponseClassifier
from scatd.nn.products import fast_products
from scatd.nn.residual_vae import ResidualVAE, sample_latent
from scatd.training import augment
from scatd.training.augment import Multipliers
from scatd.training.draws import Draws
from scatd.training.loop import (
    Reporter,
    adamw,
    learning_rate,
    n_epochs,
    one_thread,
    require_finite,
    set_learning_rate,
)
from scatd.training.settings import TransferSettings

ENCODE_BLOCK = 2048


@dataclass(frozen=True, eq=False)
class FoldData:
    """One fold's rows, not aligned: features (n_obs, n_features) and classes (n_obs,)."""

    X_train: Tensor
    codes_train: NDArray[np.int_]
    X_val: Tensor
    codes_val: NDArray[np.int_]


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
    reference: FeatureStats | None,
    settings: TransferSettings,
    draws: Draws,
    reporter: Reporter,
) -> FittedFold:
    """Align, augment and train one fold.

    Parameters
    ----------
    backbone
        Pretrained VAE in eval mode; it is not changed.
    data
        Validation rows are aligned with training statistics and touch nothing else.
    reference
        Statistics of the unlabelled single-cell reference; needed unless alignment is "none".
    draws
        Source of shuffles and noise.

    Raises
    ------
    TrainingError
        When the loss is no longer finite.
    """
    counted_rows = data.X_train
    counted_codes = data.codes_train
    if settings.statistics == "all":
        counted_rows = torch.cat([data.X_train, data.X_val])
        counted_codes = np.concatenate([data.codes_train, data.codes_val])
    alignment = Alignment("none")
    if settings.alignment != "none":
        alignment = Alignment(settings.alignment, feature_stats([counted_rows]), reference)
    X_train, X_val = alignment.move_source(data.X_train), alignment.move_source(data.X_val)
    X_balanced, codes_balanced, counts = _balance(
        backbone, X_train, data.codes_train, counted_codes, settings, draws
    )
    torch.manual_seed(settings.seed)  # the head's initialisation
    classifier = ResponseClassifier.from_backbone(backbone).to(X_train.device)
    weights = torch.from_numpy(augment.class_weights(codes_balanced)).to(X_train)
    history, prob_val = train_classifier(
        classifier,
        FoldData(X_balanced, codes_balanced, X_val, data.codes_val),
        weights,
        settings,
        draws,
        reporter,
    )
    return FittedFold(classifier.eval(), alignment, prob_val, history, counts)


def _balance(
    backbone: ResidualVAE,
    X: Tensor,
    codes: NDArray[np.int_],
    counted_codes: NDArray[np.int_],
    settings: TransferSettings,
    draws: Draws,
) -> tuple[Tensor, NDArray[np.int_], dict[str, tuple[int, int]]]:
    """Augment, then remove Tomek links; also the class counts after each step."""
    counts = {"before": _counts(codes)}
    if settings.augmentation == "vae":
        wanted = augment.multipliers(
            *sorted(_counts(counted_codes), reverse=True),
            mode=settings.multiplier,
            preset=Multipliers(settings.majority_multiplier, settings.minority_multiplier),
        )
        new_rows, new_codes = augment.generate(backbone, X, codes, wanted, draws)
        X, codes = torch.cat([X, new_rows]), np.concatenate([codes, new_codes])
    elif settings.augmentation == "smote":
        rows, codes = augment.smote(X.cpu().numpy(), codes, settings.seed)
        X = torch.from_numpy(rows).to(X)
    counts["augmented"] = _counts(codes)
    if settings.augmentation != "none" and settings.tomek:
        kept = augment.without_tomek_links(X.cpu().numpy(), codes)
        X, codes = X[torch.from_numpy(kept).to(X.device)], codes[kept]
    counts["trained"] = _counts(codes)
    return X, codes, counts


def _counts(codes: NDArray[np.int_]) -> tuple[int, int]:
    n_sensitive, n_resistant = np.bincount(codes, minlength=2)
    return int(n_sensitive), int(n_resistant)


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
    parameters = list(model.parameters()) if settings.post_training else _head_parameters(model)
    optimizer = adamw(parameters, rate=settings.learning_rate, weight_decay=settings.weight_decay)
    last_epoch = n_epochs(settings.epochs, settings.min_steps, settings.batch_size, len(codes))
    _set_encoder_trainable(model, trainable=False)
    model.eval()
    # A frozen encoder answers the same every epoch: run it once.
    cached = _posterior(model, data.X_train) if settings.encoder_norm == "frozen" else None
    cached_val = _posterior(model, data.X_val) if settings.encoder_norm == "frozen" else None
    history: list[dict[str, float]] = []
    for epoch in range(1, last_epoch + 1):
        unfrozen = epoch > last_epoch - settings.post_training
        if unfrozen:
            _set_encoder_trainable(model, trainable=True)
            cached = cached_val = None
        rate = learning_rate(settings.schedule, epoch, last_epoch, settings.learning_rate)
        set_learning_rate(optimizer, rate)
        with one_thread(when=cached is not None), fast_products():
            train_loss = _train_epoch(
                model, data, codes, cached, class_weights, optimizer, settings, draws
            )
            model.eval()
            with torch.no_grad():
                mu, logvar = cached_val or _posterior(model, data.X_val)
                logits = model.head(_latent(mu, logvar, settings, draws))
                val_loss = cross_entropy(logits, codes_val, class_weights).item()
        require_finite(train_loss, epoch=epoch, name="the training loss")
        history.append(
            {
                "epoch": epoch,
                "learning_rate": rate,
                "train_loss": train_loss,
                "val_loss": val_loss,
            }
        )
        reporter.epoch(epoch, history[-1])
    with torch.no_grad():
        logits = model.head(_latent(mu, logvar, settings, draws))
    return history, logits.double().softmax(dim=1)[:, 1].cpu().numpy()


def _train_epoch(
    model: ResponseClassifier,
    data: FoldData,
    codes: Tensor,
    cached: tuple[Tensor, Tensor] | None,
    class_weights: Tensor,
    optimizer: torch.optim.Optimizer,
    settings: TransferSettings,
    draws: Draws,
) -> float:
    """One pass over the training rows; returns the mean loss."""
    model.train()
    if cached is not None:
        _set_encoder_mode(model, training=False)
    total, n_seen = torch.zeros((), device=codes.device), 0
    for batch in draws.batches(len(codes), settings.batch_size, drop_last=settings.drop_last):
        if cached is not None:
            mu, logvar = cached[0][batch], cached[1][batch]
        else:
            mu, logvar = model.encode(data.X_train[batch])
        logits = model.head(_latent(mu, logvar, settings, draws))
        loss = cross_entropy(logits, codes[batch], class_weights)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        total = total + loss.detach() * len(batch)
        n_seen += len(batch)
    return total.item() / n_seen


def _latent(mu: Tensor, logvar: Tensor, settings: TransferSettings, draws: Draws) -> Tensor:
    if settings.latent == "mean":
        return mu
    return sample_latent(mu, logvar, draws.normal(*mu.shape).to(mu))


def _posterior(model: ResponseClassifier, X: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad(), fast_products():
        parts = [model.encode(block) for block in X.split(ENCODE_BLOCK)]
    return torch.cat([mu for mu, _ in parts]), torch.cat([logvar for _, logvar in parts])


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
