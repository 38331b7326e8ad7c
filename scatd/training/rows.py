"""Training rows in shuffled batches: their source, and rows that are in memory.

`scatd.training.stored_rows` reads those of a file that is larger than memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.data.files import row_blocks
from scatd.training.draws import Draws

Batch = tuple[Tensor, Tensor | None]
"""Features (n_rows, n_features), and teacher's latent (n_rows, n_latent) where there is one."""


class Rows(Protocol):
    """The source of the batches of a training loop."""

    def __len__(self) -> int:
        """Number of training rows."""
        ...

    def batches(self, epoch: int, draws: Draws, batch_size: int) -> Iterator[Batch]:
        """Every row once, in a new order.

        Parameters
        ----------
        epoch
            From 1. It decides the order of rows of a file.
        draws
            It decides the order of rows in memory.
        """
        ...

    def sample(self) -> Tensor:
        """Features of all rows, or of many random ones where all would not fit."""
        ...


class MemoryRows:
    """Rows in memory, shuffled all together.

    Parameters
    ----------
    X
        Features (n_obs, n_features).
    teacher_z
        Latent targets (n_obs, n_latent).
    rows
        Which of the rows to train on, ascending; None for all.
    """

    def __init__(
        self, X: Tensor, teacher_z: Tensor | None = None, rows: NDArray[np.intp] | None = None
    ) -> None:
        self._X, self._teacher_z = X, teacher_z
        self._rows = None if rows is None else torch.from_numpy(rows).to(X.device)

    def __len__(self) -> int:
        return len(self._X) if self._rows is None else len(self._rows)

    def batches(self, epoch: int, draws: Draws, batch_size: int) -> Iterator[Batch]:
        """Every row once; a short last batch joins the one before (`SeededDraws.batches`)."""
        del epoch
        for places in draws.batches(len(self), batch_size, drop_last=False):
            rows = places if self._rows is None else self._rows[places]
            yield self._X[rows], None if self._teacher_z is None else self._teacher_z[rows]

    def sample(self) -> Tensor:
        """All rows."""
        return self._X if self._rows is None else self._X[self._rows]


def gather(X: Any, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Copy rows (ascending) of a matrix, read block by block from its start to its end."""
    picked = np.empty((len(rows), X.shape[1]), np.float32)
    for block in row_blocks(X):
        first, end = np.searchsorted(rows, [block.start, block.stop])
        if end > first:
            picked[first:end] = np.asarray(X[block])[rows[first:end] - block.start]
    return picked
