"""How far a whole cohort lies from a model's training domain, or why nobody can say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scatd.nn.domain import TooFewCells
from scatd.wording import counted

OUTSIDE = 0.05
"""A cell lies outside the training domain when its p-value is lower. Of new cells from that domain,
one in twenty does."""
FEWEST = 200
"""Training cells that a domain needs: the held-out quarter of fewer cells cannot tell one cell in
twenty."""
MOST = 0.5
"""If more than this share of cells lies outside, the cohort is foreign to the model."""

_CELLS = {"reference": "reference cells", "source": "source samples"}


@dataclass(frozen=True)
class CohortShift:
    """A cohort compared with the training domain.

    Parameters
    ----------
    role
        The cohort that the domain was fitted on: "reference" or "source".
    n_cells, n_outside
        Number of assessed cells, and of those outside the domain.
    share_outside
        Share of the assessed cells; about `OUTSIDE` for a cohort from the domain.
    median_p
        Median p-value of the cells: about 0.5 for a cohort from the domain, low for a distant one.
    """

    role: str
    n_cells: int
    n_outside: int
    share_outside: float
    median_p: float

    @property
    def is_foreign(self) -> bool:
        """True when most cells lie outside."""
        return self.share_outside >= MOST

    @property
    def sentence(self) -> str:
        """The summary in words."""
        text = (
            f"{counted(self.n_outside, 'cell', 'lies', of=self.n_cells)} outside the model's "
            f"training domain ({self.role}): {self.share_outside:.0%}. Of its own cells, "
            f"{OUTSIDE:.0%} would."
        )
        if self.is_foreign:
            text += " The model knows no such cells: do not trust their scores."
        return text


def why_not_assessed(few: TooFewCells | None) -> str:
    """Reason why no cell is compared with a model's training domain, as columns of text hold it.

    Parameters
    ----------
    few
        The cells that were too few; None where the model does not say.
    """
    if few is None:
        return "not assessed: the model holds no training domain"
    return f"not assessed: fewer than {FEWEST} {_CELLS[few.role]}"


def not_assessed_sentence(few: TooFewCells | None) -> str:
    """The same as a sentence with the number of cells, and the remedy."""
    text = f"Whether cells lie outside the model's training domain is {why_not_assessed(few)}"
    if few is None:
        return f"{text}. Train the model again to have such cells marked."
    return (
        f"{text} ({few.n_cells}). A model that is trained with a --reference of {FEWEST} cells or "
        f"more marks such cells."
    )


def is_outside(p_values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """True for each cell outside the training domain, in the shape of the p-values."""
    return np.asarray(p_values) < OUTSIDE


def cohort_shift(p_values: npt.ArrayLike, role: str) -> CohortShift:
    """Summarise the p-values of a cohort's cells.

    Parameters
    ----------
    p_values
        (n_cells,), at least one; low means far from the domain.
    role
        The cohort that the domain was fitted on.
    """
    return shift_of_counts(Counter(np.asarray(p_values, dtype=np.float64).tolist()), role)


def shift_of_counts(n_cells: Mapping[float, int], role: str) -> CohortShift:
    """Summarise a cohort that was read in blocks.

    Parameters
    ----------
    n_cells
        Number of cells by p-value, at least one cell. There are no more p-values than training
        cells, so this stays small.
    role
        The cohort that the domain was fitted on.
    """
    p = np.array(sorted(n_cells))
    ends = np.cumsum([n_cells[value] for value in p.tolist()])
    total = int(ends[-1])
    n_outside = sum(count for value, count in n_cells.items() if is_outside(value))
    middle = np.searchsorted(ends, [(total - 1) // 2, total // 2], side="right")
    return CohortShift(role, total, n_outside, n_outside / total, float(p[middle].mean()))
