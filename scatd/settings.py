"""Read settings: fill frozen dataclasses from YAML or options, and refuse unknown names.

The dataclasses are defined beside the code that they configure. `scatd.ranges` has the ranges of
their numbers.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from scatd.errors import Faults, InputError
from scatd.ranges import DECIMAL, hints_of, narrowed, plain_type, shortened
from scatd.spelling import nearest
from scatd.wording import counted

T = TypeVar("T")


def from_mapping(cls: type[T], values: Mapping[str, Any], *, where: str) -> T:
    """Build the settings dataclass `cls` from plain values.

    Parameters
    ----------
    cls
        A frozen dataclass; fields may be nested dataclasses, numbers, words, booleans, tuples or
        `Literal`s, each optionally `| None`.
    values
        Field names and values, as in YAML or on the command line. Missing fields keep their
        defaults.
    where
        Shown in error messages, normally the file name.

    Raises
    ------
    InputError
        Lists every unknown name (with the nearest known one) and every value of a wrong type; or
        every value outside its range (`check_fields`).
    """
    if not isinstance(values, Mapping):
        what = f"... holds {type(values).__name__}, not names and values"
        raise InputError(what, where=where, expected="a mapping such as 'epochs: 25'")
    faults = Faults(where)
    hints = hints_of(cls)
    known = set(hints)
    ready: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            close = nearest(str(name), known) or sorted(known)
            faults.add(f"unknown key '{shortened(name)}'", expected="one of " + ", ".join(close))
            continue
        try:
            ready[name] = _convert(hints[name], value, where=f"{where}: {name}")
        except InputError as error:
            faults.take(error.changed(where=str(name)))
    faults.raise_if_any()
    try:
        return cls(**ready)
    except TypeError as error:
        raise InputError(str(error), where=where) from error
    except InputError as error:
        if error.where:
            raise
        raise error.changed(where=where) from error


def load_yaml(path: Path) -> dict[str, Any]:
    """Read one YAML mapping; `scatd.strict_yaml` describes the accepted part of YAML.

    Raises
    ------
    InputError
        When the file is missing, is not YAML, is not a mapping, or is larger than settings can be.
    """
    import yaml

    from scatd import strict_yaml

    try:
        with path.open("rb") as file:
            held = file.read(strict_yaml.LARGEST + 1)
        if len(held) > strict_yaml.LARGEST:
            what = f"... holds more than {counted(strict_yaml.LARGEST, 'byte')}"
            raise InputError(what, where=str(path), expected="a file of settings")
        content = strict_yaml.load(held.decode("utf-8-sig"))
    except OSError as error:
        what = f"... cannot be read ({error.strerror})"
        raise InputError(what, where=str(path)) from error
    except strict_yaml.NotStrictError as error:
        remedy = "Write plain names and values, each once: epochs: 25"
        raise InputError(str(error), where=str(path), remedy=remedy) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first_line = str(error).splitlines()[0]
        raise InputError(f"... is not valid YAML ({first_line})", where=str(path)) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        what = f"... holds a {type(content).__name__}"
        raise InputError(what, where=str(path), expected="a mapping of names to values")
    return content


def to_mapping(settings: Any) -> dict[str, Any]:
    """Plain values of a settings dataclass, for JSON, YAML or MLflow parameters."""
    return {
        field.name: to_mapping(value) if dataclasses.is_dataclass(value) else _plain(value)
        for field in dataclasses.fields(settings)
        for value in [getattr(settings, field.name)]
    }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _convert(hint: Any, value: Any, *, where: str) -> Any:
    """Check `value` against the annotation `hint`; convert int to float and list to tuple."""
    if value is None and hint is not narrowed(hint):
        return None
    hint = narrowed(hint)
    plain = plain_type(hint)
    origin, arguments = typing.get_origin(plain), typing.get_args(plain)
    if origin is typing.Literal:
        if not isinstance(value, str) or value not in arguments:
            choices = ", ".join(map(str, arguments))
            raise InputError(f"'{shortened(value)}' is no choice", expected=f"one of {choices}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise InputError(f"'{shortened(value)}' is no list", expected="a list")
        return tuple(_convert(arguments[0], item, where=where) for item in value)
    if dataclasses.is_dataclass(plain):
        return from_mapping(typing.cast(type, plain), value, where=where)
    if plain is float:
        value = _number(value)
    elif not isinstance(value, plain) or (plain is int and isinstance(value, bool)):
        raise InputError(
            f"'{shortened(value)}' is a {type(value).__name__}", expected=f"a {plain.__name__}"
        )
    return value


def _number(value: Any) -> float:
    """A float from a number or its text. `check_fields` refuses values that are not finite."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number and not (isinstance(value, str) and DECIMAL.fullmatch(value)):
        raise InputError(f"'{shortened(value)}' is no number", expected="a number")
    try:
        return float(value)
    except OverflowError:
        return math.inf
