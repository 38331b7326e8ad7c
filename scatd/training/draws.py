"""All randomness of a training run in one seeded place, so that it can be recorded and replayed."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Draws(Protocol):
    """Where a training loop takes its shuffles and its noise from."""

    def batches(self, n_rows: int, batch_size: int, *, drop_last: bool) -> list[Tensor]:
        """Row indices of one epoch's batches."""
        ...

    def normal(self, n_rows: int, n_latent: int) -> Tensor:
        """Standard-normal noise (n_rows, n_latent) of the reparameterisation."""
        ...

    def rows(self, n_rows: int, n_picks: int) -> Tensor:
        """Row indices drawn with replacement."""
        ...

    def subset(self, n_rows: int, n_picks: int) -> Tensor:
        """Distinct row indices, all of them where there are fewer."""
        ...


class SeededDraws:
    """Draws from a generator on the CPU, so that every device trains on the same numbers.

    Parameters
    ----------
    seed
        One seed, one sequence.
    device
        Where the tensors are wanted.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self._device = torch.device(device)

    def batches(self, n_rows: int, batch_size: int, *, drop_last: bool) -> list[Tensor]:
        """Shuffle rows into batches; a last batch under half the size joins the one before.

        BatchNorm has no variance of a single row (defect D25), and a poor one of a few.
        """
        order = torch.randperm(n_rows, generator=self._generator)
        batches = list(order.split(batch_size))
        if drop_last and len(batches) > 1 and len(batches[-1]) < batch_size:
            batches.pop()
        elif len(batches) > 1 and len(batches[-1]) < batch_size / 2:
            short = batches.pop()
            batches[-1] = torch.cat([batches[-1], short])
        return [batch.to(self._device) for batch in batches]

    def normal(self, n_rows: int, n_latent: int) -> Tensor:
        """Standard-normal noise."""
        return torch.randn(n_rows, n_latent, generator=self._generator).to(self._device)

    def rows(self, n_rows: int, n_picks: int) -> Tensor:
        """Row indices drawn with replacement."""
        picks = torch.randint(n_rows, (n_picks,), generator=self._generator)
        return picks.to(self._device)

    def subset(self, n_rows: int, n_picks: int) -> Tensor:
        """Distinct row indices."""
        order = torch.randperm(n_rows, generator=self._generator)
        return order[:n_picks].to(self._device)

    def state(self) -> Tensor:
        """Generator state, for a checkpoint."""
        return self._generator.get_state()

    def restore(self, state: Tensor) -> None:
        """Continue a sequence where `state` left it."""
        self._generator.set_state(state)
