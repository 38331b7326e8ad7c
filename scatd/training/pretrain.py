"""Pretraining a residual VAE: the backbone of a family.

Source: scATD (bbaf268), `golden/scatd` section 3. The loop is the published one; what it does not
have is added around it: a seed, a held-out split instead of ten folds of which one is used, checks
that the numbers are finite, and checkpoints that a killed run continues from.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.errors import InputError, TrainingError
from scatd.nn.losses import cosine_distance, kl_to_standard_normal, reconstruction_loss
from scatd.nn.residual_vae import ResidualVAE, Sizes, VAEOutput
from scatd.training.draws import Draws, SeededDraws
from scatd.training.loop import (
    Reporter,
    adamw,
    learning_rate,
    n_epochs,
    require_finite,
    set_learning_rate,
)
from scatd.training.settings import PretrainSettings

ACTIVE_UNIT_VARIANCE = 0.01
"""A latent unit whose posterior mean varies less carries nothing (Burda et al., 2016)."""


@dataclass(frozen=True, eq=False)
class FittedBackbone:
    """A pretrained VAE (eval mode) and what is known about it."""

    vae: ResidualVAE
    history: list[dict[str, float]]
    summary: dict[str, float]


def losses(
    out: VAEOutput, x: Tensor, settings: PretrainSettings, teacher_z: Tensor | None = None
) -> dict[str, Tensor]:
    """Loss terms of one batch and their weighted `total`."""
    terms = {
        "rec": reconstruction_loss(out.recon, x),
        "kld": kl_to_standard_normal(out.mu, out.logvar),
    }
    total = settings.rec_beta * terms["rec"] + terms["kld"]
    if teacher_z is not None:
        terms["cosine"] = cosine_distance(out.z, teacher_z)
        total = total + settings.cosine_beta * terms["cosine"]
    return {"total": total, **terms}


def train_vae(
    vae: ResidualVAE,
    X_train: Tensor,
    X_val: Tensor,
    settings: PretrainSettings,
    draws: Draws,
    reporter: Reporter,
    *,
    teacher: tuple[Tensor, Tensor] | None = None,
    checkpoint: Checkpoint | None = None,
) -> list[dict[str, float]]:
    """Train `vae` in place.

    Parameters
    ----------
    X_train, X_val
        Features (n_obs, n_features).
    teacher
        Latent targets of the two, (n_obs, n_latent), for distillation.
    checkpoint
        Where to continue from and to save to.

    Returns
    -------
    One record an epoch: train and validation averages over rows of each loss term.

    Raises
    ------
    TrainingError
        When a loss is no longer finite.
    """
    optimizer = adamw(
        list(vae.parameters()), rate=settings.learning_rate, weight_decay=settings.weight_decay
    )
    history = checkpoint.restore(vae, optimizer) if checkpoint else []
    last_epoch = n_epochs(settings.epochs, settings.min_steps, settings.batch_size, len(X_train))
    n_latent = vae.sizes.n_latent
    for epoch in range(len(history) + 1, last_epoch + 1):
        rate = learning_rate(settings.schedule, epoch, last_epoch, settings.learning_rate)
        set_learning_rate(optimizer, rate)
        vae.train()
        sums: dict[str, float] = {}
        for batch in draws.batches(len(X_train), settings.batch_size, drop_last=False):
            x = X_train[batch]
            out = vae(x, draws.normal(len(batch), n_latent))
            terms = losses(out, x, settings, teacher[0][batch] if teacher else None)
            optimizer.zero_grad(set_to_none=True)
            terms["total"].backward()
            optimizer.step()
            _add(sums, "train", terms, len(batch))
        vae.eval()
        with torch.no_grad():
            for rows in torch.arange(len(X_val)).split(1024):
                x = X_val[rows]
                out = vae(x, draws.normal(len(rows), n_latent))
                terms = losses(out, x, settings, teacher[1][rows] if teacher else None)
                _add(sums, "val", terms, len(rows))
        n_rows = {"train": len(X_train), "val": len(X_val)}
        record = {name: value / n_rows[name.split("_")[0]] for name, value in sums.items()}
        for name in ("train_total", "val_total"):
            require_finite(record[name], epoch=epoch, name=name)
        history.append({"epoch": epoch, "learning_rate": rate, **record})
        reporter.epoch(epoch, history[-1])
        if checkpoint:
            checkpoint.save(vae, optimizer, history, last=epoch == last_epoch)
    return history


def _add(sums: dict[str, float], part: str, terms: dict[str, Tensor], n_rows: int) -> None:
    for name, value in terms.items():
        key = f"{part}_{name}"
        sums[key] = sums.get(key, 0.0) + value.item() * n_rows


def fit_backbone(
    X: NDArray[np.float32],
    settings: PretrainSettings,
    vae_of: Callable[[Sizes], ResidualVAE],
    reporter: Reporter,
    *,
    device: torch.device | str = "cpu",
    teacher_z: NDArray[np.float32] | None = None,
    checkpoint: Path | None = None,
) -> FittedBackbone:
    """Split, initialise, train and judge one backbone.

    Parameters
    ----------
    X
        Features (n_obs, n_features) of unlabelled cells.
    vae_of
        Makes the family's network, for example ``lambda s: ResidualVAE(s, DESIGNS["sf"])``.
    teacher_z
        Latent targets (n_obs, n_latent) for distillation.
    checkpoint
        File that a killed run continues from.

    Raises
    ------
    InputError
        When there are too few rows, or all features are constant.
    TrainingError
        When training diverges.
    """
    train_rows, val_rows = _split(len(X), settings)
    everything = torch.tensor(np.asarray(X, dtype=np.float32), device=device)
    X_train, X_val = everything[train_rows], everything[val_rows]
    vae = new_vae(X_train, settings, vae_of)
    draws = SeededDraws(settings.seed, device)
    teacher = None
    if teacher_z is not None:
        targets = torch.tensor(np.asarray(teacher_z), device=device)
        teacher = (targets[train_rows], targets[val_rows])
    history = train_vae(
        vae,
        X_train,
        X_val,
        settings,
        draws,
        reporter,
        teacher=teacher,
        checkpoint=Checkpoint(checkpoint, draws) if checkpoint else None,
    )
    return FittedBackbone(vae, history, _summary(vae, X_train, X_val, history))


def _split(n_obs: int, settings: PretrainSettings) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    n_val = max(round(settings.val_fraction * n_obs), 1)
    if n_obs - n_val < 2:
        raise InputError(f"{n_obs} rows are too few to pretrain on", expected="at least 3")
    order = np.random.default_rng(settings.seed).permutation(n_obs)
    return np.sort(order[n_val:]), np.sort(order[:n_val])


def new_vae(
    X: Tensor, settings: PretrainSettings, vae_of: Callable[[Sizes], ResidualVAE]
) -> ResidualVAE:
    """An untrained network of the settings' sizes, seed and start, where its rows `X` are.

    Raises
    ------
    InputError
        When all features are constant.
    """
    if float(X.std(dim=0).max()) == 0:
        what = f"all {X.shape[1]} features are constant over {len(X)} training rows"
        raise InputError(what, expected="features that vary between cells")
    torch.manual_seed(settings.seed)
    sizes = Sizes(X.shape[1], settings.n_latent, settings.encoder_hidden, settings.decoder_hidden)
    vae = vae_of(sizes).to(X.device)
    if settings.start == "calm":
        _start_calmly(vae, X)
    return vae


def _start_calmly(vae: ResidualVAE, X: Tensor) -> None:
    """Decoder at the feature means, posterior mean near zero, posterior s.d. at 1/e."""
    with torch.no_grad():
        for layer, scale, bias in (
            (vae.fc4, 0.01, X.mean(dim=0)),
            (vae.fc21, 0.1, torch.tensor(0.0)),
            (vae.fc22, 0.01, torch.tensor(-2.0)),
        ):
            parameters = dict(layer.named_parameters())
            parameters["bias"].copy_(bias.expand_as(parameters["bias"]))
            if "weight" in parameters:  # a spectral weight has no scale of its own
                parameters["weight"].mul_(scale)


def _summary(
    vae: ResidualVAE, X_train: Tensor, X_val: Tensor, history: list[dict[str, float]]
) -> dict[str, float]:
    """Held-out reconstruction against predicting the mean, and how much of the latent is used."""
    with torch.no_grad():
        mu = vae.encode(X_val)[0]
        error = (vae.decode(mu) - X_val).square().sum()
        spread = (X_val - X_train.mean(dim=0)).square().sum()
    if not torch.isfinite(error):
        what = "the pretrained backbone reconstructs no finite numbers"
        raise TrainingError(what, remedy="Lower --learning-rate.")
    return {
        "r2": float(1 - error / spread),
        "mse": float(error / X_val.numel()),
        "active_units": float((mu.var(dim=0) > ACTIVE_UNIT_VARIANCE).sum()),
        "epochs": history[-1]["epoch"],
        "train_loss": history[-1]["train_total"],
        "val_loss": history[-1]["val_total"],
    }


class Checkpoint:
    """Everything that a killed pretraining needs to go on as if nothing had happened.

    Parameters
    ----------
    path
        Replaced atomically.
    draws
        Whose generator is saved and restored with the weights.
    every_seconds
        Least time between two saves: an epoch of a small cohort takes less than writing 300 MB.
    """

    def __init__(self, path: Path, draws: SeededDraws, every_seconds: float = 10.0) -> None:
        self.path = path
        self.draws = draws
        self.every_seconds = every_seconds
        self._saved_at = time.monotonic()

    def restore(self, vae: ResidualVAE, optimizer: torch.optim.Optimizer) -> list[dict[str, float]]:
        """Load the last save into `vae` and `optimizer`; returns its history, empty without one."""
        if not self.path.exists():
            return []
        saved = torch.load(self.path, weights_only=True, map_location="cpu")
        vae.load_state_dict(saved["vae"])
        optimizer.load_state_dict(saved["optimizer"])
        self.draws.restore(saved["draws"])
        return saved["history"]

    def save(
        self,
        vae: ResidualVAE,
        optimizer: torch.optim.Optimizer,
        history: list[dict[str, float]],
        *,
        last: bool,
    ) -> None:
        """Save, unless the last save was a moment ago and more epochs will follow."""
        if not last and time.monotonic() - self._saved_at < self.every_seconds:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".tmp")
        torch.save(
            {
                "vae": vae.state_dict(),
                "optimizer": optimizer.state_dict(),
                "draws": self.draws.state(),
                "history": history,
            },
            temporary,
        )
        os.replace(temporary, self.path)  # noqa: PTH105  (atomic on every platform)
        self._saved_at = time.monotonic()
