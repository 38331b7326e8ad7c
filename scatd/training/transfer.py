"""Training a drug's classifier on one fold of the bulk source.

Source: scATD (bbaf268), `golden/scatd` section 4.3. `published_transfer()` selects the published
settings; the defaults train more steps at a higher rate, keep the encoder's statistics frozen (so
that it is run once and cached) and score at the posterior mean.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from scatd.nn.alignment import Alignment, FeatureStats, feature_stats
from scatd.nn.classifier import HEAD_PREFIXES, ResponseClassifier, resistant_probability
from scatd.nn.coral import Recolouring
from scatd.nn.losses import maximum_mean_discrepancy
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
    """One fold's rows: features (n_obs, n_features) and classes (n_obs,).

    `X_domain` holds unlabelled single cells (n_cells, n_features), for `coral` and `mmd`; `few` a
    few labelled target cells and their classes, which `align` adds to the training rows.
    """

    X_train: Tensor
    codes_train: NDArray[np.int_]
    X_val: Tensor
    codes_val: NDArray[np.int_]
    X_domain: Tensor | None = None
    few: tuple[Tensor, NDArray[np.int_]] | None = None


@dataclass(frozen=True, eq=False)
class FittedFold:
    """A trained classifier, how its source was aligned, and what it says of its validation rows."""

    classifier: ResponseClassifier
    alignment: Alignment
    prob_val: NDArray[np.float64]
    history: list[dict[str, float]]
    counts: dict[str, tuple[int, int]]


def align(
    data: FoldData, reference: FeatureStats | None, settings: TransferSettings
) -> tuple[Alignment, FoldData]:
    """Move a fold's rows as its alignment wants them; validation rows touch no statistic.

    Parameters
    ----------
    data
        Rows as the cohort holds them.
    reference
        Statistics of the unlabelled single-cell reference; needed unless alignment is "none".
    """
    if settings.alignment == "none":
        return Alignment("none"), _with_few(data, Alignment("none"))
    counted = data.X_train
    if settings.statistics == "all":
        counted = torch.cat([data.X_train, data.X_val])
    alignment = Alignment(settings.alignment, feature_stats([counted]), reference)
    move = alignment.move_source
    if settings.alignment == "coral":
        assert data.X_domain is not None
        assert reference is not None
        move = Recolouring(counted, data.X_domain, reference)
    moved = replace(data, X_train=move(data.X_train), X_val=move(data.X_val))
    return alignment, _with_few(moved, alignment)


def _with_few(data: FoldData, alignment: Alignment) -> FoldData:
    """Training rows with the few target cells behind them, moved as a target is."""
    if data.few is None:
        return data
    cells, codes = data.few
    X = torch.cat([data.X_train, alignment.move_target(cells)])
    return replace(data, X_train=X, codes_train=np.concatenate([data.codes_train, codes]), few=None)


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
        Aligned rows, and how they were: see `align`.
    draws
        Source of shuffles and noise.

    Raises
    ------
    TrainingError
        When the loss is no longer finite.
    """
    balanced = balance(backbone, data, settings, draws)
    classifier = new_classifier(backbone, settings).to(data.X_train.device)
    weights = torch.from_numpy(augment.class_weights(balanced.codes)).to(data.X_train)
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


@dataclass(frozen=True, eq=False)
class Balanced:
    """A training fold as a head learns it.

    Parameters
    ----------
    X, codes
        Rows (n_obs, n_features) and classes (n_obs,): first those of the fold, then generated ones.
    kept
        Which rows of the fold the first ones are, (n_kept,), ascending.
    counts
        Sensitive and resistant rows after each step.
    """

    X: Tensor
    codes: NDArray[np.int_]
    kept: NDArray[np.intp]
    counts: dict[str, tuple[int, int]]


def balance(
    backbone: ResidualVAE,
    data: FoldData,
    settings: TransferSettings,
    draws: Draws,
    posterior: tuple[Tensor, Tensor] | None = None,
) -> Balanced:
    """Augment the training rows of a fold, then remove Tomek links.

    Parameters
    ----------
    backbone
        Pretrained VAE in eval mode.
    data
        Aligned rows.
    posterior
        What the encoder says of the training rows, where that is known already.
    """
    X, codes = data.X_train, data.codes_train
    n_given = len(X)
    counts = {"before": _counts(codes)}
    if settings.augmentation == "vae":
        counted = codes
        if settings.statistics == "all":
            counted = np.concatenate([codes, data.codes_val])
        wanted = augment.multipliers(
            *sorted(_counts(counted), reverse=True),
            mode=settings.multiplier,
            preset=Multipliers(settings.majority_multiplier, settings.minority_multiplier),
        )
        new_rows, new_codes = augment.generate(backbone, X, codes, wanted, draws, posterior)
        X, codes = torch.cat([X, new_rows]), np.concatenate([codes, new_codes])
    elif settings.augmentation == "smote":
        rows, codes = augment.smote(X.cpu().numpy(), codes, settings.seed)
        X = torch.from_numpy(rows).to(X)
    counts["augmented"] = _counts(codes)
    kept = np.arange(len(codes))
    if settings.augmentation != "none" and settings.tomek:
        kept = augment.without_tomek_links(X, codes)
        X, codes = X[torch.from_numpy(kept).to(X.device)], codes[kept]
    counts["trained"] = _counts(codes)
    return Balanced(X, codes, kept[kept < n_given], counts)


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
        return history, resistant_probability(logits).cpu().numpy()


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
    return {name: value.item() / n_seen for name, value in totals.items()}


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
        return resistant_probability(logits).cpu().numpy()


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
