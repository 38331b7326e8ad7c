"""The order in which training reads the rows of a file that is larger than memory.

A file is read in chunks: contiguous rows, in random order. The chunks of a buffer are read
together, and their rows are shuffled. Chunks come from all over the file, so that a file sorted by
sample or cell type does not give batches of one kind. The idea is that of annbatch (scverse,
https://annbatch.readthedocs.io): reading single rows at random is slow, and reading in order does
not mix them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Chunk:
    """A chunk of a file.

    Parameters
    ----------
    rows
        Contiguous rows of the file.
    wanted
        Training rows among them, ascending, counted from the start of the chunk.
    """

    rows: slice
    wanted: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Buffer:
    """Chunks that are read together.

    Parameters
    ----------
    chunks
        In the order of the file, so that a disk need not seek.
    order
        (n_rows,) shuffled places of the training rows, counted over all chunks.
    """

    chunks: list[Chunk]
    order: NDArray[np.intp]


class Chunks:
    """Chunks of a file, and their order in each epoch.

    Parameters
    ----------
    n_obs
        Rows of the file.
    rows
        Those to train on, ascending.
    chunk_rows
        Rows of a chunk; the last chunk may be shorter.
    at_once
        Most chunks of a buffer.
    seed
        Of all orders.
    """

    def __init__(
        self, n_obs: int, rows: NDArray[np.intp], chunk_rows: int, at_once: int, seed: int
    ) -> None:
        self._n_obs, self._rows, self._chunk_rows = n_obs, rows, chunk_rows
        self._at_once, self._seed = at_once, seed
        # Chunks without a training row are not read.
        self._numbers = np.unique(rows // chunk_rows)

    def buffers(self, epoch: int) -> Iterator[Buffer]:
        """The buffers of an epoch: every training row once.

        The order comes from the seed and the epoch alone. So a killed training that continues with
        this epoch reads the rows as it would have done.
        """
        rng = np.random.default_rng([self._seed, epoch])
        order = rng.permutation(self._numbers)
        for start in range(0, len(order), self._at_once):
            chunks = [
                self._chunk(number) for number in sorted(order[start : start + self._at_once])
            ]
            n_rows = sum(len(chunk.wanted) for chunk in chunks)
            yield Buffer(chunks, rng.permutation(n_rows))

    def _chunk(self, number: int) -> Chunk:
        start = int(number) * self._chunk_rows
        stop = min(start + self._chunk_rows, self._n_obs)
        first, end = np.searchsorted(self._rows, [start, stop])
        return Chunk(slice(start, stop), self._rows[first:end] - start)
