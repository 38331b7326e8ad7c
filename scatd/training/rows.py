"""Training rows in shuffled batches: from memory, or from a file that is larger than memory.

A file is read in short contiguous chunks in random order; many of them are shuffled together
before batches are cut. Chunks come from all over the file, so that a file sorted by sample or cell
type does not give batches of one kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.data.files import release, row_blocks
from scatd.training.draws import Draws, SeededDraws

CHUNK_BYTES = 1 << 20
BUFFER_BYTES = 1 << 27
"""Rows of about this many bytes are shuffled together: at least 128 places of the file."""

Batch = tuple[Tensor, Tensor | None]
"""Features (n_rows, n_features), and teacher's latent (n_rows, n_latent) where there is one."""


class Rows(Protocol):
    """Where a training loop takes its batches from."""

    def __len__(self) -> int:
        """Number of training rows."""
        ...

    def batches(self, draws: Draws, batch_size: int) -> Iterator[Batch]:
        """Every row once, in a new order."""
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
    """

    def __init__(self, X: Tensor, teacher_z: Tensor | None = None) -> None:
        self._X, self._teacher_z = X, teacher_z

    def __len__(self) -> int:
        return len(self._X)

    def batches(self, draws: Draws, batch_size: int) -> Iterator[Batch]:
        """Every row once; a short last batch joins the one before (`SeededDraws.batches`)."""
        for rows in draws.batches(len(self._X), batch_size, drop_last=False):
            yield self._X[rows], None if self._teacher_z is None else self._teacher_z[rows]

    def sample(self) -> Tensor:
        """All rows."""
        return self._X


class StoredRows:
    """Rows of a matrix on disk, read in random chunks and shuffled within a buffer of many.

    Parameters
    ----------
    X
        Matrix (n_obs, n_features) that slices are read from: a memory map or `LazyMatrix`.
    rows
        Which of its rows to train on, ascending.
    device
        Where batches are wanted.
    teacher_z
        Latent targets of all rows of `X`, (n_obs, n_latent).
    seed
        Of `sample`.
    chunk_bytes, buffer_bytes
        Size of a chunk, and of the chunks that are shuffled together.
    """

    def __init__(
        self,
        X: Any,
        rows: NDArray[np.intp],
        device: torch.device | str,
        *,
        teacher_z: NDArray[np.float32] | None = None,
        seed: int = 0,
        chunk_bytes: int = CHUNK_BYTES,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        self._X, self._rows, self._teacher_z = X, rows, teacher_z
        self._device, self._seed = device, seed
        row_bytes = X.shape[1] * np.dtype(np.float32).itemsize
        # A file that is compressed in blocks of rows is read in whole blocks.
        stored = getattr(X, "block_rows", 1)
        wanted = max(chunk_bytes // row_bytes, 1)
        self._chunk = -(-wanted // stored) * stored
        self._n_chunks = -(-len(X) // self._chunk)
        self._at_once = max(buffer_bytes // (self._chunk * row_bytes), 2)

    def __len__(self) -> int:
        return len(self._rows)

    def batches(self, draws: Draws, batch_size: int) -> Iterator[Batch]:
        """Every row once; the last batch of a buffer waits for the next one and is made full."""
        waiting: Batch | None = None
        order = self._order(draws)
        for start in range(0, len(order), self._at_once):
            rows = MemoryRows(*self._buffer(order[start : start + self._at_once], waiting))
            waiting = None
            for batch in rows.batches(draws, batch_size) if len(rows) else ():
                if waiting is not None:
                    yield waiting
                waiting = batch
        if waiting is not None:
            yield waiting

    def sample(self) -> Tensor:
        """Features of one buffer of random chunks; the same for the same seed."""
        order = self._order(SeededDraws(self._seed))
        return self._buffer(order[: self._at_once], None)[0]

    def _order(self, draws: Draws) -> list[int]:
        (order,) = draws.batches(self._n_chunks, self._n_chunks, drop_last=False)
        return order.tolist()

    def _buffer(self, chunks: list[int], waiting: Batch | None) -> Batch:
        """Training rows of these chunks behind those that wait, on the device."""
        read = [self._read(chunk) for chunk in chunks]
        x = torch.from_numpy(np.concatenate([x for x, _ in read])).to(self._device)
        if waiting is not None:
            x = torch.cat([waiting[0], x])
        if self._teacher_z is None:
            return x, None
        z = torch.from_numpy(np.concatenate([z for _, z in read])).to(self._device)
        if waiting is not None and waiting[1] is not None:
            z = torch.cat([waiting[1], z])
        return x, z

    def _read(self, chunk: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        start = chunk * self._chunk
        stop = min(start + self._chunk, len(self._X))
        first, end = np.searchsorted(self._rows, [start, stop])
        wanted = self._rows[first:end] - start
        x = np.asarray(self._X[start:stop], dtype=np.float32)[wanted]
        release(self._X)
        if self._teacher_z is None:
            return x, np.empty((0, 0), np.float32)
        z = np.asarray(self._teacher_z[start:stop], dtype=np.float32)[wanted]
        release(self._teacher_z)
        return x, z


def gather(X: Any, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Copy rows (ascending) of a matrix, read block by block from its start to its end."""
    picked = np.empty((len(rows), X.shape[1]), np.float32)
    for block in row_blocks(X):
        first, end = np.searchsorted(rows, [block.start, block.stop])
        if end > first:
            picked[first:end] = np.asarray(X[block])[rows[first:end] - block.start]
    return picked
