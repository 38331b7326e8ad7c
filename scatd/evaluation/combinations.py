"""Sets of drugs, and the share of cells that a set leaves alive.

A cell is left by a set when every drug of the set leaves it. With independent action (Bliss 1939)
the probability of that is the product of the cell's P(resistant) of the drugs; the share of cells
that are left is its mean over cells. If drugs depend on each other within a cell, the probability
lies between max(0, sum of p - k + 1) and the smallest p (Frechet 1935).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.decision import expit, logit

Floats = NDArray[np.float64]

LEVEL = 0.90
"""Of the intervals."""
MOST_DRUGS = 3
"""Of a set."""
COLUMNS = (
    "drugs", "n_drugs", "left", "ci_low", "ci_high", "cells_low", "cells_high", "patients_low",
    "patients_high", "models_low", "models_high", "groups_low", "groups_high", "dependence_low",
    "dependence_high",
    "reference_left", "chosen", "plain_ranking",
)  # fmt: skip
SEPARATOR = " + "
_ROWS_AT_ONCE = 1 << 14


def name_of(drugs: Sequence[str]) -> str:
    """The name of a set: `erlotinib + olaparib`."""
    return SEPARATOR.join(drugs)


def slopes_of(prob: NDArray[np.floating], groups: NDArray[np.intp], drugs: Sequence[int]) -> Floats:
    """Change of the share left by a set for a small shift of log odds, (n_groups, n_drugs).

    Parameters
    ----------
    prob
        (n_cells, n_drugs) P(resistant).
    groups
        (n_cells,) number of each cell's group: all of its log odds are shifted.
    drugs
        Places of the drugs of the set.
    """
    product = prob[:, list(drugs)].prod(axis=1, dtype=np.float64)
    found = np.zeros((int(groups.max()) + 1, prob.shape[1]))
    for drug in drugs:
        change = product * (1 - prob[:, drug])
        found[:, drug] = np.bincount(groups, change, len(found)) / len(product)
    return found


@dataclass(frozen=True, eq=False)
class Cells:
    """The scored cells that a tumour consists of.

    Parameters
    ----------
    drugs
        Drug keys.
    prob
        (n_cells, n_drugs) P(resistant), finite.
    patients
        (n_cells,) number of each cell's patient; None where it is not known, or is one patient.
    of_folds
        For each drug, (n_folds, n_sample) P(resistant) of the same cells under the model of each
        fold; None where the model holds nothing of other folds. Empty: of no drug.
    reference
        (n_reference, n_drugs) P(resistant) of cells that should be spared; None without them.
    groups
        (n_cells,) number of each cell's group, such as its clone; None: all are one group.
    errors
        For each drug, the error of its calibrated log odds between groups: its s.d., and the number
        of groups that it was estimated from. None where it is not known. Empty: of no drug.
    """

    drugs: tuple[str, ...]
    prob: NDArray[np.floating]
    patients: NDArray[np.intp] | None = None
    of_folds: tuple[NDArray[np.floating] | None, ...] = ()
    reference: NDArray[np.floating] | None = None
    groups: NDArray[np.intp] | None = None
    errors: tuple[tuple[float, int] | None, ...] = ()

    def slopes(self, drugs: Sequence[int]) -> Floats:
        """`slopes_of` a set, (n_groups, n_drugs)."""
        groups = np.zeros(len(self.prob), np.intp) if self.groups is None else self.groups
        return slopes_of(self.prob, groups, drugs)

    def between_groups(self, slopes: Floats) -> tuple[float, float] | None:
        """Variance of what has these slopes, and its degrees of freedom; None: not known.

        Every drug whose slope is not 0 counts.
        """
        used = np.flatnonzero(slopes.any(axis=0))
        held = [self.errors[one] if self.errors else None for one in used]
        known = [each for each in held if each is not None]
        if len(known) < len(held) or not held:
            return None
        parts = [
            (float((slopes[:, one] ** 2).sum()) * sd**2, n_groups - 1)
            for one, (sd, n_groups) in zip(used, known, strict=True)
        ]
        total, spent = sum(v for v, _ in parts), sum(v**2 / free for v, free in parts)
        return total, total**2 / spent if spent else math.inf

    def products(self, drugs: Sequence[int]) -> Floats:
        """P(left by every drug of a set) of each cell, (n_cells,), under independent action."""
        return self.prob[:, list(drugs)].prod(axis=1, dtype=np.float64)

    def means_by_fold(self, drugs: Sequence[int]) -> Floats | None:
        """The share left under the models of each fold, (n_folds,); None where one is not known."""
        held = [self.of_folds[one] if self.of_folds else None for one in drugs]
        known = [each for each in held if each is not None]
        if len(known) < len(held):
            return None
        n_folds = min(map(len, known))
        product = np.prod([each[:n_folds] for each in known], axis=0, dtype=np.float64)
        return np.asarray(product.mean(axis=1))


@dataclass(frozen=True)
class Spread:
    """Variance of a mean over cells, by what would differ if the work were done again.

    Parameters
    ----------
    cells, patients, models, groups
        Between other cells of these patients, other patients, models of other samples, and errors
        of the calibrated models in other groups. None: not known.
    n_patients, n_folds
        What the second and third were estimated from.
    free_groups
        Degrees of freedom of the last one.
    """

    cells: float
    patients: float | None = None
    models: float | None = None
    groups: float | None = None
    n_patients: int = 0
    n_folds: int = 0
    free_groups: float = math.inf

    @classmethod
    def of(
        cls,
        values: Floats,
        patients: NDArray[np.intp] | None,
        by_fold: Floats | None,
        by_group: tuple[float, float] | None = None,
    ) -> Spread:
        """From the value of each cell, the mean under the models of each fold, and `by_group`."""
        n_cells, found = len(values), {"cells": values.var() / len(values)}
        if patients is not None:
            n_patients = int((np.bincount(patients) > 0).sum())
            if n_patients > 1:
                off = np.bincount(patients, values - values.mean())
                between = n_patients / (n_patients - 1) * (off**2).sum() / n_cells**2
                found |= {"patients": between, "n_patients": n_patients}
        if by_fold is not None and len(by_fold) > 1:
            # Folds share most of their samples, so that their models differ little: the jackknife.
            found |= {"models": (len(by_fold) - 1) * by_fold.var(), "n_folds": len(by_fold)}
        if by_group is not None:
            found |= {"groups": by_group[0], "free_groups": by_group[1]}
        return cls(**found)

    @property
    def known(self) -> tuple[str, ...]:
        """All that is known: between patients (else cells), models, and groups."""
        first = "cells" if self.patients is None else "patients"
        others = (name for name in ("models", "groups") if getattr(self, name) is not None)
        return (first, *others)

    def half_width(self, *parts: str) -> float:
        """Half the width of the interval from some parts; NaN where one of them is not known.

        The variances are added. Student's t has Satterthwaite's (1946) degrees of freedom, because
        patients and folds are few.
        """
        freedom = {"cells": math.inf, "patients": self.n_patients - 1, "models": self.n_folds - 1}
        freedom["groups"] = self.free_groups
        variances = {part: getattr(self, part) for part in parts}
        if any(value is None for value in variances.values()):
            return math.nan
        total = sum(variances.values())
        if total == 0:
            return 0.0
        from scipy.stats import t

        spent = sum(value**2 / freedom[part] for part, value in variances.items())
        n_free = total**2 / spent if spent else math.inf
        return float(t.ppf(0.5 + LEVEL / 2, n_free) * math.sqrt(total))


@dataclass(frozen=True)
class Left:
    """The share of cells that a set of drugs leaves, and its spread."""

    share: float
    spread: Spread

    def interval(self, *parts: str) -> tuple[float, float]:
        """The interval from some parts of the spread, or from all that is known.

        It is made for the logit of the share, and so lies between 0 and 1.
        """
        half = self.spread.half_width(*(parts or self.spread.known))
        if not 0 < self.share < 1:
            return (self.share, self.share) if half == 0 else (math.nan, math.nan)
        half /= self.share * (1 - self.share)
        low, high = expit(logit(self.share) + np.array([-half, half]))
        return float(low), float(high)


def left_by(cells: Cells, drugs: Sequence[int]) -> Left:
    """The share of cells that a set of drugs leaves under independent action.

    Parameters
    ----------
    drugs
        Places of the drugs in `cells.drugs`.
    """
    product = cells.products(drugs)
    by_group = cells.between_groups(cells.slopes(drugs))
    spread = Spread.of(product, cells.patients, cells.means_by_fold(drugs), by_group)
    return Left(float(product.mean()), spread)


def lead(cells: Cells, drugs: Sequence[int], over: Sequence[int]) -> tuple[float, float, float]:
    """How many more cells `over` leaves than `drugs`, as a share of all, with its interval."""
    more = cells.products(over) - cells.products(drugs)
    own, other = cells.means_by_fold(drugs), cells.means_by_fold(over)
    by_fold = None
    if own is not None and other is not None:
        n_folds = min(len(own), len(other))
        by_fold = other[:n_folds] - own[:n_folds]
    by_group = cells.between_groups(cells.slopes(over) - cells.slopes(drugs))
    spread = Spread.of(more, cells.patients, by_fold, by_group)
    mean, half = float(more.mean()), spread.half_width(*spread.known)
    return mean, mean - half, mean + half


def dependence_bounds(cells: Cells, drugs: Sequence[int]) -> tuple[float, float]:
    """The lowest and the highest share of cells left, whatever the dependence between drugs."""
    prob = cells.prob[:, list(drugs)].astype(np.float64)
    low = np.maximum(prob.sum(axis=1) - len(drugs) + 1, 0)
    return float(low.mean()), float(prob.min(axis=1).mean())


def mean_products(prob: NDArray[np.floating], size: int) -> dict[tuple[int, ...], float]:
    """The mean product over cells of every set of one to `size` drugs, by places."""
    n_cells, n_drugs = prob.shape
    ones, pairs = np.zeros(n_drugs), np.zeros((n_drugs, n_drugs))
    triples = np.zeros((n_drugs if size > 2 else 0, n_drugs, n_drugs))
    for start in range(0, n_cells, _ROWS_AT_ONCE):
        block = np.asarray(prob[start : start + _ROWS_AT_ONCE], np.float64)
        ones += block.sum(axis=0)
        pairs += block.T @ block
        for one, sums in enumerate(triples):
            sums += (block * block[:, [one]]).T @ block
    found: dict[tuple[int, ...], float] = {(one,): float(ones[one]) for one in range(n_drugs)}
    if size > 1:
        found |= {pair: float(pairs[pair]) for pair in combinations(range(n_drugs), 2)}
    if size > 2:
        found |= {three: float(triples[three]) for three in combinations(range(n_drugs), 3)}
    return {places: total / n_cells for places, total in found.items()}


def table(cells: Cells, size: int = MOST_DRUGS, shown: int = 10) -> pd.DataFrame:
    """The sets that leave the fewest cells, and those that plain ranking would choose.

    Parameters
    ----------
    size
        Most drugs of a set.
    shown
        Most sets of each number of drugs.

    Returns
    -------
    One row a set; those of one drug first, then by `left`. Columns: drugs (names with ` + `),
    n_drugs, left (share of cells, independent action), ci_low and ci_high (90 %: patients, or cells
    without them, models of folds, and groups, together), cells_, patients_, models_ and groups_low
    and _high (each alone), dependence_low and _high, reference_left (share of the reference cells
    that are left; high is spared), chosen (leaves the fewest of its number of drugs), and
    plain_ranking (the drugs that leave the fewest when each is given alone). Missing: not known.
    """
    size = min(size, len(cells.drugs))
    shares = mean_products(cells.prob, size)
    singles = sorted(range(len(cells.drugs)), key=lambda one: (shares[(one,)], one))
    rows = []
    for number in range(1, size + 1):
        ranked = sorted(
            (places for places in shares if len(places) == number),
            key=lambda places: (shares[places], places),
        )
        plain = tuple(sorted(singles[:number]))
        listed = ranked if number == 1 else ranked[:shown]
        listed = [*listed, *([] if plain in listed else [plain])]
        rows += [_row(cells, one, chosen=one == ranked[0], plain=one == plain) for one in listed]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(cells: Cells, places: tuple[int, ...], *, chosen: bool, plain: bool) -> dict[str, object]:
    left = left_by(cells, places)
    row: dict[str, object] = {
        "drugs": name_of([cells.drugs[one] for one in places]),
        "n_drugs": len(places),
        "left": left.share,
        "chosen": chosen,
        "plain_ranking": plain,
        "reference_left": math.nan,
    }
    row["ci_low"], row["ci_high"] = left.interval()
    for part in ("cells", "patients", "models", "groups"):
        row[f"{part}_low"], row[f"{part}_high"] = left.interval(part)
    row["dependence_low"], row["dependence_high"] = dependence_bounds(cells, places)
    if cells.reference is not None and len(cells.reference):
        spared = cells.reference[:, list(places)].prod(axis=1, dtype=np.float64)
        row["reference_left"] = float(spared.mean())
    return row
