"""Tokens of many cells in flat arrays, and the hash of each cell's content."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

DIGEST_BYTES = 16
DIGEST_TYPE = np.dtype(f"S{DIGEST_BYTES}")

_BYTES_PER_TOKEN_AND_CHANNEL = 4 * 24
"""Memory of layer input and output, padded q, k and v, and the 4 x hidden inner layer."""
_GPU_TOKENS = 1 << 18


@dataclass(frozen=True, eq=False)
class Cells:
    """Token lists of cells, stored one after the other.

    Parameters
    ----------
    ids
        Token ids (n_tokens,).
    values
        One value for each token (n_tokens,), float32; None if tokens have no values.
    indptr
        Cell i has the tokens `indptr[i]` to `indptr[i + 1]`; (n_cells + 1,).
    reasons
        (n_cells,) text: why a cell cannot be embedded; "" if it can.
    """

    ids: NDArray[np.int32]
    values: NDArray[np.float32] | None
    indptr: NDArray[np.int64]
    reasons: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.reasons)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of tokens of each cell."""
        return np.diff(self.indptr)

    def take(self, rows: NDArray[np.intp]) -> Cells:
        """Select cells, in the order of `rows`."""
        lengths = self.lengths[rows]
        indptr = offsets(lengths)
        within = np.arange(indptr[-1]) - np.repeat(indptr[:-1], lengths)
        tokens = np.repeat(self.indptr[rows], lengths) + within
        values = None if self.values is None else self.values[tokens]
        return Cells(self.ids[tokens], values, indptr, self.reasons[rows])

    def digests(self) -> NDArray[np.bytes_]:
        """Hash of each cell's content, (n_cells,) of 16 bytes: equal tokens give equal hashes."""
        found = np.empty(len(self), DIGEST_TYPE)
        ends = self.indptr.tolist()
        for cell, (start, stop) in enumerate(itertools.pairwise(ends)):
            content = hashlib.blake2b(self.ids[start:stop].tobytes(), digest_size=DIGEST_BYTES)
            if self.values is not None:
                content.update(self.values[start:stop].tobytes())
            found[cell] = content.digest()
        return found


@dataclass(frozen=True, eq=False)
class CutCell:
    """A foundation model cut after the token embeddings of one cell.

    Parameters
    ----------
    present, absent
        Token embeddings (n_tokens, hidden) of the cell, and of the cell without its genes.
    is_gene
        (n_tokens,), False for tokens that are not genes; `present` and `absent` agree there.
    embed
        Maps token embeddings (n, n_tokens, hidden) to cell embeddings (n, width), with gradients.
    """

    present: Tensor
    absent: Tensor
    is_gene: Tensor
    embed: Callable[[Tensor], Tensor]


def offsets(lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    """The start of each list in a flat array, and the end of the last one."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def batches(lengths: NDArray[np.int64], n_tokens: int) -> Iterator[NDArray[np.intp]]:
    """Batch cells to at most `n_tokens` tokens, padding included; a longer cell is alone.

    Cells of similar length share a batch, so there is little padding. The longest come first: a
    lack of memory shows at once, and the estimate of the time left is not too low.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        n_cells = max(1, n_tokens // max(1, int(lengths[order[start]])))
        yield order[start : start + n_cells]
        start += n_cells


def fitting_tokens(free: int, channels: int, least: int) -> int:
    """Number of tokens of a batch on a GPU: a power of two that fits into half of its free memory.

    A power of two, because the last bits of an embedding depend on the batch. So they do not change
    with every megabyte that another program takes.

    Parameters
    ----------
    free
        Free bytes of memory.
    channels
        Features of a token.
    least
        Number of tokens that is never gone below.
    """
    fitting = free // 2 // (_BYTES_PER_TOKEN_AND_CHANNEL * channels)
    return min(max(1 << max(fitting.bit_length() - 1, 0), least), _GPU_TOKENS)
