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

from scatd.data.files import release, return_freed_memory, row_blocks
from scatd.training.draws import Draws, SeededDraws

CHUNK_BYTES = 1 << 20
BUFFER_BYTES = 1 << 27
"""Rows of about this many bytes are shuffled together: at least 128 places of the file."""

Batch = tuple[Tensor, Tensor | None]
"""Features (n_rows, n_features), and teacher's latent (n_rows, n_latent) where there is one."""


class Rows(Protocol):
    """The source of the batches of a training loop."""

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
    """

    def __init__(
        self,
        X: Any,
        rows: NDArray[np.intp],
        device: torch.device | str,
        *,
        teacher_z: NDArray[np.float32] | None = None,
        seed: int = 0,
    ) -> None:
        self._X, self._rows, self._teacher_z = X, rows, teacher_z
        self._device, self._seed = device, seed
        row_bytes = X.shape[1] * np.dtype(np.float32).itemsize
        # A file that is compressed in blocks of rows is read in whole blocks.
        stored = getattr(X, "block_rows", 1)
        wanted = max(CHUNK_BYTES // row_bytes, 1)
        self._chunk = -(-wanted // stored) * stored
        self._n_chunks = -(-len(X) // self._chunk)
        self._kept: NDArray[np.float32] | None = None
        self._at_once = max(BUFFER_BYTES // (self._chunk * row_bytes), 2)

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
        return self._buffer(order[: self._at_once], None)[0].clone()  # the buffer is filled anew

    def _order(self, draws: Draws) -> list[int]:
        (order,) = draws.batches(self._n_chunks, self._n_chunks, drop_last=False)
        return order.tolist()

    def _buffer(self, chunks: list[int], waiting: Batch | None) -> Batch:
        """Training rows of these chunks behind those that wait, on the device."""
        n_waiting = 0 if waiting is None else len(waiting[0])
        found = [self._wanted(chunk) for chunk in chunks]
        n_rows = n_waiting + sum(len(wanted) for _, wanted in found)
        # One block of memory for all buffers, and what the steps freed is given back: the holes
        # came to ten gigabytes after 500,000 rows.
        return_freed_memory()
        if self._kept is None or len(self._kept) < n_rows:
            self._kept = np.empty((n_rows, self._X.shape[1]), np.float32)
        x = self._fill(self._X, found, self._kept[:n_rows], None if waiting is None else waiting[0])
        if self._teacher_z is None:
            return x, None
        z = np.empty((n_rows, self._teacher_z.shape[1]), np.float32)
        return x, self._fill(self._teacher_z, found, z, None if waiting is None else waiting[1])

    def _fill(
        self,
        matrix: Any,
        found: list[tuple[slice, NDArray[np.intp]]],
        buffer: NDArray[np.float32],
        waiting: Tensor | None,
    ) -> Tensor:
        at = 0
        if waiting is not None:
            at = len(waiting)
            buffer[:at] = waiting.cpu().numpy()
        for part, wanted in found:
            buffer[at : at + len(wanted)] = np.asarray(matrix[part])[wanted]
            release(matrix)
            at += len(wanted)
        return torch.from_numpy(buffer).to(self._device)

    def _wanted(self, chunk: int) -> tuple[slice, NDArray[np.intp]]:
        """Rows of a chunk in the file, and which of them are training rows."""
        start = chunk * self._chunk
        stop = min(start + self._chunk, len(self._X))
        first, end = np.searchsorted(self._rows, [start, stop])
        return slice(start, stop), self._rows[first:end] - start


def gather(X: Any, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Copy rows (ascending) of a matrix, read block by block from its start to its end."""
    picked = np.empty((len(rows), X.shape[1]), np.float32)
    for block in row_blocks(X):
        first, end = np.searchsorted(rows, [block.start, block.stop])
        if end > first:
            picked[first:end] = np.asarray(X[block])[rows[first:end] - block.start]
    return picked
