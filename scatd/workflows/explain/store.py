"""Attributions on disk, block by block: a killed run continues with the first missing block."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scatd.data.files import atomic_path, is_whole, make_folder, sha256_file, write_hashes
from scatd.errors import InputError
from scatd.explanation.attributed import Attributed

logger = logging.getLogger(__name__)

_FIELDS = ("attributions", "change", "delta", "n_steps")


@dataclass(frozen=True, eq=False)
class Block:
    """Attributions of neighbouring cells.

    Parameters
    ----------
    rows
        Their positions in the cohort.
    attributed
        By class.
    displacement
        (n_rows, n_features), aligned cell minus baseline (for several baselines, minus their mean).
    """

    rows: NDArray[np.int64]
    attributed: Mapping[str, Attributed]
    displacement: NDArray[np.float32]


class AttributionStore:
    """A folder with a file a block.

    Parameters
    ----------
    folder
        Of one piece of work; made here.
    classes
        Words of the classes that are explained.

    Raises
    ------
    InputError
        When the folder cannot be made.
    """

    def __init__(self, folder: Path, classes: tuple[str, ...]) -> None:
        self.folder, self._classes = folder, classes
        make_folder(folder, remedy="Run from a folder that you may write to.")

    def has(self, number: int) -> bool:
        """Whether this block was done, and is whole."""
        path = self._path(number)
        if path.exists() and not is_whole(path):
            logger.warning("%s is damaged or cut off: it is computed anew.", path)
            return False
        return path.exists()

    def write(self, number: int, block: Block) -> None:
        """Keep a block, whole or not at all."""
        arrays: dict[str, Any] = {"rows": block.rows, "displacement": block.displacement}
        for word, found in block.attributed.items():
            arrays |= {f"{word}.{name}": getattr(found, name) for name in _FIELDS}
        path = self._path(number)
        with atomic_path(path) as unfinished:
            with unfinished.open("wb") as file:
                np.savez(file, **arrays)
            write_hashes(path, sha256_file(unfinished))

    def blocks(self) -> Iterator[Block]:
        """All blocks, in the order of the cells.

        Raises
        ------
        InputError
            When one is damaged.
        """
        for path in sorted(self.folder.glob("block-*.npz")):
            if not is_whole(path):
                what, remedy = "... is damaged", "Run the command again: it is computed anew."
                raise InputError(what, where=str(path), remedy=remedy)
            with np.load(path) as held:
                attributed = {
                    word: Attributed(*(held[f"{word}.{name}"] for name in _FIELDS))
                    for word in self._classes
                }
                yield Block(held["rows"], attributed, held["displacement"])

    def clear(self) -> None:
        """Remove the folder: its work is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"block-{number:06d}.npz"
