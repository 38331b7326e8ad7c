"""How an option is written: its names, its kind, its help and its default."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any, TypeVar

import click

from scatd import ranges
from scatd.cli import values

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[F], F]


def option(names: str, kind: Any, help_text: str, default: Any = None, **more: Any) -> Decorator:
    """An option of a command.

    Parameters
    ----------
    names
        With blanks between them: `--output -o`; a word without dashes names the parameter.
    kind
        A click type, or an annotation: a range of `scatd.ranges`, a `Literal`, or `bool`.
    help_text
        One line for the help.
    default
        The value when the option is not given.
    more
        Further arguments of `click.option`.
    """
    if kind is bool and "/" not in names:
        return click.option(*names.split(), is_flag=True, help=help_text, **more)
    if not (more.get("multiple") or more.get("required")):
        more["default"] = default  # None too: click takes False where a pair of switches has none
    return click.option(*names.split(), type=type_of(kind), help=help_text, **more)


def type_of(kind: Any) -> Any:
    """The click type of an annotation; a click type is returned as it is."""
    if isinstance(kind, click.ParamType):
        return kind
    plain = ranges.plain_type(kind)
    if typing.get_origin(plain) is typing.Literal:
        return click.Choice(typing.get_args(plain))
    return values.Number(kind) if plain in (int, float) else plain


def together(*options: Decorator) -> Decorator:
    """Several options as one decorator, in the order of the help."""

    def decorate(function: F) -> F:
        for each in reversed(options):
            function = each(function)
        return function

    return decorate
