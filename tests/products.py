"""Products of parameters, of which `make test` tries a fixed part and `make test-all` all."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import pytest


def pairs(*lists: Iterable[Any]) -> list[Any]:
    """The product of three lists or more; slow, where each pair of values is in another case."""
    return _marked(lists, 2)


def each(*lists: Iterable[Any]) -> list[Any]:
    """The product of lists; slow, where each value is in another case."""
    return _marked(lists, 1)


def _marked(lists: Sequence[Iterable[Any]], size: int) -> list[Any]:
    cases = list(itertools.product(*(range(len(list(values))) for values in lists)))
    values = [list(values) for values in lists]
    open_ = {part for case in cases for part in _parts(case, size)}
    kept = set()
    while open_:
        # Of equally good cases the one whose places differ most, so that values take turns.
        best = max(cases, key=lambda case: (len(open_ & _parts(case, size)), -_last(case, kept)))
        kept.add(best)
        open_ -= _parts(best, size)
    return [
        pytest.param(
            *(some[place] for some, place in zip(values, case, strict=True)),
            marks=() if case in kept else pytest.mark.slow,
        )
        for case in cases
    ]


def _parts(case: tuple[int, ...], size: int) -> set[tuple[tuple[int, int], ...]]:
    return set(itertools.combinations(enumerate(case), size))


def _last(case: tuple[int, ...], kept: set[tuple[int, ...]]) -> int:
    """How often values of a case are in cases that are kept."""
    return sum(mine == theirs for other in kept for mine, theirs in zip(case, other, strict=True))
