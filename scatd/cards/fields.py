"""Strict reading of JSON: every entry has a name, a type and a range."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar

from scatd.errors import InputError

T = TypeVar("T")
Reader = Callable[[Any], T]
"""Returns the value of an entry, or raises ValueError with the expected values."""

_NEEDED: Any = object()


def parse_json(text: str, *, nan: bool) -> Any:
    """Parse JSON, and refuse a name that occurs twice in one object.

    Parameters
    ----------
    nan
        Accept NaN and Infinity too, which are not valid JSON.

    Raises
    ------
    ValueError
        When the text is not valid.
    """

    def refuse(word: str) -> NoReturn:
        msg = f"it holds {word}"
        raise ValueError(msg)

    return json.loads(text, object_pairs_hook=_once_each, parse_constant=float if nan else refuse)


def plain(value: Any) -> Any:
    """A value that JSON can hold: a number that is not finite becomes null, a tuple a list."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Fields:
    """The entries of one JSON object, taken one at a time.

    Parameters
    ----------
    value
        The parsed JSON.
    where
        File and place in it, for error messages.

    Raises
    ------
    InputError
        When the value is not an object.
    """

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise InputError(f"... is {_shown(value)}", where=where, expected="names and values")
        self.where = where
        self._left = dict(value)

    def take(self, name: str, read: Reader[T], default: Any = _NEEDED) -> T:
        """Take an entry and convert it by `read`; `default` if it is absent or null.

        Raises
        ------
        InputError
            When a required entry is absent, or an entry is not as `read` expects.
        """
        value = self._left.pop(name, None)
        if value is None:
            if default is _NEEDED:
                raise InputError(f"... has no entry '{name}'", where=self.where)
            return default
        try:
            return read(value)
        except ValueError as error:
            what = f"{name} is {_shown(value)}"
            raise InputError(what, where=self.where, expected=str(error)) from None

    def inner(self, name: str) -> Fields | None:
        """Take the entries of an inner object; None if it is absent or null."""
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
            When an entry is left.
        """
        if self._left:
            what = f"... has the entry '{next(iter(self._left))}', which this scatd does not know"
            raise InputError(what, where=self.where, remedy="A newer scatd may read it.")


def text(value: Any) -> str:
    """Read a text."""
    return _of_type(value, str, "a text")


def flag(value: Any) -> bool:
    """Read true or false."""
    return _of_type(value, bool, "true or false")


def whole(least: int) -> Reader[int]:
    """Read a whole number of at least `least`."""

    def read(value: Any) -> int:
        if type(value) is not int or value < least:
            msg = f"a whole number from {least}"
            raise ValueError(msg)
        return value

    return read


def number(low: float = -math.inf, high: float = math.inf) -> Reader[float]:
    """Read a finite number from `low` to `high`."""

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
    """Read one of these values."""
    known = tuple(choices)

    def read(value: Any) -> T:
        for choice in known:
            if type(value) is type(choice) and value == choice:
                return choice
        msg = " or ".join(map(str, known))
        raise ValueError(msg)

    return read


def list_of(read_item: Reader[T]) -> Reader[tuple[T, ...]]:
    """Read a list of values."""

    def read(value: Any) -> tuple[T, ...]:
        return tuple(read_item(item) for item in _of_type(value, list, "a list"))

    return read


def mapping(value: Any) -> dict[str, Any]:
    """Read names and values that only describe; a number that is not finite becomes None."""
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
