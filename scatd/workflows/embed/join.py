"""Put the parts of an embedding together, by the writer of a whole one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scatd.data.files import reading
from scatd.data.kinds import store_kind
from scatd.data.limits import BLOCK
from scatd.data.opened import OpenedInput, open_input
from scatd.data.readers.stores import read_element
from scatd.parts.note import PartNote
from scatd.workflows.embed.output import Block, reason_column, require_output, write_embedding

_BLOCKS_AT_ONCE = 8


def join_embedded(
    files: Sequence[Path], notes: Sequence[PartNote], cohort: OpenedInput, output: Path
) -> int:
    """Write the cohort with the embeddings of all parts added.

    Parameters
    ----------
    files, notes
        In the order of their rows.
    cohort
        The cohort that was embedded.
    output
        `.h5ad` or `.zarr`.

    Returns
    -------
    The number of cells.

    Raises
    ------
    InputError
        When a part is damaged, or the output cannot be written.
    """
    require_output(output)
    first = notes[0].more
    slot = first["slot"]
    blocks = (
        block
        for path, note in zip(files, notes, strict=True)
        for block in _blocks(path, slot, note.start)
    )
    write_embedding(slot, first["width"], blocks, first["about"], cohort, output)
    return notes[0].n_obs


def _blocks(path: Path, slot: str, start: int) -> Iterator[Block]:
    """The embedding of a part in blocks, as a whole run writes it: reasons are in their order."""
    with open_input(path) as opened:
        X = opened.embeddings[slot]
        reasons = _reasons(opened, slot, X.shape[0])
        piece = _BLOCKS_AT_ONCE * BLOCK
        for first in range(0, X.shape[0], piece):
            with reading(path, store_kind(path)):
                held = np.asarray(X[first : first + piece], np.float32)
            for low in range(0, len(held), BLOCK):
                row = first + low
                yield start + row, held[low : low + BLOCK], reasons[row : row + BLOCK]


def _reasons(opened: OpenedInput, slot: str, n_obs: int) -> NDArray[np.object_]:
    """Why cells of a part have no embedding; empty text where they have one."""
    store: Any = opened.store
    column = reason_column(slot)
    if column not in store["obs"]:
        return np.full(n_obs, "", dtype=object)
    with reading(opened.path, store_kind(opened.path)):
        return np.asarray(read_element(store["obs"][column]), dtype=object)
