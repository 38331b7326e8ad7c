"""A fold to fit, small enough to travel to another process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scatd.training.candidates.recipe import Rows, Split
from scatd.training.group_mean import FoldGroups

Codes = NDArray[np.int_]


@dataclass(frozen=True, eq=False)
class LabelledCells:
    """Target cells whose response is known.

    Parameters
    ----------
    rows
        (n_cells,), their positions in the target cohort.
    X
        (n_cells, n_features).
    codes
        (n_cells,), 0 sensitive, 1 resistant.
    """

    rows: Rows
    X: NDArray[np.float32]
    codes: Codes


@dataclass(frozen=True, eq=False)
class FoldJob:
    """One fold of one drug, to be fitted. It is small, so that it can travel to another process.

    Parameters
    ----------
    drug_key
        Of the drug.
    number
        Of the fold, from 1; 0 where the samples are split for another purpose.
    seed
        Of all its draws.
    train, val
        Positions of the samples in the source cohort.
    codes_train, codes_val
        Their classes.
    inner
        Inner folds: positions among the training rows to train on, and to score; few-shot cells
        stand behind the samples. Empty for a model that is fixed, or where there are too few rows.
    few
        Labelled target cells that are added to the training samples.
    target
        Labelled target cells that every model of the fold scores.
    splits
        Inner folds that choose the strength of the baseline logistic regression; None draws them.
    groups
        Groups of its rows, for the baseline that knows nothing else; None without such a column.
    known
        All few-shot cells, whatever the model uses them for: a baseline learns from them alone.
    is_permuted
        Whether the classes are not the true ones: nothing else may then tell of the drug.
    """

    drug_key: str
    number: int
    seed: int
    train: Rows
    val: Rows
    codes_train: Codes
    codes_val: Codes
    inner: Sequence[Split] = ()
    few: LabelledCells | None = None
    target: LabelledCells | None = None
    splits: Sequence[Split] | None = None
    groups: FoldGroups | None = None
    known: LabelledCells | None = None
    is_permuted: bool = False
