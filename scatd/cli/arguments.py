"""The words of a command line that MLproject renders: `auto`, and switches with true or false."""

from __future__ import annotations

from collections.abc import Sequence

import click

AUTO = "auto"
"""A value that means "not given", because MLproject has to pass every parameter."""
_SWITCH_WORDS = {"true": True, "1": True, "false": False, "0": False}


def plain_arguments(
    params: Sequence[click.Parameter], args: Sequence[str], ctx: click.Context
) -> list[str]:
    """The arguments as click takes them, without `auto` and without `=true` or `=false`.

    Raises
    ------
    click.UsageError
        For a switch whose value is neither true nor false.
    """
    options = {
        name: option
        for option in params
        if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
    }
    plain: list[str] = []
    waiting = list(args)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            return [*plain, word, *(argument for argument in waiting if argument != AUTO)]
        name, has_value, value = word.partition("=")
        option = options.get(name)
        if option is None:
            plain.append(word)
        elif option.is_flag:
            plain += _switch(option, name, value, ctx) if has_value else [word]
        else:
            words = [word]
            if not has_value and waiting:
                value = waiting.pop(0)
                words.append(value)
            if value != AUTO or _has_choice(option, AUTO):
                plain += words
    return plain


def _switch(option: click.Option, name: str, value: str, ctx: click.Context) -> list[str]:
    if value == AUTO:
        return []
    if value.lower() not in _SWITCH_WORDS:
        message = f"'{value}' is neither true nor false."
        raise click.BadParameter(message, ctx, option)
    is_on = _SWITCH_WORDS[value.lower()] == (name in option.opts)
    names = option.opts if is_on else option.secondary_opts
    return [names[0]] if names else []


def _has_choice(option: click.Option, word: str) -> bool:
    return isinstance(option.type, click.Choice) and word in option.type.choices
