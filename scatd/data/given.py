"""What a user gives as a cohort or a table: a file, or an object in memory under a name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


@dataclass(frozen=True, eq=False)
class CohortInMemory:
    """An AnnData. Two of them are equal where they hold the same object.

    Parameters
    ----------
    adata
        Cells or samples.
    name
        Stands for the path in messages and records.
    """

    adata: AnnData
    name: str = "AnnData"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CohortInMemory) and self.adata is other.adata

    def __hash__(self) -> int:
        return id(self.adata)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class TableInMemory:
    """A DataFrame whose index holds the ids of the rows.

    Parameters
    ----------
    frame
        One row a cell or sample.
    name
        Stands for the path in messages and records.
    """

    frame: pd.DataFrame
    name: str = "DataFrame"

    def __str__(self) -> str:
        return self.name


GivenCohort = Path | CohortInMemory
"""A cohort as a request names it."""
GivenLabels = str | TableInMemory
"""Labels as a request names them: text in the grammar of `scatd.data.labels`, or a table."""


def path_of(given: GivenCohort) -> Path:
    """The file, or the name of a cohort in memory in its place."""
    return given if isinstance(given, Path) else Path(given.name)
