"""Fitting the backbone of a family: split the cells, initialise a VAE, train it and judge it.

Source: scATD (bbaf268), pretraining. The published code has no seed and no held-out rows outside of
cross-validation; scatd adds both, and reads inputs that are larger than memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.data.lazy import IN_MEMORY_BYTES
from scatd.data.splits import shuffled_folds
from scatd.errors import InputError
from scatd.nn.residual_vae import ResidualVAE, Sizes
from scatd.training.checkpoint import Checkpoint, SaveTo, best_epoch
from scatd.training.draws import SeededDraws
from scatd.training.judge import judge, require_finite_weights
from scatd.training.loop import Reporter
from scatd.training.pretrain import TrainingRows, train_on_rows
from scatd.training.rows import Batch, MemoryRows, Rows, gather
from scatd.training.settings import PretrainSettings
from scatd.training.stored_rows import StoredRows
from scatd.wording import counted

HELD_OUT_BYTES = 1 << 27
"""Held-out rows stay in memory: of a large input, no more are looked at than fit here."""

Split = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Training and held-out rows, both ascending."""


@dataclass(frozen=True, eq=False)
class UnlabelledCells:
    """Cells to pretrain on.

    Parameters
    ----------
    X
        Features (n_obs, n_features): an array, a memory map or a `LazyMatrix`. Above
        `IN_MEMORY_BYTES` (as float32) they are read from their file in every epoch, in random
        chunks (`StoredRows`).
    teacher_z
        Latent targets (n_obs, n_latent) for distillation.
    split
        Training and held-out rows; None holds out the settings' share.
    device
        Where to train.
    """

    X: Any
    teacher_z: NDArray[np.float32] | None = None
    split: Split | None = None
    device: torch.device | str = "cpu"

    def rows(self, settings: PretrainSettings) -> tuple[Rows, Batch]:
        """Training rows from memory or from the file, and held-out rows in memory."""
        train, val = self.split or splits(len(self.X), settings)[0]
        row_bytes = self.X.shape[1] * np.dtype(np.float32).itemsize
        val = _at_most(val, max(HELD_OUT_BYTES // row_bytes, 1), settings.seed)
        if len(self.X) * row_bytes <= IN_MEMORY_BYTES:
            return self._in_memory(train), self._batch(val)
        stored = StoredRows(
            self.X, train, self.device, teacher_z=self.teacher_z, seed=settings.seed
        )
        return stored, self._batch(val)

    def _in_memory(self, train: NDArray[np.intp]) -> MemoryRows:
        """Training rows; a matrix that is in memory already is not copied."""
        if not (_is_held(self.X) and (self.teacher_z is None or _is_held(self.teacher_z))):
            return MemoryRows(*self._batch(train))
        z = None if self.teacher_z is None else torch.from_numpy(self.teacher_z).to(self.device)
        return MemoryRows(torch.from_numpy(self.X).to(self.device), z, train)

    def _batch(self, rows: NDArray[np.intp]) -> Batch:
        """Copy rows (ascending) to the device."""
        z = None if self.teacher_z is None else self._copied(self.teacher_z, rows)
        return self._copied(self.X, rows), z

    def _copied(self, matrix: Any, rows: NDArray[np.intp]) -> Tensor:
        return torch.from_numpy(gather(matrix, rows)).to(self.device)


def _is_held(matrix: Any) -> bool:
    """Whether torch can take a matrix as it is: float32 in memory, row by row."""
    return (
        isinstance(matrix, np.ndarray)
        and not isinstance(matrix, np.memmap)
        and matrix.dtype == np.float32
        and matrix.flags.c_contiguous
        and matrix.flags.writeable
    )


@dataclass(frozen=True, eq=False)
class FittedBackbone:
    """A pretrained VAE and what is known about it.

    Parameters
    ----------
    vae
        With the weights of the epoch with the lowest validation loss, in eval mode.
    history
        One record an epoch: see `scatd.training.pretrain.train_vae`.
    summary
        How good it is: see `scatd.training.judge`.
    last
        Weights of the last epoch, where that was not the best; else None.
    """

    vae: ResidualVAE
    history: list[dict[str, float]]
    summary: dict[str, float]
    last: dict[str, Tensor] | None = None


def fit_backbone(
    cells: UnlabelledCells,
    settings: PretrainSettings,
    vae_of: Callable[[Sizes], ResidualVAE],
    reporter: Reporter,
    save_to: SaveTo | None = None,
    progress: Callable[[int], object] = int,
) -> FittedBackbone:
    """Split, initialise, train and judge one backbone.

    Parameters
    ----------
    vae_of
        Makes the family's network, for example ``lambda s: ResidualVAE(s, DESIGNS["sf"])``.
    save_to
        File that a killed run continues from.
    progress
        Called with the number of training rows done since the last call.

    Raises
    ------
    InputError
        When there are too few rows, or all features are constant.
    TrainingError
        When training diverges.
    """
    rows, held_out = cells.rows(settings)
    sample = rows.sample()
    mean = sample.mean(dim=0)
    vae = new_vae(sample, settings, vae_of)
    del sample  # 128 MB of a large input
    draws = SeededDraws(settings.seed, cells.device)
    kept = Checkpoint(draws, save_to)
    history = train_on_rows(
        vae, TrainingRows(rows, held_out, progress), settings, draws, reporter, kept
    )
    last = None
    if best_epoch(history) < len(history):
        last = {name: value.cpu().clone() for name, value in vae.state_dict().items()}
        vae.load_state_dict(kept.best)
    require_finite_weights(vae)
    return FittedBackbone(vae, history, judge(vae, held_out, mean, history, settings.seed), last)


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
        raise InputError(
            f"{counted(n_obs, 'row', 'is')} too few to pretrain on", expected="at least 3"
        )
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
        what = (
            f"all {counted(X.shape[1], 'feature', 'is')} constant over "
            f"{counted(len(X), 'training row')}"
        )
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
