"""Pretraining a residual VAE: the backbone of a family.

Source: scATD (bbaf268), `golden/scatd` section 3. The loop is the published one; what it does not
have is added around it: a seed, a held-out split unless folds are asked for, checks that the
numbers are finite, best weights, early stopping, checkpoints that a killed run continues from, and
inputs that are larger than memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.data.lazy import IN_MEMORY_BYTES
from scatd.data.splits import shuffled_folds
from scatd.errors import InputError
from scatd.nn.losses import cosine_distance, kl_to_standard_normal, reconstruction_loss
from scatd.nn.products import fast_products
from scatd.nn.residual_vae import ResidualVAE, Sizes, VAEOutput
from scatd.training.checkpoint import Checkpoint, best_epoch, is_stalled
from scatd.training.draws import Draws, SeededDraws
from scatd.training.judge import judge, require_finite_weights
from scatd.training.loop import (
    Reporter,
    adamw,
    learning_rate,
    n_epochs,
    require_finite,
    set_learning_rate,
)
from scatd.training.rows import Batch, MemoryRows, Rows, StoredRows, gather
from scatd.training.settings import PretrainSettings

HELD_OUT_BYTES = 1 << 27
"""Held-out rows stay in memory: of a large input, no more are looked at than fit here."""
VALIDATION_BATCH = 1024

Split = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Training and held-out rows, both ascending."""


@dataclass(frozen=True, eq=False)
class FittedBackbone:
    """A pretrained VAE and what is known about it.

    Parameters
    ----------
    vae
        With the weights of the epoch with the lowest validation loss, in eval mode.
    history
        One record an epoch: see `train_vae`.
    summary
        How good it is: see `scatd.training.judge`.
    last
        Weights of the last epoch, where that was not the best; else None.
    """

    vae: ResidualVAE
    history: list[dict[str, float]]
    summary: dict[str, float]
    last: dict[str, Tensor] | None = None


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
    return train_on_rows(
        vae, MemoryRows(X_train, z_train), (X_val, z_val), settings, draws, reporter
    )


def train_on_rows(
    vae: ResidualVAE,
    rows: Rows,
    held_out: Batch,
    settings: PretrainSettings,
    draws: Draws,
    reporter: Reporter,
    *,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[int], object] = int,
) -> list[dict[str, float]]:
    """Train `vae` in place, on rows from wherever they are.

    Parameters
    ----------
    checkpoint
        Where to continue from and to save to.
    progress
        Called with the number of training rows done since the last call.

    Raises
    ------
    TrainingError
        When a loss is no longer finite.
    """
    optimizer = adamw(
        list(vae.parameters()), rate=settings.learning_rate, weight_decay=settings.weight_decay
    )
    history = checkpoint.restore(vae, optimizer) if checkpoint else []
    for record in history:
        reporter.epoch(int(record["epoch"]), record)
        progress(len(rows))
    last_epoch = n_epochs(settings.epochs, settings.min_steps, settings.batch_size, len(rows))

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
                **_train_epoch(vae, optimizer, rows, settings, draws, progress),
                **_validate(vae, held_out, settings, draws),
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
    rows: Rows,
    settings: PretrainSettings,
    draws: Draws,
    progress: Callable[[int], object],
) -> dict[str, float]:
    vae.train()
    averages = _Averages("train")
    for x, teacher_z in rows.batches(draws, settings.batch_size):
        out = _forward(vae, x, draws, settings)
        terms = losses(out, x, settings, teacher_z)
        optimizer.zero_grad(set_to_none=True)
        terms["total"].backward()
        optimizer.step()
        averages.add(terms, len(x))
        progress(len(x))
    return averages.values()


def _validate(
    vae: ResidualVAE, held_out: Batch, settings: PretrainSettings, draws: Draws
) -> dict[str, float]:
    vae.eval()
    averages = _Averages("val")
    X, teacher_z = held_out
    with torch.no_grad():
        for rows in torch.arange(len(X)).split(VALIDATION_BATCH):
            x = X[rows]
            out = _forward(vae, x, draws, settings)
            terms = losses(out, x, settings, None if teacher_z is None else teacher_z[rows])
            averages.add(terms, len(rows))
    return averages.values()


def _forward(vae: ResidualVAE, x: Tensor, draws: Draws, settings: PretrainSettings) -> VAEOutput:
    eps = draws.normal(len(x), vae.sizes.n_latent)
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
        means = weights @ torch.stack(self._terms).cpu().double() / weights.sum()
        names = (f"{self._part}_{name}" for name in self._names)
        return dict(zip(names, means.tolist(), strict=True))


def fit_backbone(
    X: Any,
    settings: PretrainSettings,
    vae_of: Callable[[Sizes], ResidualVAE],
    reporter: Reporter,
    *,
    device: torch.device | str = "cpu",
    split: Split | None = None,
    teacher_z: NDArray[np.float32] | None = None,
    checkpoint: Path | None = None,
    checkpoint_every: int = 0,
    in_memory_bytes: int = IN_MEMORY_BYTES,
    progress: Callable[[int], object] = int,
) -> FittedBackbone:
    """Split, initialise, train and judge one backbone.

    Parameters
    ----------
    X
        Features (n_obs, n_features) of unlabelled cells: an array, a memory map or a `LazyMatrix`.
    vae_of
        Makes the family's network, for example ``lambda s: ResidualVAE(s, DESIGNS["sf"])``.
    split
        Training and held-out rows; None holds out the settings' share.
    teacher_z
        Latent targets (n_obs, n_latent) for distillation.
    checkpoint, checkpoint_every
        File that a killed run continues from, and epochs between two saves (see `Checkpoint`).
    in_memory_bytes
        Inputs above this size (as float32) are read from their file in every epoch, in random
        chunks.
    progress
        Called with the number of training rows done since the last call.

    Raises
    ------
    InputError
        When there are too few rows, or all features are constant.
    TrainingError
        When training diverges.
    """
    train_rows, val_rows = split or splits(len(X), settings)[0]
    row_bytes = X.shape[1] * np.dtype(np.float32).itemsize
    val_rows = _at_most(val_rows, max(HELD_OUT_BYTES // row_bytes, 1), settings.seed)
    rows: Rows
    if len(X) * row_bytes > in_memory_bytes:
        rows = StoredRows(X, train_rows, device, teacher_z=teacher_z, seed=settings.seed)
    else:
        rows = MemoryRows(
            _tensor(X, train_rows, device),
            None if teacher_z is None else _tensor(teacher_z, train_rows, device),
        )
    held_out = (
        _tensor(X, val_rows, device),
        None if teacher_z is None else _tensor(teacher_z, val_rows, device),
    )
    sample = rows.sample()
    mean = sample.mean(dim=0)
    vae = new_vae(sample, settings, vae_of)
    del sample  # 128 MB of a large input
    draws = SeededDraws(settings.seed, device)
    kept = Checkpoint(draws, checkpoint, checkpoint_every)
    history = train_on_rows(
        vae, rows, held_out, settings, draws, reporter, checkpoint=kept, progress=progress
    )
    last = None
    if best_epoch(history) < len(history):
        last = {name: value.cpu().clone() for name, value in vae.state_dict().items()}
        vae.load_state_dict(kept.best)
    require_finite_weights(vae)
    return FittedBackbone(vae, history, judge(vae, held_out, mean, history, settings.seed), last)


def _tensor(X: Any, rows: NDArray[np.intp], device: torch.device | str) -> Tensor:
    return torch.from_numpy(gather(X, rows)).to(device)


def splits(n_obs: int, settings: PretrainSettings) -> list[Split]:
    """The folds of the settings, or the one split where they ask for none.

    Raises
    ------
    InputError
        When there are too few rows.
    """
    if settings.folds > 1:
        return shuffled_folds(n_obs, settings.folds, settings.seed)
    n_val = max(round(settings.val_fraction * n_obs), 1)
    if n_obs - n_val < 2:
        raise InputError(f"{n_obs} rows are too few to pretrain on", expected="at least 3")
    order = np.random.default_rng(settings.seed).permutation(n_obs)
    return [(np.sort(order[n_val:]), np.sort(order[:n_val]))]


def _at_most(rows: NDArray[np.intp], n_rows: int, seed: int) -> NDArray[np.intp]:
    if len(rows) <= n_rows:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, n_rows, replace=False))


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
