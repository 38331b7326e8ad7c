"""The ranges of numbers in options, settings and YAML files: each range is defined once, here.

A field of a dataclass names its range in its type (`epochs: Count`), and `check_fields` checks it.
Options use the same types (`scatd.cli.values`), so all entry points refuse the same values. The
upper limits are far above all values in use. They catch typing errors.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from scatd.errors import Faults

DECIMAL = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
"""A number in a settings file. 010 is refused, because some programs read it as 8, others as 10."""
SHOWN = 60
"""Number of characters of a value that a message shows."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, all of them finite.

    Parameters
    ----------
    low, high
        Limits, both included unless `open` excludes them.
    open
        Limits that are excluded: "low", "high" or "both".
    """

    low: float
    high: float
    open: str = ""

    def refusal(self, value: float) -> str:
        """The expected values in words; empty when `value` is in the range."""
        if isinstance(value, float) and not math.isfinite(value):
            return f"a number, {self}"
        if value < self.low or (value == self.low and self.open in ("low", "both")):
            word = "more than" if self.open in ("low", "both") else "at least"
            return f"{word} {self.low:g}"
        if value > self.high or (value == self.high and self.open in ("high", "both")):
            word = "less than" if self.open in ("high", "both") else "at most"
            return f"{word} {self.high:.12g}"
        return ""

    def __str__(self) -> str:
        first = "more than" if self.open in ("low", "both") else "at least"
        last = "less than" if self.open in ("high", "both") else "at most"
        return f"{first} {self.low:g} and {last} {self.high:.12g}"


@dataclass(frozen=True)
class Entries:
    """Smallest number of entries of a list."""

    least: int


Seed = Annotated[int, Range(0, 2**32 - 1)]
"""Seeds that torch, NumPy and Optuna all accept."""
Count = Annotated[int, Range(1, 1_000_000)]
"""A count of at least one."""
CountOrNone = Annotated[int, Range(0, 1_000_000)]
"""A count; 0 means none."""
Permutations = Annotated[int, Range(19, 1_000_000)]
"""With 19 permutations, p = 0.05 is the smallest possible p value."""
RandomSets = Annotated[int, Range(100, 1_000_000)]
Repeats = Annotated[int, Range(1, 1000)]
Steps = Annotated[int, Range(0, 1_000_000_000)]
Width = Annotated[int, Range(1, 1_000_000)]
"""Units of a layer."""
Folds = Annotated[int, Range(2, 1000)]
FoldsOrOne = Annotated[int, Range(1, 1000)]
Version = Annotated[int, Range(1, 2**31 - 1)]
"""Number of a registered version."""
Share = Annotated[float, Range(0, 1)]
ShareInside = Annotated[float, Range(0, 1, open="both")]
"""A share or probability that is neither 0 nor 1."""
ShareOfSome = Annotated[float, Range(0, 1, open="low")]
"""A share that is not 0."""
LearningRate = Annotated[float, Range(0, 1e20, open="low")]
"""A rate that is too high makes training diverge; the error names the epoch."""
WeightDecay = Annotated[float, Range(0, 1000)]
Weight = Annotated[float, Range(0, 1e9)]
"""Weight of a term of a loss; 0 leaves the term out."""
WeightOfSome = Annotated[float, Range(0, 1e9, open="low")]
Multiplier = Annotated[float, Range(1, 1000)]
"""Target number of samples of a class, as a multiple of its own; 1 adds none."""
Noise = Annotated[float, Range(0, 1000)]
DrugsInSet = Annotated[int, Range(1, 3)]
"""Number of drugs that are given together."""
Seconds = Annotated[float, Range(0, 1e9, open="low")]
Port = Annotated[int, Range(0, 65535)]


def range_of(hint: Any) -> Range | None:
    """The range in an annotation, if there is one."""
    found = (each for each in getattr(hint, "__metadata__", ()) if isinstance(each, Range))
    return next(found, None)


def plain_type(hint: Any) -> Any:
    """An annotation without its range and without `| None`."""
    if typing.get_origin(hint) is Annotated:
        return plain_type(hint.__origin__)
    narrow = narrowed(hint)
    return hint if narrow is hint else plain_type(narrow)


def narrowed(hint: Any) -> Any:
    """An annotation without `| None`, its range kept."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = typing.get_args(hint)
        left = tuple(each for each in kinds if each is not type(None))
        if len(left) < len(kinds):
            return typing.Union[left]  # noqa: UP007 (their number is not known here)
    return hint


def shortened(value: Any) -> str:
    """A value as a message shows it: on one line, shortened."""
    try:
        text = " ".join(str(value).split()) if isinstance(value, str) else repr(value)
    except (ValueError, RecursionError):  # an int with thousands of digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def check_fields(settings: Any) -> None:
    """Refuse every field of a dataclass that is outside the range of its annotation.

    Raises
    ------
    InputError
        Names all of these fields.
    """
    faults = Faults()
    for name, hint in hints_of(type(settings)).items():
        for value, expected in _refusals(hint, getattr(settings, name)):
            faults.add(f"{name} is {shortened(value)}", expected=expected)
    faults.raise_if_any()


def hints_of(cls: Any) -> dict[str, Any]:
    """Annotations of the fields of a dataclass, by name, including `Annotated`."""
    return _hints(cls)


@cache
def _hints(cls: Hashable) -> dict[str, Any]:
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = dataclasses.fields(typing.cast(Any, cls))
    return {field.name: hints[field.name] for field in fields if field.init}


def _refusals(hint: Any, value: Any) -> Iterator[tuple[Any, str]]:
    """Yield each value that its annotation does not allow, and the expected values."""
    hint = narrowed(hint)
    if value is None:
        return
    metadata = getattr(hint, "__metadata__", ())
    for entries in (each for each in metadata if isinstance(each, Entries)):
        if len(value) < entries.least:
            yield list(value), f"at least {entries.least} of them"
    plain = plain_type(hint)
    if typing.get_origin(plain) is tuple:
        for item in value:
            yield from _refusals(typing.get_args(plain)[0], item)
    elif (allowed := range_of(hint)) is not None and (expected := _judged(allowed, plain, value)):
        yield value, expected
    elif isinstance(value, float) and not math.isfinite(value):
        yield value, "a finite number"


def _judged(allowed: Range, plain: Any, value: Any) -> str:
    kinds = (int, float) if plain is float else (int,)
    # To Python a bool is an int; here it is not a number.
    if isinstance(value, bool) or not isinstance(value, kinds):
        return f"a {'whole ' if plain is int else ''}number"
    return allowed.refusal(value)
