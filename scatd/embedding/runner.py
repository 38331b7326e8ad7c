"""Embed cells with an encoder: stored embeddings are read, the others are computed and stored."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scatd.embedding.cells import Cells, batches
from scatd.embedding.store import EmbeddingStore
from scatd.errors import ScatdError
from scatd.nn.memory import Pieces

KEEP_EVERY_SECONDS = 10.0
"""Longest computation that is lost when the process is killed."""


class Encoder(Protocol):
    """A foundation model with its settings."""

    @property
    def width(self) -> int:
        """Features of an embedding."""

    @property
    def tokens_per_batch(self) -> int:
        """Number of tokens, padding included, that fit into memory and are fast."""

    def encode(self, cells: Cells) -> NDArray[np.float32]:
        """Embeddings (n_cells, width) of one batch; every cell must have tokens."""


def embed(
    cells: Cells,
    encoder: Encoder,
    store: EmbeddingStore | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> NDArray[np.float32]:
    """Embeddings (n_cells, width) in the order of the cells; NaN for those with a reason.

    Equal cells are computed once. New embeddings are stored every few seconds, so that a killed run
    continues. The same cells give the same bits, whichever of them the store held from an earlier
    run on these cells.

    Raises
    ------
    ScatdError
        When the encoder returns values that are not finite, or a single cell does not fit into the
        memory of the device.
    """
    result = np.full((len(cells), encoder.width), np.nan, np.float32)
    usable = np.flatnonzero(cells.reasons == "")
    progress(len(cells) - len(usable))
    ready = cells.take(usable)
    names, first, inverse = np.unique(ready.digests(), return_index=True, return_inverse=True)
    known = np.zeros(len(names), bool)
    embeddings = np.empty((len(names), encoder.width), np.float32)
    if store is not None:
        embeddings, known = store.get(names)
    copies = np.bincount(inverse, minlength=len(names))
    progress(int(copies[known].sum()))

    waiting: list[NDArray[np.intp]] = []
    kept_at = time.monotonic()

    def keep() -> None:
        if store is not None and waiting:
            rows = np.concatenate(waiting)
            store.append(names[rows], embeddings[rows])
            waiting.clear()

    pieces = Pieces("cells")

    def encode(rows: NDArray[np.intp]) -> NDArray[np.float32]:
        return encoder.encode(ready.take(first[rows]))

    # The batches hold all cells, also the known ones: the last bits of an embedding depend on the
    # other cells of its batch, so they must not depend on what happens to be in the store.
    for batch in batches(ready.lengths[first], encoder.tokens_per_batch):
        rows = batch[~known[batch]]
        if not len(rows):
            continue
        computed = np.concatenate(pieces.compute(encode, batch))
        embeddings[rows] = computed[~known[batch]]
        if not np.isfinite(embeddings[rows]).all():
            what = "the model gives values that are not finite"
            raise ScatdError(what, remedy="Check its weights; try --precision float32.")
        waiting.append(rows)
        progress(int(copies[rows].sum()))
        if time.monotonic() - kept_at >= KEEP_EVERY_SECONDS:
            keep()
            kept_at = time.monotonic()
    keep()
    result[usable] = embeddings[inverse]
    return result
