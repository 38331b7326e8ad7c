"""Training rows of a file that is larger than memory.

Rows are read in random chunks (`scatd.training.chunks`) into buffers of a fixed size. A thread
reads the next buffer while the network trains on this one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.data.files import release, return_freed_memory
from scatd.training.chunks import Buffer, Chunk, Chunks
from scatd.training.draws import Draws, batch_sizes
from scatd.training.rows import Batch
from scatd.wording import counted

logger = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 21
"""Half of it would read sparse rows at half the speed: each read unpacks more than it needs."""
BUFFER_BYTES = 1 << 27
"""Size of each of the two buffers, whatever the size of the file: 64 chunks of `CHUNK_BYTES`."""
SAMPLE_BYTES = 1 << 27
TRIM_AFTER = 32
"""Batches between two times that freed memory is given back: the holes that training leaves between
blocks in use came to ten gigabytes after 500,000 rows."""

_FLOAT_BYTES = np.dtype(np.float32).itemsize

Arrays = tuple[NDArray[np.float32], NDArray[np.float32] | None]
"""Features and teacher's latent of a buffer."""


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
        Latent targets of all rows of `X`, (n_obs, n_latent); they are read in the same chunks.
    seed
        Of the order of chunks and rows.
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
        width = X.shape[1] + (0 if teacher_z is None else teacher_z.shape[1])
        self._chunk_rows = _chunk_rows(X, width * _FLOAT_BYTES)
        chunk_bytes = self._chunk_rows * width * _FLOAT_BYTES
        self._at_once = max(BUFFER_BYTES // chunk_bytes, 1)
        self._chunks = Chunks(len(X), rows, self._chunk_rows, self._at_once, seed)

    def __len__(self) -> int:
        return len(self._rows)

    def batches(self, epoch: int, draws: Draws, batch_size: int) -> Iterator[Batch]:
        """Every row once, in as many batches as from memory.

        A batch that begins at the end of a buffer is filled up with rows of the next one.
        """
        del draws
        sizes = iter(batch_sizes(len(self), batch_size, drop_last=False))
        size, parts, n_rows, n_given = next(sizes), list[Batch](), 0, 0
        for x, z, order in self._buffers(epoch):
            start = 0
            while start < len(order):
                rows = order[start : start + size - n_rows]
                parts.append((x[rows], None if z is None else z[rows]))
                start += len(rows)
                n_rows += len(rows)
                if n_rows == size:
                    yield _joined(parts)
                    n_given += 1
                    if n_given % TRIM_AFTER == 0:
                        return_freed_memory()
                    size, parts, n_rows = next(sizes, 0), [], 0

    def sample(self) -> Tensor:
        """Features of random chunks, about `SAMPLE_BYTES`; the same for the same seed."""
        row_bytes = self._X.shape[1] * _FLOAT_BYTES
        at_once = max(SAMPLE_BYTES // (self._chunk_rows * row_bytes), 1)
        chunks = Chunks(len(self._X), self._rows, self._chunk_rows, at_once, self._seed)
        found = next(chunks.buffers(0))
        sample = np.empty((len(found.order), self._X.shape[1]), np.float32)
        _fill(self._X, found.chunks, sample)
        return torch.from_numpy(sample).to(self._device)

    def _buffers(self, epoch: int) -> Iterator[tuple[Tensor, Tensor | None, Tensor]]:
        """Features, teacher's latent and shuffled places of each buffer of an epoch.

        Two blocks of memory are filled in turn: one is read into while the other is in use.
        """
        memory = cycle([self._memory(), self._memory()])
        with ThreadPoolExecutor(1, "scatd-read-ahead") as reader:
            ready: tuple[Arrays, Buffer] | None = None
            for buffer in self._chunks.buffers(epoch):
                ahead = reader.submit(self._read, buffer, next(memory))
                if ready is not None:
                    yield self._on_device(*ready)
                ready = ahead.result(), buffer
            if ready is not None:
                yield self._on_device(*ready)

    def _memory(self) -> Arrays:
        n_rows = min(self._at_once * self._chunk_rows, len(self))
        x = np.empty((n_rows, self._X.shape[1]), np.float32)
        if self._teacher_z is None:
            return x, None
        return x, np.empty((n_rows, self._teacher_z.shape[1]), np.float32)

    def _read(self, buffer: Buffer, memory: Arrays) -> Arrays:
        """Read the training rows of a buffer, in the order of the file."""
        x, z = memory
        n_rows = len(buffer.order)
        _fill(self._X, buffer.chunks, x)
        if z is not None:
            _fill(self._teacher_z, buffer.chunks, z)
        return x[:n_rows], None if z is None else z[:n_rows]

    def _on_device(self, arrays: Arrays, buffer: Buffer) -> tuple[Tensor, Tensor | None, Tensor]:
        x, z = arrays
        latent = None if z is None else torch.from_numpy(z).to(self._device)
        order = torch.from_numpy(buffer.order).to(self._device)
        return torch.from_numpy(x).to(self._device), latent, order


def _chunk_rows(X: Any, row_bytes: int) -> int:
    """Rows of a chunk: about `CHUNK_BYTES`, and whole blocks of a file that stores rows in blocks.

    A block is read and unpacked as a whole, so that half of it costs as much.
    """
    stored = int(getattr(X, "block_rows", 1))
    if stored * row_bytes > BUFFER_BYTES:
        logger.warning(
            "The file stores %s (%.0f MB) together. Such a block is read at once, which needs "
            "more memory, and only its rows are shuffled together. Write the file with smaller "
            "chunks.",
            *(counted(stored, "row"), stored * row_bytes / 1e6),
        )
    wanted = max(CHUNK_BYTES // row_bytes, 1)
    return -(-wanted // stored) * stored


def _fill(matrix: Any, chunks: list[Chunk], into: NDArray[np.float32]) -> None:
    """Copy the training rows of chunks one after the other."""
    start = 0
    for chunk in chunks:
        stop = start + len(chunk.wanted)
        into[start:stop] = np.asarray(matrix[chunk.rows])[chunk.wanted]
        release(matrix)
        start = stop


def _joined(parts: list[Batch]) -> Batch:
    """One batch of several; they are from buffers that follow each other."""
    if len(parts) == 1:
        return parts[0]
    latents = [z for _, z in parts if z is not None]
    return torch.cat([x for x, _ in parts]), torch.cat(latents) if latents else None
