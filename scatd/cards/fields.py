"""Strict reading of JSON: every entry has a name, a type and a range."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar

from scatd.errors import InputError

T = TypeVar("T")
Reader = Callable[[Any], T]
"""Makes the value of an entry, or raises ValueError with what was expected."""

_NEEDED: Any = object()


def parse_json(text: str, *, nan: bool) -> Any:
    """Parse JSON; a name that stands twice in one object is refused.

    Parameters
    ----------
    nan
        Also read NaN and Infinity, which are no JSON.

    Raises
    ------
    ValueError
        When it is something else.
    """

    def refuse(word: str) -> NoReturn:
        msg = f"it holds {word}"
        raise ValueError(msg)

    return json.loads(text, object_pairs_hook=_once_each, parse_constant=float if nan else refuse)


def plain(value: Any) -> Any:
    """A value as JSON can say it: a number that is not finite is null, a tuple is a list."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Fields:
    """Entries of one JSON object, taken one by one.

    Parameters
    ----------
    value
        What was parsed.
    where
        Shown in error messages: the file, and the place in it.

    Raises
    ------
    InputError
        When it is no object.
    """

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise InputError(f"is {_shown(value)}", where=where, expected="names and values")
        self.where = where
        self._left = dict(value)

    def take(self, name: str, read: Reader[T], default: Any = _NEEDED) -> T:
        """The value of an entry, as `read` makes it; `default` where it is absent or null.

        Raises
        ------
        InputError
            When it is needed and absent, or something else.
        """
        value = self._left.pop(name, None)
        if value is None:
            if default is _NEEDED:
                raise InputError(f"says no '{name}'", where=self.where)
            return default
        try:
            return read(value)
        except ValueError as error:
            what = f"{name} is {_shown(value)}"
            raise InputError(what, where=self.where, expected=str(error)) from None

    def inner(self, name: str) -> Fields | None:
        """The entries of an object in this one; None where it is absent or null."""
        value = self._left.pop(name, None)
        return None if value is None else Fields(value, f"{self.where}: {name}")

    def rest(self) -> dict[str, Any]:
        """Take all entries that are left, unchanged."""
        left, self._left = self._left, {}
        return plain(left)

    def require_all_taken(self) -> None:
        """Refuse entries that were not taken.

        Raises
        ------
        InputError
            When anything is left.
        """
        if self._left:
            what = f"says '{next(iter(self._left))}', which this scatd does not know"
            raise InputError(what, where=self.where, remedy="A newer scatd may read it.")


def text(value: Any) -> str:
    """A text."""
    return _of_type(value, str, "a text")


def flag(value: Any) -> bool:
    """True or false."""
    return _of_type(value, bool, "true or false")


def whole(least: int) -> Reader[int]:
    """A whole number from `least`."""

    def read(value: Any) -> int:
        if type(value) is not int or value < least:
            msg = f"a whole number from {least}"
            raise ValueError(msg)
        return value

    return read


def number(low: float = -math.inf, high: float = math.inf) -> Reader[float]:
    """A finite number from `low` to `high`."""

    def read(value: Any) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or not low <= value <= high:
            bounds = "" if math.isinf(low) else f" from {low:g}"
            bounds += "" if math.isinf(high) else f" to {high:g}"
            msg = f"a finite number{bounds}"
            raise ValueError(msg)
        return float(value)

    return read


def among(choices: Iterable[T]) -> Reader[T]:
    """One of these."""
    known = tuple(choices)

    def read(value: Any) -> T:
        for choice in known:
            if type(value) is type(choice) and value == choice:
                return choice
        msg = " or ".join(map(str, known))
        raise ValueError(msg)

    return read


def list_of(read_item: Reader[T]) -> Reader[tuple[T, ...]]:
    """A list of such values."""

    def read(value: Any) -> tuple[T, ...]:
        return tuple(read_item(item) for item in _of_type(value, list, "a list"))

    return read


def mapping(value: Any) -> dict[str, Any]:
    """Names and values that only describe; a number that is not finite becomes None."""
    return plain(_of_type(value, dict, "names and values"))


def _of_type(value: Any, kind: type[T], expected: str) -> T:
    if not isinstance(value, kind):
        raise ValueError(expected)  # noqa: TRY004  (one kind of error for all readers)
    return value


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        msg = f"it says '{next(name for name in names if names.count(name) > 1)}' twice"
        raise ValueError(msg)
    return found


def _shown(value: Any) -> str:
    shown = json.dumps(value)
    return shown if len(shown) <= 60 else f"{shown[:60]} ..."
