"""Samples with one profile, and samples with almost one.

A sample that was measured once may stand in a table twice: as it is, rounded, in another number
type, scaled, shifted, with a little noise, or without some genes (they hold 0). Profiles of
different samples are never that much alike. Two kinds of copies are not found here: one whose
counts were drawn again (downsampled), and one on another scale that is no straight line (counts
beside logarithms).

Profiles are compared as correlations. Before, each feature gets mean 0 and s.d. 1 over the samples,
so that what all samples share does not count, and each profile loses what a scale or an offset of
its own would add to it. Noise of 1 % of the s.d. of each feature leaves a correlation of 0.9999.
The most alike different samples that we measured reach 0.948 (561 cell lines, embeddings), 0.926
and 0.914 (155 and 120 cells of one line, embeddings), 0.898 (452 cell lines, 706 genes), 0.25 and
0.19 (cells, expression).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import betaincinv

from scatd.evaluation.profiles import BLOCK_VALUES, Profile, Rows, Standard

ALMOST = 0.999
"""Lowest correlation of near copies: noise of 3 % of the s.d. in both, or 4 % in one of them."""
BY_CHANCE = 0.05
"""Pairs of different samples that may reach the limit by chance, over all pairs together. Where
profiles vary along few axes, the limit is higher than `ALMOST`, so that no more do."""

_WORTH_A_LOOK = 0.85
"""Below this correlation, no two profiles are compared without such genes."""
_SLACK = 5e-4
"""Four times the error of a correlation of `ALMOST` on random axes, where neighbours are found;
they are measured on all features."""
_NEIGHBOURS = 5
_SPREAD_ROWS = 512


@dataclass(frozen=True)
class NearCopies:
    """Samples that have almost the same profile.

    Parameters
    ----------
    rows
        Their positions, ascending.
    correlation
        Lowest correlation that links one of them to the others; 1 is the same profile.
    """

    rows: tuple[int, ...]
    correlation: float

    @property
    def in_words(self) -> str:
        """The correlation, with as many digits as it takes to see that it is not 1."""
        value = "over 0.99999" if self.correlation > 0.999995 else f"{self.correlation:.5f}"
        return f"correlation {value}" + (" or more" if len(self.rows) > 2 else "")


def equal_rows(keys: Iterable[Hashable]) -> Iterator[list[int]]:
    """Yield positions of keys that occur more than once, largest group first."""
    found = defaultdict(list)
    for position, key in enumerate(keys):
        found[key].append(position)
    yield from sorted((rows for rows in found.values() if len(rows) > 1), key=len, reverse=True)


def exact_copies(X: npt.NDArray) -> list[list[int]]:
    """Groups of rows of X (n_samples, n_features) with identical values, largest first."""
    # Adding 0 turns -0.0 into 0.0: equal values should have equal bytes.
    digests = (
        hashlib.blake2b((np.asarray(row) + 0).tobytes(), digest_size=16).digest() for row in X
    )
    return list(equal_rows(digests))


def near_copies(X: npt.NDArray, exact: Sequence[Sequence[int]] = ()) -> list[NearCopies]:
    """Groups of samples that have almost the same profile, largest first.

    Time grows with the square of the samples; memory is that of 256 numbers a sample, and of a
    block.

    Parameters
    ----------
    X
        (n_samples, n_features), finite; read block by block.
    exact
        Groups of `exact_copies`. One of each is compared, and all of it are in the group found. A
        group of exact copies alone is not returned.
    """
    later = {row for group in exact for row in group[1:]}
    rows = np.array([row for row in range(len(X)) if row not in later], dtype=np.intp)
    standard = Standard.of(X, rows)
    limit = _limit(standard, X, rows)
    if not limit < 1:
        return []
    groups = _joined(*_near_pairs(standard, X, rows, limit), len(rows))
    copies_of = {group[0]: list(group) for group in exact}
    found = [
        NearCopies(
            tuple(sorted(one for row in rows[members] for one in copies_of.get(row, [int(row)]))),
            weakest,
        )
        for members, weakest in _merged(groups, standard, X, rows, limit)
    ]
    return sorted(found, key=lambda one: (-len(one.rows), one.rows))


def _near_pairs(
    standard: Standard, X: npt.NDArray, rows: Rows, limit: float
) -> tuple[Rows, npt.NDArray]:
    """Pairs of positions in `rows` (n_pairs, 2) whose profiles correlate by `limit`, and how."""
    pairs = _neighbours(standard.on_axes(X, rows), limit)
    links = standard.correlations(X, rows[pairs])
    linked = links >= limit
    return pairs[linked], links[linked]


def _limit(standard: Standard, X: npt.NDArray, rows: Rows) -> float:
    """Lowest correlation of near copies: `ALMOST`, or more where chance would reach it.

    The mean squared correlation of different samples is 1 / (number of axes that they vary along).
    Two directions at random in d dimensions correlate by at least t with probability
    I(1 - t², (d - 1) / 2, 1 / 2) / 2, where I is the regularised incomplete beta function.
    """
    if len(rows) < 3 or not len(standard.kept):
        return 1.0
    some = rows[:: max(len(rows) // _SPREAD_ROWS, 1)][:_SPREAD_ROWS]
    profiles = standard.profiles(X, some)
    squared = np.square(profiles @ profiles.T)
    n_known = np.count_nonzero(np.diag(squared))
    if n_known < 3:
        return 1.0
    mean = (squared.sum() - np.trace(squared)) / (n_known * (n_known - 1))
    n_axes = max(1 / mean, 1.001) if mean > 0 else float(len(standard.kept))
    n_pairs = len(rows) * (len(rows) - 1) / 2
    apart = betaincinv((n_axes - 1) / 2, 0.5, min(2 * BY_CHANCE / n_pairs, 1.0))
    return max(ALMOST, float(np.sqrt(1 - apart)))


def _neighbours(on_axes: Profile, limit: float) -> Rows:
    """Pairs (n_pairs, 2) that may be near copies, as positions in `on_axes`."""
    n_rows = len(on_axes)
    n_asked = min(_NEIGHBOURS, n_rows - 1)
    found: list[Rows] = [np.empty((0, 2), dtype=np.intp)]
    step = max(2 * BLOCK_VALUES // n_rows, 1)
    for start in range(0, n_rows, step):
        alike = on_axes[start : start + step] @ on_axes.T
        here = np.arange(len(alike))
        alike[here, start + here] = -1
        asked = np.flatnonzero(alike.max(axis=1) >= _WORTH_A_LOOK)
        if not len(asked):
            continue
        alike = alike[asked]
        nearest = np.argpartition(alike, -n_asked, axis=1)[:, -n_asked:]
        values = np.take_along_axis(alike, nearest, axis=1)
        worth = (values >= limit - _SLACK) | (values == values.max(axis=1, keepdims=True))
        line, place = np.nonzero(worth)
        found.append(np.stack([start + asked[line], nearest[line, place]], axis=1))
    pairs = np.sort(np.concatenate(found), axis=1)
    return np.unique(pairs, axis=0)


def _joined(pairs: Rows, links: npt.NDArray[np.float64], n_rows: int) -> list[tuple[Rows, float]]:
    """Groups of linked positions, and the weakest link of each."""
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (n_rows, n_rows))
    _, group_of = connected_components(graph, directed=False)
    first, second = np.unique(group_of[pairs[:, 0]], return_inverse=True)
    return [
        (np.flatnonzero(group_of == group), float(links[second == place].min()))
        for place, group in enumerate(first)
    ]


def _merged(
    groups: list[tuple[Rows, float]],
    standard: Standard,
    X: npt.NDArray,
    rows: Rows,
    limit: float,
) -> list[tuple[Rows, float]]:
    """Groups whose first members are near copies, as one: more copies than neighbours asked."""
    if len(groups) < 2:
        return groups
    heads = rows[[members[0] for members, _ in groups]]
    bridges = _joined(*_near_pairs(standard, X, heads, limit), len(groups))
    if not bridges:
        return groups
    alone = set(range(len(groups))) - {int(one) for members, _ in bridges for one in members}
    merged = [
        (
            np.concatenate([groups[one][0] for one in members]),
            min(weakest, *(groups[one][1] for one in members)),
        )
        for members, weakest in bridges
    ]
    return [*merged, *(groups[one] for one in sorted(alone))]
