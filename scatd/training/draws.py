"""All randomness of a training run in one seeded place, so that it can be recorded and replayed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

COPIED_NUMBERS = 1 << 23
"""Largest number of draws that are copied to a device together, 32 MB of them."""


class Draws(Protocol):
    """Where a training loop takes its shuffles and its noise from."""

    def batches(self, n_rows: int, batch_size: int, *, drop_last: bool) -> list[Tensor]:
        """Row indices of one epoch's batches."""
        ...

    def normal(self, n_rows: int, n_latent: int) -> Tensor:
        """Standard-normal noise (n_rows, n_latent) of the reparameterisation."""
        ...

    def noise(self, sizes: Sequence[int], n_latent: int) -> Iterator[Tensor]:
        """The noise of batches of these sizes, (size, n_latent) each, in their order."""
        ...

    def rows(self, n_rows: int, n_picks: int) -> Tensor:
        """Row indices drawn with replacement."""
        ...

    def subset(self, n_rows: int, n_picks: int) -> Tensor:
        """Distinct row indices, all of them where there are fewer."""
        ...


def batch_sizes(n_rows: int, batch_size: int, *, drop_last: bool) -> list[int]:
    """Number of rows in each batch of an epoch.

    A last batch under half the size joins the one before: BatchNorm has no variance of a single
    row (defect D25), and a poor one of a few. The only batch of an epoch is never dropped.

    Parameters
    ----------
    drop_last
        Leave out a last batch that is not full (published).
    """
    n_full, rest = divmod(n_rows, batch_size)
    sizes = [batch_size] * n_full
    if not sizes:
        return [rest]
    if rest >= batch_size / 2 and not drop_last:
        return [*sizes, rest]
    if not drop_last:
        sizes[-1] += rest
    return sizes


def _groups(sizes: Sequence[int], most: int) -> Iterator[list[int]]:
    """Sizes of neighbouring batches with at most `most` rows together; a larger one is alone."""
    group: list[int] = []
    for size in sizes:
        if group and sum(group) + size > most:
            yield group
            group = []
        group.append(size)
    if group:
        yield group


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
        """Shuffle rows into batches of the sizes that `batch_sizes` gives."""
        order = torch.randperm(n_rows, generator=self._generator)
        sizes = batch_sizes(n_rows, batch_size, drop_last=drop_last)
        # Copied once: each copy to a GPU takes as long as a small step.
        return list(order[: sum(sizes)].to(self._device).split(sizes))

    def normal(self, n_rows: int, n_latent: int) -> Tensor:
        """Standard-normal noise."""
        return torch.randn(n_rows, n_latent, generator=self._generator).to(self._device)

    def noise(self, sizes: Sequence[int], n_latent: int) -> Iterator[Tensor]:
        """Standard-normal noise of batches, the same as from `normal` for one after the other.

        It is drawn when the first batch asks for it, and copied to a device for many batches at
        once, up to `COPIED_NUMBERS`.
        """
        if self._device.type == "cpu":
            for n_rows in sizes:
                yield self.normal(n_rows, n_latent)
            return
        for some in _groups(sizes, max(COPIED_NUMBERS // n_latent, 1)):
            drawn = [torch.randn(n, n_latent, generator=self._generator) for n in some]
            yield from torch.cat(drawn).to(self._device).split(some)

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
