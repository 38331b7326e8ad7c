"""Requests of use cases, filled from the parameters of a command by one rule: equal names."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from scatd import ranges

T = TypeVar("T")


def filled(request: type[T], given: Mapping[str, Any], **made: Any) -> T:
    """A request whose fields take the parameters of the same names.

    A field that is a dataclass itself, such as `preparation`, is filled in the same way.

    Parameters
    ----------
    request
        The dataclass.
    given
        Parameters of the command.
    made
        Fields that the command has computed, such as `settings`. Parameters with the names of
        their fields count as used.

    Raises
    ------
    TypeError
        For a parameter that no field takes. Its option would do nothing.
    """
    used: set[str] = set()
    for value in made.values():
        if dataclasses.is_dataclass(value):
            used |= {field.name for field in dataclasses.fields(value)}
    result = _filled(request, given, made, used)
    if unused := sorted(set(given) - used):
        message = f"{request.__name__} has no field for {', '.join(unused)}"
        raise TypeError(message)
    return result


def _filled(request: Any, given: Mapping[str, Any], made: Mapping[str, Any], used: set[str]) -> Any:
    fields = dict(made)
    for name, hint in ranges.hints_of(request).items():
        if name in made:
            continue
        if name in given:
            fields[name] = given[name]
            used.add(name)
        elif dataclasses.is_dataclass(hint):
            fields[name] = _filled(hint, given, {}, used)
    return request(**fields)
