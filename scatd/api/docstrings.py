"""Docstrings of the functions, with the help texts of the commands' options."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any, TypeVar

import click

from scatd.api.arguments import in_python, options

F = TypeVar("F", bound=Callable[..., Any])

_PLACE = "{options}"
_WIDTH = 96


def documented(command: click.Command) -> Callable[[F], F]:
    """Put the options of a command in place of `{options}` in the docstring of a function."""

    def decorate(function: F) -> F:
        text = inspect.getdoc(function) or ""
        if text:  # python -OO has none
            function.__doc__ = text.replace(_PLACE, _described(function, command))
        return function

    return decorate


def _described(function: Callable[..., Any], command: click.Command) -> str:
    first, *own = inspect.signature(function).parameters.values()
    helps = {name: param.help or "" for name, param in options(command) if hasattr(param, "help")}
    lines = []
    for each in own:
        if each.name not in helps or each.default is inspect.Parameter.empty:
            continue
        lines.append(each.name)
        text = in_python(command, helps[each.name], "`{}`")
        text = re.sub(r"[Oo]ptions of the command line", "arguments", text)
        text = re.sub(r"\b(INPUT|TARGET|COHORT)\b", f"`{first.name}`", text)
        lines += textwrap.wrap(text, _WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)
