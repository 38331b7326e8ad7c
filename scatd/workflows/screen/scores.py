"""Scores of one cohort by the models of many drugs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import keys
from scatd.cards.card import Card
from scatd.data.ids import Ids
from scatd.registry import ModelRef


@dataclass(frozen=True, eq=False)
class FoldScores:
    """What the model of each fold says of some cells: (n_folds, n_rows) P(resistant).

    `rows` are their numbers in the cohort, ascending.
    """

    rows: NDArray[np.intp]
    prob: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DrugScores:
    """Scores of the cohort by the model of one drug.

    Parameters
    ----------
    ref, card, threshold
        The model.
    prob
        (n_obs,) P(resistant); NaN for a cell without a score.
    calls
        (n_obs,) number of the response in `keys.CALLS`; -1 for a cell without a score.
    outside
        (n_obs,) whether a cell lies outside the training domain; None where the model does not
        know it.
    few_genes
        A warning where the cohort lacks most genes of the model; else empty.
    folds
        What the models of its folds say of some cells; None where they are not stored.
    """

    ref: ModelRef
    card: Card
    threshold: float
    prob: NDArray[np.float32]
    calls: NDArray[np.int8]
    outside: NDArray[np.bool_] | None
    few_genes: str = ""
    folds: FoldScores | None = None

    @cached_property
    def words(self) -> list[str]:
        """The responses that occur, by name."""
        return sorted(word for code, word in enumerate(keys.CALLS) if (self.calls == code).any())

    def responses(self, rows: slice = slice(None)) -> pd.Categorical:
        """The responses of some cells as words; missing for a cell without a score."""
        places = [self.words.index(word) if word in self.words else -1 for word in keys.CALLS]
        codes: Any = np.array([*places, -1], np.int8)[self.calls[rows]]
        return pd.Categorical.from_codes(codes, categories=pd.Index(self.words, dtype=object))


@dataclass(frozen=True, eq=False)
class Drawn:
    """Cells to draw, ascending (n_picked,), and their latent under one model (n_picked, n_latent).

    The latent is the posterior mean.
    """

    picked: NDArray[np.intp]
    latent: NDArray[np.float32]


@dataclass(eq=False)
class Scored:
    """Scores of one opened cohort, collected drug by drug.

    Parameters
    ----------
    drugs
        By drug key.
    left_out
        Reason why a drug has no scores, by drug key.
    drawn
        Of the first drug that was scored; None before.
    """

    drugs: dict[str, DrugScores] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    drawn: Drawn | None = None


@dataclass(frozen=True, eq=False)
class Screened:
    """A cohort and its scores by the model of each drug.

    Parameters
    ----------
    ids
        Of the cells.
    groups
        (n_obs,) group of each cell; None without `--group-by`.
    simulated
        Whether the cohort, or a model, is simulated.
    drugs
        By drug key, in alphabetical order.
    left_out
        Reason why a drug has no scores, by drug key.
    drawn
        The cells in pictures.
    own_map
        (n_picked, 2 or more) the cohort's own coordinates of these cells, where it has any.
    against
        What labelled target cells show against a drug's version, by drug key.
    patients
        (n_obs,) patient of each cell; None without `--patients`.
    """

    ids: Ids
    groups: pd.Categorical[str] | None
    simulated: bool
    drugs: dict[str, DrugScores]
    left_out: dict[str, str]
    drawn: Drawn
    own_map: NDArray[np.float64] | None
    against: dict[str, str] = field(default_factory=dict)
    patients: pd.Categorical[str] | None = None
