"""The file of an embedding: the input with `obsm` added."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import keys
from scatd.data.annotating import annotating
from scatd.data.files import check_writable
from scatd.data.opened import OpenedInput
from scatd.data.storable import mapping
from scatd.data.writing import require_store_name

_UNS_KEY = "embed"
_MOST_REASONS = 127

Block = tuple[int, NDArray[np.float32], NDArray[np.object_]]
"""Number of the first row; embeddings (n_rows, width); and reasons (n_rows,) why some have none."""


class Reasons:
    """Why cells have no embedding, one byte a cell.

    Parameters
    ----------
    n_obs
        Number of cells.
    """

    def __init__(self, n_obs: int) -> None:
        self.codes = np.zeros(n_obs, np.int8)
        self.words = [""]

    def add(self, start: int, reasons: NDArray[np.object_]) -> None:
        """Note the reasons of a block of cells; empty where there is an embedding."""
        for word in sorted(set(reasons.tolist()) - set(self.words)):
            assert len(self.words) <= _MOST_REASONS, "reasons are few fixed texts"
            self.words.append(word)
        codes = [self.words.index(word) for word in reasons.tolist()]
        self.codes[start : start + len(reasons)] = codes

    def counts(self) -> dict[str, int]:
        """Number of cells without an embedding, by reason."""
        found = np.bincount(self.codes, minlength=len(self.words))
        return {word: int(n) for word, n in sorted(zip(self.words, found, strict=True)) if word}

    def __bool__(self) -> bool:
        return len(self.words) > 1


@dataclass(frozen=True, eq=False)
class Embedding:
    """Embedded cells in memory.

    Parameters
    ----------
    slot
        Its name in `obsm`.
    X
        (n_obs, width), NaN for a cell without an embedding.
    reasons
        Why cells have none.
    about
        How it was made, as plain values.
    """

    slot: str
    X: NDArray[np.float32]
    reasons: Reasons
    about: Mapping[str, Any]


def reason_column(slot: str) -> str:
    """`obs` column that says why a row of `obsm[slot]` is NaN; empty where it is not."""
    return f"{slot}_reason"


def require_output(path: Path) -> None:
    """Refuse an output before anything is computed for it.

    Raises
    ------
    InputError
        When it is neither `.h5ad` nor `.zarr`, or cannot be written.
    """
    require_store_name(path)
    check_writable(path)


def write_embedding(
    slot: str,
    width: int,
    blocks: Iterable[Block],
    about: Mapping[str, Any],
    opened: OpenedInput,
    path: Path,
    rows: range | None = None,
) -> Reasons:
    """Write the cohort as it is with an embedding added, whole or not at all.

    Parameters
    ----------
    slot, width
        Name of the embedding in `obsm`, and number of its features.
    blocks
        The embedding in the order of the rows. A block is written before the next one is asked for.
    about
        How it was made, as plain values.
    rows
        The rows of the cohort that the file will hold, and that the blocks are of; None for all.

    Returns
    -------
    Why cells have no embedding.

    Raises
    ------
    InputError
        When the file cannot be written, or the cohort is damaged.
    """
    column = reason_column(slot)
    first, kept = (0, None) if rows is None else (rows.start, slice(rows.start, rows.stop))
    with annotating(opened, path, rows=kept) as cohort:
        reasons = Reasons(cohort.n_obs)
        matrix = cohort.matrix(slot, width, np.float32)
        for start, block, why in blocks:
            matrix.add(block)
            reasons.add(start - first, why)
        cohort.remove_column(column)
        if reasons:
            cohort.column(column, "categorical", reasons.words).add(reasons.codes)
        cohort.set_uns(keys.UNS_SCATD, _with(cohort.uns(keys.UNS_SCATD), slot, about))
    return reasons


def annotate(cohort: ad.AnnData, embedding: Embedding) -> None:
    """Add an embedding to a cohort in memory, as `write_embedding` adds it to a file."""
    slot, reasons = embedding.slot, embedding.reasons
    column = reason_column(slot)
    cohort.obsm[slot] = embedding.X
    cohort.obs.drop(columns=column, errors="ignore", inplace=True)  # noqa: PD002
    if reasons:
        cohort.obs[column] = pd.Categorical.from_codes(reasons.codes, pd.Index(reasons.words))
    said = mapping(cohort.uns.get(keys.UNS_SCATD))
    cohort.uns[keys.UNS_SCATD] = _with(said, slot, embedding.about)


def _with(said: dict[str, Any], slot: str, about: Mapping[str, Any]) -> dict[str, Any]:
    return {**said, _UNS_KEY: {**mapping(said.get(_UNS_KEY)), slot: dict(about)}}
