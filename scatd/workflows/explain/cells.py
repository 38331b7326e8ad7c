"""The cells of an explanation: on disk, to be read in any order."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import console
from scatd.data.cell_findings import CellCounts
from scatd.errors import InputError
from scatd.wording import counted
from scatd.workflows.cohorts.made_rows import made_rows
from scatd.workflows.cohorts.scoring_input import ScoringInput

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of an opened cohort.

    Parameters
    ----------
    given
        The cohort.
    X
        Features (n_obs, n_features), on disk where the cohort is. Slices and ascending row numbers
        return arrays. Rows without features are zero.
    usable
        (n_obs,) which cells have features.
    """

    given: ScoringInput
    X: Any
    usable: NDArray[np.bool_]

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return self.given.n_obs

    @property
    def n_features(self) -> int:
        """Number of features a cell."""
        return self.given.n_features

    def ids(self, rows: NDArray[np.int64]) -> NDArray[np.str_]:
        """Names of some cells, (n_rows,)."""
        return np.asarray(self.given.ids[rows], dtype=str)

    def obs(self) -> pd.DataFrame:
        """What describes the cells, indexed by their names."""
        return self.given.obs()


@contextmanager
def cells_of(given: ScoringInput) -> Iterator[Cells]:
    """The cells of a cohort. Features that have to be made are made once, into a scratch file.

    Raises
    ------
    InputError
        When no cell can be scored, or a value cannot be read by the model.
    """
    if given.stored is not None:
        for note in given.notes:
            logger.info("%s", note)
        yield Cells(given, given.stored, np.ones(given.n_obs, dtype=bool))
        return
    usable, reason, counts = np.zeros(given.n_obs, dtype=bool), "", CellCounts()
    with made_rows(given.n_features) as scratch:
        with console.progress(given.n_obs, "Reading", "cell") as bar:
            for block in given.blocks(range(given.n_obs)):
                scratch.add(block.X)
                usable[block.start : block.stop] = block.reasons == ""
                reason = reason or block.reasons[0]
                counts += block.counts or CellCounts(len(block.X))
                bar.update(len(block.X))
        for note in [*given.warnings(counts), *given.notes]:
            logger.info("%s", note)
        if not usable.any():
            what = f"none of {counted(given.n_obs, 'cell')} can be scored ({reason})"
            raise InputError(
                what, where=str(given.path), remedy=f"Look at them: scatd check {given.path}"
            )
        yield Cells(given, scratch.matrix(), usable)
