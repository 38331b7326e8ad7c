"""Which labels would make the choice of drugs surer.

A model may be wrong about a group of cells, such as a clone. Its error there is a shift of the log
odds of all cells of the group, and before any label the shift is normal around 0. A label is
Bernoulli with the shifted probability of its cell. So it adds p (1 - p), its Fisher information, to
the precision of the shift. The lead of the chosen set of drugs over another one follows the shifts
nearly on a straight line: its variance is a sum over groups and drugs, in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scatd.decision import expit, logit
from scatd.evaluation.combinations import mean_products, slopes_of

Floats = NDArray[np.float64]
Places = tuple[int, ...]
"""A set of drugs, by their places among the columns."""

SHARED_SD = 1.0
"""S.d. of what the models of all folds get wrong together in a group, in log odds."""
RIVALS = 20
"""Sets that are compared with the chosen one: those that leave the fewest cells after it."""
_QUANTILE = 1.6448536269514722
"""Of the standard normal distribution, for an interval of 90 %."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
_NEWTON_STEPS = 30
_TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Belief:
    """What is known about the cells of a tumour.

    Parameters
    ----------
    odds
        (n_cells, n_drugs) log odds of P(resistant), as the models give them.
    groups
        (n_cells,) number of each cell's group.
    shift, variance
        (n_groups, n_drugs) mean and variance of each model's error in each group, in log odds.
    """

    odds: Floats
    groups: NDArray[np.intp]
    shift: Floats
    variance: Floats

    @cached_property
    def prob(self) -> Floats:
        """(n_cells, n_drugs) P(resistant), with what labels have shown."""
        return expit(self.odds + self.shift[self.groups])

    @cached_property
    def information(self) -> Floats:
        """(n_cells, n_drugs) expected Fisher information of one label about the shift."""
        sd, found = np.sqrt(self.variance), np.zeros_like(self.odds)
        for node, weight in zip(_NODES, _WEIGHTS / _WEIGHTS.sum(), strict=True):
            prob = expit(self.odds + (self.shift + node * sd)[self.groups])
            found += weight * prob * (1 - prob)
        return found


def before_labels(
    prob: NDArray[np.floating],
    groups: NDArray[np.intp],
    of_folds: Sequence[NDArray[np.floating] | None] = (),
    groups_of_folds: NDArray[np.intp] | None = None,
    shared_sd: Sequence[float | None] = (),
) -> Belief:
    """What the models alone say.

    The variance of a shift is that between the models of folds (the jackknife, for the log odds of
    the mean of the group), and that of the error between groups, which no fold shows.

    Parameters
    ----------
    prob
        (n_cells, n_drugs) P(resistant), finite.
    groups
        (n_cells,) number of each cell's group, from 0 on.
    of_folds
        For each drug, (n_folds, n_sample) P(resistant) of some cells under the model of each fold;
        None where it is not known. Empty: of no drug.
    groups_of_folds
        (n_sample,) number of the group of each of these cells.
    shared_sd
        For each drug, the s.d. of its error between groups where labelled cells have shown it, in
        place of `SHARED_SD`. Empty: of no drug.
    """
    shape = int(groups.max()) + 1, prob.shape[1]
    variance = np.full(shape, SHARED_SD**2)
    for drug, sd in enumerate(shared_sd):
        if sd is not None:
            variance[:, drug] = sd**2
    for drug, each in enumerate(of_folds):
        if each is None or groups_of_folds is None or len(each) < 2:
            continue
        for group in range(shape[0]):
            of_group = each[:, groups_of_folds == group]
            if of_group.shape[1]:
                variance[group, drug] += (len(each) - 1) * logit(of_group.mean(axis=1)).var()
    return Belief(logit(prob), groups, np.zeros(shape), variance)


def after_labels(
    belief: Belief,
    cells: NDArray[np.intp],
    drugs: NDArray[np.intp],
    resistant: NDArray[np.bool_],
) -> Belief:
    """What is known after labels: the most probable shifts, and their variance around them.

    Parameters
    ----------
    cells, drugs, resistant
        (n_labels,) the cell, the drug, and what was found.
    """
    shift, variance = belief.shift.copy(), belief.variance.copy()
    groups = belief.groups[cells]
    for group, drug in {*zip(groups.tolist(), drugs.tolist(), strict=True)}:
        own = (groups == group) & (drugs == drug)
        found = _most_probable(
            *(belief.odds[cells[own], drug], resistant[own]),
            *(belief.shift[group, drug], belief.variance[group, drug]),
        )
        shift[group, drug], variance[group, drug] = found
    return replace(belief, shift=shift, variance=variance)


def _most_probable(
    odds: Floats, resistant: NDArray[np.bool_], mean: float, variance: float
) -> tuple[float, float]:
    """Mode and variance (Laplace) of a shift: Newton's method, which is kept inside a bracket."""
    reach = variance * len(odds)  # of the slope of the likelihood, at most one a label
    low, high, shift = mean - reach, mean + reach, mean
    for _ in range(_NEWTON_STEPS):
        prob = expit(odds + shift)
        slope = (resistant - prob).sum() - (shift - mean) / variance
        low, high = (shift, high) if slope > 0 else (low, shift)
        precision = (prob * (1 - prob)).sum() + 1 / variance
        step = shift + slope / precision
        new = step if low < step < high else (low + high) / 2
        if abs(new - shift) < 1e-9:
            break
        shift = new
    return float(shift), float(1 / precision)


@dataclass(frozen=True, eq=False)
class Choice:
    """The set that leaves the fewest cells, and the one that may be better.

    Parameters
    ----------
    drugs, rival
        The two sets.
    lead
        Share of cells that the rival leaves more.
    fixed
        Variance of the lead between other cells of this tumour: no label changes it.
    slopes
        (n_groups, n_drugs) change of the lead for a small shift.
    """

    drugs: Places
    rival: Places
    lead: float
    fixed: float
    slopes: Floats

    def variance(self, of_shifts: Floats) -> float:
        """Of the lead, from the variances of the shifts, (n_groups, n_drugs)."""
        return self.fixed + float((self.slopes**2 * of_shifts).sum())


class Choices:
    """The sets of one size, compared under a belief.

    Raises
    ------
    ValueError
        When there are fewer than two such sets.
    """

    def __init__(self, belief: Belief, size: int) -> None:
        shares = mean_products(belief.prob, size)
        sets = [drugs for drugs in shares if len(drugs) == size]
        ranked = sorted(sets, key=lambda drugs: (shares[drugs], drugs))[: RIVALS + 1]
        if len(ranked) < 2:
            raise ValueError("no choice between fewer than two sets")
        self.shares = {drugs: shares[drugs] for drugs in ranked}
        self._all = [_compared(belief, ranked[0], rival) for rival in ranked[1:]]

    def closest(self, of_shifts: Floats) -> Choice:
        """Against the rival whose lead is least sure: lowest in s.d. of itself."""
        return min(
            self._all, key=lambda one: one.lead / math.sqrt(max(one.variance(of_shifts), _TINY))
        )


def _compared(belief: Belief, drugs: Places, rival: Places) -> Choice:
    more = belief.prob[:, rival].prod(axis=1) - belief.prob[:, drugs].prod(axis=1)
    own, other = (slopes_of(belief.prob, belief.groups, some) for some in (drugs, rival))
    return Choice(drugs, rival, float(more.mean()), float(more.var()) / len(more), other - own)


@dataclass(frozen=True)
class Suggestion:
    """A label that is worth having.

    Parameters
    ----------
    cell
        Number of the cell; None where any cell of the group will do.
    group, drug
        By number.
    reduction
        Of the width of the 90 % interval of the lead, after the labels suggested before it.
    """

    cell: int | None
    group: int
    drug: int
    reduction: float


@dataclass(frozen=True, eq=False)
class Plan:
    """Labels in the order to take them, and the variances of the shifts that they would leave."""

    labels: list[Suggestion]
    variance: Floats


def width(variance: float) -> float:
    """Width of the 90 % interval of something normal."""
    return 2 * _QUANTILE * math.sqrt(max(variance, 0.0))


def suggest_labels(
    belief: Belief,
    size: int,
    n: int,
    *,
    any_cell: bool = False,
    tested: NDArray[np.intp] | None = None,
) -> Plan:
    """The labels that make the lead surest.

    They are chosen one after the other. Each counts the labels before it as done, so that a second
    label of the same kind is worth less. No cell is taken twice: a tested cell is dead.

    Parameters
    ----------
    size
        Number of drugs of a set.
    n
        Number of labels; fewer are given where no other label would help.
    any_cell
        Name groups, of which a mean cell is tested, and not cells.
    tested
        Numbers of cells that cannot be suggested.
    """
    choices, variance = Choices(belief, size), belief.variance.copy()
    stock = _Groups(belief) if any_cell else _Cells(belief, n, tested)
    found: list[Suggestion] = []
    for _ in range(n):
        choice, gained = choices.closest(variance), stock.information()
        saved = choice.slopes**2 * variance**2 * gained / (1 + variance * gained)
        group, drug = divmod(int(saved.argmax()), saved.shape[1])
        if not saved[group, drug] > 0:
            break
        before = choice.variance(variance)
        reduction = width(before) - width(before - saved[group, drug])
        variance[group, drug] /= 1 + variance[group, drug] * gained[group, drug]
        found.append(Suggestion(stock.take(group, drug), group, drug, reduction))
    return Plan(found, variance)


class _Groups:
    """Groups of which any cell is tested."""

    def __init__(self, belief: Belief) -> None:
        sizes = np.bincount(belief.groups, minlength=len(belief.shift))[:, None]
        self._mean = np.stack(
            [np.bincount(belief.groups, one, len(belief.shift)) for one in belief.information.T], 1
        ) / np.maximum(sizes, 1)

    def information(self) -> Floats:
        """(n_groups, n_drugs) of a mean cell."""
        return self._mean

    def take(self, group: int, drug: int) -> None:
        """Nothing is used up."""


class _Cells:
    """Cells that were not taken yet: of each group and drug, the most informative ones."""

    def __init__(self, belief: Belief, n: int, tested: NDArray[np.intp] | None) -> None:
        self._value, self._taken = belief.information, np.zeros(len(belief.odds), dtype=bool)
        if tested is not None:
            self._taken[tested] = True
        self._queues = {}
        for group in range(len(belief.shift)):
            rows = np.flatnonzero((belief.groups == group) & ~self._taken)
            for drug in range(belief.odds.shape[1]):
                order = np.argsort(-self._value[rows, drug], kind="stable")[:n]
                self._queues[group, drug] = rows[order].tolist()[::-1]
        self._shape = belief.shift.shape

    def information(self) -> Floats:
        """(n_groups, n_drugs) of the best cell that is left; 0 where there is none."""
        found = np.zeros(self._shape)
        for (group, drug), queue in self._queues.items():
            while queue and self._taken[queue[-1]]:
                queue.pop()
            if queue:
                found[group, drug] = self._value[queue[-1], drug]
        return found

    def take(self, group: int, drug: int) -> int:
        """Take that cell."""
        cell = self._queues[group, drug].pop()
        self._taken[cell] = True
        return int(cell)
