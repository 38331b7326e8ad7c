"""Reading settings: frozen dataclasses filled from YAML or options, unknown names refused.

The dataclasses themselves live beside the code that they configure.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from scatd.errors import Faults, InputError, nearest

T = TypeVar("T")


def from_mapping(cls: type[T], values: Mapping[str, Any], *, where: str) -> T:
    """Build the settings dataclass `cls` from plain values.

    Parameters
    ----------
    cls
        A frozen dataclass; fields may be nested dataclasses, numbers, words, booleans, tuples or
        `Literal`s, each optionally `| None`.
    values
        Field names and values, as YAML or the command line gives them. Missing fields keep
        their defaults.
    where
        Shown in error messages, normally the file name.

    Raises
    ------
    InputError
        Lists every unknown name (with the nearest known one) and every value of a wrong type.
    """
    if not isinstance(values, Mapping):
        what = f"holds {type(values).__name__}, not names and values"
        raise InputError(what, where=where, expected="a mapping such as 'epochs: 25'")
    faults = Faults(where)
    hints = typing.get_type_hints(cls)
    known = {field.name for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
    ready: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            close = nearest(str(name), known) or sorted(known)
            faults.add(f"unknown key '{name}'", expected="one of " + ", ".join(close))
            continue
        try:
            ready[name] = _convert(hints[name], value, where=f"{where}: {name}")
        except InputError as error:
            faults.add(error.what, where=str(name), expected=error.expected, remedy=error.remedy)
    faults.raise_if_any()
    try:
        return cls(**ready)
    except TypeError as error:
        raise InputError(str(error), where=where) from error


def load_yaml(path: Path) -> dict[str, Any]:
    """Read one YAML mapping.

    Raises
    ------
    InputError
        When the file is missing, is no YAML or holds no mapping.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        raise InputError(what, where=str(path)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        first_line = str(error).splitlines()[0]
        raise InputError(f"is not valid YAML ({first_line})", where=str(path)) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        what = f"holds a {type(content).__name__}"
        raise InputError(what, where=str(path), expected="a mapping of names to values")
    return content


def to_mapping(settings: Any) -> dict[str, Any]:
    """Plain values of a settings dataclass, ready for JSON, YAML or MLflow parameters."""
    return {
        field.name: to_mapping(value) if dataclasses.is_dataclass(value) else _plain(value)
        for field in dataclasses.fields(settings)
        for value in [getattr(settings, field.name)]
    }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _convert(hint: Any, value: Any, *, where: str) -> Any:
    """Check `value` against the annotation `hint`; widen int to float, list to tuple."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (hint,) = [argument for argument in arguments if argument is not type(None)]
        return _convert(hint, value, where=where)
    if origin is typing.Literal:
        if value not in arguments:
            choices = ", ".join(map(str, arguments))
            raise InputError(f"'{value}' is no choice", expected=f"one of {choices}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise InputError(f"'{value}' is no list", expected="a list")
        return tuple(_convert(arguments[0], item, where=where) for item in value)
    if dataclasses.is_dataclass(hint):
        return from_mapping(typing.cast(type, hint), value, where=where)
    if hint is float and isinstance(value, int | str) and not isinstance(value, bool):
        # YAML reads 1e-3 (without a dot) as a word.
        try:
            return float(value)
        except ValueError as error:
            raise InputError(f"'{value}' is no number", expected="a number") from error
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise InputError(f"'{value}' is a {type(value).__name__}", expected=f"a {hint.__name__}")
    return value
