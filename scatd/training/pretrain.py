"""The training loop of a residual VAE.

Source: scATD (bbaf268), pretraining. The loop is the published one. What it does not have is added
around it: a check that the numbers are finite, early stopping, and checkpoints that a killed run
continues from. `scatd.training.backbone` calls it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from scatd.nn.losses import cosine_distance, kl_to_standard_normal, reconstruction_loss
from scatd.nn.moving import doubles
from scatd.nn.products import fast_products
from scatd.nn.residual_vae import ResidualVAE, VAEOutput
from scatd.training.checkpoint import Checkpoint, is_stalled
from scatd.training.draws import Draws, batch_sizes
from scatd.training.loop import (
    Reporter,
    adamw,
    learning_rate,
    n_epochs,
    require_finite,
    set_learning_rate,
)
from scatd.training.rows import Batch, MemoryRows, Rows
from scatd.training.settings import PretrainSettings

VALIDATION_BATCH = 1024


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The rows of a training.

    Parameters
    ----------
    train
        Rows to train on.
    held_out
        Rows to validate on.
    progress
        Called with the number of training rows done since the last call.
    """

    train: Rows
    held_out: Batch
    progress: Callable[[int], object] = int


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
) -> list[dict[str, float]]:
    """Train `vae` in place, on rows that are in memory.

    Parameters
    ----------
    X_train, X_val
        Features (n_obs, n_features).
    teacher
        Latent targets of the two, (n_obs, n_latent), for distillation.

    Returns
    -------
    One record an epoch: train and validation averages over rows of each loss term.

    Raises
    ------
    TrainingError
        When a loss is no longer finite.
    """
    z_train, z_val = (None, None) if teacher is None else teacher
    rows = TrainingRows(MemoryRows(X_train, z_train), (X_val, z_val))
    return train_on_rows(vae, rows, settings, draws, reporter)


def train_on_rows(
    vae: ResidualVAE,
    rows: TrainingRows,
    settings: PretrainSettings,
    draws: Draws,
    reporter: Reporter,
    checkpoint: Checkpoint | None = None,
) -> list[dict[str, float]]:
    """Train `vae` in place, on rows from wherever they are.

    Parameters
    ----------
    checkpoint
        Where to continue from and to save to.

    Raises
    ------
    TrainingError
        When a loss is no longer finite.
    """
    optimizer = adamw(
        list(vae.parameters()), rate=settings.learning_rate, weight_decay=settings.weight_decay
    )
    history = checkpoint.restore(vae, optimizer) if checkpoint else []
    n_rows = len(rows.train)
    for record in history:
        reporter.epoch(int(record["epoch"]), record)
        rows.progress(n_rows)
    last_epoch = n_epochs(settings.epochs, settings.min_steps, settings.batch_size, n_rows)

    def is_over() -> bool:
        return len(history) >= last_epoch or is_stalled(history, settings.patience)

    while not is_over():
        epoch = len(history) + 1
        rate = learning_rate(settings.schedule, epoch, last_epoch, settings.learning_rate)
        set_learning_rate(optimizer, rate)
        with fast_products(bfloat16=settings.precision == "mixed"):
            record = {
                "epoch": epoch,
                "learning_rate": rate,
                **_train_epoch(vae, optimizer, rows, settings, draws, epoch),
                **_validate(vae, rows.held_out, settings, draws),
            }
        for name in ("train_total", "val_total"):
            require_finite(record[name], epoch=epoch, name=name)
        history.append(record)
        reporter.epoch(epoch, record)
        if checkpoint:
            checkpoint.keep(vae, optimizer, history, last=is_over())
    vae.eval()
    return history


def _train_epoch(
    vae: ResidualVAE,
    optimizer: torch.optim.Optimizer,
    rows: TrainingRows,
    settings: PretrainSettings,
    draws: Draws,
    epoch: int,
) -> dict[str, float]:
    vae.train()
    averages = _Averages("train")
    # The rows of a file and those of memory come in batches of the same sizes.
    sizes = batch_sizes(len(rows.train), settings.batch_size, drop_last=False)
    noise = draws.noise(sizes, vae.sizes.n_latent)
    for x, teacher_z in rows.train.batches(epoch, draws, settings.batch_size):
        out = _forward(vae, x, next(noise), settings)
        terms = losses(out, x, settings, teacher_z)
        optimizer.zero_grad(set_to_none=True)
        terms["total"].backward()
        optimizer.step()
        averages.add(terms, len(x))
        rows.progress(len(x))
    return averages.values()


def _validate(
    vae: ResidualVAE, held_out: Batch, settings: PretrainSettings, draws: Draws
) -> dict[str, float]:
    vae.eval()
    averages = _Averages("val")
    X, teacher_z = held_out
    with torch.no_grad():
        batches = torch.arange(len(X), device=X.device).split(VALIDATION_BATCH)
        noise = draws.noise([len(rows) for rows in batches], vae.sizes.n_latent)
        for rows in batches:
            x = X[rows]
            out = _forward(vae, x, next(noise), settings)
            terms = losses(out, x, settings, None if teacher_z is None else teacher_z[rows])
            averages.add(terms, len(rows))
    return averages.values()


def _forward(vae: ResidualVAE, x: Tensor, eps: Tensor, settings: PretrainSettings) -> VAEOutput:
    if not _is_lowered(settings, x.device):
        return vae(x, eps)
    with torch.autocast(x.device.type, torch.bfloat16):
        out = vae(x, eps)
    return VAEOutput(*(part.float() for part in out))


def _is_lowered(settings: PretrainSettings, device: torch.device) -> bool:
    """Whether autocast multiplies matrices in bfloat16."""
    is_able = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return settings.precision == "mixed" and is_able


class _Averages:
    """Averages over rows of loss terms, read from the device once an epoch."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._names: list[str] = []
        self._terms: list[Tensor] = []
        self._n_rows: list[int] = []

    def add(self, terms: dict[str, Tensor], n_rows: int) -> None:
        self._names = list(terms)
        self._terms.append(torch.stack([value.detach() for value in terms.values()]))
        self._n_rows.append(n_rows)

    def values(self) -> dict[str, float]:
        weights = torch.tensor(self._n_rows, dtype=torch.float64)
        means = weights @ doubles(torch.stack(self._terms)) / weights.sum()
        names = (f"{self._part}_{name}" for name in self._names)
        return dict(zip(names, means.tolist(), strict=True))
