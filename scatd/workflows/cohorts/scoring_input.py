"""The cells of an opened cohort as a model reads them: block by block, or all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.data.cell_findings import CellCounts
from scatd.data.feature_files import obs_of
from scatd.data.features import Features
from scatd.data.ids import Ids
from scatd.data.opened import OpenedInput
from scatd.row_scoring import rows_at_once


@dataclass(frozen=True, eq=False)
class FeatureRows:
    """Consecutive cells of a cohort as a model reads them.

    Parameters
    ----------
    start
        Number of the first cell, a multiple of `BLOCK`.
    X
        (n_rows, n_features) float32; rows without features are zero.
    reasons
        (n_rows,) text: why a cell has no features; empty where it has.
    counts
        Numbers of cells to warn of; None where the features came with the cohort.
    """

    start: int
    X: NDArray[np.float32]
    reasons: NDArray[np.object_]
    counts: CellCounts | None = None

    @property
    def stop(self) -> int:
        """Number of the first cell behind these."""
        return self.start + len(self.X)


class ScoringInput(ABC):
    """An opened cohort as the models of one kind read it.

    `blocks` reads it once, from start to end, and holds a few megabytes. `features` and `reasons`
    give all cells; rows can then be read again and in any order.

    Parameters
    ----------
    opened
        The input that the features are read from; it is open for as long as they are.
    ids
        (n_obs,) names of the cells.
    n_features
        Features a cell.
    simulated
        Whether the cohort is simulated.
    missing
        (n_features,) True for genes that the cohort does not have; None where it has all.
    notes
        Findings of the pre-flight check, before the cells were read.
    """

    def __init__(
        self,
        opened: OpenedInput,
        ids: Ids,
        n_features: int,
        *,
        simulated: bool,
        missing: NDArray[np.bool_] | None = None,
        notes: list[str] | None = None,
    ) -> None:
        self.opened, self.ids, self.n_features = opened, ids, n_features
        self.simulated, self.missing, self.notes = simulated, missing, notes or []

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return len(self.ids)

    @property
    def path(self) -> Path:
        """The file."""
        return self.opened.path

    @cached_property
    def has_ids(self) -> bool:
        """False when the names are only the numbers of the rows."""
        return any(
            not np.array_equal(texts, np.arange(start, start + len(texts)).astype(str))
            for start, texts in self.ids.blocks()
        )

    def obs(self) -> pd.DataFrame:
        """What describes the cells, indexed by their names; no columns for a plain matrix."""
        ids, obs = np.asarray(self.ids), obs_of(self.opened)
        return obs.set_axis(ids, axis=0) if len(obs.columns) else pd.DataFrame(index=ids)

    @property
    def names(self) -> tuple[str, ...] | None:
        """Genes of the features; None where they are an embedding."""
        return None

    @property
    def stored(self) -> Any:
        """The features (n_obs, n_features) where the input holds them; None where they are made.

        Slices and ascending row numbers return arrays.
        """
        return None

    @abstractmethod
    def blocks(self, rows: range) -> Iterator[FeatureRows]:
        """Read cells in their order, some blocks of `BLOCK` at a time.

        Parameters
        ----------
        rows
            Which cells; the first is a multiple of `BLOCK`.

        Raises
        ------
        InputError
            When a value cannot be read by a model.
        """

    def pieces(self, rows: range) -> Iterator[slice]:
        """Consecutive rows, so many as are read at once."""
        at_once = rows_at_once(self.n_features)
        for start in range(rows.start, rows.stop, at_once):
            yield slice(start, min(start + at_once, rows.stop))

    def keep(self) -> None:  # noqa: B027 (most features are read as fast as they were kept)
        """Make features that take long once, where several models will read all cells."""

    def warnings(self, counts: CellCounts) -> list[str]:  # noqa: ARG002
        """What the cells that were read show, in sentences."""
        return []

    @property
    def X(self) -> NDArray[np.float32]:
        """(n_obs, n_features) of all cells. Rows without features are zero."""
        return self.features.X

    @property
    @abstractmethod
    def features(self) -> Features:
        """All cells, with what describes them."""

    @property
    @abstractmethod
    def reasons(self) -> NDArray[np.object_]:
        """(n_obs,) text, empty where a cell can be scored."""


class AsGiven(ScoringInput):
    """A cohort that holds the features of the model's family.

    Parameters
    ----------
    read
        From `read_features`, as a stream.
    """

    def __init__(self, opened: OpenedInput, read: Features) -> None:
        super().__init__(
            *(opened, read.ids, read.n_features),
            simulated=read.simulated,
            missing=read.missing,
        )
        self._stream = read

    @property
    def names(self) -> tuple[str, ...] | None:
        """Genes of the features; None where they are an embedding."""
        return self._stream.names

    @property
    def stored(self) -> Any:
        """The features, (n_obs, n_features)."""
        return self._stream.X

    def blocks(self, rows: range) -> Iterator[FeatureRows]:
        """Read cells in their order."""
        for piece in self.pieces(rows):
            X = np.asarray(self._stream.X[piece], dtype=np.float32)
            yield FeatureRows(piece.start, X, np.full(len(X), "", dtype=object))

    @property
    def X(self) -> NDArray[np.float32]:
        """(n_obs, n_features) of all cells; rows are read when they are needed."""
        return self._stream.X

    @cached_property
    def features(self) -> Features:
        """All cells."""
        obs = self.obs()
        return replace(self._stream, ids=obs.index.to_numpy(dtype=str), obs=obs)

    @cached_property
    def reasons(self) -> NDArray[np.object_]:
        """(n_obs,) empty text: every cell has features."""
        return np.full(self.n_obs, "", dtype=object)
